"""`milepost up` end to end: real servers, real services, real files."""

import json
import shutil
import socket
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from milepost_local.inputs import sample_files
from tests.integration.local.running_stack import (
    MILEPOST,
    RunningStack,
    is_gone,
    running_stack,
    stack_in_a_terminal,
)

pytestmark = pytest.mark.timeout(180)

PARTS = {"kafka", "redis", "projector", "query", "pipeline"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two good files and a damaged one, one of them in a folder of the folder."""
    folder = tmp_path_factory.mktemp("papers")
    samples = {path.name: path for path in sample_files()}
    (folder / "deep").mkdir()
    shutil.copy(samples["bees.md"], folder / "deep" / "bees.md")
    shutil.copy(samples["damaged.pdf"], folder / "damaged.pdf")
    shutil.copy(samples["tea.docx"], folder / "it's tea.docx")
    return folder


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, folder: Path) -> Iterator[RunningStack]:
    """A stack that has taken the folder in and serves."""
    with running_stack(tmp_path_factory.mktemp("up") / "data", "--port", 0, folder) as stack:
        stack.until_ready()
        stack.until(lambda: "Serving on" in stack.output())
        yield stack


def pasted(curl: str) -> str | None:
    """The status that the line gets when a shell runs it; None for no answer or another one."""
    done = subprocess.run(["/bin/sh", "-c", curl], capture_output=True, check=False)
    if done.returncode:
        return None
    status: str | None = json.loads(done.stdout).get("status")
    return status


def curl_lines(stack: RunningStack) -> list[str]:
    return [line for line in stack.output().splitlines() if line.startswith("curl ")]


def test_stack_json_says_where_everything_is(stack: RunningStack) -> None:
    facts = stack.facts()
    assert list(facts) == [
        "query_url",
        "kafka_bootstrap_servers",
        "redis_url",
        "api_key",
        "organization_id",
        "store_id",
        "file_ids",
        "pids",
    ]
    assert len(facts["file_ids"]) == 3
    assert set(facts["pids"]) == PARTS
    assert all(psutil.pid_exists(pid) for pid in facts["pids"].values())
    assert stat.S_IMODE((stack.data / "stack.json").stat().st_mode) == 0o600


def test_the_curl_line_of_each_file_works_when_pasted(stack: RunningStack) -> None:
    statuses = [pasted(line) for line in curl_lines(stack)]
    assert statuses == ["failed", "completed", "completed"]


def test_each_file_has_a_plain_line_for_its_end(stack: RunningStack) -> None:
    lines = stack.output().splitlines()
    assert "bees.md: completed 100 %" in lines
    assert "it's tea.docx: completed 100 %" in lines
    assert any(line.startswith("damaged.pdf: failed") for line in lines)


def test_a_second_stack_on_the_same_folder_is_an_error(stack: RunningStack) -> None:
    done = subprocess.run(
        [MILEPOST, "up", "--data", stack.data, "--once"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert f"Another stack (process {stack.process.pid}) runs on" in done.stderr
    assert stack.facts()["pids"]


@pytest.mark.parametrize("part", sorted(PARTS))
def test_a_part_that_is_killed_is_started_again(stack: RunningStack, part: str) -> None:
    first_pid = stack.facts()["pids"][part]
    psutil.Process(first_pid).kill()

    stack.until(lambda: stack.facts()["pids"].get(part, first_pid) != first_pid)

    assert f"{part} was killed by SIGKILL; it is started again in" in stack.output()
    stack.until(lambda: pasted(curl_lines(stack)[1]) == "completed")


def last_table(output: str) -> str:
    """What a table that was drawn again and again showed in the end."""
    return output[output.rindex("Result") :]


def test_ctrl_c_in_a_terminal_stops_everything_and_the_next_start_still_knows_the_files(
    tmp_path: Path, folder: Path
) -> None:
    data = tmp_path / "data"
    with stack_in_a_terminal(data, "--port", 0, folder / "deep") as (first, type_keys):
        first.until_ready()
        first.until(lambda: "Serving on" in first.output())
        before = first.facts()
        type_keys(b"\x03")
        assert first.process.wait(60) == 0
    assert all(is_gone(pid) for pid in before["pids"].values())
    assert "was killed" not in first.output()
    table = last_table(first.output())
    assert all(word in table for word in ("bees.md", "100 %", "completed"))

    with running_stack(data, "--port", 0, folder / "damaged.pdf") as second:
        second.until_ready()
        second.until(lambda: "Serving on" in second.output())
        after = second.facts()
        assert after["api_key"] == before["api_key"]
        (earlier,), (later,) = before["file_ids"], after["file_ids"]
        assert pasted(curl_lines(second)[0].replace(later, earlier)) == "completed"


def test_a_killed_supervisor_leaves_no_process_behind(tmp_path: Path, folder: Path) -> None:
    with running_stack(tmp_path / "data", "--port", 0, folder / "deep") as stack:
        stack.until_ready()
        started = psutil.Process(stack.process.pid).children(recursive=True)
        stack.process.kill()
        gone, alive = psutil.wait_procs(started, timeout=20)
    assert len(gone) >= len(PARTS)
    assert not alive


def test_once_ends_with_a_line_for_each_file_and_code_0_though_one_failed(
    tmp_path: Path, folder: Path
) -> None:
    with running_stack(tmp_path / "data", "--port", 0, "--once", folder) as stack:
        assert stack.process.wait(120) == 0
        *_, damaged, bees, tea = stack.output().splitlines()
        pids = stack.facts()["pids"].values()
    assert damaged.startswith("damaged.pdf: failed")
    assert (bees, tea) == ("bees.md: completed 100 %", "it's tea.docx: completed 100 %")
    assert all(is_gone(pid) for pid in pids)


def test_once_fails_when_a_service_cannot_live(tmp_path: Path, folder: Path) -> None:
    broken = {"MILEPOST_MAX_FILE_BYTES": "-1"}
    with running_stack(
        tmp_path / "data", "--port", 0, "--once", folder, environment=broken
    ) as stack:
        assert stack.process.wait(120) == 1
        assert "error: pipeline ended with code 1, 6 times; see" in stack.output()


def test_a_file_that_does_not_exist_is_a_usage_error_before_anything_starts(
    tmp_path: Path,
) -> None:
    data = tmp_path / "data"
    with running_stack(data, "--once", tmp_path / "nothing.pdf") as stack:
        assert stack.process.wait(30) == 2
        assert "nothing.pdf does not exist" in stack.output()
    assert not data.exists()


def test_a_server_that_cannot_start_is_an_error_that_names_its_log(
    tmp_path: Path, folder: Path
) -> None:
    data = tmp_path / "data"
    (data / "kafka" / "data").mkdir(parents=True)
    (data / "kafka" / "data" / "meta.properties").write_text("version=from the future")
    with running_stack(data, "--port", 0, "--once", folder) as stack:
        assert stack.process.wait(60) == 1
        log = data / "logs" / "kafka.log"
        assert f"error: kafka ended before it was ready; see {log}" in stack.output()


def test_a_port_that_is_taken_is_an_error_that_says_what_to_do(
    tmp_path: Path, folder: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with running_stack(tmp_path / "data", "--port", port, "--once", folder) as stack:
            assert stack.process.wait(30) == 1
            assert f"error: Port {port} of 127.0.0.1 is taken" in stack.output()
