"""The commands as a user runs them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from milepost_schemas.events import FileRegistered
from tests.fixtures import odd_files
from tests.integration.pipeline.running import ORGANIZATION_ID, STORE_ID, Bench, until

MILEPOST = str(Path(sys.executable).parent / "milepost")


def milepost(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [MILEPOST, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=os.environ | {"COLUMNS": "200"},  # noqa: TID251  a child's environment
    )


@pytest.fixture
def stack(bench: Bench, tmp_path: Path) -> Path:
    """The folder of a local stack, as far as the commands look into it."""
    (tmp_path / "stack.json").write_text(
        json.dumps(
            {
                "query_url": "http://127.0.0.1:1",
                "kafka_bootstrap_servers": bench.kafka.bootstrap_servers,
                "organization_id": ORGANIZATION_ID,
                "store_id": STORE_ID,
                "pids": {},
            }
        )
    )
    return tmp_path


async def test_what_was_processed_is_found_by_a_question(bench: Bench, stack: Path) -> None:
    async with bench.pipeline():
        file_id = await bench.ingest(odd_files.SAMPLES / "lighthouses.pdf")
        await bench.log.ended(file_id)

    question = "How does a Fresnel lens of glass rings work?"
    table = milepost("search", question, "--data", stack)
    found = json.loads(milepost("search", question, "-k", "2", "--json", "--data", stack).stdout)

    assert table.returncode == 0
    assert "lighthouses.pdf" in table.stdout
    assert "page 2" in table.stdout
    assert len(found) == 2
    assert found[0]["file_id"] == file_id
    assert found[0]["page"] == 2
    assert 0 < found[1]["score"] <= found[0]["score"] <= 1


def test_a_store_without_an_index_has_nothing_to_find(stack: Path) -> None:
    result = milepost("search", "anything", "--json", "--data", stack)
    assert (result.returncode, json.loads(result.stdout)) == (0, [])
    assert not (stack / "index.sqlite").exists()


def test_without_a_stack_the_commands_say_what_to_do(tmp_path: Path) -> None:
    for command in ("search", "ingest"):
        argument = "question" if command == "search" else str(odd_files.SAMPLES / "bees.md")
        result = milepost(command, argument, "--data", tmp_path)
        assert result.returncode == 1
        assert "milepost up" in result.stderr
        assert "MILEPOST_ORGANIZATION_ID" in result.stderr
        assert "Traceback" not in result.stderr


async def test_folders_are_walked_and_everything_is_registered(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MILEPOST_KAFKA_BOOTSTRAP_SERVERS", bench.kafka.bootstrap_servers)
    monkeypatch.setenv("MILEPOST_OBJECTS_URL", bench.settings.objects_url)
    monkeypatch.setenv("MILEPOST_ORGANIZATION_ID", ORGANIZATION_ID)
    monkeypatch.setenv("MILEPOST_STORE_ID", STORE_ID)
    monkeypatch.setenv("MILEPOST_EVENTS_TOPIC", bench.settings.events_topic)
    folder = tmp_path / "papers"
    (folder / "deeper").mkdir(parents=True)
    (folder / ".hidden").write_text("not this")
    (folder / "deeper" / "b.txt").write_text("second")
    (folder / "a.txt").write_text("first")

    result = milepost("ingest", folder, "--data", tmp_path)

    assert result.returncode == 0, result.stderr
    names = [Path(line.split(maxsplit=1)[1]).name for line in result.stdout.splitlines()]
    assert names == ["a.txt", "b.txt"]
    await until(lambda: len(bench.log.events) == 2)
    registered = {
        event.name: event for event in bench.log.events if isinstance(event, FileRegistered)
    }
    assert registered["b.txt"].size_bytes == 6
    assert registered["b.txt"].mime_type == "text/plain"
    assert registered["b.txt"].content_uri is not None
    content = registered["b.txt"].content_uri.removeprefix(f"{bench.objects.url}/")
    assert await bench.objects.read(content) == b"second"


def test_a_file_that_does_not_exist_is_named(tmp_path: Path) -> None:
    result = milepost("ingest", tmp_path / "missing.txt", "--data", tmp_path)
    assert result.returncode == 2
    assert "missing.txt" in result.stderr
