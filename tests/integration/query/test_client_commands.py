"""`milepost status`, `wait`, `watch`, `logs` and `ls` against the query service."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from importlib.metadata import entry_points
from pathlib import Path

import httpx
import pytest
from structlog.testing import capture_logs
from typer.testing import CliRunner, Result

from milepost.cli import COMMANDS, build
from milepost_local.ports import free_port
from milepost_schemas.document import Document
from milepost_schemas.logs import LogLine
from tests.integration.query.files import STORE, completed, failed, processing
from tests.integration.query.projected import ProjectedFiles
from tests.integration.query.running import ORGANIZATION

KEY = "ak_reader"
MILEPOST = str(Path(sys.executable).with_name("milepost"))


@pytest.fixture
def service(reader: httpx.AsyncClient) -> Iterator[dict[str, str]]:
    """What a user's environment says; the service does not log into what a command prints."""
    with capture_logs():
        yield {
            "MILEPOST_URL": str(reader.base_url),
            "MILEPOST_API_KEY": KEY,
            "MILEPOST_ORGANIZATION": ORGANIZATION,
            "MILEPOST_STORE": STORE,
        }


async def milepost(*arguments: str, environment: dict[str, str]) -> Result:
    """Run a command in a thread of this process; nothing of it may show the key."""
    app = build(entry_points(group=COMMANDS), arguments)
    given = ["--data", "nowhere"] if "--data" not in arguments else []
    done = await asyncio.to_thread(
        CliRunner().invoke, app, [*arguments, *given], env={"COLUMNS": "250", **environment}
    )
    assert KEY not in done.output
    return done


@asynccontextmanager
async def at_rest(projected: ProjectedFiles) -> AsyncIterator[None]:
    """Nothing more happens in the log, so that absence is certain a moment later."""

    async def claim() -> None:
        while True:
            await projected.as_of_now()
            await asyncio.sleep(0.05)

    claiming = asyncio.create_task(claim())
    yield
    claiming.cancel()
    await asyncio.wait([claiming])


def named(document: Document, file_id: str, **changes: object) -> Document:
    for name, value in {"file_id": file_id, **changes}.items():
        setattr(document, name, value)
    return document


async def test_statuses_are_lines_that_a_terminal_can_take(
    projected: ProjectedFiles, service: dict[str, str]
) -> None:
    broken = failed()
    assert broken.error is not None
    broken.error.message = "The file is\x1b[2J\ndamaged."
    await projected.put(
        named(processing(), "file_a"),
        named(broken, "file_b"),
        named(completed(), "file_c", store_id="vs_other"),
    )

    done = await milepost("status", "file_a", "file_b", "vs_other/file_c", environment=service)

    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        f"{STORE}/file_a  processing   50 %  embedding",
        f"{STORE}/file_b  failed       20 %  The file is�[2J damaged.",
        "vs_other/file_c  completed   100 %",
    ]


async def test_programs_get_statuses_as_json_lines(
    projected: ProjectedFiles, service: dict[str, str]
) -> None:
    await projected.put(named(processing(), "file_a"))

    done = await milepost("status", "--json", "file_a", environment=service)

    assert json.loads(done.stdout) == {
        "store_id": STORE,
        "file_id": "file_a",
        "status": "processing",
        "progress_percent": 50,
        "current_step": "embedding",
        "error_message": None,
        "started_at": "2025-06-15T10:00:05Z",
        "completed_at": None,
    }


async def test_a_file_that_is_not_there_is_said_and_ends_with_4(
    projected: ProjectedFiles, service: dict[str, str]
) -> None:
    await projected.put(named(completed(), "file_a"))
    missing = f"milepost: {STORE}/never: there is no such file in that store\n"

    async with at_rest(projected):
        status = await milepost("status", "never", "file_a", environment=service)
        wait = await milepost("wait", "never", "file_a", environment=service)
        watch = await milepost("watch", "never", environment=service)
        logs = await milepost("logs", "never", environment=service)

    assert (status.exit_code, status.stderr) == (4, missing)
    assert f"{STORE}/file_a" in status.stdout
    assert (wait.exit_code, wait.stderr) == (4, missing)
    assert f"{STORE}/file_a  completed" in wait.stdout
    assert (watch.exit_code, watch.stderr) == (4, missing)
    assert (logs.exit_code, logs.stderr) == (4, "milepost: there is no such file in that store\n")


async def test_waiting_ends_when_every_file_has_ended(
    projected: ProjectedFiles, service: dict[str, str]
) -> None:
    await projected.put(named(processing(), "file_a"), named(completed(), "file_b"))
    waiting = asyncio.create_task(milepost("wait", "file_a", "file_b", environment=service))
    while not (await asyncio.wait([waiting], timeout=0.2))[0]:
        await projected.put(named(completed(), "file_a"))

    done = await waiting

    assert done.exit_code == 0
    assert sorted(done.stdout.splitlines()) == [
        f"{STORE}/file_a  completed   100 %",
        f"{STORE}/file_b  completed   100 %",
    ]


