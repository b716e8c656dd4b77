"""Text from data as it may be shown: what is no visible character is spelt out."""

from __future__ import annotations


def printable(text: str, keep: str = "") -> str:
    r"""Text that no terminal obeys: what is no visible character is written as \x1b or \u202e, but for those kept.

    Names of columns, classes and files come from data, and may hold whatever moves a cursor or turns a line round.

    Example:
        >>> printable("a\x1b[2Jb\n", "\n")
        'a\\x1b[2Jb\n'
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in keep else c.encode("unicode_escape").decode() for c in text)


def drawn(text: str, most: int) -> str:
    """The same for pictures, shortened to so many characters: a $ is one, and begins no formula."""
    text = printable(text)
    text = text if len(text) <= most else text[: max(most - 1, 1)] + "…"
    return text.replace("$", r"\$")
