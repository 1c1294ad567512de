"""Text into chunks at its semantic boundaries, never across pages."""

from collections.abc import Iterator

from semantic_text_splitter import TextSplitter

from milepost_pipeline.text import Chunk, ExtractedText

CHUNK_CHARACTERS = (300, 600)
"""A chunk is closed at the best boundary in this range."""

# The splitter's time grows faster than the text where that has no boundaries.
_SEGMENT_CHARACTERS = 50_000


def segments(document: ExtractedText) -> list[tuple[int, int, int | None]]:
    """Return start, end and page of the parts that can be split apart from each other."""
    pages: list[tuple[int, int, int | None]] = [
        (page.start, page.end, page.number) for page in document.pages
    ]
    return [
        (start, end, number)
        for page_start, page_end, number in pages or [(0, len(document.text), None)]
        for start, end in _cut(document.text, page_start, page_end)
    ]


def split(document: ExtractedText, start: int, end: int, page: int | None) -> list[Chunk]:
    """Return the chunks of a segment, in order, without blanks around them."""
    found = TextSplitter(CHUNK_CHARACTERS).chunk_indices(document.text[start:end])
    return [Chunk(text, start + offset, start + offset + len(text), page) for offset, text in found]


def _cut(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    while end - start > _SEGMENT_CHARACTERS:
        limit = start + _SEGMENT_CHARACTERS
        cuts = (text.rfind(blank, start + 1, limit) for blank in ("\n\n", "\n", " "))
        cut = next((position for position in cuts if position > 0), limit)
        yield start, cut
        start = cut
    yield start, end
