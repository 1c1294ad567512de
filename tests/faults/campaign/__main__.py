"""Breaks Milepost on purpose: `python -m tests.faults.campaign --faults 200 --seed N`."""

import argparse
import asyncio
import json
import secrets
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from milepost.connection import KafkaSettings
from milepost_local.providers import own_kafka, own_redis
from milepost_local.settings import LocalSettings
from tests.faults.campaign.conduct import conduct
from tests.faults.campaign.faults import FAULTS
from tests.faults.campaign.plan import make_plan
from tests.faults.campaign.report import Report
from tests.faults.stand import Stand
from tests.fixtures.running_projector import World


def main() -> int:
    """Run a campaign; the exit code is 1 if anything was lost or not true."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.campaign", description=__doc__)
    parser.add_argument("--faults", type=int, default=200)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000))
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    arguments = parser.parse_args()
    directory = Path(tempfile.mkdtemp(prefix="milepost-faults-"))
    console = Console(stderr=True)
    console.print(f"seed {arguments.seed}, logs and data in {directory}")
    report = asyncio.run(run(arguments.faults, arguments.seed, directory, console))
    report.print(console)
    if arguments.json:
        sys.stdout.write(json.dumps(report.as_dict()) + "\n")
    return 0 if report.is_clean else 1


async def run(faults: int, seed: int, directory: Path, console: Console) -> Report:
    """A campaign on servers of its own."""
    plan = make_plan(faults, seed, FAULTS)
    columns = (
        TextColumn("{task.description:<45}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    async with _stand(directory) as stand:
        with Progress(*columns, console=console) as progress:
            task = progress.add_task("starting", total=len(plan) + 1)

            def show(fault: str) -> None:
                progress.update(task, description=fault, advance=1)

            return await conduct(stand, plan, seed, show)


@asynccontextmanager
async def _stand(directory: Path) -> AsyncIterator[Stand]:
    settings = LocalSettings()
    kafka, redis = own_kafka(directory, settings), own_redis(directory, settings)
    await asyncio.gather(kafka.start(), redis.start())
    try:
        world = World("campaign", KafkaSettings(bootstrap_servers=kafka.address), redis.address)
        await world.create()
        stand = Stand(world, kafka, redis, directory / "logs")
        yield stand
        stand.kill()
    finally:
        await asyncio.gather(kafka.stop(), redis.stop())


if __name__ == "__main__":
    sys.exit(main())
