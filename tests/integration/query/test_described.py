"""Schemathesis: whatever the description allows to ask is answered as it says.

Beside what its checks hold answers to - status, body, headers, methods, credentials -, every error
is in the envelope, and 503 is the only way to fail.
"""

import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
import schemathesis
from hypothesis import settings
from schemathesis import Case, Response
from schemathesis.config import SchemathesisConfig

from milepost_local.servers import Server
from milepost_query.description.openapi_file import openapi_text
from milepost_schemas.http import ErrorEnvelope
from tests.integration.query.described_service import described_service
from tests.integration.query.files import STORE, completed, line, processing
from tests.integration.query.running import ORGANIZATION, READER

FILES = [
    (processing(file_id="file_processing"), [line("10:00:06", "info", "read")]),
    (completed(), []),
]

THERE = {
    "organization_id": [ORGANIZATION],
    "store_id": [STORE],
    "file_id": [document.file_id for document, _ in FILES],
}

ENDED = {"file_id": ["file_abc123def456"]}
"""All that can be streamed here: the stream of any other file does not end."""

PASSED = "0:0:0"
"""Whoever names a position that is still to come waits for it, which is tested elsewhere."""

CONFIG = SchemathesisConfig.from_dict(
    {
        "generation": {"with-security-parameters": False},
        "checks": {
            "not_a_server_error": {"expected-statuses": ["2xx", "3xx", "4xx", "503"]},
        },
    }
)


def description(*, others: bool) -> dict[str, Any]:
    """With the ids that are there: no random one ever is. `others` are asked for as well."""
    loaded: dict[str, Any] = json.loads(openapi_text())
    for path, item in loaded["paths"].items():
        known = THERE | ENDED if path.endswith("/stream") else THERE
        for operation in item.values():
            for parameter in operation.get("parameters", ()):
                if parameter["name"] == "Milepost-Position":
                    parameter["schema"] = {"enum": [PASSED]}
                if there := known.get(parameter["name"]):
                    those = [{"enum": there}, *([parameter["schema"]] if others else [])]
                    parameter["schema"] = {"anyOf": those}
    return loaded


schema = schemathesis.openapi.from_dict(description(others=True), config=CONFIG)
# A list names files whose streams do not end.
of_what_is_there = schemathesis.openapi.from_dict(description(others=False), config=CONFIG).exclude(
    path_regex="/stream$"
)


@pytest.fixture(scope="module")
def service(redis_server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    directory = tmp_path_factory.mktemp("described")
    prefix = f"t{uuid4().hex[:12]}"
    with described_service(redis_server.address, prefix, directory, FILES) as address:
        yield address


def require_envelope(response: Response) -> None:
    if response.status_code >= 400 and response.request.method != "HEAD":
        error = ErrorEnvelope.model_validate_json(response.content).error
        assert error.status == response.status_code


@schema.parametrize()
@settings(max_examples=25)
def test_each_operation_answers_as_it_is_described(case: Case[Any], service: str) -> None:
    response = case.call(base_url=service, headers=READER)

    require_envelope(response)
    case.validate_response(response)


def test_operations_that_follow_each_other_answer_as_they_are_described(service: str) -> None:
    seen: set[tuple[str, int]] = set()

    # A list names files whose streams do not end.
    asked = of_what_is_there.exclude(operation_id="stream_processing_status")

    class Asking(asked.as_state_machine()):  # type: ignore[misc]  # made at run time
        def get_call_kwargs(self, case: Case[Any]) -> dict[str, Any]:  # noqa: ARG002  its signature
            return {"base_url": service, "headers": READER}

        def after_call(self, response: Response, case: Case[Any]) -> None:
            seen.add((case.operation.definition.raw["operationId"], response.status_code))
            require_envelope(response)

    Asking.run(settings=settings(max_examples=20, stateful_step_count=6))

    assert any(code == 200 for name, code in seen if name != "list_files"), "no file was found"
