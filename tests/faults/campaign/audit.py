"""The command `milepost audit verify`, as the judge of a campaign."""

import asyncio
import os
import sys
from pathlib import Path

from tests.faults.stand import Stand

MILEPOST = Path(sys.executable).with_name("milepost")


async def audit(stand: Stand) -> list[str]:
    """What `milepost audit verify` finds wrong with the read model and the topics."""
    process = await asyncio.create_subprocess_exec(
        MILEPOST,
        *("audit", "verify", "--data", "no-stack", "--caught-up-within", "60"),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, **stand.environment},  # noqa: TID251  handed on
    )
    output, _ = await process.communicate()
    told = output.decode(errors="replace")
    return [f"audit verify: exit code {process.returncode}, {told}"] if process.returncode else []
