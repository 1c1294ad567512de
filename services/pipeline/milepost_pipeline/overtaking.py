"""Which work the log has made pointless: a newer attempt, an end, a deletion."""

from collections import OrderedDict
from dataclasses import dataclass

from milepost.errors import NotNowError
from milepost_pipeline.content import FileRef
from milepost_schemas.events import (
    EventData,
    FileDeleted,
    ProcessingCompleted,
    ProcessingFailed,
    ProcessingRequested,
)

_FILES_REMEMBERED = 50_000


class OvertakenError(NotNowError):
    """The work is pointless by now; the file's status is told by what overtook it."""


@dataclass
class _Known:
    """All attempts up to `ended_attempt` are over, and of a deleted file every attempt is."""

    ended_attempt: int = 0
    is_deleted: bool = False


class Board:
    """What the log said about the files that it mentioned last.

    Only saves work: outputs are keyed by attempt, and the index checks for itself.
    """

    def __init__(self, files_remembered: int = _FILES_REMEMBERED) -> None:
        self._files: OrderedDict[FileRef, _Known] = OrderedDict()
        self._files_remembered = files_remembered

    def note(self, file: FileRef, data: EventData) -> bool:
        """Take in an event; return whether it may have overtaken work."""
        known = self._files.get(file, _Known())
        match data:
            case FileDeleted():
                known.is_deleted = True
            case ProcessingRequested():
                known.ended_attempt = max(known.ended_attempt, data.attempt - 1)
            case ProcessingCompleted():
                known.ended_attempt = max(known.ended_attempt, data.attempt)
            case ProcessingFailed(silent_since=None):
                known.ended_attempt = max(known.ended_attempt, data.attempt)
            # A verdict about silence counts only if the stage was silent, which it may not have
            # been; work that goes on under a valid one is ignored by the fold.
            case _:
                return False
        self._remember(file, known)
        return True

    def is_overtaken(self, file: FileRef, attempt: int) -> bool:
        known = self._files.get(file)
        return known is not None and (known.is_deleted or attempt <= known.ended_attempt)

    def _remember(self, file: FileRef, known: _Known) -> None:
        self._files[file] = known
        self._files.move_to_end(file)
        if len(self._files) > self._files_remembered:
            self._files.popitem(last=False)
