"""The records of the status topic and of the dead-letter topic, in the terms of AsyncAPI."""

from typing import Any

from milepost_schemas import dead_letter
from milepost_schemas.identity import IDENTIFIER_PATTERN
from milepost_schemas.status_record import (
    GENERATION_HEADER,
    REVISION_HEADER,
    STATUS_TYPE,
    DeletedFile,
    FileDocument,
)

BINDING_VERSION = "0.5.0"
"""Version of the Kafka bindings of AsyncAPI."""

FILE_KEY = {
    "title": "FileKey",
    "description": "`store_id/file_id`, in UTF-8.",
    "type": "string",
    "pattern": f"^{IDENTIFIER_PATTERN}/{IDENTIFIER_PATTERN}$",
}

_NUMBER = {"type": "string", "pattern": "^[0-9]+$"}

STATUS_HEADERS = {
    "title": "StatusHeaders",
    "description": "How new the document is, for readers that do not decode it.",
    "type": "object",
    "properties": {
        "ce_type": {"type": "string", "const": STATUS_TYPE},
        GENERATION_HEADER: _NUMBER
        | {"description": "The building of the read model, in decimal; compare it first."},
        REVISION_HEADER: _NUMBER
        | {"description": "The file's revision in that generation, in decimal."},
    },
    "required": [GENERATION_HEADER, REVISION_HEADER],
}

DEAD_LETTER_HEADERS = {
    "title": "DeadLetterHeaders",
    "description": "Stand behind the headers of the record.",
    "type": "object",
    "properties": {
        dead_letter.REASON: {"type": "string", "description": "Why, for programs."},
        dead_letter.DETAIL: {
            "type": "string",
            "description": "What exactly, without quoting the value.",
        },
        dead_letter.SOURCE_TOPIC: {"type": "string", "description": "The log."},
        dead_letter.SOURCE_PARTITION: _NUMBER | {"description": "Where it stands in the log."},
        dead_letter.SOURCE_OFFSET: _NUMBER | {"description": "Where it stands in the log."},
        dead_letter.PROJECTOR_VERSION: {"type": "string", "description": "Who found it."},
        dead_letter.FAILED_AT: {
            "type": "string",
            "format": "date-time",
            "description": "When it was found.",
        },
        dead_letter.VALUE_BYTES: _NUMBER
        | {"description": "Size of a value that is too large for this topic, and left out."},
        dead_letter.VALUE_SHA256: {
            "type": "string",
            "pattern": "^[0-9a-f]{64}$",
            "description": "Digest of a value that was left out.",
        },
    },
    "required": [
        dead_letter.REASON,
        dead_letter.DETAIL,
        dead_letter.SOURCE_TOPIC,
        dead_letter.SOURCE_PARTITION,
        dead_letter.SOURCE_OFFSET,
        dead_letter.PROJECTOR_VERSION,
        dead_letter.FAILED_AT,
    ],
}


def status_messages() -> dict[str, Any]:
    """The two messages of the status topic; `deleted_at` tells them apart."""
    return {"fileDocument": _status(FileDocument), "deletedFile": _status(DeletedFile)}


def dead_letter_messages() -> dict[str, Any]:
    """The one message of the dead-letter topic."""
    return {
        "deadLetter": {
            "name": "milepost.dead-letter",
            "title": "DeadLetter",
            "summary": "A record that can never be applied, as it was, and why.",
            "headers": {"$ref": "#/components/schemas/DeadLetterHeaders"},
            "payload": {"description": "The value as it was, of whatever kind."},
        }
    }


def _status(payload: type[FileDocument | DeletedFile]) -> dict[str, Any]:
    return {
        "name": STATUS_TYPE,
        "title": payload.__name__,
        "summary": (payload.__doc__ or "").strip(),
        "contentType": "application/json",
        "headers": {
            "allOf": [
                {"$ref": "#/components/schemas/CloudEventHeaders"},
                {"$ref": "#/components/schemas/StatusHeaders"},
            ]
        },
        "payload": {"$ref": f"#/components/schemas/{payload.__name__}"},
        "bindings": {
            "kafka": {
                "key": {"$ref": "#/components/schemas/FileKey"},
                "bindingVersion": BINDING_VERSION,
            }
        },
    }
