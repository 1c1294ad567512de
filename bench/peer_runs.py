"""Runs the peers of the projector, each in an environment of its own."""

import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

_FOLDER: Final = Path(__file__).parent / "peers"
_ENVIRONMENTS: Final = Path(".milepost") / "bench"

PEERS: Final = {
    "faststream": 400_000,
    "quix": 400_000,
    "bytewax": 400_000,
    "confluent": 400_000,
    "naive": 40_000,
}
"""Records that each is given: enough for several seconds."""


def prepare(peer: str) -> Path:
    """The Python of the peer's environment, which is made where it is missing or out of date."""
    wanted = _FOLDER / f"{peer}.txt"
    environment = _ENVIRONMENTS / peer
    made_from = environment / "made-from.txt"
    if not made_from.exists() or made_from.read_text() != wanted.read_text():
        uv = [sys.executable, "-m", "uv"]
        subprocess.run([*uv, "venv", "--quiet", "--clear", str(environment)], check=True)
        python = str(environment / "bin" / "python")
        install = [*uv, "pip", "install", "--quiet", "--python", python, "-r", str(wanted)]
        subprocess.run(install, check=True)
        made_from.write_text(wanted.read_text())
    return (environment / "bin" / "python").absolute()


async def peer_rate(peer: str, kafka: str, redis_url: str, topic: str) -> float:
    """Events per second of a peer that reads the topic from its beginning."""
    prefix = f"{peer}{time.monotonic_ns()}"
    process = await asyncio.create_subprocess_exec(
        prepare(peer), str(_FOLDER / f"{peer}_peer.py"),
        kafka, topic, str(PEERS[peer]), redis_url, prefix,
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"the peer {peer} failed")
    rate: float = json.loads(out.splitlines()[-1])["events_per_s"]
    return rate
