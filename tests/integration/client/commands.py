"""The commands as a user gives them, in the test's own process: a program starts in a second."""

import asyncio
from importlib.metadata import entry_points

from typer.testing import CliRunner, Result

from milepost.cli import COMMANDS, build


async def milepost(*arguments: str, kafka: str, **topics: str) -> Result:
    """Run a command on topics of the test's own."""
    variables = {f"MILEPOST_{name.upper()}_TOPIC": topic for name, topic in topics.items()}
    app = build(entry_points(group=COMMANDS), arguments)
    # The commands bring their own event loop.
    return await asyncio.to_thread(
        CliRunner().invoke,
        app,
        [*arguments, "--data", "nowhere"],
        env={"COLUMNS": "250", "MILEPOST_KAFKA_BOOTSTRAP_SERVERS": kafka, **variables},
    )
