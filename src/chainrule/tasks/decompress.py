"""One compressed file → what a user had."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from chainrule.coding.about import described, unpack
from chainrule.coding.alphabet import Alphabet
from chainrule.coding.archive import unpack as unpack_folder
from chainrule.coding.container import Header, Reader
from chainrule.coding.items import joined, read_items
from chainrule.coding.streams import decompress_stream
from chainrule.data.readers.sound import WRITTEN, sound_writer
from chainrule.domain import Domain
from chainrule.errors import ChainruleError, CodeError
from chainrule.files import atomic_folder, atomic_path, scratch
from chainrule.tasks.packing import KINDS, restoring
from chainrule.tasks.packing.source import Unpacked
from chainrule.training import Run

SHADES = 256  # of the channels of a picture
ARRAYS = (".npz", ".npy")
Progress = Callable[[int], None]


def decompress_file(
    run: Run, source: Path, out: Path, *, anyway: bool = False, progress: Progress | None = None
) -> dict:
    """Restore what was packed, of the kind that the file states.

    Args:
        run: the same.
        source: the compressed file.
        out: a file, or a new folder, of the kind that was packed; items also as .npy, or .npz with their labels.
        anyway: see `chainrule.decompress`.
        progress: called with the number of items or symbols.

    Returns:
        "kind", and how many "items", "files", or "bytes".

    Raises:
        CodeError: see `chainrule.decompress`.
        ChainruleError: if `out` does not suit.
    """
    with source.open("rb") as stream:
        try:
            header = Reader(stream, len(Alphabet(run.model).whole)).header
            stream.seek(0)
            about, options = unpack(header.about), {"anyway": anyway, "progress": progress}
            if header.kind == "items":
                return _items(run, stream, about, out, options)
            return _stream(run, stream, header, about, out, options)
        except CodeError as error:
            raise CodeError(f"{source}: {error}") from error


def _stream(run: Run, source: Any, header: Header, about: dict, out: Path, options: dict) -> dict:
    """Decode and write symbols."""
    if header.kind == "folder":
        with scratch() as folder, (folder / "packed").open("w+b") as packed:
            decompress_stream(run.model, source, packed, **options)
            packed.seek(0)
            return {"kind": header.kind, "files": unpack_folder(packed, out, header.version)}
    start, restored = restoring(run, header.kind, about)
    if header.kind == "sound":
        ending = out.suffix.lower()
        if ending not in WRITTEN:
            raise ChainruleError(f"{out}: expected the ending {' or '.join(WRITTEN)}, got {ending or 'none'}")
        with atomic_path(out) as temporary:
            with sound_writer(temporary, header.rate, ending) as write:
                target = _Restored(lambda part: write(np.frombuffer(part, "<i2")), restored)
                decompress_stream(run.model, source, target, **options)  # type: ignore[arg-type]
            return {"kind": header.kind, "bytes": target.size}
    with atomic_path(out) as temporary:
        with temporary.open("wb") as file:
            file.write(start)
            decompress_stream(run.model, source, _Restored(file.write, restored), **options)  # type: ignore[arg-type]
        return {"kind": header.kind, "bytes": temporary.stat().st_size}


def _items(run: Run, source: Any, about: dict, out: Path, options: dict) -> dict:
    """Decode and write items."""
    model, ending = run.model, out.suffix.lower()
    with described():
        kind = about.get("kind", _assumed(model.domain))
        endings = KINDS[kind].endings(about)
    if ending not in endings and ending in ARRAYS:  # the items as the model has them
        if ending == ".npy" and (model.condition.counts or "labels" in about):
            raise ChainruleError(f"{out}: would lose the labels; expected the ending .npz, got .npy")
        kind = "plain"
    elif ending not in endings:
        also = [
            *(name or "none (a new folder)" for name in endings),
            *(name for name in ARRAYS if name not in endings),
        ]
        raise ChainruleError(f"{out}: expected the ending {' or '.join(also)}, got {ending or 'none'}")
    parts: list[tuple[Tensor, Tensor | None]] = []
    read_items(model, source, lambda *part: parts.append(part), **options)
    x, labels = joined(model, parts)
    if not about:
        about = _about(kind, model.domain, len(x))
    unpacked = Unpacked(about, x, labels, run)
    with (atomic_path if ending else atomic_folder)(out) as temporary:
        KINDS[kind].write(unpacked, temporary)
    return {"kind": "items", "source": kind, "items": len(x)}


def _assumed(domain: Domain) -> str:
    """What items were, where the file has no description."""
    if domain.columns:
        return "table"
    return "pictures" if domain.layout == "image" and domain.levels == SHADES else "plain"


def _about(kind: str, domain: Domain, items: int) -> dict:
    """The description that a file without one would have had."""
    if kind == "table":
        return {"columns": [{"name": column.name, "type": ""} for column in domain.columns], "header": True}
    if kind == "pictures":
        names = [f"{i:0{len(str(items))}}.png" for i in range(items)]
        return {"names": names, "modes": [""], "white": SHADES - 1}
    return {}


class _Restored:
    """What `write` hands on, restored.

    Args:
        write: takes bytes of the file.
        restored: symbols → these.
    """

    def __init__(self, write: Callable[[bytes], Any], restored: Callable[[bytes], bytes]) -> None:
        self._write, self._restored, self.size = write, restored, 0

    def write(self, part: bytes) -> int:
        """The next symbols."""
        content = self._restored(part)
        self._write(content)
        self.size += len(content)
        return len(part)
