"""Texts whose items are lines: the characters of each, how lines end, and whether the last one does."""

from __future__ import annotations

import re
from pathlib import Path

from chainrule.coding.about import described
from chainrule.data.readers.text import LINE_END
from chainrule.errors import CodeError
from chainrule.tasks.packing.source import Source, Unpacked

ENDS = ("\n", "\r\n", "\r")
BOM = "\ufeff"


def describe(source: Source) -> dict:
    """How its first line ends, whether its last one does, and whether a byte order mark stands before them."""
    if source.path is None:
        return {"end": "\n", "last": True, "bom": False}
    text = _text(source.path)
    found = LINE_END.search(text)
    last = source.part or text.endswith(("\n", "\r"))
    return {"end": found[0] if found else "\n", "last": last, "bom": text.startswith(BOM)}


def endings(about: dict) -> tuple[str, ...]:
    """A text."""
    return (".txt",)


def write(unpacked: Unpacked, out: Path) -> None:
    """A line for each item."""
    about, vocabulary = unpacked.about, unpacked.run.vocabulary or ""
    with described():
        end, last, bom = about["end"], about["last"], about["bom"]
        stop = unpacked.run.model.domain.max_levels - 1
        known = unpacked.x[unpacked.x != stop]
        if end not in ENDS or (len(known) and int(known.max()) >= len(vocabulary)):
            raise CodeError("its lines have characters that the run does not know")
        lines = [
            "".join(vocabulary[level] for level in item if level != stop) for item in unpacked.x.tolist()
        ]
    text = end.join(lines) + (end if last and lines else "")
    out.write_bytes(((BOM if bom else "") + text).encode())


def difference(source: Source, out: Path) -> str | None:
    """Where the bytes of the texts differ, and why."""
    if source.path is None:
        return None
    was, now = _text(source.path), _text(out)
    if was == now or (source.part and was.startswith(now.removesuffix("\n").removesuffix("\r"))):
        return None
    ends = sorted({found[0] for found in re.finditer(LINE_END, was)})
    if len(ends) > 1:
        return f"its lines end in {' and '.join(map(repr, ends))}, expected one kind of line ends"
    empty = sum(not line for line in LINE_END.split(was.removesuffix(ends[0] if ends else "")))
    return f"{empty:,} of its lines are empty, and would be lost" if empty else "its characters differ"


def _text(path: Path) -> str:
    return path.read_bytes().decode()
