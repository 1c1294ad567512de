"""The URL that says where Redis is: one server, a cluster, or sentinels that know the master.

    redis://host:6379/0
    redis+cluster://host:6379,host:6379
    redis+sentinel://host:26379,host:26379/mymaster/0

`rediss` instead of `redis` means TLS, `user:password@` goes before the first host and options of
redis-py behind a question mark; both are for every server. Sentinels have no password unless
`sentinel_password` (and `sentinel_username`) are among the options.
"""

import re
from dataclasses import dataclass, field
from typing import Final, Literal, cast
from urllib.parse import parse_qsl, quote, urlencode

Kind = Literal["single", "cluster", "sentinel"]

_PORTS: Final = {"single": 6379, "cluster": 6379, "sentinel": 26379}
_FORM: Final = re.compile(
    r"(?P<scheme>rediss?)(\+(?P<kind>cluster|sentinel))?://"
    r"((?P<credentials>[^@/?]*)@)?(?P<hosts>[^@/?]+)(/(?P<path>[^?]*))?(\?(?P<options>.*))?"
)
_HOST: Final = re.compile(r"(?P<name>\[[0-9A-Fa-f:.]+\]|[^:\[\],\s]+)(:(?P<port>\d{1,5}))?")


class RedisUrlError(ValueError):
    """The URL is none of the forms that are understood; the text of it is never repeated."""


@dataclass(frozen=True)
class RedisUrl:
    """Where Redis is, taken apart. Its text may hold a password and is not shown."""

    kind: Kind
    hosts: tuple[str, ...]
    """`host:port` of the server, of some nodes of the cluster, or of the sentinels."""
    master: str = ""
    """The name that the sentinels know the master by."""
    _before: str = field(default="", repr=False)
    _after: str = field(default="", repr=False)
    _sentinel: tuple[str, str] = field(default=("", ""), repr=False)

    @classmethod
    def parse(cls, text: str) -> "RedisUrl":
        """Take a URL apart.

        Raises:
            RedisUrlError: it has none of the known forms.
        """
        found = _FORM.fullmatch(text)
        if found is None:
            raise RedisUrlError(
                "the Redis URL must begin with redis://, redis+cluster:// or redis+sentinel://, "
                "or with rediss for TLS, and name at least one host"
            )
        kind = cast("Kind", found["kind"] or "single")
        hosts = tuple(_with_port(host, _PORTS[kind]) for host in found["hosts"].split(","))
        if kind == "single" and len(hosts) > 1:
            raise RedisUrlError("several Redis servers need redis+cluster:// or redis+sentinel://")
        master, database = _master_and_database(kind, found["path"] or "")
        options, before_sentinel, after_sentinel = _options(found["scheme"], found["options"] or "")
        credentials = "" if found["credentials"] is None else f"{found['credentials']}@"
        before, after = f"{found['scheme']}://{credentials}", f"/{database}{options}"
        return cls(kind, hosts, master, before, after, (before_sentinel, after_sentinel))

    def server(self, host: str) -> str:
        """The URL of one server of data, for redis-py; `host` is `host:port`."""
        return f"{self._before}{host}{self._after}"

    def sentinel(self, host: str) -> str:
        """The URL of one sentinel, for redis-py; `host` is `host:port`."""
        before, after = self._sentinel
        return f"{before}{host}{after}"


def host_and_port(host: str, port: int) -> str:
    """Both as they stand in a URL."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _with_port(host: str, default: int) -> str:
    found = _HOST.fullmatch(host)
    if found is None:
        raise RedisUrlError("a host of the Redis URL is not host:port")
    return f"{found['name']}:{found['port'] or default}"


def _master_and_database(kind: Kind, path: str) -> tuple[str, str]:
    if kind != "sentinel":
        if kind == "cluster" and path not in ("", "0"):
            raise RedisUrlError("a Redis cluster has no database but 0")
        return "", path
    master, _, database = path.partition("/")
    if not master or not (database or "0").isdecimal():
        raise RedisUrlError("redis+sentinel:// needs /NAME of the master, or /NAME/DATABASE")
    return master, database


def _options(scheme: str, text: str) -> tuple[str, str, str]:
    """The options of a server, and what stands before and after the host of a sentinel."""
    options = dict(parse_qsl(text, keep_blank_values=True))
    user = quote(options.pop("sentinel_username", ""), safe="")
    password = quote(options.pop("sentinel_password", ""), safe="")
    credentials = f"{user}:{password}@" if password else ""
    rest = f"?{urlencode(options)}" if options else ""
    return rest, f"{scheme}://{credentials}", rest
