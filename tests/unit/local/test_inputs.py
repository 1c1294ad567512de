from pathlib import Path

import pytest

from milepost_local.inputs import NoSuchFileError, chosen_files, sample_files


def touched(folder: Path, *names: str) -> list[Path]:
    paths = [folder / name for name in names]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return paths


def test_files_keep_the_order_in_which_they_were_named(tmp_path: Path) -> None:
    b, a = touched(tmp_path, "b.txt", "a.txt")
    assert chosen_files([b, a]) == [b, a]


def test_folders_are_walked_by_name_without_what_is_hidden(tmp_path: Path) -> None:
    visible = touched(tmp_path, "a/deep/2.md", "b.txt", "c/1.md")
    touched(tmp_path, ".git/config", "c/.DS_Store")
    assert chosen_files([tmp_path]) == visible


def test_a_tilde_is_the_home_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (note,) = touched(tmp_path, "papers/note.md")
    assert chosen_files([Path("~/papers")]) == [note]


def test_a_name_without_a_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(NoSuchFileError, match=r"nothing\.pdf does not exist"):
        chosen_files([tmp_path / "nothing.pdf"])


def test_a_folder_without_files_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(NoSuchFileError, match="has no files in it"):
        chosen_files([tmp_path])


def test_the_samples_are_of_every_kind_and_one_is_damaged() -> None:
    kinds = {path.suffix for path in sample_files()}
    assert kinds == {".pdf", ".docx", ".pptx", ".xlsx", ".html", ".md", ".txt", ".csv"}
    assert any(path.name == "damaged.pdf" for path in sample_files())
