"""Items as text: characters by the vocabulary of a run, or the bytes of a UTF-8 text, or numbers."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator

from torch import Tensor

from chainrule.data.readers.text import is_bytes
from chainrule.domain import Domain


def as_text(x: Tensor, vocabulary: str | None, domain: Domain) -> str:
    """Items as lines of characters, or of values where there is no vocabulary; an end symbol is not shown.

    Bytes are read as UTF-8; what is none of it is U+FFFD.
    """
    return as_bytes(x, vocabulary, domain).decode("utf-8", errors="replace")


def as_bytes(x: Tensor, vocabulary: str | None, domain: Domain) -> bytes:
    """The same as a file holds it: UTF-8, or the bytes that a model of bytes drew as they are."""
    if vocabulary is None:
        return as_lines(x, " ").encode()
    rows = x.flatten(1).tolist()
    if is_bytes(vocabulary):
        return b"".join(bytes(row) + b"\n" for row in rows)
    spare = "\ufffd"  # a level of the domain that no character of the training text took
    characters = dict(enumerate(vocabulary))
    if domain.lengths == "ends":
        characters[domain.max_levels - 1] = ""
    return "".join("".join(characters.get(level, spare) for level in row) + "\n" for row in rows).encode()


def as_lines(x: Tensor, separator: str) -> str:
    """Items as lines of values."""
    # NumPy's numbers print the fewest digits that give the same float32 back; Python's would print float64's.
    return "".join(separator.join(map(str, row)) + "\n" for row in x.flatten(1).cpu().numpy())


def text_as_drawn(parts: Iterable[Tensor], vocabulary: str | None, domain: Domain) -> Iterator[str]:
    """The text of one item, whose parts (1, n) come one after another; a character once all its bytes are there."""
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    for part in parts:
        yield decoder.decode(as_bytes(part, vocabulary, domain)[:-1])
    yield decoder.decode(b"", final=True)
