import pytest

from milepost.errors import ProcessingError
from milepost_pipeline.filetypes import detect, guess_mime_type
from milepost_schemas import filetypes
from tests.fixtures import odd_files


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("lighthouses.pdf", filetypes.PDF),
        ("tea.docx", filetypes.DOCX),
        ("glaciers.pptx", filetypes.PPTX),
        ("tides.xlsx", filetypes.XLSX),
        ("bridges.html", filetypes.HTML),
        ("bees.md", filetypes.MARKDOWN),
        ("clocks.txt", filetypes.TEXT),
        ("harbours.csv", filetypes.CSV),
    ],
)
def test_each_sample_has_its_type(name: str, expected: filetypes.FileType) -> None:
    data = odd_files.sample(name)

    assert detect(data, name, "") is expected
    assert detect(data, name.upper(), "") is expected
    assert guess_mime_type(name) == expected.mime_type


@pytest.mark.parametrize("name", ["report", "report.bin", "report.docx", "report.txt"])
def test_content_counts_for_more_than_the_name(name: str) -> None:
    assert detect(odd_files.sample("lighthouses.pdf"), name, "") is filetypes.PDF


def test_an_office_file_with_another_office_extension_is_read_as_what_it_is() -> None:
    assert detect(odd_files.sample("tides.xlsx"), "tides.docx", "") is filetypes.XLSX


def test_a_pdf_may_have_something_before_its_header() -> None:
    data = b"\r\n HTTP leftovers \r\n" + odd_files.sample("lighthouses.pdf")
    assert detect(data, "mail.pdf", "") is filetypes.PDF


def test_a_text_that_mentions_the_header_of_pdf_stays_a_text() -> None:
    assert detect(b"a PDF begins with %PDF-1.7", "notes.txt", "") is filetypes.TEXT


def test_a_text_that_begins_like_an_archive_stays_a_text() -> None:
    assert detect(b"PK is short for Phil Katz", "notes.md", "") is filetypes.MARKDOWN


def test_a_page_saved_as_text_is_read_as_a_page() -> None:
    assert detect(b"\xef\xbb\xbf\n<!DOCTYPE html><p>x", "page.txt", "") is filetypes.HTML


def test_without_an_extension_the_media_type_decides_and_else_it_is_text() -> None:
    assert detect(b"a;b", "table", "text/csv") is filetypes.CSV
    assert detect(b"read me", "README", "application/octet-stream") is filetypes.TEXT


@pytest.mark.parametrize(
    ("data", "name", "code", "hint"),
    [
        (odd_files.picture_file("PNG"), "photo.png", "unsupported_type", ".png"),
        (odd_files.picture_file("JPEG"), "photo.jpg", "unsupported_type", "PDF, DOCX, PPTX"),
        (b"some text", "notes.xyz", "unsupported_type", ".xyz"),
        (odd_files.zip_of(a_txt=b"text"), "files.zip", "unsupported_type", ".zip"),
        (odd_files.zip_of(a_txt=b"text"), "files", "unsupported_type", "this type"),
        (odd_files.zip_of(a_txt=b"text"), "letter.docx", "corrupt_file", "Word document"),
        (odd_files.sample("tea.docx")[:9000], "tea.docx", "corrupt_file", "Word document"),
        (odd_files.sample("glaciers.pptx")[:9000], "g.pptx", "corrupt_file", "presentation"),
        (odd_files.sample("tides.xlsx")[:3000], "tides.xlsx", "corrupt_file", "spreadsheet"),
        (b"just text", "letter.docx", "corrupt_file", "Word document"),
        (b"just text", "paper.pdf", "corrupt_file", "PDF"),
        (odd_files.encrypted_office_file(), "a.docx", "password_protected", "password"),
        (odd_files.encrypted_office_file(), "a.xlsx", "password_protected", "password"),
        (odd_files.old_word_file(), "letter.doc", "old_office_format", "DOCX"),
        (odd_files.old_word_file(), "letter.docx", "old_office_format", "DOCX"),
    ],
)
def test_what_is_not_supported_is_refused_with_its_reason(
    data: bytes, name: str, code: str, hint: str
) -> None:
    with pytest.raises(ProcessingError) as refused:
        detect(data, name, "")
    assert refused.value.code == code
    assert hint in refused.value.message
