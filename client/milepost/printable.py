"""Other people's text, made fit for a terminal."""


def one_line(text: str) -> str:
    """The text on one line, without anything that a terminal would obey."""
    return "".join(char if char.isprintable() else "�" for char in " ".join(text.split()))
