"""Where a file's content and the stages' outputs lie, and who may point where."""

import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from milepost.errors import ProcessingError
from milepost_pipeline.failures import failure
from milepost_pipeline.objects import ObjectMissingError, ObjectStore

_CLEAN_PATH = re.compile(r"[^\x00-\x1f\x7f\\%?#]+")


@dataclass(frozen=True)
class FileRef:
    """A file of a store of an organization."""

    organization_id: str
    store_id: str
    file_id: str

    @property
    def folder(self) -> str:
        return f"{self.organization_id}/{self.store_id}/{self.file_id}"

    @property
    def content_path(self) -> str:
        return f"{self.folder}/content"


class Source(msgspec.Struct, frozen=True):
    """What a retry needs to know about a file, kept from its registration."""

    content_uri: str
    name: str
    mime_type: str


async def put_content(objects: ObjectStore, file: FileRef, source: Path) -> str:
    """Store a local file as the file's content; return its URI."""
    await objects.write(file.content_path, source)
    return f"{objects.url}/{file.content_path}"


def path_of(objects: ObjectStore, file: FileRef, content_uri: str) -> str:
    """Return the object's path for a URI.

    Raises:
        ProcessingError: the URI lies outside the part of the object store that belongs to the
            file's own store. Whoever can register a file must not read anything else with it.
    """
    path = content_uri.removeprefix(f"{objects.url}/")
    is_inside = path != content_uri and path.startswith(f"{file.organization_id}/{file.store_id}/")
    is_clean = _CLEAN_PATH.fullmatch(path) and not {"", ".", ".."} & set(path.split("/"))
    if not (is_inside and is_clean):
        raise failure("content_refused")
    return path


async def remember_source(objects: ObjectStore, file: FileRef, source: Source) -> None:
    """Keep durably where the content lies, so that a later attempt finds it."""
    await objects.write(f"{file.folder}/source.json", msgspec.json.encode(source))


async def recall_source(objects: ObjectStore, file: FileRef) -> Source | None:
    """Return None for a file that was never registered with content."""
    try:
        data = await objects.read(f"{file.folder}/source.json")
    except ObjectMissingError:
        return None
    return msgspec.json.decode(data, type=Source)


async def remove_source(objects: ObjectStore, file: FileRef) -> None:
    """Remove the content, and last what was kept from the registration, which leads to it."""
    source = await recall_source(objects, file)
    paths = [file.content_path]
    if source is not None:
        with suppress(ProcessingError):
            paths.append(path_of(objects, file, source.content_uri))
    await objects.remove([*paths, f"{file.folder}/source.json"])
