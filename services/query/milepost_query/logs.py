"""How the process logs: lines for a terminal, JSON for everything else."""

import logging
import sys
from typing import Any, TextIO

import msgspec
import structlog
from structlog.types import Processor


def configure_logs(stream: TextIO = sys.stderr) -> None:
    """Sends structlog's events and the libraries' records to `stream`, in one format.

    Our own events do not go through `logging`, which takes longer than to answer a request.
    """
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    rendering = _rendering(is_terminal=stream.isatty())
    structlog.configure(
        processors=[*shared, *rendering],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(stream),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendering],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.INFO, force=True)


def _rendering(*, is_terminal: bool) -> list[Processor]:
    if is_terminal:
        return [structlog.dev.ConsoleRenderer()]
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(_json)]


def _json(event: Any, **_: object) -> str:  # noqa: ANN401  as structlog has it
    return msgspec.json.encode(event, enc_hook=repr).decode()
