import asyncio
import signal
import socket
from pathlib import Path

import httpx
import psutil
import pytest

from milepost_local.servers import Server
from tests.integration.query.files import PATH, processing
from tests.integration.query.process import query_process
from tests.integration.query.running import READER
from tests.integration.query.stored_model import StoredModel, misses

RESIDENT_LIMIT_BYTES = 120 * 1024 * 1024


@pytest.fixture
def settings(redis_server: Server, model: StoredModel, keys_file: Path) -> dict[str, object]:
    return {
        "redis_url": redis_server.address,
        "redis_prefix": model.prefix,
        "api_keys_file": keys_file,
    }


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "query.log"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_it_serves_on_a_free_port_and_ends_cleanly(
    model: StoredModel, settings: dict[str, object], log: Path, number: signal.Signals
) -> None:
    await model.put(processing())
    async with query_process(log, **settings) as query:
        async with httpx.AsyncClient(base_url=await query.url()) as client:
            async with asyncio.timeout(10):
                while (await client.get("/readyz")).is_error:
                    pass
            response = await client.get(PATH, headers=READER)
            query.process.send_signal(number)
            code = await query.ended()

        assert response.status_code == 200
        assert code == 0
        assert query.events()[-1]["event"] == "stopped"
        assert "ak_" not in query.logged()


async def test_a_request_in_hand_is_answered_before_the_end(
    model: StoredModel, settings: dict[str, object], log: Path
) -> None:
    async with (
        query_process(log, **settings) as query,
        httpx.AsyncClient(base_url=await query.url(), timeout=10) as client,
    ):
        assert (await client.get("/readyz")).status_code == 200
        before = await misses(model)
        waiting = asyncio.create_task(client.get(PATH, headers=READER))
        async with asyncio.timeout(10):
            while await misses(model) == before:
                pass
        code = await query.stop()

        assert (await waiting).status_code == 503
        assert code == 0


async def test_a_taken_port_is_a_clear_error(settings: dict[str, object], log: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        async with query_process(log, **settings, http_port=port) as query:
            code = await query.ended()

    assert code == 1
    assert (
        query.events()[-1]["reason"] == f"cannot listen on 127.0.0.1:{port}: Address already in use"
    )


async def test_wrong_settings_are_a_clear_error_without_their_values(log: Path) -> None:
    settings = {"redis_url": "redis://:hunter2@127.0.0.1:1/0", "http_port": 70_000}
    async with query_process(log, **settings) as query:
        code = await query.ended()

    assert code == 1
    reason = str(query.events()[-1]["reason"])
    assert "api_keys_file" in reason
    assert "http_port" in reason
    assert "hunter2" not in query.logged()


async def test_an_unusable_keys_file_is_a_clear_error(log: Path, tmp_path: Path) -> None:
    settings = {"redis_url": "redis://127.0.0.1:1/0", "api_keys_file": tmp_path / "none.json"}
    async with query_process(log, **settings) as query:
        code = await query.ended()

    assert code == 1
    assert "none.json cannot be read: No such file" in str(query.events()[-1]["reason"])


async def test_it_stays_small_under_load(
    model: StoredModel, settings: dict[str, object], log: Path
) -> None:
    files = [processing(file_id=f"file_{number}") for number in range(2_000)]
    for document in files:
        await model.put(document)
    paths = [PATH.replace("file_abc123def456", document.file_id) for document in files]
    async with (
        query_process(log, **settings) as query,
        httpx.AsyncClient(base_url=await query.url(), timeout=30) as client,
    ):

        async def poll(own_paths: list[str]) -> set[int]:
            return {(await client.get(path, headers=READER)).status_code for path in own_paths}

        codes = await asyncio.gather(*(poll(paths[start::16]) for start in range(16)))
        resident_bytes = psutil.Process(query.pid).memory_info().rss

    assert set().union(*codes) == {200}
    assert resident_bytes < RESIDENT_LIMIT_BYTES
