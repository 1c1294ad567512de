"""The command line: `milepost`, with the commands of every installed package that has some."""

import sys
from collections.abc import Callable, Sequence
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import typer

from milepost.errors import MilepostError

COMMANDS = "milepost.commands"
"""The entry-point group; an entry point is a function that typer can turn into a command, or an
application of typer's with commands of its own."""

_BROKEN = (ImportError, AttributeError, SyntaxError)
_ANY_ARGUMENTS = {"allow_extra_args": True, "ignore_unknown_options": True}


def main() -> None:
    """Run the command that the arguments name."""
    arguments = sys.argv[1:]
    try:
        build(entry_points(group=COMMANDS), arguments)(arguments, prog_name="milepost")
    except MilepostError as error:
        sys.exit(f"milepost: {error}")


def build(commands: Sequence[EntryPoint], arguments: Sequence[str]) -> typer.Typer:
    """The application with the command that the arguments name, or with all to choose from.

    Only what is needed is imported, so a package that is slow or broken concerns its own commands
    alone.
    """
    # Locals in a traceback could show credentials.
    app = typer.Typer(
        no_args_is_help=True, add_completion=False, pretty_exceptions_show_locals=False
    )
    app.callback()(_milepost)
    first = next((text for text in arguments if not text.startswith("-")), None)
    named = [command for command in commands if command.name == first]
    for command in sorted(named or commands, key=lambda command: command.name):
        _add(app, command)
    return app


def _milepost() -> None:
    """Follow what happens to files that are being processed."""


def _add(app: typer.Typer, command: EntryPoint) -> None:
    try:
        loaded: Callable[..., Any] | typer.Typer = command.load()
    except _BROKEN as error:
        _add_broken(app, command.name, error)
    else:
        if isinstance(loaded, typer.Typer):
            app.add_typer(loaded, name=command.name)
        else:
            app.command(command.name)(loaded)


def _add_broken(app: typer.Typer, name: str, error: Exception) -> None:
    """A command that says in the list why it is missing, and raises the reason when it is used."""

    def raise_error() -> None:
        raise error

    help_ = f"Not available: {type(error).__name__}: {error}"
    app.command(name, help=help_, context_settings=_ANY_ARGUMENTS)(raise_error)
