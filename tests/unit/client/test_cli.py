import subprocess
import sys
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from milepost.cli import COMMANDS, build
from milepost.errors import MilepostError

BROKEN = EntryPoint("broken", "milepost_package_that_is_missing:run", COMMANDS)
WORKING = EntryPoint("work", "tests.unit.client.test_cli:work", COMMANDS)
OTHER = EntryPoint("other", "tests.unit.client.test_cli:other", COMMANDS)

GROUP = EntryPoint("group", "tests.unit.client.test_cli:group", COMMANDS)


def work(times: int = 1) -> None:
    """Do the work."""
    print("working", times)  # noqa: T201  what a command does


def other() -> None:
    """Do something else."""


group = typer.Typer()
group.command()(work)
group.command()(other)


def test_the_commands_of_the_installed_packages_are_found() -> None:
    assert {"audit", "ingest", "search", "up"} <= entry_points(group=COMMANDS).names


def test_a_broken_command_is_listed_and_breaks_no_other() -> None:
    listed = _run([BROKEN, WORKING, OTHER], "--help")
    ran = _run([BROKEN, WORKING, OTHER], "work", "--times", "3")

    assert "Do the work." in listed.output
    assert "Not available: ModuleNotFoundError" in listed.output
    assert (ran.exit_code, ran.output) == (0, "working 3\n")


def test_a_broken_command_raises_its_own_error_when_it_is_used() -> None:
    ran = _run([BROKEN, WORKING], "broken", "--any", "thing")

    assert isinstance(ran.exception, ModuleNotFoundError)
    assert "milepost_package_that_is_missing" in str(ran.exception)


def test_only_the_package_of_the_command_in_use_is_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "milepost_never_loaded.py").write_text("raise AssertionError('was imported')")
    never = EntryPoint("never", "milepost_never_loaded:run", COMMANDS)

    assert _run([never, WORKING], "work").exit_code == 0


def test_a_single_command_is_still_called_by_its_name() -> None:
    assert _run([WORKING], "work").output == "working 1\n"


def test_an_entry_point_may_be_an_application_with_commands_of_its_own() -> None:
    assert _run([GROUP, OTHER], "group", "work", "--times", "2").output == "working 2\n"
    assert "group" in _run([GROUP, OTHER], "--help").output


def test_an_unknown_command_is_a_usage_error() -> None:
    ran = _run([WORKING, OTHER], "nonsense")

    assert ran.exit_code == 2
    assert "nonsense" in ran.output


def test_the_installed_program_lists_its_commands() -> None:
    program = Path(sys.executable).with_name("milepost")

    done = subprocess.run([program, "--help"], check=True, capture_output=True, text=True)

    assert "ingest" in done.stdout


def test_the_program_itself_loads_no_heavy_package() -> None:
    program = (
        "import sys; from milepost.cli import build; build([], ['--help']);"
        "print(sorted({'aiokafka', 'httpx', 'pydantic', 'milepost_schemas'} & set(sys.modules)))"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )

    assert done.stdout.strip() == "[]"


def test_an_expected_error_is_one_line_without_a_traceback() -> None:
    program = (
        "import sys; from milepost import cli;"
        "from importlib.metadata import EntryPoint;"
        "cli.entry_points = lambda group: [EntryPoint('fail',"
        " 'tests.unit.client.test_cli:fail', group)];"
        "sys.argv = ['milepost', 'fail']; cli.main()"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], check=False, capture_output=True, text=True
    )

    assert (done.returncode, done.stderr) == (1, "milepost: the brokers are away\n")


def fail() -> None:
    """Fail as expected."""
    raise MilepostError("the brokers are away")


def _run(commands: list[EntryPoint], *arguments: str) -> Result:
    return CliRunner().invoke(build(commands, arguments), list(arguments))
