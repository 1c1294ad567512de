"""The files that a command is given."""

from collections.abc import Sequence
from typing import NamedTuple

from milepost.local_stack import NoTargetError
from milepost.paths import status_path
from milepost.query_target import QueryTarget
from milepost_schemas.identity import file_key


class NamedFile(NamedTuple):
    """A file that a command is to do something about."""

    store_id: str
    file_id: str

    @property
    def key(self) -> str:
        """As it is written on a command line."""
        return file_key(self.store_id, self.file_id)

    def ids(self, target: QueryTarget) -> dict[str, str]:
        """What the client's methods take."""
        return {"organization_id": target.organization, **self._asdict()}


def named_files(texts: Sequence[str], target: QueryTarget) -> list[NamedFile]:
    """The files that are written as `FILE_ID` or `STORE/FILE_ID`, each once.

    Raises:
        NoTargetError: which store a file is in is nowhere said.
        InvalidIdentifierError: no file can have such a name.
    """
    files = list(dict.fromkeys(_named(text, target) for text in texts))
    for file in files:
        status_path(**file.ids(target))
    return files


def _named(text: str, target: QueryTarget) -> NamedFile:
    store_id, slash, file_id = text.rpartition("/")
    if slash:
        return NamedFile(store_id, file_id)
    if not target.store:
        raise NoTargetError(
            f"which store is {text} in? write STORE/{text}, or set MILEPOST_STORE or --store"
        )
    return NamedFile(target.store, text)
