"""Writes the generated documents: `python -m milepost_schemas DIRECTORY`."""

import json
import sys
from pathlib import Path

from milepost_schemas.asyncapi import asyncapi_document
from milepost_schemas.events import TYPES
from milepost_schemas.json_schema import event_schema


def generated_files() -> dict[str, str]:
    """The text of each generated file, by its path below the directory."""
    documents = {f"events/{type_}.json": event_schema(type_) for type_ in TYPES}
    documents["asyncapi.json"] = asyncapi_document()
    return {
        path: json.dumps(document, indent=2, ensure_ascii=False) + "\n"
        for path, document in documents.items()
    }


def write(directory: Path) -> None:
    """Write all files and remove the schemas of types that are no more."""
    files = generated_files()
    (directory / "events").mkdir(parents=True, exist_ok=True)
    for path in (directory / "events").glob("*.json"):
        if f"events/{path.name}" not in files:
            path.unlink()
    for name, text in files.items():
        (directory / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("usage: python -m milepost_schemas DIRECTORY")
    write(Path(sys.argv[1]))
