"""The kinds of sources that are packed item by item, and which one a source is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from chainrule.data.readers.images import SUFFIXES as IMAGES
from chainrule.data.sets.named import NAMED
from chainrule.errors import ChainruleError
from chainrule.tasks.packing import arrays, lines, pictures, plain, sounds, tables
from chainrule.tasks.packing.source import Source, Unpacked


@dataclass(frozen=True)
class Kind:
    """What can be done with sources of a kind.

    Attributes:
        describe: what a file stores of a source besides its items.
        endings: of what may be written; "" for a folder.
        write: what was described and decoded, into a new file or an empty folder.
        difference: between a source and what was written of it, in words; None if there is none.
        unit: what is counted.
    """

    describe: Callable[[Source], dict]
    endings: Callable[[dict], tuple[str, ...]]
    write: Callable[[Unpacked, Path], None]
    difference: Callable[[Source, Path], str | None]
    unit: str = "items"


KINDS = {
    "arrays": Kind(arrays.describe, arrays.endings, arrays.write, arrays.difference),
    "lines": Kind(lines.describe, lines.endings, lines.write, lines.difference, "lines"),
    "pictures": Kind(pictures.describe, pictures.endings, pictures.write, pictures.difference, "pictures"),
    "plain": Kind(plain.describe, plain.endings, plain.write, plain.difference),
    "sounds": Kind(sounds.describe, sounds.endings, sounds.write, sounds.difference),
    "table": Kind(tables.describe, tables.endings, tables.write, tables.difference, "rows"),
}
FILES = {
    ".npy": "arrays",
    ".npz": "arrays",
    ".csv": "table",
    ".tsv": "table",
    ".parquet": "table",
    ".txt": "lines",
    **dict.fromkeys(IMAGES, "pictures"),
}


def kind_of_source(source: Source) -> str:
    """Which of `KINDS` a source is.

    Raises:
        ChainruleError: if it is one that cannot be written again.
    """
    path, writing = source.path, source.run.writing
    if path is None:
        if source.name not in NAMED:
            raise ChainruleError(
                f"{source.name}: a set of the hub cannot be restored as it is; save it as .parquet or .npz first"
            )
        return "lines" if writing is not None else "plain"
    if path.is_dir() and writing is not None:
        raise ChainruleError(
            f"{path}: texts of characters are packed one by one; compress each, or all by a model of bytes"
        )
    if path.is_dir():
        return "sounds" if source.run.rate is not None else "pictures"
    if path.suffix.lower() not in FILES:
        raise ChainruleError(
            f"{path}: this format cannot be restored, expected one of {', '.join(FILES)}; convert it first, "
            f"or compress it by a model of bytes"
        )
    return FILES[path.suffix.lower()]
