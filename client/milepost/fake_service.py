"""The status route over a log in memory, behind an httpx transport instead of a socket."""

import re
from datetime import UTC, datetime

import httpx

from milepost.memory_log import MemoryLog
from milepost_schemas.document import render_status
from milepost_schemas.http import ErrorBody, ErrorCode, ErrorEnvelope

_ROUTE = re.compile(
    r"/v1/organizations/(?P<organization_id>[^/]+)/stores/(?P<store_id>[^/]+)"
    r"/files/(?P<file_id>[^/]+)/status"
)


class FakeService:
    """Answers as the query service does to a key of one organization."""

    def __init__(self, log: MemoryLog, organization_id: str) -> None:
        self._log = log
        self._organization_id = organization_id

    def answer(self, request: httpx.Request) -> httpx.Response:
        ids = _ROUTE.fullmatch(request.url.path)
        if ids is None:
            return _error(404, "RESOURCE_NOT_FOUND", "No such route", {})
        if ids["organization_id"] != self._organization_id:
            return _error(403, "ORGANIZATION_ACCESS_DENIED", "Not this key's organization", {})
        file = {"store_id": ids["store_id"], "file_id": ids["file_id"]}
        document = self._log.document(**file)
        if document is None or document.organization_id != self._organization_id:
            return _error(404, "FILE_NOT_IN_STORE", "File not found in this store", file)
        headers = {
            "ETag": f'"1.{document.revision}"',
            "Milepost-Attempt": str(document.attempt),
            "Content-Type": "application/json",
        }
        if request.headers.get("If-None-Match") == headers["ETag"]:
            return httpx.Response(304, headers=headers)
        return httpx.Response(200, headers=headers, content=render_status(document))

    async def answer_async(self, request: httpx.Request) -> httpx.Response:
        return self.answer(request)


def _error(
    status: int, code: ErrorCode, system_message: str, details: dict[str, str]
) -> httpx.Response:
    envelope = ErrorEnvelope(
        error=ErrorBody(
            code=code,
            message="We couldn't find the requested resource."
            if status == 404
            else "You do not have access to this organization.",
            system_message=system_message,
            type="client_error",
            status=status,
            details=details,
            trace_id="0" * 32,
            timestamp=datetime.now(UTC),
        )
    )
    return httpx.Response(
        status,
        headers={"Content-Type": "application/json"},
        content=envelope.model_dump_json(),
    )
