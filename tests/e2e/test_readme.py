"""Every command and every piece of code that the README shows does what it says."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from milepost_local.inputs import sample_files
from tests.integration.local.running_stack import RunningStack, running_stack

pytestmark = pytest.mark.timeout(180)

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """What `make run` leaves running: the samples are through, and it serves."""
    with running_stack(tmp_path_factory.mktemp("readme") / ".milepost", "--port", 0) as stack:
        stack.until_ready()
        stack.until(lambda: "Serving on" in stack.output())
        yield stack


def command(beginning: str) -> str:
    """The README's command that begins like that, with the programs of this environment."""
    (found,) = [block for block in blocks("sh") if block.startswith(f".venv/bin/{beginning}")]
    return found.replace(".venv/bin", str(Path(sys.executable).parent))


def run(stack: RunningStack, command: list[str] | str) -> str:
    """What a command prints that is run beside the stack's folder."""
    done = subprocess.run(
        command if isinstance(command, list) else ["/bin/sh", "-c", command],
        cwd=stack.data.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_shell_command_has_a_test() -> None:
    assert [block.split(" ")[0] + " " + block.split()[1] for block in blocks("sh")] == [
        "make run",
        "make run",
        "make test",
        "curl -s",
        ".venv/bin/milepost ls",
        ".venv/bin/milepost status",
        ".venv/bin/milepost wait",
        ".venv/bin/milepost watch",
        ".venv/bin/milepost logs",
        ".venv/bin/milepost ingest",
        ".venv/bin/milepost search",
        ".venv/bin/milepost follow",
        ".venv/bin/milepost dead-letters",
    ]
    assert len(blocks("python")) == 4


def make(*arguments: str, home: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "HOME": str(home)}  # noqa: TID251  a user's environment
    return subprocess.run(
        ["/usr/bin/env", "make", "--no-print-directory", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_make_run_takes_ones_own_files(tmp_path: Path) -> None:
    samples = {path.name: path for path in sample_files()}
    (tmp_path / "papers").mkdir()
    shutil.copy(samples["lighthouses.pdf"], tmp_path / "papers" / "one.pdf")
    shutil.copy(samples["tea.docx"], tmp_path / "notes.docx")
    shown = re.search(r'ARGS="(.*)"', blocks("sh")[1])
    assert shown is not None
    files = shown[1].replace("notes.docx", str(tmp_path / "notes.docx"))
    options = f"--once --port 0 --data {tmp_path / 'data'}"
    done = make("run", f"ARGS={options} {files}", home=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-2:] == [
        "one.pdf: completed 100 %",
        "notes.docx: completed 100 %",
    ]


@pytest.mark.parametrize("command", [["run"], ["run", "ARGS=paper.pdf"], ["test"], ["check"]])
def test_the_targets_that_the_readme_names_are_there(command: list[str], tmp_path: Path) -> None:
    done = make("--dry-run", *command, home=tmp_path)
    assert done.returncode == 0, done.stderr


def test_make_alone_lists_the_targets(tmp_path: Path) -> None:
    done = make(home=tmp_path)
    assert {line.split()[1] for line in done.stdout.splitlines()} >= {
        "run",
        "test",
        "check",
        "clean",
    }


def test_the_curl_command_gets_a_status(stack: RunningStack) -> None:
    facts = stack.facts()
    command = blocks("sh")[3].replace("http://127.0.0.1:8080", facts["query_url"])
    answer = json.loads(run(stack, command.replace("FILE_ID", facts["file_ids"][0])))
    assert list(answer) == list(json.loads(blocks("json")[0]))
    assert answer["status"] == "completed"


def test_ingest_and_search_work_beside_a_running_stack(stack: RunningStack) -> None:
    shutil.copy(ROOT / "README.md", stack.data.parent / "README.md")
    assert "README.md" in run(stack, command("milepost ingest"))
    assert "lighthouses.pdf" in run(stack, command("milepost search"))


def test_the_commands_show_where_a_file_stands(stack: RunningStack) -> None:
    facts = stack.facts()
    file_id, line = facts["file_ids"][0], f"{facts['store_id']}/{facts['file_ids'][0]}"
    completed = f"{line}  completed   100 %\n"

    assert f"{facts['store_id']}/file_" in run(stack, command("milepost ls"))
    for name in ("status", "wait", "watch"):
        shown = run(stack, command(f"milepost {name}").replace("FILE_ID", file_id))
        assert shown == completed, name
    # A stage writes log lines if it likes; those of the reference pipeline have nothing to say.
    assert run(stack, command("milepost logs").replace("FILE_ID", file_id)) == ""


def test_the_read_model_of_a_running_stack_is_rebuilt(stack: RunningStack) -> None:
    assert ".venv/bin/milepost rebuild" in README
    milepost = str(Path(sys.executable).parent / "milepost")
    assert "Generation 2 is live" in run(stack, [milepost, "rebuild"])
    assert "0 differed" in run(stack, [milepost, "rebuild", "--processes", "1"])
    assert run(stack, [milepost, "rebuild", "--clean-up"]) == "Removed 0 keys.\n"


@pytest.mark.parametrize("number", range(3))
def test_the_code_runs_as_it_stands(stack: RunningStack, number: int) -> None:
    printed = run(stack, [sys.executable, "-c", blocks("python")[number]])
    assert printed == ("completed 100\n" if number == 0 else "")


def test_what_the_code_publishes_can_be_asked_for(stack: RunningStack) -> None:
    facts = stack.facts()
    for code, file_id, expected in (
        (blocks("python")[1], "file_from_my_stage", ("completed", 100)),
        (blocks("python")[2], "file_from_anywhere", ("processing", 40)),
    ):
        run(stack, [sys.executable, "-c", code])
        command = blocks("sh")[3].replace("http://127.0.0.1:8080", facts["query_url"])
        answer = json.loads(run(stack, command.replace("FILE_ID", file_id)))
        assert (answer["status"], answer["progress_percent"]) == expected


def test_a_subscriber_and_the_commands_know_every_file(stack: RunningStack) -> None:
    facts = stack.facts()
    completed = f"{facts['store_id']}/{facts['file_ids'][0]} completed 100"
    stack.until(lambda: completed in run(stack, [sys.executable, "-c", blocks("python")[3]]))

    followed = run(stack, command("milepost follow"))
    assert all(file_id in followed for file_id in facts["file_ids"])
    assert run(stack, command("milepost dead-letters")) == ""
