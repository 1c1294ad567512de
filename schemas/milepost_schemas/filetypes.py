"""Which types of files are read, by their names: for the pipeline, and for who wants to upload."""

from dataclasses import dataclass
from typing import Final

MAX_FILE_BYTES: Final = 100_000_000
"""Largest file that is read, unless the operator says otherwise."""


@dataclass(frozen=True)
class FileType:
    """A supported type. `noun` is what its owner calls it, `part` lies in every such archive."""

    noun: str
    mime_type: str
    extensions: tuple[str, ...]
    part: str | None = None


@dataclass(frozen=True)
class UnsupportedCategory:
    """Files that people try to upload although they cannot be read, and what to do instead."""

    category: str
    extensions: tuple[str, ...]
    reason: str


_OFFICE: Final = "application/vnd.openxmlformats-officedocument"

PDF: Final = FileType("PDF", "application/pdf", (".pdf",))
DOCX: Final = FileType(
    "Word document",
    f"{_OFFICE}.wordprocessingml.document",
    (".docx", ".docm"),
    "word/document.xml",
)
PPTX: Final = FileType(
    "presentation",
    f"{_OFFICE}.presentationml.presentation",
    (".pptx", ".pptm", ".ppsx"),
    "ppt/presentation.xml",
)
XLSX: Final = FileType(
    "spreadsheet", f"{_OFFICE}.spreadsheetml.sheet", (".xlsx", ".xlsm"), "xl/workbook.xml"
)
HTML: Final = FileType("HTML page", "text/html", (".html", ".htm", ".xhtml"))
MARKDOWN: Final = FileType("Markdown file", "text/markdown", (".md", ".markdown"))
TEXT: Final = FileType("text file", "text/plain", (".txt", ".text"))
CSV: Final = FileType("CSV file", "text/csv", (".csv", ".tsv"))

OFFICE_TYPES: Final = (DOCX, PPTX, XLSX)
TEXT_TYPES: Final = (HTML, MARKDOWN, TEXT, CSV)

SUPPORTED_TYPES: Final = {
    "pdf": PDF,
    "docx": DOCX,
    "pptx": PPTX,
    "xlsx": XLSX,
    "html": HTML,
    "markdown": MARKDOWN,
    "text": TEXT,
    "csv": CSV,
}
"""All that are read, by the names of the interface."""

UNSUPPORTED_CATEGORIES: Final = (
    UnsupportedCategory(
        "old_office",
        (".doc", ".xls", ".ppt"),
        "Office formats from before 2007 are not read; save as DOCX, PPTX or XLSX.",
    ),
    UnsupportedCategory(
        "image",
        (".png", ".jpg", ".jpeg", ".gif", ".tif", ".tiff", ".webp", ".bmp", ".svg"),
        "Pictures hold no text that is read; run text recognition (OCR) and upload the result.",
    ),
    UnsupportedCategory(
        "audio",
        (".mp3", ".wav", ".m4a", ".flac", ".ogg"),
        "Recordings are not transcribed; upload a transcript.",
    ),
    UnsupportedCategory(
        "video",
        (".mp4", ".mov", ".avi", ".mkv", ".webm"),
        "Films are not transcribed; upload a transcript.",
    ),
    UnsupportedCategory(
        "archive",
        (".zip", ".tar", ".gz", ".7z", ".rar"),
        "Archives are not unpacked; upload the files in them.",
    ),
    UnsupportedCategory(
        "program",
        (".exe", ".dll", ".msi", ".app", ".bin"),
        "Programs hold no text.",
    ),
)
"""The usual ones; every other extension that no supported type has is refused, too."""
