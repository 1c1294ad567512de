"""What a verdict about silence has to name."""

from datetime import UTC, datetime, timedelta

from tests.unit.schemas.file_log import FileLog

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def last_sign(log: FileLog) -> datetime:
    """The file's last sign of life."""
    return EPOCH + timedelta(milliseconds=log.document.signed_at_ms)
