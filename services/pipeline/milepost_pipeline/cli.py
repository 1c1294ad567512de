"""The commands `milepost ingest` and `milepost search`."""

import asyncio
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from milepost.errors import MilepostError
from milepost_pipeline.index import MAX_RESULTS, Hit, VectorIndex
from milepost_pipeline.ingest import IngestedFile, ingest_files
from milepost_pipeline.targets import SearchTarget, ingest_target, search_target
from milepost_pipeline.vectors import Embedder

_EXCERPT_CHARACTERS = 240

Data = Annotated[Path, typer.Option("--data", help="Folder of a running local stack.")]


def ingest(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE…", help="Files; folders are walked.", exists=True)
    ],
    data: Data = Path(".milepost"),
) -> None:
    """Put files into the store and register them, so that the pipeline processes them."""
    console = Console()
    paths = list(_walk(files))
    try:
        target = ingest_target(data)
        with Progress(console=Console(stderr=True), transient=True) as progress:
            bar = progress.add_task("Ingesting", total=len(paths))
            ingested = asyncio.run(
                ingest_files(paths, target=target, on_ingested=lambda _: progress.advance(bar))
            )
    except MilepostError as error:
        raise _stop(error) from error
    _print_ingested(console, ingested)


def search(
    question: Annotated[str, typer.Argument(help="What to look for, in plain words.")],
    limit: Annotated[int, typer.Option("--limit", "-k", min=1, max=MAX_RESULTS)] = 5,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON array.")] = False,
    data: Data = Path(".milepost"),
) -> None:
    """Print the chunks of completed files that answer a question best."""
    try:
        hits = _find(search_target(data), question, limit)
    except MilepostError as error:
        raise _stop(error) from error
    if as_json:
        typer.echo(json.dumps([asdict(hit) for hit in hits], ensure_ascii=False, indent=2))
    elif hits:
        Console().print(_table(hits))
    else:
        Console(stderr=True).print("Nothing found.")


def _walk(paths: Iterable[Path]) -> Iterator[Path]:
    """Return files as they are, and the visible files of folders by name."""
    for path in paths:
        if path.is_dir():
            yield from _walk(
                child for child in sorted(path.iterdir()) if not child.name.startswith(".")
            )
        else:
            yield path


def _find(target: SearchTarget, question: str, limit: int) -> list[Hit]:
    if not target.index_file.exists():
        return []
    vector = Embedder().embed([question])[0]
    index = VectorIndex(target.index_file)
    return index.search(target.organization_id, target.store_id, vector, limit)


def _print_ingested(console: Console, ingested: list[IngestedFile]) -> None:
    for file in ingested:
        console.print(f"{file.file_id}  {file.path}", markup=False, highlight=False, soft_wrap=True)


def _table(hits: list[Hit]) -> Table:
    table = Table("Score", "File", "Position", "Excerpt", box=None, pad_edge=False)
    for hit in hits:
        name = Text(f"{hit.name}\n{hit.file_id}", overflow="fold")
        table.add_row(f"{hit.score:.2f}", name, _position(hit), Text(_excerpt(hit.text)))
    return table


def _position(hit: Hit) -> str:
    characters = f"{hit.start}–{hit.end}"  # noqa: RUF001  a range
    return f"page {hit.page}\n{characters}" if hit.page else characters


def _excerpt(text: str) -> str:
    line = " ".join(text.split())
    if len(line) <= _EXCERPT_CHARACTERS:
        return line
    return line[:_EXCERPT_CHARACTERS].rsplit(" ", 1)[0] + " …"


def _stop(error: MilepostError) -> typer.Exit:
    Console(stderr=True).print(f"Error: {error}", style="red", markup=False, soft_wrap=True)
    return typer.Exit(code=1)
