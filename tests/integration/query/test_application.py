import re

import httpx
import pytest

from milepost_schemas.checkpoint import Checkpoint
from milepost_schemas.http import ErrorEnvelope
from tests.integration.query.files import PATH
from tests.integration.query.stored_model import StoredModel, now_ms

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


async def test_the_process_says_that_it_lives(client: httpx.AsyncClient) -> None:
    response = await client.get("/livez")

    assert (response.status_code, response.json()) == (200, {"status": "alive"})


async def test_a_whole_read_model_is_ready(client: httpx.AsyncClient) -> None:
    response = await client.get("/readyz")

    assert (response.status_code, response.json()) == (
        200,
        {"status": "ready", "generation": 1, "partitions": 4},
    )


async def test_readiness_names_the_partitions_that_are_not_ready(
    client: httpx.AsyncClient, model: StoredModel
) -> None:
    await model.redis.delete(model.checkpoint_key(0), model.checkpoint_key(3))
    await model.checkpoint(1, Checkpoint(5, now_ms(), 5, 9))

    response = await client.get("/readyz")

    assert response.status_code == 503
    assert response.headers["retry-after"] == "1"
    assert response.json()["error"]["details"] == {
        "reason": "some partitions are not ready",
        "generation": 1,
        "partitions": {"missing": [0, 3], "recovering": [1]},
    }


async def test_without_metadata_it_is_not_ready(
    client: httpx.AsyncClient, model: StoredModel
) -> None:
    await model.redis.delete(model.keys.meta)

    response = await client.get("/readyz")

    assert response.status_code == 503
    assert response.json()["error"]["details"] == {"reason": "Redis holds no read model"}


@pytest.mark.parametrize(
    ("request_line", "status", "code"),
    [
        ("GET /", 404, "RESOURCE_NOT_FOUND"),
        ("GET /v1/organizations/o/stores/s", 404, "RESOURCE_NOT_FOUND"),
        (f"GET {PATH}/", 404, "RESOURCE_NOT_FOUND"),
        ("GET /livez/", 404, "RESOURCE_NOT_FOUND"),
        ("GET /docs/static/nothing.js", 404, "RESOURCE_NOT_FOUND"),
        ("GET /docs/static/..%2f__init__.py", 404, "RESOURCE_NOT_FOUND"),
        ("POST /livez", 405, "METHOD_NOT_ALLOWED"),
        ("DELETE /docs/static/favicon.png", 405, "METHOD_NOT_ALLOWED"),
        (f"GET {PATH}", 401, "AUTHENTICATION_REQUIRED"),
    ],
)
async def test_every_error_is_the_same_envelope(
    client: httpx.AsyncClient, request_line: str, status: int, code: str
) -> None:
    response = await client.request(*request_line.split(" "))

    assert response.status_code == status
    assert response.headers["content-type"] == "application/json"
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["x-request-id"]
    assert ("allow" in response.headers) == (status == 405)
    body = response.json()
    assert list(body) == ["success", "error"]
    assert list(body["error"]) == [
        "code",
        "message",
        "system_message",
        "type",
        "status",
        "details",
        "trace_id",
        "timestamp",
    ]
    assert (body["error"]["code"], body["error"]["status"]) == (code, status)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", body["error"]["timestamp"])
    ErrorEnvelope.model_validate_json(response.content)


@pytest.mark.parametrize("path", ["/nowhere", PATH])
async def test_errors_carry_the_trace_of_the_request(client: httpx.AsyncClient, path: str) -> None:
    response = await client.get(path, headers={"traceparent": TRACEPARENT})

    assert response.json()["error"]["trace_id"] == "0af7651916cd43dd8448eb211c80319c"


@pytest.mark.parametrize("path", ["/nowhere", PATH])
async def test_errors_without_a_trace_get_one_of_their_own(
    client: httpx.AsyncClient, path: str
) -> None:
    ids = {(await client.get(path)).json()["error"]["trace_id"] for _ in range(2)}

    assert len(ids) == 2
    assert all(re.fullmatch("[0-9a-f]{32}", trace_id) for trace_id in ids)


async def test_the_docs_page_needs_no_other_host(client: httpx.AsyncClient) -> None:
    page = await client.get("/docs")
    assets = re.findall(r'(?:src|href)="([^"]+)"', page.text)

    assert len(assets) == 3
    assert "http" not in page.text.replace("http-equiv", "")
    for asset in assets:
        assert (await client.get(asset)).status_code == 200


async def test_the_docs_page_can_render_this_version_of_openapi(
    client: httpx.AsyncClient,
) -> None:
    version = (await client.get("/openapi.json")).json()["openapi"]
    renderer = (await client.get("/docs/static/swagger-ui-bundle.js")).text

    assert version.startswith("3.1.")
    assert re.search(r'PACKAGE_VERSION:"[5-9]\.', renderer)


async def test_the_description_holds_the_status_route(client: httpx.AsyncClient) -> None:
    description = (await client.get("/openapi.json")).json()

    template = "/v1/organizations/{organization_id}/stores/{store_id}/files/{file_id}/status"
    operation = description["paths"][template]["get"]
    assert [p["name"] for p in operation["parameters"]][:3] == [
        "organization_id",
        "store_id",
        "file_id",
    ]
    assert list(operation["responses"]) == [
        *("200", "304", "401", "403", "404", "405", "413", "422", "429", "500", "503")
    ]
    assert list(description["components"]["schemas"]["ProcessingStatus"]["properties"]) == [
        "status",
        "progress_percent",
        "current_step",
        "error_message",
        "started_at",
        "completed_at",
    ]
