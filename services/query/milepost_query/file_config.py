"""What may be uploaded: the types that the pipeline reads, and the operator's limits."""

from dataclasses import dataclass
from typing import Final

from milepost_schemas.filetypes import MAX_FILE_BYTES, SUPPORTED_TYPES, UNSUPPORTED_CATEGORIES
from milepost_schemas.http import FileConfig, SupportedType, UnsupportedTypes

NO_LIMIT: Final = 2**53 - 1
"""The largest whole number that every JSON reader takes exactly."""
UPLOAD_CHUNK_BYTES: Final = 8 * 1024 * 1024


@dataclass(frozen=True)
class Limits:
    """What the operator allows."""

    max_file_bytes: int = MAX_FILE_BYTES
    upload_chunk_bytes: int = UPLOAD_CHUNK_BYTES
    storage_bytes: int = NO_LIMIT
    """Of an organization; only told, never enforced."""


def file_config(limits: Limits) -> FileConfig:
    """What the interface says of the types, from the same place that the pipeline reads."""
    return FileConfig(
        direct_upload_max_bytes=limits.max_file_bytes,
        chunked_upload_chunk_bytes=limits.upload_chunk_bytes,
        supported_types={
            name: SupportedType(
                extensions=type_.extensions,
                max_bytes=limits.max_file_bytes,
                description=type_.noun,
            )
            for name, type_ in SUPPORTED_TYPES.items()
        },
        unsupported_categories=tuple(
            UnsupportedTypes(category=of.category, extensions=of.extensions, reason=of.reason)
            for of in UNSUPPORTED_CATEGORIES
        ),
    )
