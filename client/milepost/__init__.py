"""Publish, read and follow the processing status of files.

Names are loaded when they are first used: who only asks for statuses never loads a Kafka client.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from milepost.admin import create_topics as create_topics
    from milepost.connection import KafkaSettings as KafkaSettings
    from milepost.errors import MilepostError as MilepostError
    from milepost.errors import NotNowError as NotNowError
    from milepost.errors import ProcessingError as ProcessingError
    from milepost.http import AsyncMilepost as AsyncMilepost
    from milepost.http import Milepost as Milepost
    from milepost.outlet import Cadence as Cadence
    from milepost.publisher import Publisher as Publisher
    from milepost.reporter import AsyncReporter as AsyncReporter
    from milepost.subscription import Change as Change
    from milepost.subscription import DeletedFile as DeletedFile
    from milepost.subscription import FileDocument as FileDocument
    from milepost.subscription import subscribe as subscribe
    from milepost.sync_reporter import Reporter as Reporter

_MODULES = {
    "AsyncMilepost": "milepost.http",
    "AsyncReporter": "milepost.reporter",
    "Cadence": "milepost.outlet",
    "Change": "milepost.subscription",
    "DeletedFile": "milepost.subscription",
    "FileDocument": "milepost.subscription",
    "KafkaSettings": "milepost.connection",
    "Milepost": "milepost.http",
    "MilepostError": "milepost.errors",
    "NotNowError": "milepost.errors",
    "ProcessingError": "milepost.errors",
    "Publisher": "milepost.publisher",
    "Reporter": "milepost.sync_reporter",
    "create_topics": "milepost.admin",
    "subscribe": "milepost.subscription",
}

__all__ = list(_MODULES)


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)
