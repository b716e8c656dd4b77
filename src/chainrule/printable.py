"""Text from data, safe to show: characters that are not visible are escaped."""

from __future__ import annotations


def printable(text: str, keep: str = "") -> str:
    r"""Text without control characters: those that are not visible are written as \x1b or \u202e, except those kept.

    Names of columns, classes and files come from data, and may hold whatever moves a cursor or turns a line round.

    Example:
        >>> printable("a\x1b[2Jb\n", "\n")
        'a\\x1b[2Jb\n'
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in keep else c.encode("unicode_escape").decode() for c in text)


def drawn(text: str, most: int) -> str:
    """The same for pictures, shortened to `most` characters; a $ does not begin a formula."""
    text = printable(text)
    text = text if len(text) <= most else text[: max(most - 1, 1)] + "…"
    return text.replace("$", r"\$")
