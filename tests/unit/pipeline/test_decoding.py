import random

import pytest

from milepost.errors import ProcessingError
from milepost_pipeline.decoding import decode_text

JUNK = random.Random(7).randbytes(4000)  # noqa: S311  the same junk in every run
FRENCH = "Le café était déjà fermé, et l'élève s'en alla à l'école: « où ça ? »"


@pytest.mark.parametrize(
    "encoding",
    ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252", "latin-1"],
)
def test_text_in_a_usual_encoding_is_read(encoding: str) -> None:
    assert decode_text(FRENCH.encode(encoding), "text file") == FRENCH


def test_a_big_endian_mark_is_read() -> None:
    assert decode_text(b"\xfe\xff" + FRENCH.encode("utf-16-be"), "text file") == FRENCH


def test_typographic_marks_of_windows_are_read() -> None:
    text = "“Well…”, she said — and left • for 5 €"
    assert decode_text(text.encode("cp1252"), "text file") == text


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(bytes(range(256)) * 20, id="every byte"),
        pytest.param(JUNK, id="random bytes"),
        pytest.param(b"\x89PNG\r\n\x1a\n" + bytes(500), id="a picture"),
        pytest.param(b"\x7fELF\x02\x01\x01" + bytes(200) + b"text", id="a program"),
        pytest.param(b"\0" * 1000, id="zeros, which are valid UTF-8"),
        pytest.param("Привет, мир! Как дела?".encode("cp1251"), id="Cyrillic"),
        pytest.param("Καλημέρα κόσμε, τι κάνεις;".encode("iso8859-7"), id="Greek"),
        pytest.param("これは日本語の文章です。".encode("shift_jis"), id="Japanese"),
        pytest.param("这是一个中文句子。".encode("gbk"), id="Chinese"),
        pytest.param(b"\xff\xfeA", id="UTF-16 cut in the middle of a character"),
    ],
)
def test_what_cannot_be_told_with_certainty_is_refused(data: bytes) -> None:
    with pytest.raises(ProcessingError) as refused:
        decode_text(data, "text file")
    assert refused.value.code == "unreadable_encoding"
    assert "UTF-8" in refused.value.message


def test_a_stray_control_character_is_dropped() -> None:
    text = "line\n" * 1000
    assert decode_text(b"\x00" + text.encode(), "text file") == text


def test_the_encoding_that_a_page_declares_is_believed() -> None:
    page = '<html><head><meta charset="windows-1251"></head><body>Привет</body></html>'
    assert decode_text(page.encode("cp1251"), "HTML page", declares_encoding=True) == page


@pytest.mark.parametrize("declared", ["hex", "no-such-encoding", "utf-16", "idna"])
def test_a_useless_declaration_is_passed_over(declared: str) -> None:
    page = f'<meta charset="{declared}"><p>plain text</p>'
    assert decode_text(page.encode(), "HTML page", declares_encoding=True) == page
