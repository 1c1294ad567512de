"""What can go wrong with the local stack, each as a sentence that says what to do."""

from pathlib import Path


class LocalStackError(Exception):
    """The local stack could not do what was asked."""


class MissingPartError(LocalStackError):
    """A program that the stack needs is not on this machine; the text says what to install."""


class ServerFailedError(LocalStackError):
    """A process of the stack ended or never became ready.

    Attributes:
        name: The process.
        log: The file with its output.
    """

    def __init__(self, name: str, reason: str, log: Path) -> None:
        super().__init__(f"{name} {reason}; see {log}")
        self.name = name
        self.log = log
