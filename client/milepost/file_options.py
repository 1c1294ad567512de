"""Options that the commands about files have in common."""

from pathlib import Path
from typing import Annotated, Final

import typer

DATA: Final = Path(".milepost")

Files = Annotated[list[str], typer.Argument(metavar="FILE", help="FILE_ID, or STORE/FILE_ID.")]
File = Annotated[str, typer.Argument(metavar="FILE", help="FILE_ID, or STORE/FILE_ID.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON lines.")]
Data = Annotated[Path, typer.Option(metavar="DIR", help="Folder of a running local stack.")]
Organization = Annotated[
    str | None, typer.Option(help="Instead of the stack's, or of MILEPOST_ORGANIZATION.")
]
Store = Annotated[
    str | None, typer.Option(help="Of files without one: instead of the stack's or MILEPOST_STORE.")
]
