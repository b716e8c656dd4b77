"""Items as text: the characters, bytes or tokens of a run, or numbers."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator

from torch import Tensor

from chainrule.data.writing import Writing
from chainrule.domain import Domain


def as_text(x: Tensor, writing: Writing | None, domain: Domain) -> str:
    """Items as lines of characters, or of values where no text is modelled; an end symbol is not shown.

    Bytes are read as UTF-8; what is none of it is U+FFFD.
    """
    return as_bytes(x, writing, domain).decode("utf-8", errors="replace")


def as_bytes(x: Tensor, writing: Writing | None, domain: Domain) -> bytes:
    """The same as a file holds it: UTF-8, or the bytes that a model of bytes or tokens drew as they are."""
    if writing is None:
        return as_lines(x, " ").encode()
    end = (
        domain.max_levels - 1 if domain.lengths == "ends" else -1
    )  # -1: after the end of one whose length is given
    rows = ([level for level in row if level not in (-1, end)] for row in x.flatten(1).tolist())
    return b"".join(writing.content(row) + b"\n" for row in rows)


def as_lines(x: Tensor, separator: str) -> str:
    """Items as lines of values."""
    # NumPy's numbers print the fewest digits that give the same float32 back; Python's would print float64's.
    return "".join(separator.join(map(str, row)) + "\n" for row in x.flatten(1).cpu().numpy())


def text_as_drawn(parts: Iterable[Tensor], writing: Writing | None, domain: Domain) -> Iterator[str]:
    """The text of one item, whose parts (1, n) come one after another; a character once all its bytes are there."""
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    for part in parts:
        yield decoder.decode(as_bytes(part, writing, domain)[:-1])
    yield decoder.decode(b"", final=True)
