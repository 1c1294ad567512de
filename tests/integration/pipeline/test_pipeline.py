from pathlib import Path

import pytest

from milepost_pipeline.content import Source, put_content, remember_source
from milepost_pipeline.outputs import StepRef, write_manifest
from milepost_schemas.events import (
    ProcessingCompleted,
    ProcessingFailed,
    StepCompleted,
    StepStarted,
)
from tests.fixtures import odd_files
from tests.integration.pipeline.running import Bench, ref, until

STEPS = ["extracting", "chunking", "embedding", "indexing"]


def write(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


async def test_each_supported_type_completes_and_is_found(bench: Bench) -> None:
    questions = {
        "lighthouses.pdf": "How does a Fresnel lens of glass rings work?",
        "tea.docx": "At which temperature should green tea be brewed?",
        "glaciers.pptx": "What does a moraine consist of?",
        "tides.xlsx": "Why is the tidal range so large in the Bay of Fundy?",
        "bridges.html": "Which bridges hang from cables and towers?",
        "bees.md": "What does the waggle dance tell other bees?",
        "clocks.txt": "How did Harrison find the longitude?",
        "harbours.csv": "Which harbour is known for dried cod and the Hanseatic League?",
    }
    async with bench.pipeline():
        ids = {name: await bench.ingest(odd_files.SAMPLES / name) for name in questions}
        documents = {name: await bench.log.ended(file_id) for name, file_id in ids.items()}

    assert {document.status for document in documents.values()} == {"completed"}
    for name, question in questions.items():
        best = bench.search(question)[0]
        assert (best.name, best.file_id) == (name, ids[name])
        assert bench.log.steps(ids[name], StepStarted) == STEPS
        assert bench.log.steps(ids[name], StepCompleted) == STEPS
        (completed,) = bench.log.of(ids[name], ProcessingCompleted)
        assert completed.chunk_count
    assert bench.search(questions["lighthouses.pdf"])[0].page == 2


ODD_FILES = {
    "corrupt_file": ("damaged.pdf", odd_files.sample("damaged.pdf"), "damaged or incomplete"),
    "password_protected": ("secret.pdf", odd_files.protected_pdf(), "without the password"),
    "empty_file": ("empty.docx", b"", "empty (0 bytes)"),
    "no_text": ("scan.pdf", odd_files.scanned_pdf(), "text recognition (OCR)"),
    "unsupported_type": ("photo.png", odd_files.picture_file("PNG"), "PDF, DOCX, PPTX, XLSX"),
    "file_too_large": ("large.txt", b"x" * 60_001, "60,001 bytes, but at most 60,000 bytes"),
    "unreadable_encoding": ("junk.txt", bytes(range(256)) * 9, "save it as UTF-8"),
}


async def test_each_bad_file_says_what_to_do_and_the_others_go_on(
    bench: Bench, tmp_path: Path
) -> None:
    async with bench.pipeline(max_file_bytes=60_000):
        bad = {
            code: await bench.ingest(write(tmp_path, name, data))
            for code, (name, data, _) in ODD_FILES.items()
        }
        good = await bench.ingest(odd_files.SAMPLES / "clocks.txt")

        assert (await bench.log.ended(good)).status == "completed"
        for code, file_id in bad.items():
            document = await bench.log.ended(file_id)
            assert document.error is not None
            assert document.error.code == code
            assert ODD_FILES[code][2] in document.error.message
            assert document.error.step == "extracting"
            assert "Traceback" not in document.error.message


async def test_content_outside_the_object_store_is_never_read(bench: Bench, tmp_path: Path) -> None:
    secret = write(tmp_path, "secret.txt", b"the secret of this machine")
    async with bench.pipeline():
        await bench.report("file_x").registered(
            name="a.txt", size_bytes=1, mime_type="text/plain", content_uri=secret.as_uri()
        )
        document = await bench.log.ended("file_x")

    assert document.error is not None
    assert document.error.code == "content_refused"
    assert bench.search("secret of this machine") == []


async def test_content_that_is_gone_is_a_failure_with_its_reason(bench: Bench) -> None:
    uri = f"{bench.objects.url}/{ref('file_x').content_path}"
    async with bench.pipeline():
        await bench.report("file_x").registered(
            name="a.txt", size_bytes=1, mime_type="text/plain", content_uri=uri
        )
        document = await bench.log.ended("file_x")

    assert document.error is not None
    assert document.error.code == "content_missing"


async def test_a_step_whose_manifest_exists_is_only_announced_again(bench: Bench) -> None:
    file = ref("file_x")
    uri = await put_content(bench.objects, file, odd_files.SAMPLES / "clocks.txt")
    async with bench.pipeline():
        await bench.report("file_x").registered(
            name="clocks.txt", size_bytes=1, mime_type="text/plain", content_uri=uri
        )
        await bench.log.ended("file_x")
    done = bench.log.steps("file_x", StepCompleted)
    # As if every stage had been killed after its manifest and before its commit, and the content
    # were unreadable by now: another run of the first step would fail.
    await bench.objects.write(file.content_path, b"")

    async with bench.pipeline(pipeline_group=f"{bench.settings.pipeline_group}.again"):
        await until(lambda: len(bench.log.of("file_x", ProcessingCompleted)) >= 1)
        await bench.report("file_y").registered(
            name="y", size_bytes=1, mime_type="", content_uri=f"{bench.objects.url}/nowhere"
        )
        await bench.log.ended("file_y")

    assert done == STEPS
    assert bench.log.steps("file_x", StepStarted) == STEPS
    assert bench.log.of("file_x", ProcessingFailed) == []


async def test_a_crash_before_the_announcement_costs_no_second_run(bench: Bench) -> None:
    file = ref("file_x")
    step = StepRef(file, 1, "extracting")
    uri = f"{bench.objects.url}/{file.content_path}"
    await remember_source(bench.objects, file, Source(uri, "a.txt", "text/plain"))
    await bench.objects.write(
        step.path("text.json"), b'{"name":"a.txt","text":"What was read before.","pages":[]}'
    )
    await write_manifest(
        bench.objects, step, {"characters": 21, "output_uri": step.uri(bench.objects)}
    )

    async with bench.pipeline():
        # There is no content at all: running the step again would be a failure.
        await bench.report("file_x").registered(
            name="a.txt", size_bytes=1, mime_type="text/plain", content_uri=uri
        )
        document = await bench.log.ended("file_x")

    assert document.status == "completed"
    assert bench.log.steps("file_x", StepStarted) == STEPS[1:]
    assert bench.log.steps("file_x", StepCompleted) == STEPS
    assert bench.search("what was read")[0].text == "What was read before."


async def test_every_trigger_delivered_twice_changes_nothing(bench: Bench) -> None:
    async with bench.pipeline():
        file_id = await bench.ingest(odd_files.SAMPLES / "tea.docx")
        before = await bench.log.ended(file_id)
    chunks = len(bench.search("tea", limit=100))

    # A new group reads every record of the log again.
    again = f"{bench.settings.pipeline_group}.again"
    async with bench.pipeline(pipeline_group=again):
        other = await bench.ingest(odd_files.SAMPLES / "bees.md")
        await bench.log.ended(other)

    after = bench.log.documents[file_id]
    assert after is not None
    assert after.revision == before.revision
    assert len(bench.log.of(file_id, StepStarted)) == 4
    assert len([hit for hit in bench.search("tea", 100) if hit.file_id == file_id]) == chunks


async def test_a_failed_file_completes_when_it_is_tried_again(bench: Bench, tmp_path: Path) -> None:
    async with bench.pipeline():
        file_id = await bench.ingest(write(tmp_path, "notes.txt", b""))
        failed = await bench.log.ended(file_id)
        await bench.objects.write(ref(file_id).content_path, b"Now there is something to read.")

        await bench.report(file_id).requested(reason="retry")
        document = await bench.log.ended(file_id, attempt=2)

    assert failed.status == "failed"
    assert (document.status, document.attempt) == ("completed", 2)
    assert bench.search("something to read")[0].file_id == file_id


async def test_a_deleted_file_is_not_found_and_leaves_nothing_behind(bench: Bench) -> None:
    async with bench.pipeline():
        file_id = await bench.ingest(odd_files.SAMPLES / "bees.md")
        kept = await bench.ingest(odd_files.SAMPLES / "clocks.txt")
        await bench.log.ended(file_id)
        await bench.log.ended(kept)

        await bench.report(file_id).deleted()
        folder = (Path(bench.settings.objects_url.removeprefix("file://"))) / ref(file_id).folder
        await until(lambda: not folder.exists())
        await until(lambda: {hit.file_id for hit in bench.search("bees")} == {kept})


async def test_a_deletion_overtakes_the_work_that_is_queued(bench: Bench) -> None:
    deleted = await bench.ingest(odd_files.SAMPLES / "bees.md")
    kept = await bench.ingest(odd_files.SAMPLES / "clocks.txt")
    await bench.report(deleted).deleted()

    async with bench.pipeline():
        await bench.log.ended(kept)
        await until(lambda: not [hit for hit in bench.search("bees") if hit.file_id == deleted])

    assert bench.log.of(deleted, StepCompleted) == []
    assert not any(deleted in path for path in await bench.objects.list(""))


async def test_an_attempt_that_was_replaced_is_not_worked_on(bench: Bench) -> None:
    file_id = await bench.ingest(odd_files.SAMPLES / "bees.md")
    await bench.report(file_id).requested(reason="retry")

    async with bench.pipeline():
        document = await bench.log.ended(file_id, attempt=2)

    assert document.status == "completed"
    assert {event.attempt for event in bench.log.of(file_id, StepCompleted)} == {2}


async def test_files_of_other_pipelines_are_left_alone(bench: Bench) -> None:
    async with bench.pipeline():
        report = bench.report("file_other")
        await report.registered(name="a.mp4", size_bytes=1, mime_type="video/mp4")
        async with report.step("extracting") as step:
            step.output["output_uri"] = "s3://elsewhere/text"
        await bench.log.ended(await bench.ingest(odd_files.SAMPLES / "bees.md"))
        await report.requested(reason="retry")
        await bench.log.ended(await bench.ingest(odd_files.SAMPLES / "clocks.txt"))

    assert bench.log.of("file_other", ProcessingFailed) == []
    assert bench.log.steps("file_other", StepStarted) == ["extracting"]


@pytest.mark.parametrize(
    ("step", "obstacle"),
    [("extracting", "objects/org_a/vs_a/{}/1/extracting/text.json"), ("indexing", "index.sqlite")],
)
async def test_storage_trouble_is_waited_out(
    bench: Bench, tmp_path: Path, step: str, obstacle: str
) -> None:
    file_id = await bench.ingest(odd_files.SAMPLES / "bees.md")
    folder = tmp_path / obstacle.format(file_id)
    (folder / "in-the-way").mkdir(parents=True)

    async with bench.pipeline():
        await until(lambda: step in bench.log.steps(file_id, StepStarted))
        (folder / "in-the-way").rmdir()
        folder.rmdir()
        document = await bench.log.ended(file_id)

    assert document.status == "completed"
    assert bench.log.of(file_id, ProcessingFailed) == []


async def test_storage_trouble_without_end_becomes_a_failure_to_retry(
    bench: Bench, tmp_path: Path
) -> None:
    (tmp_path / "index.sqlite").mkdir()
    async with bench.pipeline(storage_patience_s=0.5):
        document = await bench.log.ended(await bench.ingest(odd_files.SAMPLES / "bees.md"))

    assert document.error is not None
    assert document.error.code == "storage_unavailable"
    assert document.error.retryable
