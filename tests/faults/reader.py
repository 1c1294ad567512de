"""A user who asks for the same files again and again, and forgets nothing that was answered."""

import asyncio
from collections import Counter
from dataclasses import dataclass
from typing import Any, Protocol

import httpx

PAUSE_S = 0.15
"""Between two questions about the same file."""
SPREAD = 8
"""Every eighth file is watched: there are files at work and files unheard of at any time."""
TERMINAL = ("completed", "failed")


class Watched(Protocol):
    """What a reader knows of the load."""

    @property
    def files(self) -> dict[str, str]:
        """The key of each file, and its organization."""

    @property
    def known(self) -> set[str]:
        """Keys of the files of which something was acknowledged."""

    @property
    def deleted(self) -> set[str]:
        """Keys of the files that are deleted some time."""


@dataclass(frozen=True)
class Seen:
    """One answer about one file."""

    generation: int
    revision: int
    attempt: int
    status: dict[str, Any]

    @classmethod
    def of(cls, answer: httpx.Response) -> "Seen":
        generation, revision = answer.headers["etag"].strip('"').split(".")
        attempt = int(answer.headers["milepost-attempt"])
        return cls(int(generation), int(revision), attempt, answer.json())

    def contradiction(self, before: "Seen") -> str | None:
        """What cannot be true of this answer if the one before was."""
        position, earlier = (self.generation, self.revision), (before.generation, before.revision)
        percent = self.status["progress_percent"]
        claims = {
            "the revision went back": position < earlier,
            "one revision, two answers": position == earlier and self != before,
            "the attempt went back": self.attempt < before.attempt,
        }
        if self.attempt == before.attempt:
            claims |= {
                "the progress went back": percent < before.status["progress_percent"],
                "an end was taken back": before.status["status"] in TERMINAL
                and self.status != before.status,
            }
        return next((claim for claim, holds in claims.items() if holds), None)


class Reader:
    """Asks over HTTP until told to stop, and notes every answer that cannot be true."""

    def __init__(
        self, client: httpx.AsyncClient, load: Watched, api_keys: dict[str, str], *, files: int
    ) -> None:
        self.answers: Counter[int] = Counter()
        """How often each status code was answered."""
        self.lies: list[str] = []
        self.refused: list[str] = []
        """Files that were known and not answered, each time."""
        self._load = load
        self._api_keys = api_keys
        self.files = [*load.files][: files * SPREAD : SPREAD]
        self.seen: dict[str, Seen] = {}
        """The newest answer about each file that there was one about."""
        self._gone: set[str] = set()
        self._client = client
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        await asyncio.gather(*(self._follow(key) for key in self.files))

    def stop(self) -> None:
        self._stopping.set()

    async def is_ready(self) -> bool:
        try:
            answer = await self._client.get("/readyz")
        except httpx.ConnectError:
            return False
        return answer.is_success

    async def status(self, key: str) -> httpx.Response:
        owner, (store, file) = self._load.files[key], key.split("/")
        return await self._client.get(
            f"/v1/organizations/{owner}/stores/{store}/files/{file}/status",
            headers={"X-API-Key": self._api_keys[owner]},
        )

    async def _follow(self, key: str) -> None:
        while not self._stopping.is_set():
            await self._ask(key)
            await asyncio.sleep(PAUSE_S)

    async def _ask(self, key: str) -> None:
        was_known = key in self._load.known
        answer = await self.status(key)
        self.answers[answer.status_code] += 1
        match answer.status_code:
            case httpx.codes.OK:
                self._compare(key, Seen.of(answer))
            case httpx.codes.NOT_FOUND:
                self._check_absence(key, was_known=was_known)
            case httpx.codes.SERVICE_UNAVAILABLE:
                if key in self.seen and key not in self._gone:
                    self.refused.append(key)
            case other:
                self.lies.append(f"{key}: {other} {answer.text}")

    def _compare(self, key: str, seen: Seen) -> None:
        if key in self._gone:
            self.lies.append(f"{key}: deleted, and then {seen}")
        before = self.seen.get(key)
        contradiction = before and seen.contradiction(before)
        if contradiction:
            self.lies.append(f"{key}: {contradiction}: {before} {seen}")
        self.seen[key] = seen

    def _check_absence(self, key: str, *, was_known: bool) -> None:
        if key in self._load.deleted:
            if key in self.seen:
                self._gone.add(key)
        elif was_known or key in self.seen:
            self.lies.append(f"{key}: 404 after {self.seen.get(key)}")
