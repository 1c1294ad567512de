"""The commands `milepost status`, `milepost logs` and `milepost ls`."""

from collections.abc import Iterator, Sequence
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from milepost.exit_codes import ExitCode, explained, say_missing
from milepost.file_options import DATA, AsJson, Data, File, Files, Organization, Store
from milepost.http import Milepost
from milepost.local_stack import NoTargetError
from milepost.named_files import NamedFile, named_files
from milepost.printable import one_line
from milepost.query_target import QueryTarget, find_query
from milepost.status_lines import STYLES, print_json, print_line, print_status
from milepost_schemas.document import Status
from milepost_schemas.http import FileList, FileListItem, LogEntry, ProcessingStatus

_PAGE: Final = 100
_LEVELS: Final = {"debug": "dim", "info": "", "warning": "yellow", "error": "red"}


def status(
    files: Files,
    *,
    as_json: AsJson = False,
    organization: Organization = None,
    store: Store = None,
    data: Data = DATA,
) -> None:
    """Print where the processing of files stands.

    Exit codes:
    0  all files are there
    2  the command or its configuration is wrong
    4  a file is not there
    5  the service gives no answer
    """
    with explained():
        target = find_query(data, organization=organization, store=store)
    with explained(target), target.connect() as client:
        named = named_files(files, target)
        known = _statuses(client, target, named)
    for file in named:
        if file in known:
            print_status(file, known[file], as_json=as_json)
        else:
            say_missing(file)
    if len(known) < len(named):
        raise typer.Exit(ExitCode.NOT_FOUND)


def logs(
    file: File,
    *,
    as_json: AsJson = False,
    organization: Organization = None,
    store: Store = None,
    data: Data = DATA,
) -> None:
    """Print the newest lines of a file's processing log, at most 200.

    Exit codes:
    0  the file is there
    2  the command or its configuration is wrong
    4  the file is not there
    5  the service gives no answer
    """
    with explained():
        target = find_query(data, organization=organization, store=store)
    with explained(target), target.connect() as client:
        (named,) = named_files([file], target)
        log = client.knowledge.get_file_logs(**named.ids(target))
    if not log.logs:
        typer.echo("No log lines.", err=True)
    for entry in log.logs:
        if as_json:
            print_json(entry.model_dump(mode="json"))
        else:
            print_line(_log_line(entry))


def ls(  # noqa: PLR0913  each option is an argument
    *,
    status: Annotated[
        Status | None, typer.Option(help="Only files whose newest attempt is there.")
    ] = None,
    search: Annotated[str | None, typer.Option(help="Only files with this in their names.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many files at most.")] = 20,
    as_json: AsJson = False,
    organization: Organization = None,
    store: Store = None,
    data: Data = DATA,
) -> None:
    """List the files of a store, newest first.

    Exit codes:
    0  the files are listed
    2  the command or its configuration is wrong
    5  the service gives no answer
    """
    with explained():
        target = find_query(data, organization=organization, store=store)
        if not target.store:
            raise NoTargetError("which store? set MILEPOST_STORE or name it with --store")
    with explained(target), target.connect() as client:
        pages = list(_pages(client, target, status=status, search=search, limit=limit))
    items = [item for page in pages for item in page.items]
    if not items:
        typer.echo("No files.", err=True)
    _print_items(items, target, as_json=as_json)
    if pages[-1].has_more:
        typer.echo(f"{len(items)} of {pages[-1].total} files; --limit shows more.", err=True)


def _statuses(
    client: Milepost, target: QueryTarget, files: Sequence[NamedFile]
) -> dict[NamedFile, ProcessingStatus]:
    """What is known of the files, in one request for each store."""
    known: dict[NamedFile, ProcessingStatus] = {}
    for store_id in dict.fromkeys(file.store_id for file in files):
        found = client.knowledge.get_processing_statuses(
            organization_id=target.organization,
            store_id=store_id,
            file_ids=[file.file_id for file in files if file.store_id == store_id],
        )
        for file_id, known_status in found.items():
            if known_status is not None:
                known[NamedFile(store_id, file_id)] = known_status
    return known


def _pages(
    client: Milepost, target: QueryTarget, *, status: Status | None, search: str | None, limit: int
) -> Iterator[FileList]:
    skip, has_more = 0, True
    while has_more and skip < limit:
        page = client.knowledge.list_files(
            organization_id=target.organization,
            store_id=target.store,
            status=status,
            search=search,
            skip=skip,
            limit=min(_PAGE, limit - skip),
        )
        yield page
        # A page may be short while files come and go.
        skip, has_more = skip + page.limit, page.has_more


def _print_items(items: Sequence[FileListItem], target: QueryTarget, *, as_json: bool) -> None:
    if as_json:
        for item in items:
            print_json({"store_id": target.store, **item.model_dump(mode="json")})
        return
    console = Console()
    if console.is_terminal and items:
        console.print(_table(items))
        return
    for item in items:
        name = one_line(item.name or "")
        line = f"{target.store}/{item.file_id}  {item.status:<10}  {item.progress_percent:>3} %"
        print_line(Text(f"{line}  {name}".rstrip()))


def _table(items: Sequence[FileListItem]) -> Table:
    table = Table(box=None, pad_edge=False)
    # To be copied from there.
    table.add_column("File", no_wrap=True, min_width=max(len(item.file_id) for item in items))
    table.add_column("Name", overflow="fold")
    table.add_column("Status")
    for column in ("%", "Bytes"):
        table.add_column(column, justify="right")
    table.add_column("Created")
    table.add_column("Step or error", overflow="fold")
    for item in items:
        table.add_row(
            Text(item.file_id),
            Text(one_line(item.name or "")),
            Text(item.status, STYLES[item.status]),
            str(item.progress_percent),
            "" if item.size is None else f"{item.size:,}",
            f"{item.created_at:%Y-%m-%d %H:%M:%S}",
            Text(one_line(item.error_message or item.current_step or "")),
        )
    return table


def _log_line(entry: LogEntry) -> Text:
    line = Text(f"{entry.timestamp:%Y-%m-%dT%H:%M:%SZ}  ")
    line.append(f"{entry.level:<7}", _LEVELS[entry.level])
    line.append(f"  {one_line(entry.message)}")
    return line