async def test_waiting_ends_with_1_when_a_file_has_failed(
    projected: ProjectedFiles, service: dict[str, str]
) -> None:
    await projected.put(named(failed(), "file_a"), named(completed(), "file_b"))

    wait = await milepost("wait", "file_b", "file_a", "--json", environment=service)
    watch = await milepost("watch", "file_b", "file_a", environment=service)

    assert (wait.exit_code, watch.exit_code) == (1, 1)
    statuses = {
        line["file_id"]: line["status"] for line in map(json.loads, wait.stdout.splitlines())
    }
    assert statuses == {"file_a": "failed", "file_b": "completed"}


async def test_waiting_for_too_long_ends_with_3(
    projected: ProjectedFiles, service: dict[str, str]
) -> None:
    await projected.put(named(processing(), "file_a"), named(failed(), "file_b"))

    wait = await milepost("wait", "file_a", "file_b", "--timeout", "2", environment=service)
    watch = await milepost("watch", "file_a", "--timeout", "0.1", environment=service)

    late = f"milepost: {STORE}/file_a: not processed within 2 s, last status: processing\n"
    assert (wait.exit_code, wait.stderr) == (3, late)
    assert f"{STORE}/file_b  failed" in wait.stdout
    assert watch.exit_code == 3
    assert "not processed within 0.1 s" in watch.stderr


async def test_watching_prints_each_change_to_the_end(
    projected: ProjectedFiles, service: dict[str, str]
) -> None:
    await projected.put(named(processing(), "file_a"))
    program = await asyncio.create_subprocess_exec(
        MILEPOST,
        *("watch", "file_a", "--data", "nowhere"),
        env={**os.environ, **service},  # noqa: TID251  a child's
        stdout=asyncio.subprocess.PIPE,
    )
    assert program.stdout is not None
    async with asyncio.timeout(60):
        first = await program.stdout.readline()
        await projected.put(named(processing(explicit_percent=70, revision=8), "file_a"))
        second = await program.stdout.readline()
        await projected.put(named(completed(), "file_a"))
        rest = await program.stdout.read()

        assert await program.wait() == 0
    assert first == f"{STORE}/file_a  processing   50 %  embedding\n".encode()
    assert second == f"{STORE}/file_a  processing   70 %  embedding\n".encode()
    assert rest == f"{STORE}/file_a  completed   100 %\n".encode()


async def test_on_a_terminal_there_are_colours_bars_and_tables(
    projected: ProjectedFiles, service: dict[str, str]
) -> None:
    await projected.put(named(failed(), "file_a"), named(completed(), "file_b", name="b.txt"))
    terminal = service | {"FORCE_COLOR": "1", "TERM": "xterm"}

    watch = await milepost("watch", "file_a", "file_b", environment=terminal)
    ls = await milepost("ls", environment=terminal)
    wait = await milepost("wait", "file_b", environment=terminal)

    red, bar = "\x1b[31mfailed", "━" * 20
    assert red in watch.stdout
    assert bar in watch.stdout
    assert f"\x1b[32m{bar}" in watch.stdout
    assert "Step or error" in ls.stdout
    assert red in ls.stdout
    assert "Waiting for 1 file" in wait.stdout


