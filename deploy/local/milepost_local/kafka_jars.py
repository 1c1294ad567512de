"""Fetches the jars of Apache Kafka, once for all stacks of a user."""

import fcntl
import zipfile
from collections.abc import Callable
from pathlib import Path

from milepost_local.errors import MissingPartError

KAFKA_VERSION = "4.4.0"

# The exclamation mark keeps the binding's parent from choosing the versions of Kafka's own jars.
_JARS = f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}+org.slf4j:slf4j-simple:1.7.36!"


def kafka_classpath(cache: Path | None = None) -> list[Path]:
    """Kafka's jars and a logging binding, downloaded when they are not there yet.

    The list is kept in a file of `cache` (by default of the user's cache folder), so that
    only the first call takes longer. Processes that call it at once wait for one another.

    Raises:
        MissingPartError: The jars could not be had.
    """
    cache = cache or Path.home() / ".cache" / "milepost"
    listed = cache / f"kafka-{KAFKA_VERSION}.classpath"
    cache.mkdir(parents=True, exist_ok=True)
    with listed.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if jars := _read(listed):
            return jars
        jars = _resolve()
        listed.write_text("\n".join(map(str, jars)))
        return jars


def _read(listed: Path) -> list[Path]:
    """The jars of the list, none if one of them is gone."""
    if not listed.exists():
        return []
    jars = [Path(line) for line in listed.read_text().splitlines()]
    return jars if all(jar.exists() for jar in jars) else []


def _resolve() -> list[Path]:
    # Imported here: it takes longer than all the rest of a start with a filled cache.
    import jgo  # noqa: PLC0415

    try:
        return [whole_jar(artifact.resolve) for artifact in jgo.resolve(_JARS)]
    except (OSError, RuntimeError) as error:
        raise MissingPartError(
            f"The jars of Apache Kafka {KAFKA_VERSION} could not be fetched ({error}): "
            "connect to the network, start Docker, "
            "or set MILEPOST_KAFKA_BOOTSTRAP_SERVERS to a Kafka that runs"
        ) from error


def whole_jar(fetch: Callable[[], Path]) -> Path:
    """The jar that `fetch` finds or downloads, fetched once more if it is cut off.

    An interrupted download leaves a jar without its directory, which is at the end.
    """
    jar = fetch()
    if not zipfile.is_zipfile(jar):
        jar.unlink()
        jar = fetch()
    if not zipfile.is_zipfile(jar):
        raise MissingPartError(f"{jar.name} arrived damaged; try again")
    return jar
