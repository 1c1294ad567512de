"""Commands of Milepost that take part in a campaign where they are there."""

import asyncio
import os
import sys
from pathlib import Path

from tests.faults.stand import Stand

MILEPOST = Path(sys.executable).with_name("milepost")


async def has_command(*words: str) -> bool:
    """Whether `milepost` knows the command."""
    code, _ = await _run([*words, "--help"], {})
    return code == 0


async def run_command(stand: Stand, *words: str) -> tuple[int, str]:
    """Run `milepost` on the stand's world; its exit code and all its output."""
    return await _run(words, stand.environment)


async def audit(stand: Stand) -> list[str]:
    """What `milepost audit verify` finds wrong; nothing where there is no such command."""
    if not await has_command("audit", "verify"):
        return []
    code, output = await run_command(stand, "audit", "verify")
    return [f"audit verify: {output}"] if code else []


async def _run(words: list[str] | tuple[str, ...], environment: dict[str, str]) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        MILEPOST,
        *words,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, **environment},  # noqa: TID251  handed on
    )
    output, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode(errors="replace")
