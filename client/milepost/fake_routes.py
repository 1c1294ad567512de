"""What the query service answers at the moment, out of a log in memory."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final, Literal, get_args

import httpx
from pydantic import BaseModel

from milepost.fake_answers import details_body, list_body, log_body, usage_body
from milepost.memory_log import MemoryLog
from milepost_schemas.document import Document, Status, render_status
from milepost_schemas.http import (
    ErrorBody,
    ErrorCode,
    ErrorEnvelope,
    ProcessingStatus,
    Statuses,
    StatusesRequest,
)

_IDS: Final = r"/v1/organizations/(?P<organization_id>[^/]+)/stores"
_STORE: Final = rf"{_IDS}/(?P<store_id>[^/]+)/files"
_FILE: Final = rf"{_STORE}/(?P<file_id>[^/]+)"

_MESSAGES: Final[Mapping[int, str]] = {
    403: "You do not have access to this organization.",
    404: "We couldn't find the requested resource.",
    422: "Something in the request is not valid.",
}


class FakeRoutes:
    """The answers to a key of one organization, as they are now."""

    def __init__(self, log: MemoryLog, organization_id: str) -> None:
        self._log = log
        self._organization_id = organization_id
        self._routes: list[tuple[str, str, Callable[..., httpx.Response]]] = [
            ("GET", rf"{_IDS}/usage", self._usage),
            ("GET", _STORE, self._list),
            ("POST", rf"{_STORE}/status", self._statuses),
            ("GET", rf"{_FILE}/status", self._status),
            ("GET", rf"{_FILE}/logs", self._logs),
            ("GET", _FILE, self._details),
        ]

    def respond(self, request: httpx.Request) -> httpx.Response:
        """The answer, without waiting for another."""
        for method, pattern, respond in self._routes:
            ids = re.fullmatch(pattern, request.url.path)
            if method == request.method and ids is not None:
                names = ids.groupdict()
                if names.pop("organization_id") != self._organization_id:
                    return _error(403, "ORGANIZATION_ACCESS_DENIED", "Not this key's organization")
                return respond(request, **names)
        return _error(404, "RESOURCE_NOT_FOUND", "No such route")

    def document(self, *, store_id: str, file_id: str) -> Document | None:
        """The document of a file of this organization."""
        document = self._log.document(store_id=store_id, file_id=file_id)
        if document is None or document.organization_id != self._organization_id:
            return None
        return document

    def _status(self, request: httpx.Request, **file: str) -> httpx.Response:
        document = self.document(**file)
        if document is None:
            return _not_in_store(**file)
        headers = {
            "ETag": f'"1.{document.revision}"',
            "Milepost-Attempt": str(document.attempt),
            "Content-Type": "application/json",
        }
        if request.headers.get("If-None-Match") == headers["ETag"]:
            return httpx.Response(304, headers=headers)
        return httpx.Response(200, headers=headers, content=render_status(document))

    def _statuses(self, request: httpx.Request, store_id: str) -> httpx.Response:
        asked = StatusesRequest.model_validate_json(request.content)
        files: dict[str, ProcessingStatus | Literal["not_found"]] = {}
        for file_id in asked.file_ids:
            document = self.document(store_id=store_id, file_id=file_id)
            files[file_id] = (
                "not_found"
                if document is None
                else ProcessingStatus.model_validate_json(render_status(document))
            )
        return _json(Statuses(files=files))

    def _list(self, request: httpx.Request, store_id: str) -> httpx.Response:
        params = request.url.params
        status, search = params.get("status"), params.get("search", "").casefold()
        skip, limit = int(params.get("skip", 0)), int(params.get("limit", 20))
        if status not in (None, *get_args(Status)) or skip not in range(10_001):
            return _error(422, "VALIDATION_ERROR", "status or skip is not valid")
        if limit not in range(1, 101):
            return _error(422, "VALIDATION_ERROR", "limit is not valid")
        documents = [
            document
            for document in self._log.documents(organization_id=self._organization_id)
            if document.store_id == store_id
            and status in (None, document.status)
            and search in (document.name or "").casefold()
        ]
        return _json(list_body(documents, skip=skip, limit=limit))

    def _details(self, _: httpx.Request, **file: str) -> httpx.Response:
        document = self.document(**file)
        return _not_in_store(**file) if document is None else _json(details_body(document))

    def _logs(self, _: httpx.Request, **file: str) -> httpx.Response:
        if self.document(**file) is None:
            return _not_in_store(**file)
        return _json(log_body(self._log.log_lines(**file)))

    def _usage(self, _: httpx.Request) -> httpx.Response:
        return _json(usage_body(self._log.documents(organization_id=self._organization_id)))


def _json(body: BaseModel) -> httpx.Response:
    return httpx.Response(
        200, headers={"Content-Type": "application/json"}, content=body.model_dump_json()
    )


def _not_in_store(*, store_id: str, file_id: str) -> httpx.Response:
    file = {"file_id": file_id, "store_id": store_id}
    return _error(404, "FILE_NOT_IN_STORE", "File not found in this store", file)


def _error(
    status: int, code: ErrorCode, system_message: str, details: dict[str, str] | None = None
) -> httpx.Response:
    envelope = ErrorEnvelope(
        error=ErrorBody(
            code=code,
            message=_MESSAGES[status],
            system_message=system_message,
            type="client_error",
            status=status,
            details=details or {},
            trace_id="0" * 32,
            timestamp=datetime.now(UTC),
        )
    )
    return httpx.Response(
        status, headers={"Content-Type": "application/json"}, content=envelope.model_dump_json()
    )
