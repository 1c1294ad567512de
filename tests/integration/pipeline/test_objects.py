from pathlib import Path

import pytest

from milepost.errors import ProcessingError
from milepost_pipeline.content import (
    FileRef,
    Source,
    path_of,
    put_content,
    recall_source,
    remember_source,
)
from milepost_pipeline.objects import ObjectMissingError, ObjectStore, StorageUnavailableError
from milepost_pipeline.outputs import StepRef, find_manifest, remove_outputs, write_manifest

FILE = FileRef("org_a", "vs_a", "file_1")


async def test_what_was_written_is_read(objects: ObjectStore) -> None:
    await objects.write("a/b", b"content")

    assert await objects.read("a/b") == b"content"
    assert await objects.size_of("a/b") == 7
    assert await objects.list("a") == ["a/b"]


async def test_a_missing_object_is_missing_and_not_unavailable(objects: ObjectStore) -> None:
    with pytest.raises(ObjectMissingError):
        await objects.read("a/b")
    with pytest.raises(ObjectMissingError):
        await objects.size_of("a/b")


async def test_removing_twice_is_no_error(objects: ObjectStore) -> None:
    await objects.write("a/b", b"content")

    await objects.remove(["a/b"])
    await objects.remove(["a/b"])

    assert await objects.list("") == []


async def test_a_store_that_cannot_be_written_is_unavailable(tmp_path: Path) -> None:
    objects = ObjectStore((tmp_path / "objects").as_uri())
    (tmp_path / "objects" / "org_a").write_text("a file where a folder should be")

    with pytest.raises(StorageUnavailableError):
        await objects.write("org_a/vs_a/file_1/content", b"x")


async def test_a_local_file_becomes_content_with_a_uri_that_leads_back(
    objects: ObjectStore, tmp_path: Path
) -> None:
    (tmp_path / "notes.txt").write_bytes(b"x" * 20_000_000)

    uri = await put_content(objects, FILE, tmp_path / "notes.txt")

    assert path_of(objects, FILE, uri) == "org_a/vs_a/file_1/content"
    assert await objects.size_of("org_a/vs_a/file_1/content") == 20_000_000


async def test_a_folder_with_a_blank_in_its_name_works(tmp_path: Path) -> None:
    objects = ObjectStore((tmp_path / "my objects").as_uri())
    (tmp_path / "notes.txt").write_text("hello")

    uri = await put_content(objects, FILE, tmp_path / "notes.txt")

    assert await objects.read(path_of(objects, FILE, uri)) == b"hello"
    assert (tmp_path / "my objects/org_a/vs_a/file_1/content").read_text() == "hello"


@pytest.mark.parametrize(
    "uri",
    [
        "file:///etc/passwd",
        "/etc/passwd",
        "s3://bucket/org_a/vs_a/file_1/content",
        "{url}",
        "{url}/",
        "{url}x/org_a/vs_a/file_1/content",
        "{url}/org_a/vs_a/../../../../etc/passwd",
        "{url}/org_a/vs_a/./content",
        "{url}/org_a/vs_a//content",
        "{url}/org_a/vs_a/%2e%2e/content",
        "{url}/org_a/vs_b/file_1/content",
        "{url}/org_b/vs_a/file_1/content",
        "{url}/org_a/vs_a",
    ],
)
async def test_content_that_is_not_the_stores_own_is_refused(
    objects: ObjectStore, uri: str
) -> None:
    with pytest.raises(ProcessingError) as refused:
        path_of(objects, FILE, uri.format(url=objects.url))
    assert refused.value.code == "content_refused"


async def test_the_source_is_remembered_for_a_retry(objects: ObjectStore) -> None:
    source = Source("s3://bucket/content", "notes.txt", "text/plain")

    assert await recall_source(objects, FILE) is None
    await remember_source(objects, FILE, source)
    assert await recall_source(objects, FILE) == source


async def test_only_a_manifest_makes_a_step_finished(objects: ObjectStore) -> None:
    step = StepRef(FILE, 2, "chunking")
    await objects.write(step.path("chunks.json"), b"[]")

    assert await find_manifest(objects, step) is None
    await write_manifest(objects, step, {"chunks": 3})
    assert await find_manifest(objects, step) == {"chunks": 3}


async def test_removing_a_steps_outputs_leaves_everything_else(objects: ObjectStore) -> None:
    for path in (
        "org_a/vs_a/file_1/content",
        "org_a/vs_a/file_1/1/extracting/text.json",
        "org_a/vs_a/file_1/1/chunking/chunks.json",
        "org_a/vs_a/file_1/2/chunking/chunks.json",
        "org_a/vs_a/file_10/1/chunking/chunks.json",
        "org_a/vs_a/chunking/1/embedding/vectors",
    ):
        await objects.write(path, b"x")

    await remove_outputs(objects, FILE, "chunking")

    assert sorted(await objects.list("")) == [
        "org_a/vs_a/chunking/1/embedding/vectors",
        "org_a/vs_a/file_1/1/extracting/text.json",
        "org_a/vs_a/file_1/content",
        "org_a/vs_a/file_10/1/chunking/chunks.json",
    ]
