"""Every route of the description, asked by who has nothing to do with what it names."""

import json
from collections.abc import Iterator
from typing import Final
from uuid import uuid4

import httpx
import pytest

from milepost_local.servers import Server
from milepost_query.description.openapi_file import openapi_text
from milepost_schemas.document import Document, FileError
from tests.integration.query.described_service import described_service
from tests.integration.query.files import STARTED, STORE, completed, line
from tests.integration.query.running import ORGANIZATION, READER

STRANGER: Final = {
    "organization_id": "org_stranger",
    "store_id": "vs_strange",
    "file_id": "file_strange",
}
OWN: Final = {"organization_id": ORGANIZATION, "store_id": STORE, "file_id": "file_own"}

SECRETS: Final = ["vs_strange", "file_strange", "salaries.xlsx", "people/2025", "Row 7", "a secret"]
"""What the stranger's files and their logs say."""

FOREIGN_IDS: Final[dict[str, int]] = {
    "get_processing_status": 404,
    "head_processing_status": 404,
    "stream_processing_status": 404,
    "get_processing_statuses": 200,
    "get_file": 404,
    "get_file_progress": 404,
    "get_file_logs": 404,
    "list_files": 200,
    "get_storage_usage": 200,
    "get_file_config": 200,
}
"""What each operation below `/v1` answers in one's own organization to another's store and file.

A store is whatever somebody has put files into, so another's is one's own without files.
"""


BODIES: Final = {"get_processing_statuses": {"file_ids": ["file_strange"]}}
"""What operations with a body are asked."""


def strange_file(organization_id: str = "org_stranger", **ids: str) -> Document:
    return Document(
        organization_id,
        ids.get("store_id", "vs_strange"),
        ids.get("file_id", "file_strange"),
        revision=3,
        status="failed",
        current_step="a secret",
        created_at=STARTED,
        started_at=STARTED,
        completed_at=STARTED,
        name="salaries.xlsx",
        size_bytes=4711,
        mime_type="text/x-a secret",
        relative_path="people/2025",
        error=FileError("code", "a secret", "a secret", retryable=False),
    )


def operations() -> Iterator[tuple[str, str, str]]:
    for path, item in json.loads(openapi_text())["paths"].items():
        for method, operation in item.items():
            if path.startswith("/v1/"):
                yield operation["operationId"], method.upper(), path


OPERATIONS = list(operations())
OF_AN_ORGANIZATION = [each for each in OPERATIONS if "{organization_id}" in each[2]]


@pytest.fixture(scope="module")
def client(
    redis_server: Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[httpx.Client]:
    stored = [
        (completed(), []),
        (strange_file(), [line("10:00:06", "info", "Row 7")]),
        # In the store that both have files in, too.
        (strange_file(store_id=STORE), [line("10:00:06", "info", "Row 7")]),
    ]
    directory = tmp_path_factory.mktemp("tenants")
    prefix = f"t{uuid4().hex[:12]}"
    with (
        described_service(redis_server.address, prefix, directory, stored) as address,
        httpx.Client(base_url=address, headers=READER) as client,
    ):
        yield client


def require_hidden(response: httpx.Response) -> None:
    """Nothing of the stranger's but what the request itself has named."""
    said = f"{response.headers.raw} {response.text}"
    asked = f"{response.request.url} {response.request.content!r}"
    assert [secret for secret in SECRETS if secret in said and secret not in asked] == []


def test_every_route_is_walked() -> None:
    assert {name for name, _, _ in OPERATIONS} == set(FOREIGN_IDS), (
        "say what the new operation answers to another's ids"
    )


@pytest.mark.parametrize(("name", "method", "path"), OF_AN_ORGANIZATION)
def test_another_organizations_path_is_forbidden_whatever_it_names(
    client: httpx.Client, name: str, method: str, path: str
) -> None:
    for ids in (STRANGER, {**STRANGER, "store_id": STORE}, {**OWN, "organization_id": "org_x"}):
        response = client.request(method, path.format(**ids), json=BODIES.get(name))

        assert response.status_code == 403, name
        if method != "HEAD":
            assert response.json()["error"]["code"] == "ORGANIZATION_ACCESS_DENIED"
        require_hidden(response)


@pytest.mark.parametrize(("name", "method", "path"), OPERATIONS)
def test_anothers_store_and_file_are_not_there_in_ones_own_organization(
    client: httpx.Client, name: str, method: str, path: str
) -> None:
    for store_id in ("vs_strange", STORE):
        ids = {**STRANGER, "organization_id": ORGANIZATION, "store_id": store_id}
        response = client.request(method, path.format(**ids), json=BODIES.get(name))

        assert response.status_code == FOREIGN_IDS[name]
        require_hidden(response)


def test_whose_they_are_sees_them_all(client: httpx.Client) -> None:
    said = ""
    for name, method, path in OPERATIONS:
        url = path.format(**STRANGER)
        response = client.request(
            method, url, headers={"X-API-Key": "ak_stranger"}, json=BODIES.get(name)
        )
        assert response.status_code == 200
        said += response.text

    assert [secret for secret in SECRETS if secret not in said] == []
