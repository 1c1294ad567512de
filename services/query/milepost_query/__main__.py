"""The query service as a process: `python -m milepost_query`."""

import asyncio
import socket
import sys
import time
from contextlib import aclosing

import structlog
import uvloop
from pydantic import ValidationError

from milepost_query.access.admission import Admission
from milepost_query.access.api_keys import ApiKeys
from milepost_query.access.authentication import Authentication
from milepost_query.access.keys_file import ApiKeysError
from milepost_query.access.leases import connect_leases
from milepost_query.access.rate_limits import RateLimits
from milepost_query.access.token_keys import token_keys
from milepost_query.access.tokens import NoTokens, SignedTokens, Tokens
from milepost_query.application import Sources, create_application
from milepost_query.connections import connect, connect_snapshots
from milepost_query.logs import configure_logs
from milepost_query.read_model import ReadModel
from milepost_query.server import BindError, bind, serve
from milepost_query.settings import QuerySettings
from milepost_query.waits.following import Following
from milepost_query.waits.hints import connect_hints
from milepost_schemas.keys import Keys

_log = structlog.get_logger()


async def run(settings: QuerySettings, api_keys: ApiKeys, listener: socket.socket) -> None:
    """Runs the service on the socket until it is told to stop."""
    redis_url = settings.redis_url.get_secret_value()
    async with (
        connect(redis_url) as redis,
        connect_snapshots(redis_url) as snapshot_reads,
        connect_hints(redis_url) as hints,
        connect_leases(redis_url, settings.redis_prefix, time.time) as leases,
        aclosing(ReadModel(redis, Keys(settings.redis_prefix))) as read_model,
        asyncio.TaskGroup() as tasks,
    ):
        tokens = accepted_tokens(settings)
        terms = settings.terms
        limits = RateLimits(terms.rates_per_s, leases, time.time)
        admission = Admission(Authentication(api_keys, time.time, tokens), limits)
        following = Following(read_model, hints)
        app = create_application(
            Sources(read_model, snapshot_reads, following),
            admission,
            time.time,
            terms=terms,
        )

        watched = (api_keys, tokens, leases, read_model)
        watching = [
            tasks.create_task(each) for each in (*(one.watch() for one in watched), following.run())
        ]
        host, port = listener.getsockname()[:2]
        _log.info("listening", host=host, port=port)
        await serve(app, listener, before_end=following.end)
        for task in watching:
            task.cancel()
    _log.info("stopped")


def accepted_tokens(settings: QuerySettings) -> Tokens:
    """Those of the issuer that the settings name, if they name one."""
    rules = settings.token_rules
    if settings.jwt_jwks is None or rules is None:
        return NoTokens()
    return SignedTokens(token_keys(settings.jwt_jwks), rules)


def main() -> int:
    """Starts and runs the service; the exit code says whether it ever ran."""
    configure_logs()
    try:
        settings = QuerySettings()
        api_keys = ApiKeys(settings.api_keys_file)
        listener = bind(settings.http_host, settings.http_port)
    except (ValidationError, ApiKeysError, BindError) as error:
        _log.error("not_started", reason=str(error))
        return 1
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run(settings, api_keys, listener))
    return 0


if __name__ == "__main__":
    sys.exit(main())
