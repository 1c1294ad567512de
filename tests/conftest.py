"""Real Kafka and real Redis, started once a session, and names that no other test has."""

import os
import signal
from collections.abc import Iterator
from uuid import uuid4

import pytest
from hypothesis import settings

from milepost_local.docker_daemon import docker_answers
from milepost_local.providers import provide_kafka, provide_redis
from milepost_local.servers import Server
from milepost_local.settings import LocalSettings
from tests.fixtures.chromium import find_chromium
from tests.fixtures.redis_cluster import RedisCluster
from tests.fixtures.redis_sentinel import RedisSentinel
from tests.fixtures.started import started

# Without a deadline: a machine under load is no counterexample. The same code gets the same
# examples, so that only a change can break a test; `make faults` looks for new ones.
settings.register_profile("milepost", deadline=None, derandomize=True)
settings.register_profile(
    "faults",
    settings.get_profile("milepost"),
    max_examples=10_000,
    derandomize=False,
    print_blob=True,
)
settings.load_profile("milepost")


def pytest_configure() -> None:
    # A job in the background of a shell inherits SIGINT ignored, and so would every command that a
    # test interrupts.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # Most of these servers live for seconds: to compile for the long run is half of what they cost.
    os.environ["JDK_JAVA_OPTIONS"] = "-XX:TieredStopAtLevel=1"  # noqa: TID251  java reads it


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Kafka, shared by the whole session: `kafka.address` is its bootstrap servers."""
    yield from started(provide_kafka(tmp_path_factory.mktemp("kafka"), LocalSettings()))


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Redis, shared by the whole session: `redis_server.address` is its URL."""
    yield from started(provide_redis(tmp_path_factory.mktemp("redis"), LocalSettings()))


@pytest.fixture(scope="session")
def redis_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisCluster]:
    """A cluster that tests may break; `start` makes it whole again."""
    yield from started(RedisCluster(tmp_path_factory.mktemp("cluster")))


@pytest.fixture(scope="session")
def redis_sentinel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisSentinel]:
    """A master and a replica that tests may break; `start` makes them whole again."""
    yield from started(RedisSentinel(tmp_path_factory.mktemp("sentinel")))


@pytest.fixture
def unique() -> str:
    """A name for this test's own topics, groups, key prefixes and ids."""
    return f"t{uuid4().hex[:12]}"


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("docker") and not docker_answers(LocalSettings().docker_host):
        pytest.skip("no Docker daemon answers on this machine")
    if item.get_closest_marker("browser") and find_chromium() is None:
        pytest.skip("no Chromium is installed on this machine")
