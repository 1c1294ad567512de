"""The file that these tests report about."""

from typing import TypedDict


class FileIds(TypedDict):
    store_id: str
    file_id: str


FILE: FileIds = {"store_id": "vs_1", "file_id": "file_1"}
