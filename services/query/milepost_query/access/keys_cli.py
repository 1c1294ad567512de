"""The commands `milepost keys create`, `list` and `revoke`."""

import json
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from pydantic_settings import BaseSettings, SettingsConfigDict
from rich.console import Console
from rich.table import Table

from milepost_query.access.authentication import API_KEY_PREFIX
from milepost_query.access.keys_file import (
    READ_SCOPE,
    SCOPES,
    ApiKey,
    ApiKeysError,
    KeysFile,
    digest,
)
from milepost_schemas.identity import is_identifier

NO_SUCH_KEY: Final = 1
NOT_DONE: Final = 2
"""There is no file to work with, or it cannot be used."""

LOCAL_STACK: Final = Path(".milepost")

_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days"}

keys = typer.Typer(no_args_is_help=True, help="Make, list and revoke API keys.")


class _Environment(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="MILEPOST_", frozen=True)

    api_keys_file: Path | None = None


def _organization(text: str) -> str:
    if not is_identifier(text):
        raise typer.BadParameter("letters, digits, and after the first also _ . -; at most 128")
    return text


def _scopes(text: str) -> tuple[str, ...]:
    scopes = tuple(dict.fromkeys(part.strip() for part in text.split(",")))
    if unknown := [scope for scope in scopes if scope not in SCOPES]:
        raise typer.BadParameter(f"{unknown[0]!r} is none of {', '.join(SCOPES)}")
    return scopes


def _lifetime(text: str) -> timedelta:
    match = re.fullmatch(r"([1-9]\d{0,5})([mhd])", text)
    if match is None:
        raise typer.BadParameter("not such as 30m, 12h or 90d")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


File = Annotated[
    Path | None,
    typer.Option(
        "--file",
        metavar="PATH",
        help="The file of digests. Else that of the local stack here, or MILEPOST_API_KEYS_FILE.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@keys.command()
def create(
    organization: Annotated[str, typer.Option(metavar="ID", help="Whose files it opens.")],
    *,
    scopes: Annotated[str, typer.Option(help=f"Of {', '.join(SCOPES)}.")] = READ_SCOPE,
    expires_in: Annotated[
        str | None, typer.Option(metavar="TIME", help="Such as 30m, 12h, 90d.")
    ] = None,
    file: File = None,
    as_json: AsJson = False,
) -> None:
    """Make a key and print it. It is not stored, so this is the only time that it is seen."""
    secret = f"{API_KEY_PREFIX.decode()}{secrets.token_urlsafe(32)}"
    now = datetime.now(UTC).replace(microsecond=0)
    key = ApiKey(
        key_id=f"key_{secrets.token_hex(6)}",
        sha256=digest(secret),
        organization_id=_organization(organization),
        scopes=_scopes(scopes),
        expires_at=None if expires_in is None else now + _lifetime(expires_in),
        created_at=now,
    )
    with _reported():
        _file(file).add(key)
    if as_json:
        typer.echo(json.dumps({"api_key": secret, **_shown(key)}))
        return
    typer.echo(secret)
    typer.echo(f"{key.key_id} for {organization}. The key is shown only this once.", err=True)


@keys.command(name="list")
def list_(*, file: File = None, as_json: AsJson = False) -> None:
    """List all keys by their id, expired ones as well."""
    with _reported():
        found = [_shown(key) for key in _file(file).read()]
    if as_json:
        typer.echo(json.dumps(found))
        return
    table = Table("key", "organization", "scopes", "created", "expires", box=None)
    for key in found:
        table.add_row(
            key["key_id"],
            key["organization_id"],
            " ".join(key["scopes"]),
            key["created_at"] or "unknown",
            key["expires_at"] or "never",
        )
    Console().print(table)


@keys.command()
def revoke(
    key_id: Annotated[str, typer.Argument(metavar="KEY_ID", help="As `list` names it.")],
    *,
    file: File = None,
) -> None:
    """Take a key out; services stop accepting it within seconds.

    Exit code 0: it is gone; 1: there was none of that id; 2: the file cannot be used.
    """
    with _reported():
        was_there = _file(file).remove(key_id)
    if not was_there:
        typer.echo(f"milepost: there is no key {key_id}", err=True)
        raise typer.Exit(NO_SUCH_KEY)
    typer.echo(f"{key_id} is revoked", err=True)


def _file(named: Path | None) -> KeysFile:
    if named is not None:
        return KeysFile(named)
    if (LOCAL_STACK / "stack.json").exists():
        return KeysFile(LOCAL_STACK / "api-keys.json")
    if (path := _Environment().api_keys_file) is not None:
        return KeysFile(path)
    raise ApiKeysError(
        f"no local stack in {LOCAL_STACK}; name a file with --file or MILEPOST_API_KEYS_FILE"
    )


@contextmanager
def _reported() -> Iterator[None]:
    try:
        yield
    except ApiKeysError as error:
        typer.echo(f"milepost: {error}", err=True)
        raise typer.Exit(NOT_DONE) from error


def _shown(key: ApiKey) -> dict[str, Any]:
    """What may be told of a key: not even its digest."""
    told = {"key_id", "organization_id", "scopes", "created_at", "expires_at"}
    return key.model_dump(mode="json", include=told)
