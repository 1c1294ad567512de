"""Why a file cannot be processed, in sentences that its owner can act on."""

from typing import Literal

from milepost.errors import ProcessingError

FailureCode = Literal[
    "empty_file",
    "file_too_large",
    "unpacks_too_large",
    "too_much_text",
    "unsupported_type",
    "old_office_format",
    "corrupt_file",
    "password_protected",
    "no_text",
    "unreadable_encoding",
    "content_missing",
    "content_refused",
    "output_missing",
    "read_timeout",
    "out_of_memory",
    "reader_crashed",
    "storage_unavailable",
]

SUPPORTED_TYPES = "PDF, DOCX, PPTX, XLSX, HTML, Markdown, plain text or CSV"

SENTENCES: dict[FailureCode, str] = {
    "empty_file": "The file is empty (0 bytes); upload a version that has content.",
    "file_too_large": "The file has {size}, but at most {limit} are allowed; "
    "split it or make it smaller, then upload it again.",
    "unpacks_too_large": "The {noun} unpacks to far more data than can be read; "
    "remove what is not needed or split it, then upload it again.",
    "too_much_text": "The file has {characters:,} characters of text, but at most {limit:,} are "
    "allowed; split it into several files.",
    "unsupported_type": "Files of {type} are not supported; "
    f"convert the file to {SUPPORTED_TYPES} and upload that.",
    "old_office_format": "The file has an Office format from before 2007, which is not supported; "
    "save it as DOCX, PPTX or XLSX and upload that.",
    "corrupt_file": "The {noun} is damaged or incomplete and cannot be opened; "
    "save or export it again and upload the new copy.",
    "password_protected": "The {noun} is protected by a password; "
    "save a copy without the password and upload that.",
    "no_text": "No text was found in the {noun}; "
    "if it holds scans or pictures, run text recognition (OCR) on it and upload the result.",
    "unreadable_encoding": "The {noun} is not readable as text in any known encoding; "
    "save it as UTF-8 and upload it again.",
    "content_missing": "The file's content is no longer in the store; upload the file again.",
    "content_refused": "The file was registered with content outside its store's part of the "
    "object store, which is never read; upload the content there and register the file again.",
    "output_missing": "The result of an earlier step is no longer in the store; "
    "try the file again.",
    "read_timeout": "Reading the file took longer than {timeout_s:g} seconds; "
    "try it once more, or split it into smaller files.",
    "out_of_memory": "Reading the file takes more memory than is allowed; "
    "split it into smaller files.",
    "reader_crashed": "Something in the file breaks the reader; "
    "save or export it again and upload the new copy.",
    "storage_unavailable": "The file could not be processed, because our storage did not answer "
    "for too long; please try it again later.",
}

_RETRYABLE: frozenset[FailureCode] = frozenset(
    {"output_missing", "read_timeout", "storage_unavailable"}
)


def failure(code: FailureCode, **facts: object) -> ProcessingError:
    """Return the error for a code, with the facts that its sentence names."""
    return ProcessingError(code, SENTENCES[code].format(**facts), retryable=code in _RETRYABLE)


def file_too_large(size_bytes: int, limit_bytes: int) -> ProcessingError:
    """Return the error with both sizes in a unit that shows the difference."""
    size, limit = f"{size_bytes / 1e6:.1f} MB", f"{limit_bytes / 1e6:.1f} MB"
    if size == limit or limit_bytes < 1_000_000:
        size, limit = f"{size_bytes:,} bytes", f"{limit_bytes:,} bytes"
    return failure("file_too_large", size=size, limit=limit)