async def test_watching_ends_with_130_when_it_is_interrupted(
    projected: ProjectedFiles, service: dict[str, str]
) -> None:
    await projected.put(named(processing(), "file_a"))
    program = await asyncio.create_subprocess_exec(
        MILEPOST,
        *("watch", "file_a", "--data", "nowhere"),
        env={**os.environ, **service},  # noqa: TID251  a child's
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert program.stdout is not None
    async with asyncio.timeout(60):
        await program.stdout.readline()
        program.send_signal(signal.SIGINT)
        _, errors = await program.communicate()

    assert (program.returncode, errors) == (130, b"")


async def test_a_log_is_printed_oldest_line_first(
    projected: ProjectedFiles, service: dict[str, str]
) -> None:
    document = named(processing(), "file_a")
    await projected.put(document)
    lines = [
        LogLine("1", "2025-06-15T10:00:06Z", "info", "12 pages\x1b[2J found"),
        LogLine("2", "2025-06-15T10:00:19Z", "warning", "Page 7 holds no text"),
    ]
    await projected.log(document, lines)

    people = await milepost("logs", "file_a", environment=service)
    programs = await milepost("logs", f"{STORE}/file_a", "--json", environment=service)

    assert people.stdout.splitlines() == [
        "2025-06-15T10:00:06Z  info     12 pages�[2J found",
        "2025-06-15T10:00:19Z  warning  Page 7 holds no text",
    ]
    assert json.loads(programs.stdout.splitlines()[1]) == {
        "timestamp": "2025-06-15T10:00:19Z",
        "level": "warning",
        "message": "Page 7 holds no text",
    }


async def test_a_store_is_listed_newest_first(
    projected: ProjectedFiles, service: dict[str, str]
) -> None:
    await projected.put(
        *[
            named(completed(), f"file_{number:03}", created_at=number, name=f"{number}.txt")
            for number in range(130)
        ],
        named(failed(), "file_broken", created_at=1_000, name="broken.pdf"),
    )

    short = await milepost("ls", "--limit", "2", environment=service)
    long = await milepost("ls", "--limit", "125", "--json", environment=service)
    everything = await milepost("ls", "--limit", "1000", environment=service)
    broken = await milepost("ls", "--status", "failed", environment=service)
    found = await milepost("ls", "--search", "29.TXT", environment=service)

    assert short.stdout.splitlines() == [
        f"{STORE}/file_broken  failed       20 %  broken.pdf",
        f"{STORE}/file_129  completed   100 %  129.txt",
    ]
    assert short.stderr == "2 of 131 files; --limit shows more.\n"
    items = [json.loads(line) for line in long.stdout.splitlines()]
    assert len({item["file_id"] for item in items}) == len(items) == 125
    assert items[1]["size"] is None
    assert (len(everything.stdout.splitlines()), everything.stderr) == (131, "")
    assert [line.split()[0] for line in broken.stdout.splitlines()] == [f"{STORE}/file_broken"]
    assert [line.split()[0] for line in found.stdout.splitlines()] == [
        f"{STORE}/file_129",
        f"{STORE}/file_029",
    ]


async def test_where_there_is_nothing_to_print_that_is_said(
    projected: ProjectedFiles, service: dict[str, str]
) -> None:
    await projected.put(named(completed(), "file_a"))

    logs = await milepost("logs", "file_a", environment=service)
    ls = await milepost("ls", "--status", "failed", environment=service | {"FORCE_COLOR": "1"})

    assert (logs.exit_code, logs.stdout, logs.stderr) == (0, "", "No log lines.\n")
    assert (ls.exit_code, ls.stdout, ls.stderr) == (0, "", "No files.\n")


async def test_a_running_local_stack_says_where_to_ask(
    projected: ProjectedFiles, service: dict[str, str], tmp_path: Path
) -> None:
    await projected.put(named(completed(), "file_a"), named(completed(), "b", store_id="vs_other"))
    stack = {
        "query_url": service["MILEPOST_URL"],
        "kafka_bootstrap_servers": "nowhere",
        "api_key": KEY,
        "organization_id": ORGANIZATION,
        "store_id": STORE,
    }
    (tmp_path / "stack.json").write_text(json.dumps(stack))
    data = ("--data", str(tmp_path))

    done = await milepost("status", "file_a", *data, environment={})
    other = await milepost("ls", "--store", "vs_other", *data, environment={})

    assert (done.exit_code, done.stdout) == (0, f"{STORE}/file_a  completed   100 %\n")
    assert other.stdout == "vs_other/b  completed   100 %\n"


async def test_what_is_wrong_is_said_with_what_to_do(service: dict[str, str]) -> None:
    for variables, text in (
        ({"MILEPOST_API_KEY": "ak_wrong"}, "refuses the key (INVALID_API_KEY); check MILEPOST_"),
        ({"MILEPOST_API_KEY": "ak_expired"}, "refuses the key (API_KEY_EXPIRED)"),
        ({"MILEPOST_API_KEY": "ak_writer"}, "INSUFFICIENT_PERMISSIONS"),
        ({"MILEPOST_ORGANIZATION": "org_2"}, "may not read the files of org_2"),
        ({"MILEPOST_API_KEY": "ak_\n"}, "the API key is empty or has characters"),
        ({"MILEPOST_API_KEY": ""}, "no API key; set MILEPOST_API_KEY"),
        ({"MILEPOST_ORGANIZATION": ""}, "no organization; set MILEPOST_ORGANIZATION"),
        ({"MILEPOST_STORE": ""}, "which store is file_a in? write STORE/file_a"),
        ({"MILEPOST_URL": ""}, "no local stack in nowhere; start one with `milepost up`"),
        ({"MILEPOST_URL": "milepost.example"}, "write it as https://milepost.example"),
        ({"MILEPOST_STORE": "../x"}, "store_id is not an identifier"),
    ):
        for command in ("status", "wait"):
            done = await milepost(command, "file_a", environment=service | variables)

            assert text in done.stderr, (command, done.stderr)
            assert done.stderr.startswith("milepost: ")
            assert (done.exit_code, done.stdout) == (2, "")


async def test_a_service_that_is_away_is_named_and_ends_with_5() -> None:
    away = {
        "MILEPOST_URL": f"http://127.0.0.1:{free_port()}",
        "MILEPOST_API_KEY": KEY,
        "MILEPOST_ORGANIZATION": ORGANIZATION,
    }

    status = await milepost("status", "vs_1/file_a", environment=away)
    wait = await milepost("wait", "vs_1/file_a", "--timeout", "0.2", environment=away)

    assert status.exit_code == 5
    assert f"no answer from {away['MILEPOST_URL']}" in status.stderr
    assert wait.exit_code == 3
    assert "not processed within 0.2 s, last status: unknown; no answer from" in wait.stderr
