"""Logs of the service: JSON lines, or colours at a terminal."""

import logging
import sys

import structlog


def configure_logs() -> None:
    """Send structlog's events to standard error."""
    # wordllama sets up logging of its own, at a level that shows every library's small talk.
    logging.basicConfig(level=logging.WARNING)
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer()
        if sys.stderr.isatty()
        else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
    )
