import asyncio
from itertools import product

import httpx
import pytest

from milepost_query.file_config import NO_LIMIT
from milepost_schemas.document import Document
from milepost_schemas.http import FileConfig, FileDetails, FileLog, StorageUsage
from milepost_schemas.progress import Step
from milepost_schemas.status_record import decode_status, encode_status
from tests.integration.query.files import FILE, STARTED, STORE, completed, failed, line, processing
from tests.integration.query.projected import ProjectedFiles
from tests.integration.query.running import ORGANIZATION

FILES = f"/v1/organizations/{ORGANIZATION}/stores/{STORE}/files"
USAGE = f"/v1/organizations/{ORGANIZATION}/stores/usage"

OF_A_FILE = ["", "/progress", "/logs"]

DETAILS = (
    '{"file_id":"file_abc123def456","name":"Straße.pdf","size":1048576,'
    '"mime_type":"application/pdf","relative_path":null,"status":"completed","chunk_count":84,'
    '"error_message":null,"created_at":"2025-06-15T10:00:05Z",'
    '"processing_started_at":"2025-06-15T10:00:05Z",'
    '"processing_completed_at":"2025-06-15T10:02:30Z"}'
)
FAILED = (
    '{"file_id":"file_abc123def456","name":null,"size":null,"mime_type":null,'
    '"relative_path":null,"status":"failed","chunk_count":null,'
    '"error_message":"Das PDF ist geschützt: „Passwort“ entfernen.",'
    '"created_at":"1970-01-01T00:00:00Z","processing_started_at":"2025-06-15T10:00:05Z",'
    '"processing_completed_at":"2025-06-15T10:02:30Z"}'
)
PROGRESS = (
    '{"organization_id":"org_xyz789","store_id":"vs_abc123","file_id":"file_abc123def456",'
    '"revision":9,"offset":-1,"attempt":2,"deleted_at":null,"name":null,"size_bytes":null,'
    '"mime_type":null,"relative_path":null,"status":"failed","progress_percent":42,'
    '"current_step":"extracting","error":{"code":"password",'
    '"message":"Das PDF ist geschützt: „Passwort“ entfernen.","step":"extracting",'
    '"retryable":false},"started_at":"2025-06-15T10:00:05Z",'
    '"completed_at":"2025-06-15T10:02:30Z","stalled_since":"2025-06-15T10:00:05Z",'
    '"chunk_count":null,"registered_at":null,"created_at":"1970-01-01T00:00:00Z",'
    '"updated_at":"1970-01-01T00:00:00Z","plan":[{"step":"extracting","weight":1}],'
    '"steps":[{"step":"extracting","started_at":"2025-06-15T10:00:05Z","completed_at":null,'
    '"done_units":3,"total_units":7,"max_silence_s":null}]}'
)
LOG = (
    '{"logs":[{"timestamp":"2025-06-15T10:00:06Z","level":"info","message":"12 Seiten gelesen"},'
    '{"timestamp":"2025-06-15T10:00:07Z","level":"warning","message":"Seite 7 ist „leer“"}]}'
)


def named() -> Document:
    document = completed()
    document.name, document.size_bytes = "Straße.pdf", 1_048_576
    document.mime_type, document.chunk_count, document.created_at = "application/pdf", 84, STARTED
    return document


def stopped() -> Document:
    document = failed()
    document.attempt, document.stalled_since = 2, STARTED
    document.plan, document.steps = [("extracting", 1)], [Step("extracting", STARTED, None, 3, 7)]
    return document


@pytest.mark.parametrize(("document", "body"), [(named(), DETAILS), (failed(), FAILED)])
async def test_a_file_is_answered_byte_by_byte(
    reader: httpx.AsyncClient, projected: ProjectedFiles, document: Document, body: str
) -> None:
    await projected.put(document)

    response = await reader.get(f"{FILES}/{FILE}")

    assert response.content.decode() == body
    assert FileDetails.model_validate_json(body).model_dump_json() == body


async def test_progress_is_the_document_byte_by_byte(
    reader: httpx.AsyncClient, projected: ProjectedFiles
) -> None:
    await projected.put(stopped())

    response = await reader.get(f"{FILES}/{FILE}/progress")

    assert response.content.decode() == PROGRESS
    assert response.content == encode_status(stopped()), "as subscribers get it"
    assert decode_status(response.content).revision == 9


async def test_the_log_is_answered_byte_by_byte(
    reader: httpx.AsyncClient, projected: ProjectedFiles
) -> None:
    await projected.put(processing())
    await projected.log(
        processing(),
        [
            line("10:00:06", "info", "12 Seiten gelesen"),
            line("10:00:07", "warning", "Seite 7 ist „leer“"),
        ],
    )

    response = await reader.get(f"{FILES}/{FILE}/logs")

    assert response.content.decode() == LOG
    assert FileLog.model_validate_json(LOG).model_dump_json() == LOG
    assert {"milepost-as-of", "milepost-lag", "x-request-id"} <= set(response.headers)


async def test_a_file_that_logged_nothing_has_an_empty_log(
    reader: httpx.AsyncClient, projected: ProjectedFiles
) -> None:
    await projected.put(processing())

    assert (await reader.get(f"{FILES}/{FILE}/logs")).content == b'{"logs":[]}'


