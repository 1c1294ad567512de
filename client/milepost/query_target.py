"""Which query service the commands ask: that of a running local stack, or the environment's."""

import re
from pathlib import Path
from typing import Final

import httpx
import msgspec
from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from milepost.http import AsyncMilepost, Milepost
from milepost.local_stack import NoTargetError, read_stack

_HTTP_URL: Final = re.compile(r"https?://[^/\s]+\S*")


class QueryTarget(BaseSettings):
    """A query service and what to ask it about, from `MILEPOST_*` where it is not given."""

    # Whatever is wrong with a key, no error shows it.
    model_config = SettingsConfigDict(
        env_prefix="MILEPOST_", frozen=True, hide_input_in_errors=True
    )

    url: str = ""
    """Where the service is: `https://milepost.example`."""
    api_key: SecretStr = SecretStr("")
    organization: str = ""
    """The organization that the key belongs to."""
    store: str = ""
    """The store of files that are named without one."""

    def connect(self) -> Milepost:
        """A client of the service.

        Raises:
            InvalidApiKeyError: the key has characters that no key has.
        """
        return Milepost(base_url=self.url, api_key=self.api_key.get_secret_value())

    def connect_async(self) -> AsyncMilepost:
        """As `connect`, for asyncio."""
        return AsyncMilepost(base_url=self.url, api_key=self.api_key.get_secret_value())


class _Stack(msgspec.Struct):
    """What the commands need of a local stack's `stack.json`."""

    query_url: str
    api_key: str
    organization_id: str
    store_id: str


def find_query(
    data: Path, *, organization: str | None = None, store: str | None = None
) -> QueryTarget:
    """The query service of the local stack in a folder, else the environment's.

    Args:
        data: The folder.
        organization: Takes the place of the organization found there.
        store: Takes the place of the store found there.

    Raises:
        NoTargetError: there is neither, or what there is cannot be used.
    """
    stack = read_stack(data, _Stack)
    if stack is None:
        found = QueryTarget()
    else:
        found = QueryTarget(
            url=stack.query_url,
            api_key=SecretStr(stack.api_key),
            organization=stack.organization_id,
            store=stack.store_id,
        )
    chosen = {"organization": organization, "store": store}
    target = found.model_copy(update={name: text for name, text in chosen.items() if text})
    _require(target, data)
    return target


def _require(target: QueryTarget, data: Path) -> None:
    if not target.url:
        raise NoTargetError(
            f"no local stack in {data}; start one with `milepost up`, name its folder with --data, "
            "or set MILEPOST_URL, MILEPOST_API_KEY and MILEPOST_ORGANIZATION"
        )
    if not _is_url(target.url):
        raise NoTargetError(f"MILEPOST_URL is {target.url!r}; write it as https://milepost.example")
    if not target.api_key.get_secret_value():
        raise NoTargetError("no API key; set MILEPOST_API_KEY")
    if not target.organization:
        raise NoTargetError("no organization; set MILEPOST_ORGANIZATION or name it: --organization")


def _is_url(text: str) -> bool:
    try:
        httpx.URL(text)
    except httpx.InvalidURL:
        return False
    return _HTTP_URL.fullmatch(text) is not None
