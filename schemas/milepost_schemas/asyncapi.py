"""The AsyncAPI document: topics, their records, and how a client in any language uses them."""

from typing import Any

from milepost_schemas.asyncapi_records import (
    BINDING_VERSION,
    DEAD_LETTER_HEADERS,
    FILE_KEY,
    STATUS_HEADERS,
    dead_letter_messages,
    status_messages,
)
from milepost_schemas.codec import SCHEMA_URN
from milepost_schemas.events import TYPES, EventData
from milepost_schemas.json_schema import definitions_of
from milepost_schemas.status_record import DeletedFile, FileDocument
from milepost_schemas.topics import DEAD_LETTER, EVENTS, MAX_EVENT_BYTES, STATUS, Topic

_PARTITIONER = (
    "The partition of a record is `(murmur2(key) & 0x7fffffff) % partitions`, as the Java client "
    "and aiokafka choose it by default. Other clients are to be told: librdkafka by "
    "`partitioner=murmur2_random`, kafka-go by `Murmur2Balancer`, sarama by `NewCustomPartitioner` "
    "with `WithAbsFirst` and a murmur2 hash. Partitions are never added to a topic."
)

_CHANNELS: dict[str, tuple[Topic, str, str]] = {
    "events": (
        EVENTS,
        "The log",
        (
            "Every event of every file, for good. CloudEvents 1.0 in binary mode; structured mode "
            f"(`application/cloudevents+json`) is read, too. A value has at most {MAX_EVENT_BYTES} "
            "bytes. Unknown fields are ignored. A record that breaks the contract goes to the "
            "dead-letter topic; other CloudEvents types than `milepost.*` are skipped. "
            f"{_PARTITIONER}"
        ),
    ),
    "status": (
        STATUS,
        "The newest document of each file",
        (
            "Compacted: the last record of a key is the newest. Keys and partitions are those of "
            "the log. Read with `isolation.level=read_committed`: what a former owner of a "
            "partition left in an open transaction never happened. Begin at the beginning; up to "
            "the end offset of that moment it is the world, then what happens. Of two records of "
            "a key, the one with the larger pair of `milepost-generation` and `milepost-revision` "
            "is newer, both compared as numbers; drop one that is not newer than what you have. "
            "A deleted file leaves a marker with `deleted_at`. Skip a record without a value. Not "
            "every revision is published, but the newest always is."
        ),
    ),
    "deadLetter": (
        DEAD_LETTER,
        "Records of the log that cannot be applied",
        (
            "Key, value and headers as they were, and behind those the headers that say why, from "
            "the last `milepost-reason` on. Keys and partitions are those of the log. At least "
            "once: two with the same source position are one."
        ),
    ),
}

_REFERENCE = "#/components/schemas/{name}"

_TEXT = {"type": "string", "minLength": 1}
_HEADERS = {
    "title": "CloudEventHeaders",
    "description": "CloudEvents attributes as record headers, in UTF-8.",
    "type": "object",
    "properties": {
        "ce_specversion": {"type": "string", "const": "1.0"},
        "ce_id": _TEXT | {"description": "With `ce_source`, the identity of the event."},
        "ce_source": _TEXT | {"description": "Who published the event."},
        "ce_type": _TEXT,
        "ce_time": {
            "type": "string",
            "format": "date-time",
            "description": "When it happened. The broker's time stands in where it is missing "
            "or later than that.",
        },
        "ce_subject": {"type": "string", "description": "The record's key."},
        "ce_dataschema": {"type": "string", "format": "uri"},
        "content-type": {"type": "string", "const": "application/json"},
        "traceparent": {"type": "string", "description": "W3C trace context."},
        "tracestate": {"type": "string", "description": "W3C trace state."},
    },
    "required": ["ce_specversion", "ce_id", "ce_source", "ce_type"],
}


def _name(data: type[EventData]) -> str:
    return data.__name__[0].lower() + data.__name__[1:]


def asyncapi_document() -> dict[str, Any]:
    """The document as JSON data, AsyncAPI 3.0."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Milepost",
            "version": "1",
            "description": "What happens to files that are being processed, as events on Kafka.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {name: _channel(name, *facts) for name, facts in _CHANNELS.items()},
        "operations": {
            "receiveEvents": _operation(
                "events",
                "Read the log",
                "Stages publish events; Milepost and any other subscriber read them.",
            ),
            "receiveStatuses": _operation(
                "status", "Follow the files", "What every file is, then each change."
            ),
            "receiveDeadLetters": _operation(
                "deadLetter", "Watch for dead letters", "What could not be applied, and why."
            ),
        },
        "components": {
            "messages": _messages(),
            "schemas": {
                "FileKey": FILE_KEY,
                "CloudEventHeaders": _HEADERS,
                "StatusHeaders": STATUS_HEADERS,
                "DeadLetterHeaders": DEAD_LETTER_HEADERS,
                **definitions_of(list(TYPES.values()), _REFERENCE),
                **definitions_of([FileDocument, DeletedFile], _REFERENCE),
            },
        },
    }


def _messages() -> dict[str, Any]:
    events = {_name(data): _message(type_) for type_, data in TYPES.items()}
    return events | status_messages() | dead_letter_messages()


_MESSAGE_NAMES = {
    "events": [_name(data) for data in TYPES.values()],
    "status": list(status_messages()),
    "deadLetter": list(dead_letter_messages()),
}
"""The messages of each channel."""


def _operation(channel: str, title: str, summary: str) -> dict[str, Any]:
    return {
        "action": "receive",
        "title": title,
        "summary": summary,
        "channel": {"$ref": f"#/channels/{channel}"},
        "messages": [
            {"$ref": f"#/channels/{channel}/messages/{name}"} for name in _MESSAGE_NAMES[channel]
        ],
    }


def _channel(channel: str, topic: Topic, title: str, description: str) -> dict[str, Any]:
    names = _MESSAGE_NAMES[channel]
    return {
        "address": topic.name,
        "title": title,
        "description": description,
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in names},
        "bindings": {
            "kafka": {
                "topic": topic.name,
                "partitions": topic.partitions,
                "topicConfiguration": {
                    config: _config(config, text) for config, text in topic.configs.items()
                },
                "bindingVersion": BINDING_VERSION,
            }
        },
    }


def _config(name: str, text: str) -> object:
    """A topic's setting as the Kafka bindings type it."""
    if name == "cleanup.policy":
        return text.split(",")
    return int(text) if text.lstrip("-").isdigit() else text


def _message(type_: str) -> dict[str, Any]:
    data = TYPES[type_]
    attributes = {"ce_type": type_, "ce_dataschema": f"{SCHEMA_URN}{type_}"}
    return {
        "name": type_,
        "title": data.__name__,
        "summary": (data.__doc__ or "").strip(),
        "contentType": "application/json",
        "headers": {
            "allOf": [
                {"$ref": "#/components/schemas/CloudEventHeaders"},
                {"properties": {name: {"const": text} for name, text in attributes.items()}},
            ]
        },
        "payload": {"$ref": f"#/components/schemas/{data.__name__}"},
        "bindings": {
            "kafka": {
                "key": {"$ref": "#/components/schemas/FileKey"},
                "bindingVersion": BINDING_VERSION,
            }
        },
    }
