import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from milepost_pipeline.content import FileRef
from milepost_pipeline.index import Hit, VectorIndex
from milepost_pipeline.objects import StorageUnavailableError
from milepost_pipeline.text import Chunk, ChunkedText
from milepost_pipeline.vectors import DIMENSIONS, Embedder

FILE = FileRef("org_a", "vs_a", "file_1")


class Search:
    """An index with its embedder, filled and asked with plain texts."""

    def __init__(self, index: VectorIndex, embedder: Embedder) -> None:
        self.index = index
        self._embedder = embedder

    def write(self, file: FileRef, attempt: int, *texts: str) -> bool:
        chunks = [Chunk(text, 0, len(text), None) for text in texts]
        vectors = self._embedder.embed(list(texts))
        return self.index.write(file, attempt, ChunkedText("notes.txt", chunks), vectors)

    def ask(self, question: str, store_id: str = "vs_a", limit: int = 10) -> list[Hit]:
        vector = self._embedder.embed([question])[0]
        return self.index.search("org_a", store_id, vector, limit)

    def texts(self, store_id: str = "vs_a") -> set[str]:
        return {hit.text for hit in self.ask("anything", store_id)}


@pytest.fixture
def search(index: VectorIndex, embedder: Embedder) -> Search:
    return Search(index, embedder)


def test_the_nearest_chunk_comes_first_with_its_place(search: Search, embedder: Embedder) -> None:
    texts = ["Bread is baked from flour.", "Sailors steer by the stars."]
    chunks = [Chunk(text, 100, 100 + len(text), 7) for text in texts]
    search.index.write(FILE, 1, ChunkedText("notes.pdf", chunks), embedder.embed(texts))

    first, second = search.ask("How do ships navigate at night?")

    assert (first.text, second.text) == (texts[1], texts[0])
    assert first.score > second.score
    assert (first.name, first.file_id, first.store_id) == ("notes.pdf", "file_1", "vs_a")
    assert (first.start, first.end, first.page) == (100, 127, 7)


def test_no_more_than_the_limit_is_returned(search: Search) -> None:
    search.write(FILE, 1, *(f"Sentence number {n} about ships." for n in range(20)))
    assert len(search.ask("ships", limit=3)) == 3


def test_stores_and_organizations_do_not_see_each_other(search: Search) -> None:
    search.write(FILE, 1, "mine")
    search.write(FileRef("org_a", "vs_b", "file_1"), 1, "another store's")
    search.write(FileRef("org_b", "vs_a", "file_1"), 1, "another organization's")

    assert search.texts("vs_a") == {"mine"}
    assert search.texts("vs_b") == {"another store's"}


def test_a_newer_attempt_replaces_the_chunks_of_the_older(search: Search) -> None:
    search.write(FILE, 1, "first attempt", "with two chunks")
    assert search.write(FILE, 2, "second attempt")
    assert search.texts() == {"second attempt"}


def test_the_same_attempt_written_twice_is_there_once(search: Search) -> None:
    search.write(FILE, 1, "only once")
    assert search.write(FILE, 1, "only once")
    assert len(search.ask("once")) == 1


def test_an_older_attempt_never_replaces_a_newer(search: Search) -> None:
    search.write(FILE, 2, "second attempt")
    assert not search.write(FILE, 1, "first attempt")
    assert search.texts() == {"second attempt"}


def test_a_removed_file_is_not_found_and_stays_removed(search: Search) -> None:
    search.write(FILE, 1, "here")
    search.write(FileRef("org_a", "vs_a", "file_2"), 1, "other")
    search.index.remove(FILE)
    search.index.remove(FILE)

    assert not search.write(FILE, 3, "back again")
    assert search.texts() == {"other"}


def test_a_file_removed_before_it_was_written_stays_removed(search: Search) -> None:
    search.index.remove(FILE)
    assert not search.write(FILE, 1, "too late")
    assert search.texts() == set()


def test_a_write_that_breaks_off_changes_nothing(search: Search, embedder: Embedder) -> None:
    search.write(FILE, 1, "first attempt")
    chunks = [Chunk("one", 0, 3, None), Chunk("two", 0, 3, None)]

    with pytest.raises(ValueError, match="zip"):
        search.index.write(FILE, 2, ChunkedText("a", chunks), embedder.embed(["one"]))

    assert search.texts() == {"first attempt"}
    assert search.write(FILE, 1, "first attempt again")


def test_writers_in_several_threads_all_get_their_turn(search: Search) -> None:
    files = [FileRef("org_a", "vs_a", f"file_{n}") for n in range(8)]
    threads = [
        threading.Thread(target=search.write, args=(file, 1, file.file_id)) for file in files
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert search.texts() == {file.file_id for file in files}


def test_many_may_open_a_new_index_at_once(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        for number in range(100):
            index = VectorIndex(tmp_path / str(number) / "index.sqlite")
            opened = [pool.submit(index.remove, FILE) for _ in range(8)]
            assert [each.result() for each in opened] == [None] * 8


def test_a_question_without_a_known_word_finds_nothing(search: Search) -> None:
    search.write(FILE, 1, "something")
    assert search.ask("") == []


def test_a_file_that_is_no_index_is_unavailable(tmp_path: Path, embedder: Embedder) -> None:
    (tmp_path / "index.sqlite").write_bytes(b"no database at all, but long enough to be read")
    with pytest.raises(StorageUnavailableError):
        Search(VectorIndex(tmp_path / "index.sqlite"), embedder).write(FILE, 1, "x")


def test_vectors_have_length_one_or_none(embedder: Embedder) -> None:
    vectors = embedder.embed(["a sentence", "", "😀"])
    assert vectors.shape == (3, DIMENSIONS)
    assert (vectors**2).sum(axis=1).tolist() == pytest.approx([1, 0, 1], abs=1e-3)
