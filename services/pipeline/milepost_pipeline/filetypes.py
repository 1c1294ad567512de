"""Which type a file is: what its first bytes say, then what its name says."""

import zipfile
import zlib
from io import BytesIO
from pathlib import PurePosixPath

from milepost.errors import ProcessingError
from milepost_pipeline.failures import failure
from milepost_schemas.filetypes import (
    HTML,
    OFFICE_TYPES,
    PDF,
    SUPPORTED_TYPES,
    TEXT,
    TEXT_TYPES,
    FileType,
)

_BY_EXTENSION = {
    extension: type_ for type_ in SUPPORTED_TYPES.values() for extension in type_.extensions
}
_BY_MIME_TYPE = {type_.mime_type: type_ for type_ in SUPPORTED_TYPES.values()}

MAX_UNPACKED_BYTES = 500_000_000
"""Largest sum of the parts of an Office file."""

_LARGEST_DEFLATE_RATIO = 1032
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_OLE = bytes.fromhex("d0cf11e0a1b11ae1")
_ENCRYPTED_PACKAGE = "EncryptedPackage".encode("utf-16-le")
# PDF readers accept the header anywhere in the first kilobyte.
_PDF_HEADER_WITHIN = 1024


def guess_mime_type(name: str) -> str:
    """Return the media type that the name stands for, `application/octet-stream` if unknown."""
    named = _BY_EXTENSION.get(_extension(name))
    return named.mime_type if named else "application/octet-stream"


def check_name(name: str) -> None:
    """Refuse a file by its name alone, where it would be for nothing to look inside.

    Raises:
        ProcessingError: the extension stands for no supported type.
    """
    extension = _extension(name)
    if extension and extension not in _BY_EXTENSION:
        raise _unsupported(extension)


def detect(data: bytes, name: str, mime_type: str) -> FileType:
    """Return the type of the content.

    Raises:
        ProcessingError: the type is not supported, or the content is not what the name promises.
    """
    extension = _extension(name)
    named = _BY_EXTENSION.get(extension)
    if not extension:
        named = _BY_MIME_TYPE.get(mime_type)
    if data.startswith(b"%PDF-") or (
        named not in TEXT_TYPES and b"%PDF-" in data[:_PDF_HEADER_WITHIN]
    ):
        return PDF
    if data.startswith(_OLE):
        raise _refused_ole(data)
    if data.startswith(_ZIP) and named not in TEXT_TYPES:
        return _office_type(data, named, extension)
    if named is None and extension:
        raise _unsupported(extension)
    if named is None:
        named = TEXT
    if named not in TEXT_TYPES:
        raise failure("corrupt_file", noun=named.noun)
    return HTML if named is TEXT and _looks_like_html(data) else named


def _extension(name: str) -> str:
    return PurePosixPath(name).suffix.lower()


def _refused_ole(data: bytes) -> ProcessingError:
    # Office wraps an encrypted DOCX, PPTX or XLSX in the container of its old formats.
    if _ENCRYPTED_PACKAGE in data:
        return failure("password_protected", noun="Office file")
    return failure("old_office_format")


def _office_type(data: bytes, named: FileType | None, extension: str) -> FileType:
    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            type_ = _type_of(archive)
            is_intact = type_ is None or _is_intact(archive, type_, len(data))
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError, OSError):
        type_, is_intact = None, False
    if type_ is not None and is_intact:
        return type_
    noun = type_ or named
    if noun is None:
        raise _unsupported(extension)
    raise failure("corrupt_file", noun=noun.noun)


def _type_of(archive: zipfile.ZipFile) -> FileType | None:
    parts = set(archive.namelist())
    return next((type_ for type_ in OFFICE_TYPES if type_.part in parts), None)


def _is_intact(archive: zipfile.ZipFile, type_: FileType, size_bytes: int) -> bool:
    """Whether every part has its checksum: parsers pass over damage that cost half the text."""
    unpacked = sum(part.file_size for part in archive.infolist())
    if unpacked > size_bytes * _LARGEST_DEFLATE_RATIO:
        return False
    if unpacked > MAX_UNPACKED_BYTES:
        raise failure("unpacks_too_large", noun=type_.noun)
    return archive.testzip() is None


def _looks_like_html(data: bytes) -> bool:
    start = data[:256].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return start.startswith((b"<!doctype html", b"<html"))


def _unsupported(extension: str) -> ProcessingError:
    return failure("unsupported_type", type=f"type {extension}" if extension else "this type")
