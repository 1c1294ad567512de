"""A query service that answers a conversation from a list, on a clock of its own."""

import json
from collections.abc import Sequence

import httpx

from milepost.conversations import (
    Answer,
    Conversation,
    Open,
    Pace,
    Pause,
    Read,
    Request,
    T,
    Tell,
)

PATH = "/v1/organizations/org_1/stores/vs_1/files/file_1/status"


class ScriptedService:
    """Answers from a list, the last for ever; its clock runs by what it is told to wait."""

    def __init__(self, *answers: "Answer | Stream | Held") -> None:
        self.now = 0.0
        self.asked: list[Request] = []
        self.opened: list[Request] = []
        self.pauses: list[float] = []
        self.told: list[str] = []
        self._answers = list(answers)
        self._chunks: list[bytes | httpx.RequestError | float] = []

    @property
    def pace(self) -> Pace:
        return Pace(jitter=lambda: 0.5, clock=lambda: self.now)

    def carry_out(self, conversation: Conversation[T]) -> T:
        answer: Answer = None
        while True:
            try:
                step = conversation.send(answer)
            except StopIteration as end:
                result: T = end.value
                return result
            match step:
                case Pause(seconds):
                    self.pauses.append(seconds)
                    self.now += seconds
                    answer = None
                case Tell(status):
                    self.told.append(f"{status.status} {status.progress_percent}")
                    answer = None
                case Open(request):
                    self.opened.append(request)
                    answer = self._answer()
                case Request():
                    self.asked.append(step)
                    answer = self._answer()
                case Read():
                    answer = self._read()

    def _answer(self) -> httpx.Response | httpx.RequestError:
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        match answer:
            case Stream():
                self._chunks = list(answer.chunks)
                return answer.response()
            case Held():
                self.now += answer.seconds
                return answer.response
            case httpx.Response() | httpx.RequestError():
                return answer
        raise TypeError(answer)

    def _read(self) -> bytes | httpx.RequestError:
        while self._chunks:
            chunk = self._chunks.pop(0)
            if not isinstance(chunk, float):
                return chunk
            self.now += chunk
        return b""


class Stream:
    """The answer to the opening of a stream, and what it then says; a number is a time."""

    def __init__(
        self, *chunks: bytes | httpx.RequestError | float, media_type: str = "text/event-stream"
    ) -> None:
        self.chunks: Sequence[bytes | httpx.RequestError | float] = chunks
        self._media_type = media_type

    def response(self) -> httpx.Response:
        return httpx.Response(200, headers={"Content-Type": self._media_type})


class Held:
    """An answer that comes after so many seconds."""

    def __init__(self, seconds: float, response: httpx.Response, *, applied: int = 30) -> None:
        self.seconds = seconds
        self.response = response
        response.headers["Preference-Applied"] = f"wait={applied}"


def body(name: str, percent: int | None = None) -> dict[str, object]:
    if percent is None:
        percent = 100 if name == "completed" else 0
    return {
        "status": name,
        "progress_percent": percent,
        "current_step": None,
        "error_message": None,
        "started_at": None,
        "completed_at": None,
        "added_later": 1,
    }


def status(name: str, percent: int | None = None, *, etag: str | None = None) -> httpx.Response:
    headers = {} if etag is None else {"ETag": etag}
    request = httpx.Request("GET", PATH)
    return httpx.Response(200, json=body(name, percent), headers=headers, request=request)


def event(name: str, percent: int, event_id: str) -> bytes:
    data = json.dumps(body(name, percent))
    return f"event: status\nid: {event_id}\ndata: {data}\n\n".encode()


def error(
    status_code: int, *, code: str = "SOME_CODE", retry_after: str | None = None
) -> httpx.Response:
    envelope = {
        "success": False,
        "error": {
            "code": code,
            "message": "For a user.",
            "system_message": "For a developer",
            "type": "client_error",
            "status": status_code,
            "details": {"file_id": "file_1"},
            "trace_id": "abc",
            "timestamp": "2025-06-15T10:00:00Z",
        },
    }
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    return httpx.Response(status_code, json=envelope, headers=headers)


def refused() -> httpx.RequestError:
    return httpx.ConnectError("refused")
