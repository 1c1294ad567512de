import pytest

from milepost.errors import ProcessingError
from milepost_pipeline.extraction import extract
from tests.fixtures import odd_files

SUPPORTED = ["pdf", "docx", "pptx", "xlsx", "html", "md", "txt", "csv"]


def refusal(data: bytes, name: str) -> ProcessingError:
    with pytest.raises(ProcessingError) as refused:
        extract(data, name, "")
    return refused.value


@pytest.mark.parametrize(
    ("name", "passage"),
    [
        ("lighthouses.pdf", "A first-order Fresnel lens stands over two and a half metres tall"),
        ("tea.docx", "An enzyme in the leaf then meets the polyphenols"),
        ("glaciers.pptx", "Meltwater sinks through shafts called moulins"),
        ("tides.xlsx", "The bay resonates with the twelve-hour tide"),
        ("bridges.html", "An arch pushes."),
        ("bees.md", "The angle of the run against the vertical"),
        ("clocks.txt", "Fifteen halvings make one pulse a second"),
        ("harbours.csv", "an ice-free winter in the North Atlantic"),
    ],
)
def test_each_type_gives_its_text(name: str, passage: str) -> None:
    document = extract(odd_files.sample(name), name, "")
    assert passage in " ".join(document.text.split())
    assert document.name == name


def test_the_pages_of_a_pdf_lie_where_they_say() -> None:
    document = extract(odd_files.pdf_of("", "first größer", "", "", "second"), "a.pdf", "")

    found = {page.number: document.text[page.start : page.end] for page in document.pages}
    assert found == {1: "", 2: "first größer", 3: "", 4: "", 5: "second"}


def test_the_slides_of_a_presentation_lie_where_they_say() -> None:
    document = extract(odd_files.pptx_of("eins über", "", "drei"), "a.pptx", "")

    found = {page.number: document.text[page.start : page.end] for page in document.pages}
    assert found == {1: "eins über", 2: "", 3: "drei"}


def test_line_breaks_are_the_same_in_every_type() -> None:
    assert extract(b"one\r\ntwo\rthree\n", "a.txt", "").text == "one\ntwo\nthree"
    assert "\r" not in extract(odd_files.sample("lighthouses.pdf"), "a.pdf", "").text


def test_scripts_pictures_and_addresses_of_a_page_are_not_text() -> None:
    page = b'<script>alert(1)</script><p>Read <a href="http://e.org/x">this</a> <img src="y.png">'
    assert extract(page, "a.html", "").text == "Read this"


def test_a_table_with_semicolons_keeps_its_columns() -> None:
    text = extract("Ort;Höhe\nZürich;408\n".encode("cp1252"), "a.csv", "").text
    assert "Ort: Zürich" in text
    assert "Höhe: 408" in text


def test_an_owner_password_does_not_keep_anyone_from_reading() -> None:
    assert "lighthouse" in extract(odd_files.protected_pdf(user_password=""), "a.pdf", "").text


@pytest.mark.parametrize("algorithm", ["RC4-40", "RC4-128", "AES-128", "AES-256"])
def test_a_pdf_with_a_password_is_refused(algorithm: str) -> None:
    error = refusal(odd_files.protected_pdf(algorithm), "a.pdf")
    assert error.code == "password_protected"
    assert error.message == (
        "The PDF is protected by a password; save a copy without the password and upload that."
    )


@pytest.mark.parametrize("share", [0.005, 0.05, 0.3, 0.5, 0.7, 0.9, 0.97])
def test_a_pdf_that_was_cut_off_is_refused(share: float) -> None:
    data = odd_files.sample("lighthouses.pdf")
    assert refusal(data[: int(len(data) * share)], "a.pdf").code == "corrupt_file"


@pytest.mark.parametrize(
    ("name", "part"),
    [("tea.docx", "word/document.xml"), ("tides.xlsx", "xl/workbook.xml")],
)
def test_an_office_file_with_a_broken_part_is_refused(name: str, part: str) -> None:
    data = odd_files.with_part(odd_files.sample(name), part, b"<broken")
    assert refusal(data, name).code in {"corrupt_file", "no_text"}


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("tea.docx", "word/document.xml"),
        ("glaciers.pptx", "ppt/slides/slide3.xml"),
        ("tides.xlsx", "xl/worksheets/sheet1.xml"),
    ],
)
def test_damage_that_costs_a_part_of_the_text_is_not_passed_over(name: str, part: str) -> None:
    data = odd_files.with_damaged_part(odd_files.sample(name), part)
    assert refusal(data, name).code == "corrupt_file"


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (odd_files.scanned_pdf(), "scan.pdf"),
        (odd_files.pdf_of(""), "blank.pdf"),
        (odd_files.docx_with_picture_only(), "photo.docx"),
        (odd_files.pptx_of("", ""), "blank.pptx"),
        (b"<html><body><script>x = 1</script><img src='a.png'></body></html>", "a.html"),
        (b" \r\n\t \n", "blank.txt"),
        ("\ufeff \u00a0 \u200b".encode(), "blank.txt"),
        (b"\n\n", "blank.md"),
        (b";;;\n;;;\n", "blank.csv"),
    ],
)
def test_a_file_without_text_is_refused(data: bytes, name: str) -> None:
    error = refusal(data, name)
    assert error.code == "no_text"
    assert "OCR" in error.message


@pytest.mark.parametrize("extension", ["txt", "md", "csv", "html"])
def test_binary_data_named_as_text_is_refused(extension: str) -> None:
    data = odd_files.picture_file("PNG")
    assert refusal(data, f"a.{extension}").code == "unreadable_encoding"


def test_a_small_file_that_unpacks_to_a_huge_one_is_refused() -> None:
    error = refusal(odd_files.docx_bomb(150_000_000), "bomb.docx")
    assert error.code == "unpacks_too_large"
    assert "Word document" in error.message


def test_more_text_than_can_be_searched_is_refused() -> None:
    error = refusal(b"word " * 6_000_001, "long.txt")
    assert error.code == "too_much_text"
    assert "30,000,000" in error.message
