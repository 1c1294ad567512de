"""How commands print where a file stands: for people, on a terminal or not, and for programs."""

import json
from collections.abc import Mapping
from typing import Any, Final

import typer
from rich.console import Console
from rich.text import Text

from milepost.named_files import NamedFile
from milepost.printable import one_line
from milepost_schemas.http import ProcessingStatus

STYLES: Final = {"pending": "dim", "processing": "cyan", "completed": "green", "failed": "red"}
"""How a status looks on a terminal."""


def print_status(file: NamedFile, status: ProcessingStatus, *, as_json: bool) -> None:
    """Print a file's line."""
    if as_json:
        print_json({**file._asdict(), **status.model_dump(mode="json")})
        return
    line = Text(f"{file.key}  ")
    line.append(f"{status.status:<10}", STYLES[status.status])
    line.append(f"  {status.progress_percent:>3} %  {detail(status)}")
    line.rstrip()
    print_line(line)


def detail(status: ProcessingStatus) -> str:
    """What went wrong, or the step at work."""
    return one_line(status.error_message or status.current_step or "")


def print_line(line: Text) -> None:
    """Print it with colours on a terminal only, and never broken into several."""
    Console().print(line, soft_wrap=True)


def print_json(line: Mapping[str, Any]) -> None:
    """Print a line of JSON."""
    typer.echo(json.dumps(line, ensure_ascii=False))
