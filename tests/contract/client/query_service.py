"""The real query service over a real Redis, which holds what a log in memory folds."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import httpx
import msgspec
import redis

from milepost.memory_log import MemoryLog
from milepost.outbox import Position, Record
from milepost_local.ports import free_port
from milepost_schemas.checkpoint import Checkpoint
from milepost_schemas.codec import decode
from milepost_schemas.fold import MODEL_VERSION
from milepost_schemas.identity import file_key
from milepost_schemas.keys import Keys
from milepost_schemas.meta import Meta
from milepost_schemas.record import encode_record
from milepost_schemas.topics import EVENTS, PARTITIONS, partition_of

API_KEY = "ak_contract"
_GENERATION = 1
_CLAIM_INTERVAL_S = 0.05


class RedisLog(MemoryLog):
    """Writes each file's record to Redis, where the query service finds it."""

    def __init__(self, url: str, keys: Keys) -> None:
        super().__init__()
        self._redis = redis.Redis.from_url(url)
        self._keys = keys
        self._claim()
        self._redis.set(self._keys.meta, Meta(_GENERATION, PARTITIONS, MODEL_VERSION).encode())
        self._closing = threading.Event()
        self._claiming = threading.Thread(target=self._keep_claiming)
        self._claiming.start()

    async def publish(self, record: Record, topic: str = EVENTS.name) -> Position:
        position = await super().publish(record, topic)
        key, value, headers = record
        data = decode(key, value, [(name, text or b"") for name, text in headers]).data
        name = file_key(data.store_id, data.file_id)
        document = self._documents[name]
        assert document is not None
        partition = self._keys.partition(_GENERATION, partition_of(name.encode(), PARTITIONS))
        self._redis.set(partition.file(name), encode_record(document))
        return position

    def close(self) -> None:
        self._closing.set()
        self._claiming.join()
        self._redis.close()

    def _keep_claiming(self) -> None:
        """A log at rest is known up to now, and again a moment later, so 404 is certain."""
        while not self._closing.wait(_CLAIM_INTERVAL_S):
            self._claim()

    def _claim(self) -> None:
        checkpoint = Checkpoint(1, as_of_ms=round(time.time() * 1000), end_offset=1).encode()
        self._redis.mset(
            {
                self._keys.partition(_GENERATION, number).checkpoint: checkpoint
                for number in range(PARTITIONS)
            }
        )


@contextmanager
def running_query_service(redis_url: str, prefix: str, directory: Path) -> Iterator[str]:
    """The service's base URL; `API_KEY` is a key of `org_1`."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    environment = os.environ | {  # noqa: TID251  the service inherits the test's environment
        "MILEPOST_REDIS_URL": redis_url,
        "MILEPOST_REDIS_PREFIX": prefix,
        "MILEPOST_API_KEYS_FILE": str(_api_keys_file(directory)),
        "MILEPOST_HTTP_PORT": str(port),
    }
    with (directory / "query.log").open("wb") as output:
        service = subprocess.Popen(
            [sys.executable, "-m", "milepost_query"], env=environment, stdout=output, stderr=output
        )
    try:
        _await_livez(url, service)
        yield url
    finally:
        service.terminate()
        service.wait(10)


def _await_livez(url: str, service: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and service.poll() is None:
        try:
            if httpx.get(f"{url}/livez").is_success:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    raise TimeoutError("the query service does not answer")


def _api_keys_file(directory: Path) -> Path:
    path = directory / "api_keys.json"
    key = {
        "key_id": "contract",
        "sha256": sha256(API_KEY.encode()).hexdigest(),
        "organization_id": "org_1",
        "scopes": ["files:read"],
        "expires_at": None,
    }
    path.write_bytes(msgspec.json.encode({"keys": [key]}))
    return path
