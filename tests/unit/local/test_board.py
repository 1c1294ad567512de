from io import StringIO

from rich.console import Console

from milepost_local.board import FollowedFile, board, print_line, table
from milepost_schemas.document import Status
from milepost_schemas.http import ProcessingStatus


def status(
    name: Status, percent: int = 0, step: str | None = None, error: str | None = None
) -> ProcessingStatus:
    return ProcessingStatus(
        status=name,
        progress_percent=percent,
        current_step=step,
        error_message=error,
        started_at=None,
        completed_at=None,
    )


def paper() -> Console:
    return Console(file=StringIO(), force_terminal=False, width=80)


def written(console: Console) -> list[str]:
    assert isinstance(console.file, StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def test_without_a_terminal_each_change_of_step_is_a_line() -> None:
    console, file = paper(), FollowedFile("a.pdf", "file_1")
    with board(console, [file]) as changed:
        changed()
        for now in (
            status("pending", 0, "queued"),
            status("processing", 10, "extracting"),
            status("processing", 30, "extracting"),
            status("processing", 40, "embedding"),
            status("completed", 100),
        ):
            file.status = now
            changed()
    assert written(console) == [
        "a.pdf: pending 0 % queued",
        "a.pdf: processing 10 % extracting",
        "a.pdf: processing 40 % embedding",
        "a.pdf: completed 100 %",
    ]


def test_a_failure_is_one_line_however_long_and_nothing_in_it_is_markup() -> None:
    console = paper()
    reason = "[bold]The file[/bold] is damaged; " + "save it again and " * 10 + "upload it again."
    print_line(console, FollowedFile("[red].pdf", "f", status("failed", 20, "extracting", reason)))
    assert written(console) == [f"[red].pdf: failed 20 % {reason}"]


def test_the_table_has_a_row_for_each_file_with_step_percentage_and_result() -> None:
    console = Console(file=StringIO(), width=120)
    console.print(
        table(
            [
                FollowedFile("new.md", "file_1"),
                FollowedFile("half.docx", "file_2", status("processing", 45, "chunking")),
                FollowedFile("done.txt", "file_3", status("completed", 100)),
                FollowedFile("bad.pdf", "file_4", status("failed", 7, "extracting", "Damaged.")),
            ]
        )
    )
    _, new, half, done, bad = written(console)
    assert new.split()[:2] == ["new.md", "queued"]
    assert half.split()[:2] == ["half.docx", "chunking"]
    assert half.endswith("45 %")
    assert done.split()[-3:] == ["100", "%", "completed"]
    assert bad.split()[-4:] == ["7", "%", "failed:", "Damaged."]


def test_a_file_that_was_deleted_meanwhile_has_ended() -> None:
    console, file = paper(), FollowedFile("gone.pdf", "file_1", status("processing", 40))
    assert not file.is_terminal
    file.is_deleted = True
    assert file.is_terminal
    print_line(console, file)
    assert written(console) == ["gone.pdf: deleted"]
