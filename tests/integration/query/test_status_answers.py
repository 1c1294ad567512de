import json
import re
from itertools import product

import httpx
import pytest

from milepost_schemas.checkpoint import Checkpoint
from milepost_schemas.document import Document
from milepost_schemas.times import parse_time_ms
from tests.integration.query.files import PATH, completed, failed, processing, retried
from tests.integration.query.running import READER, particular_headers
from tests.integration.query.stored_model import StoredModel

PROCESSING = (
    b'{"status":"processing","progress_percent":50,"current_step":"embedding",'
    b'"error_message":null,"started_at":"2025-06-15T10:00:05Z","completed_at":null}'
)
COMPLETED = (
    b'{"status":"completed","progress_percent":100,"current_step":null,"error_message":null,'
    b'"started_at":"2025-06-15T10:00:05Z","completed_at":"2025-06-15T10:02:30Z"}'
)
PENDING = (
    b'{"status":"pending","progress_percent":0,"current_step":"queued","error_message":null,'
    b'"started_at":null,"completed_at":null}'
)
FAILED = (
    '{"status":"failed","progress_percent":20,"current_step":"extracting",'
    '"error_message":"Das PDF ist geschützt: „Passwort“ entfernen.",'
    '"started_at":"2025-06-15T10:00:05Z","completed_at":"2025-06-15T10:02:30Z"}'
).encode()


@pytest.mark.parametrize(
    ("document", "body"),
    [
        pytest.param(processing(), PROCESSING, id="processing"),
        pytest.param(completed(), COMPLETED, id="completed"),
        pytest.param(retried(), PENDING, id="pending after a retry"),
        pytest.param(failed(), FAILED, id="failed"),
    ],
)
async def test_a_status_is_answered_byte_by_byte(
    client: httpx.AsyncClient, model: StoredModel, document: Document, body: bytes
) -> None:
    await model.put(document)

    response = await client.get(PATH, headers=READER)

    assert response.status_code == 200
    assert response.content == body


async def test_the_headers_tell_revision_attempt_and_freshness(
    client: httpx.AsyncClient, model: StoredModel
) -> None:
    document = processing(attempt=3)
    as_of_ms = parse_time_ms("2025-06-15T10:00:07.042Z")
    await model.put(document)
    await model.checkpoint(model.partition_of(document), Checkpoint(40, as_of_ms, 45))

    response = await client.get(PATH, headers=READER)

    headers = particular_headers(response)
    assert re.fullmatch("req_[0-9a-f]{16}_1", headers.pop("x-request-id"))
    assert headers == {
        "content-type": "application/json",
        "content-length": str(len(PROCESSING)),
        "etag": '"1.7"',
        "milepost-attempt": "3",
        "milepost-as-of": "2025-06-15T10:00:07.042Z",
        "milepost-lag": "5",
        "cache-control": "private, no-cache",
        "vary": "Prefer",
    }


async def test_a_new_revision_is_seen_by_the_next_request(
    client: httpx.AsyncClient, model: StoredModel
) -> None:
    await model.put(processing())
    before = await client.get(PATH, headers=READER)
    await model.put(completed())

    after = await client.get(PATH, headers=READER)

    assert (before.headers["etag"], after.headers["etag"]) == ('"1.7"', '"1.12"')
    assert after.content == COMPLETED


async def test_head_answers_as_get_without_the_body(
    client: httpx.AsyncClient, model: StoredModel
) -> None:
    await model.put(processing())
    get = await client.get(PATH, headers={**READER, "x-request-id": "same"})

    head = await client.head(PATH, headers={**READER, "x-request-id": "same"})

    assert head.status_code == 200
    assert head.content == b""
    assert head.headers["ratelimit"].startswith('"status";r=499')
    own = {"date": "", "ratelimit": ""}
    assert {**head.headers, **own} == {**get.headers, **own}


@pytest.mark.parametrize(
    "request_line",
    list(product(["GET", "HEAD"], ['"1.7"', 'W/"1.7"', '"1.6", W/"1.7"', "*"])),
)
async def test_a_client_that_holds_the_revision_gets_304(
    client: httpx.AsyncClient,
    model: StoredModel,
    request_line: tuple[str, str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    method, condition = request_line
    await model.put(processing())

    response = await client.request(method, PATH, headers={**READER, "If-None-Match": condition})

    assert not caplog.records, "the server refuses to send a body with 304"
    assert response.status_code == 304
    assert response.content == b""
    assert response.headers["etag"] == '"1.7"'
    assert "milepost-as-of" in response.headers
    assert "content-type" not in response.headers
    assert "content-length" not in response.headers


@pytest.mark.parametrize("condition", ['"1.6"', '"2.7"', "1.7", '"7"', "", '"1.70"'])
async def test_a_client_that_holds_another_revision_gets_the_status(
    client: httpx.AsyncClient, model: StoredModel, condition: str
) -> None:
    await model.put(processing())

    response = await client.get(PATH, headers={**READER, "If-None-Match": condition})

    assert response.status_code == 200


@pytest.mark.parametrize("sent", ["abc-123", "0af7651916cd43dd8448eb211c80319c", "a:b.c_d"])
async def test_a_request_id_is_echoed(
    client: httpx.AsyncClient, model: StoredModel, sent: str
) -> None:
    await model.put(processing())

    response = await client.get(PATH, headers={**READER, "x-request-id": sent})

    assert response.headers["x-request-id"] == sent


@pytest.mark.parametrize("sent", ["", "a b", "<script>", "x" * 129])
async def test_a_request_id_that_is_not_sane_is_replaced(
    client: httpx.AsyncClient, model: StoredModel, sent: str
) -> None:
    await model.put(processing())

    response = await client.get(PATH, headers={**READER, "x-request-id": sent})

    assert response.headers["x-request-id"].startswith("req_")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
async def test_another_method_is_not_allowed(client: httpx.AsyncClient, method: str) -> None:
    response = await client.request(method, PATH, headers=READER)

    assert response.status_code == 405
    assert response.headers["allow"] == "GET, HEAD"
    assert response.json()["error"]["code"] == "METHOD_NOT_ALLOWED"


async def test_percent_encoding_changes_nothing_about_an_id(
    client: httpx.AsyncClient, model: StoredModel
) -> None:
    await model.put(processing())

    response = await client.get(PATH.replace("_", "%5F"), headers=READER)

    assert response.content == PROCESSING


async def test_an_encoded_slash_is_part_of_a_segment(
    client: httpx.AsyncClient, model: StoredModel
) -> None:
    await model.put(processing())

    response = await client.get(PATH.replace("/files/", "%2Ffiles%2F"), headers=READER)

    assert response.status_code == 404
    assert response.json()["error"]["code"] == "RESOURCE_NOT_FOUND"


async def test_a_model_of_another_version_is_answered_from(
    client: httpx.AsyncClient, model: StoredModel
) -> None:
    await model.put(processing())
    await model.redis.set(
        model.keys.meta, json.dumps({"generation": 1, "partitions": 4, "model_version": 99})
    )

    response = await client.get(PATH, headers=READER)

    assert response.content == PROCESSING


async def test_a_record_that_cannot_be_read_is_an_internal_error(
    client: httpx.AsyncClient, model: StoredModel
) -> None:
    await model.redis.set(model.key_of(processing()), b"no record")

    response = await client.get(PATH, headers=READER)

    assert response.status_code == 500
    assert response.json()["error"]["code"] == "INTERNAL_ERROR"
    assert "no record" not in response.text
