"""The files that a user names, or the samples when there are none."""

from collections.abc import Iterator, Sequence
from importlib.resources import files
from pathlib import Path

from milepost_local.errors import LocalStackError


class NoSuchFileError(LocalStackError):
    """The user named something that is neither a file nor a folder with files."""


def chosen_files(arguments: Sequence[Path]) -> list[Path]:
    """The files behind the arguments, in their order; folders are walked, by name.

    What begins with a dot inside a folder is left out. `~` is the user's home.

    Raises:
        NoSuchFileError: An argument does not exist, or is a folder without files.
    """
    return [file for argument in arguments for file in _files_of(argument.expanduser())]


def sample_files() -> list[Path]:
    """The files that come with the pipeline, one of which is damaged on purpose."""
    folder = files("milepost_pipeline") / "samples"
    return list(_walk(Path(str(folder))))


def _files_of(argument: Path) -> list[Path]:
    if argument.is_file():
        return [argument]
    if not argument.is_dir():
        raise NoSuchFileError(f"{argument} does not exist")
    if not (found := list(_walk(argument))):
        raise NoSuchFileError(f"{argument} has no files in it")
    return found


def _walk(folder: Path) -> Iterator[Path]:
    for entry in sorted(folder.iterdir()):
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            yield from _walk(entry)
        elif entry.is_file():
            yield entry
