from milepost_pipeline.chunks import CHUNK_CHARACTERS, segments, split
from milepost_pipeline.extraction import extract
from milepost_pipeline.text import Chunk, ExtractedText, Page
from tests.fixtures import odd_files


def chunks_of(document: ExtractedText) -> list[Chunk]:
    return [chunk for segment in segments(document) for chunk in split(document, *segment)]


def test_each_chunk_lies_where_it_says() -> None:
    document = extract(odd_files.sample("lighthouses.pdf"), "lighthouses.pdf", "")
    chunks = chunks_of(document)
    assert [document.text[chunk.start : chunk.end] for chunk in chunks] == [
        chunk.text for chunk in chunks
    ]
    assert max(len(chunk.text) for chunk in chunks) <= CHUNK_CHARACTERS[1]


def test_the_chunks_hold_every_word_in_order() -> None:
    document = extract(odd_files.sample("tea.docx"), "tea.docx", "")
    words = " ".join(chunk.text for chunk in chunks_of(document)).split()
    assert words == document.text.split()


def test_a_chunk_never_crosses_a_page() -> None:
    text = "First page.\n\nSecond page."
    document = ExtractedText("a.pdf", text, [Page(1, 0, 11), Page(2, 13, 25)])
    assert chunks_of(document) == [
        Chunk("First page.", 0, 11, 1),
        Chunk("Second page.", 13, 25, 2),
    ]


def test_an_empty_page_has_no_chunk() -> None:
    document = ExtractedText("a.pdf", "\n\nlast", [Page(1, 0, 0), Page(2, 2, 6)])
    assert chunks_of(document) == [Chunk("last", 2, 6, 2)]


def test_a_text_without_any_boundary_is_still_split() -> None:
    document = ExtractedText("a.txt", "x" * 200_000, [])
    chunks = chunks_of(document)
    assert sum(len(chunk.text) for chunk in chunks) == 200_000
    assert len(segments(document)) == 4


def test_a_long_text_is_cut_between_words() -> None:
    document = ExtractedText("a.txt", "größer werden\n\n" * 20_000, [])
    parts = [document.text[start:end] for start, end, _ in segments(document)]
    assert "".join(parts) == document.text
    assert all(part.endswith("werden") for part in parts[:-1])
