import json
import stat
import subprocess
import sys
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path

import pytest

from milepost_local.api_key import local_key
from milepost_local.data_directory import DataDirectory, write_private
from milepost_local.errors import LocalStackError
from milepost_local.stack_file import Stack, StackFile

_HOLD = """
import sys; from pathlib import Path; from milepost_local.data_directory import DataDirectory
with DataDirectory(Path(sys.argv[1])).held():
    print("held", flush=True)
    sys.stdin.read()
"""

STACK = Stack(
    query_url="http://127.0.0.1:8080",
    kafka_bootstrap_servers="127.0.0.1:20001",
    redis_url="redis://127.0.0.1:20002/0",
    api_key="ak_key",
    organization_id="org_local",
    store_id="vs_local",
    file_ids=["file_2", "file_1"],
    pids={"kafka": 11, "redis": 12},
)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def directory(tmp_path: Path) -> DataDirectory:
    return DataDirectory(tmp_path / "stack")


def test_a_second_stack_on_a_directory_is_told_who_holds_it(directory: DataDirectory) -> None:
    command = [sys.executable, "-c", _HOLD, str(directory.root)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == b"held\n"

        with (
            pytest.raises(LocalStackError, match=rf"process {holder.pid}\) .* --data"),
            directory.held(),
        ):
            pass

        holder.kill()
        holder.wait()
        with directory.held():
            pass


def test_only_the_user_may_look_into_the_directory(directory: DataDirectory) -> None:
    with directory.held():
        assert mode(directory.root) == 0o700


def test_a_private_file_is_replaced_at_once_and_stays_private(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("old")
    path.chmod(0o644)
    with path.open() as reader:
        write_private(path, "new")
        assert reader.read() == "old"
    assert path.read_text() == "new"
    assert mode(path) == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["secret"]


def test_the_key_is_made_once_and_its_digest_is_what_the_query_service_gets(
    directory: DataDirectory,
) -> None:
    with directory.held():
        key = local_key(directory)
        assert local_key(directory) == key

    (entry,) = json.loads(key.keys_file.read_text())["keys"]
    assert entry["sha256"] == sha256(key.secret.encode()).hexdigest()
    assert entry["organization_id"] == "org_local"
    assert key.secret not in key.keys_file.read_text()
    assert mode(directory.root / "api-key") == mode(key.keys_file) == 0o600


def test_keys_that_were_added_by_hand_stay(directory: DataDirectory) -> None:
    with directory.held():
        keys_file = local_key(directory).keys_file
        keys_file.write_text('{"keys": []}')
        local_key(directory)
    assert keys_file.read_text() == '{"keys": []}'


def test_a_lost_file_of_digests_is_made_again_for_the_same_key(directory: DataDirectory) -> None:
    with directory.held():
        key = local_key(directory)
        before = key.keys_file.read_text()
        key.keys_file.unlink()
        assert local_key(directory) == key
    assert key.keys_file.read_text() == before


def test_the_stack_file_is_private_and_has_every_field(tmp_path: Path) -> None:
    path = tmp_path / "stack.json"
    StackFile(path).publish(STACK)
    assert json.loads(path.read_text()) == asdict(STACK)
    assert mode(path) == 0o600


def test_what_an_earlier_stack_wrote_is_gone_until_the_new_one_is_ready(tmp_path: Path) -> None:
    path = tmp_path / "stack.json"
    path.write_text("{}")
    file = StackFile(path)
    assert not path.exists()
    file.update({"kafka": 21})
    assert not path.exists()


def test_new_process_ids_are_written(tmp_path: Path) -> None:
    path = tmp_path / "stack.json"
    file = StackFile(path)
    file.publish(STACK)
    file.update({"kafka": 21})
    assert json.loads(path.read_text()) == {**asdict(STACK), "pids": {"kafka": 21}}
