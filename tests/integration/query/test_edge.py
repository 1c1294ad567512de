"""What every answer carries, whichever route it is of."""

import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from milepost_local.servers import Server
from milepost_query.access.api_keys import ApiKeys
from milepost_query.terms import Terms
from tests.integration.query.files import PATH, processing
from tests.integration.query.running import READER, running_query
from tests.integration.query.stored_model import StoredModel

PAGE = "https://app.example.com"
TRACE = "0af7651916cd43dd8448eb211c80319c"
EVERYWHERE = [PATH, "/livez", "/readyz", "/metrics", "/docs", "/openapi.json", "/nowhere"]


@pytest.fixture
def terms() -> Terms:
    return Terms(cors_origins=(PAGE, "http://localhost:3000"))


@pytest.fixture
async def asking(
    redis_server: Server, model: StoredModel, keys_file: Any, terms: Terms
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a service with these terms that has one file."""
    await model.put(processing())
    async with running_query(
        redis_server.address, prefix=model.prefix, api_keys=ApiKeys(keys_file), terms=terms
    ) as client:
        yield client


async def everywhere(
    client: httpx.AsyncClient, headers: dict[str, str] = READER
) -> dict[str, httpx.Response]:
    return {path: await client.get(path, headers=headers) for path in EVERYWHERE}


async def test_every_answer_names_its_request_once_as_the_client_did(
    asking: httpx.AsyncClient,
) -> None:
    answers = await everywhere(asking, {**READER, "x-request-id": "mine"})

    found = {path: answer.headers.get_list("x-request-id") for path, answer in answers.items()}
    assert found == {path: ["mine"] for path in EVERYWHERE}


async def test_every_answer_goes_on_with_the_trace_of_its_request(
    asking: httpx.AsyncClient,
) -> None:
    sent = f"00-{TRACE}-b7ad6b7169203331-01"

    answers = await everywhere(asking, {**READER, "traceparent": sent})

    found = {path: answer.headers["traceparent"] for path, answer in answers.items()}
    assert all(re.fullmatch(f"00-{TRACE}-[0-9a-f]{{16}}-01", each) for each in found.values())
    assert sent not in found.values()


async def test_an_error_and_its_answer_name_the_same_new_trace(asking: httpx.AsyncClient) -> None:
    for path in ("/nowhere", PATH):
        answer = await asking.get(path)
        trace_id = answer.json()["error"]["trace_id"]

        assert answer.headers["traceparent"].split("-")[1] == trace_id


async def test_no_answer_may_be_sniffed_and_no_page_framed(asking: httpx.AsyncClient) -> None:
    answers = await everywhere(asking)

    assert {answer.headers["x-content-type-options"] for answer in answers.values()} == {"nosniff"}
    assert "frame-ancestors 'none'" in answers["/docs"].headers["content-security-policy"]


async def test_a_page_of_a_listed_origin_may_read_every_answer(asking: httpx.AsyncClient) -> None:
    answers = await everywhere(asking, {**READER, "origin": PAGE})

    for answer in answers.values():
        assert answer.headers["access-control-allow-origin"] == PAGE
        assert "access-control-allow-credentials" not in answer.headers
        exposed = answer.headers["access-control-expose-headers"].split(", ")
        assert {"ETag", "Retry-After", "Milepost-As-Of", "Milepost-Position"} <= set(exposed)
        assert "Origin" in answer.headers["vary"]
    assert answers[PATH].headers["vary"] == "Prefer, Origin"


@pytest.mark.parametrize("origin", ["https://evil.example", "null", f"{PAGE}.evil.example", None])
async def test_any_other_page_may_not_and_no_cache_mixes_them_up(
    asking: httpx.AsyncClient, origin: str | None
) -> None:
    headers = READER if origin is None else {**READER, "origin": origin}

    answer = await asking.get(PATH, headers=headers)

    assert answer.status_code == 200
    assert "access-control-allow-origin" not in answer.headers
    assert answer.headers["vary"] == "Prefer, Origin"


def preflight(origin: str) -> dict[str, str]:
    return {
        "origin": origin,
        "access-control-request-method": "GET",
        "access-control-request-headers": "x-api-key,prefer",
    }


@pytest.mark.parametrize("path", [PATH, "/readyz", f"{PATH}/stream"])
async def test_a_browser_is_told_what_it_may_send_without_a_key(
    asking: httpx.AsyncClient, path: str
) -> None:
    answer = await asking.options(path, headers=preflight(PAGE))

    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers.get_list("access-control-allow-origin") == [PAGE]
    assert answer.headers["access-control-allow-methods"] == "GET, HEAD, POST"
    allowed = set(answer.headers["access-control-allow-headers"].split(", "))
    assert allowed >= {
        "Authorization",
        "X-API-Key",
        "Prefer",
        "If-None-Match",
        "Last-Event-ID",
        "Milepost-Position",
    }


async def test_a_browser_on_another_page_is_told_nothing(asking: httpx.AsyncClient) -> None:
    answer = await asking.options(PATH, headers=preflight("https://evil.example"))

    assert answer.status_code == 405
    assert not [name for name in answer.headers if name.startswith("access-control")]


async def test_without_the_setting_no_page_may_ask(client: httpx.AsyncClient) -> None:
    answer = await client.get(PATH, headers={**READER, "origin": PAGE})
    before = await client.options(PATH, headers=preflight(PAGE))

    assert not [name for name in answer.headers if name.startswith("access-control")]
    assert "Origin" not in answer.headers["vary"]
    assert before.status_code == 405


@pytest.mark.parametrize("terms", [Terms(cors_origins=("*",))])
async def test_the_setting_can_let_every_page_ask(asking: httpx.AsyncClient) -> None:
    answer = await asking.get(PATH, headers={**READER, "origin": "https://any.example"})
    before = await asking.options(PATH, headers=preflight("https://any.example"))

    for each in (answer, before):
        assert each.headers["access-control-allow-origin"] == "*"
        assert "Origin" not in each.headers.get("vary", "")


async def test_a_body_that_is_too_large_is_not_read(asking: httpx.AsyncClient) -> None:
    answer = await asking.post(f"{PATH}", content=b"x" * 300_000, headers=READER)

    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "CONTENT_TOO_LARGE")
    assert answer.json()["error"]["details"] == {"max_bytes": 262_144}


async def logged_lines(asking: httpx.AsyncClient) -> list[dict[str, Any]]:
    """What three requests leave in the log, none of which has a secret where it may stand."""
    both = {"X-API-Key": "ak_reader", "Authorization": "Bearer ak_second"}
    with capture_logs() as logged:
        await asking.get("/nowhere/ak_path?token=ak_query", headers=both)
        await asking.get(f"{PATH}?token=ak_query", headers={**both, "x-request-id": "mine"})
        await asking.get("/livez?token=ak_query", headers=both)
    assert "ak_" not in str(logged)
    return [dict(line) for line in logged if line["event"] == "answered"]


async def test_what_comes_by_the_thousand_is_not_logged(asking: httpx.AsyncClient) -> None:
    lines = await logged_lines(asking)

    assert [(line["route"], line["path"], line["status"]) for line in lines] == [
        ("unknown", None, 404)
    ]


@pytest.mark.parametrize("terms", [Terms(access_log="all")])
async def test_each_request_is_logged_with_route_caller_and_ids_if_all_are_wanted(
    asking: httpx.AsyncClient,
) -> None:
    _, status, probe = await logged_lines(asking)

    assert re.fullmatch("[0-9a-f]{32}", status.pop("trace_id"))
    assert status.pop("duration_ms") >= 0
    assert status == {
        "event": "answered",
        "log_level": "info",
        "method": "GET",
        "route": "/v1/organizations/{organization_id}/stores/{store_id}/files/{file_id}/status",
        "path": PATH,
        "status": 200,
        "caller": "key:key-1",
        "request_id": "mine",
    }
    assert (probe["path"], probe["caller"]) == ("/livez", None)


@pytest.mark.parametrize("terms", [Terms(access_log="off")])
async def test_nothing_is_logged_if_nothing_is_wanted(asking: httpx.AsyncClient) -> None:
    with capture_logs() as logged:
        await asking.get("/nowhere")

    assert not [line for line in logged if line["event"] == "answered"]


async def test_requests_are_counted_and_timed_by_route_method_and_status(
    asking: httpx.AsyncClient,
) -> None:
    for headers in (READER, READER, {}):
        await asking.get(PATH, headers=headers)
    await asking.head(PATH, headers=READER)
    await asking.get("/nowhere/one")
    await asking.get("/nowhere/two")

    answer = await asking.get("/metrics")

    lines = answer.text.splitlines()
    template = "/v1/organizations/{organization_id}/stores/{store_id}/files/{file_id}/status"
    requests = {line for line in lines if line.startswith("milepost_http_requests_total")}
    assert requests == {
        f'milepost_http_requests_total{{method="{method}",route="{route}",status="{status}"}} {n}'
        for method, route, status, n in [
            ("GET", template, 200, 2.0),
            ("GET", template, 401, 1.0),
            ("HEAD", template, 200, 1.0),
            ("GET", "unknown", 404, 2.0),
        ]
    }
    assert f'milepost_http_request_seconds_count{{route="{template}"}} 4.0' in lines
    assert f'milepost_http_request_seconds_bucket{{le="+Inf",route="{template}"}} 4.0' in lines
    assert "milepost_remembered_credentials 1.0" in lines
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert "ak_" not in answer.text