async def test_a_log_has_the_newest_200_lines(
    reader: httpx.AsyncClient, projected: ProjectedFiles
) -> None:
    await projected.put(processing())
    lines = [line(f"10:{n // 60:02}:{n % 60:02}", "debug", f"{n}") for n in range(210)]
    await projected.log(processing(), lines)

    logs = (await reader.get(f"{FILES}/{FILE}/logs")).json()["logs"]

    assert [entry["message"] for entry in logs] == [f"{n}" for n in range(10, 210)]


@pytest.mark.parametrize("route", ["", "/progress"])
async def test_whoever_holds_the_revision_gets_304(
    reader: httpx.AsyncClient, projected: ProjectedFiles, route: str
) -> None:
    await projected.put(processing())

    first = await reader.get(f"{FILES}/{FILE}{route}")
    again = await reader.get(
        f"{FILES}/{FILE}{route}", headers={"If-None-Match": first.headers["etag"]}
    )
    other = await reader.get(f"{FILES}/{FILE}{route}", headers={"If-None-Match": '"1.6"'})

    assert first.headers["etag"] == '"1.7"'
    assert first.headers["milepost-attempt"] == "1"
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", '"1.7"')
    assert "content-type" not in again.headers
    assert other.status_code == 200


async def test_absence_is_said_once_it_is_certain(
    reader: httpx.AsyncClient, projected: ProjectedFiles
) -> None:
    async def move_on() -> None:
        while True:
            await projected.as_of_now()

    moving = asyncio.create_task(move_on())
    answers = [await reader.get(f"{FILES}/{FILE}{route}") for route in OF_A_FILE]
    moving.cancel()

    assert [answer.status_code for answer in answers] == [404, 404, 404]
    for answer in answers:
        assert answer.json()["error"]["code"] == "FILE_NOT_IN_STORE"
        assert answer.json()["error"]["details"] == {"file_id": FILE, "store_id": STORE}


async def test_a_deleted_file_is_not_found(
    reader: httpx.AsyncClient, projected: ProjectedFiles
) -> None:
    await projected.put(processing())
    await projected.put(processing(deleted_at=STARTED))

    answers = [await reader.get(f"{FILES}/{FILE}{route}") for route in OF_A_FILE]

    assert [answer.status_code for answer in answers] == [404, 404, 404]


async def test_a_file_that_cannot_exist_is_not_found(reader: httpx.AsyncClient) -> None:
    for file_id, route in product(["-", "upload", "usage", "f" * 129], OF_A_FILE):
        response = await reader.get(f"{FILES}/{file_id}{route}")

        assert response.status_code == 404
        assert response.json()["error"]["code"] == "FILE_NOT_IN_STORE"


async def test_usage_is_answered_byte_by_byte(
    reader: httpx.AsyncClient, projected: ProjectedFiles
) -> None:
    for number in range(10):
        await projected.put(processing(file_id=f"file_{number}", size_bytes=1_000 + number))
    await projected.put(processing(store_id="vs_aaa", size_bytes=None))
    await projected.put(processing(store_id="vs_empty", size_bytes=5))
    await projected.put(processing(store_id="vs_empty", size_bytes=5, deleted_at=STARTED))
    await projected.put(processing(organization_id="org_stranger", store_id="vs_b", size_bytes=7))

    response = await reader.get(USAGE)

    body = (
        f'{{"total_bytes":{NO_LIMIT},"used_bytes":10045,"file_count":11,"stores":['
        '{"store_id":"vs_aaa","store_name":"vs_aaa","used_bytes":0,"file_count":1},'
        '{"store_id":"vs_abc123","store_name":"vs_abc123","used_bytes":10045,"file_count":10}]}'
    )
    assert response.content.decode() == body
    assert StorageUsage.model_validate_json(body).model_dump_json() == body
    assert {"milepost-as-of", "milepost-lag", "x-request-id"} <= set(response.headers)


async def test_an_organization_without_files_uses_nothing(reader: httpx.AsyncClient) -> None:
    response = await reader.get(USAGE)

    assert response.json() == {
        "total_bytes": NO_LIMIT,
        "used_bytes": 0,
        "file_count": 0,
        "stores": [],
    }


@pytest.mark.parametrize("key", ["ak_reader", "ak_writer", "ak_stranger"])
async def test_whoever_has_credentials_is_told_what_may_be_uploaded(
    reader: httpx.AsyncClient, key: str
) -> None:
    response = await reader.get("/v1/files/config", headers={"X-API-Key": key})

    body = response.content.decode()
    assert body.startswith(
        '{"direct_upload_max_bytes":100000000,"chunked_upload_chunk_bytes":8388608,'
        '"supported_types":{"pdf":{"extensions":[".pdf"],"max_bytes":100000000,'
        '"description":"PDF"},'
    )
    assert '"unsupported_categories":[{"category":"old_office","extensions":[".doc",' in body
    assert FileConfig.model_validate_json(body).model_dump_json() == body
    assert response.headers["cache-control"] == "private, no-cache"


async def test_without_credentials_not_even_that_is_told(reader: httpx.AsyncClient) -> None:
    del reader.headers["X-API-Key"]

    response = await reader.get("/v1/files/config")

    assert response.status_code == 401
    assert response.json()["error"]["code"] == "AUTHENTICATION_REQUIRED"
