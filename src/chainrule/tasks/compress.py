"""A file, a folder or a data set → one compressed file that restores it exactly, by the model of a run."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import Tensor

from chainrule.coding.about import pack, unpack
from chainrule.coding.alphabet import check_codable
from chainrule.coding.items import as_portable, read_items, write_items
from chainrule.coding.streams import compress_stream, decompress_stream
from chainrule.data import Items
from chainrule.data.sets.named import NAMED
from chainrule.errors import ChainruleError, CodeError
from chainrule.files import atomic_path, scratch
from chainrule.tasks.packing import KINDS, Source, Stream, kind_of_source, restoring
from chainrule.tasks.packing.source import Unpacked
from chainrule.training import Run

Progress = Callable[[int], None]
OTHERWISE = "a model of bytes packs any file as it is"


def pack_stream(
    run: Run,
    stream: Stream,
    out: Path,
    *,
    verify: bool = True,
    runner: str = "auto",
    portable: bool = True,
    progress: Progress | None = None,
) -> dict:
    """A file, a folder, a text or a sound.

    Args:
        run: of the model.
        stream: what `stream_of` gave.
        out: where to.
        verify: whether to decode what was written and compare it, before it is put in place.
        runner, portable, progress: as for `chainrule.compress`.

    Returns:
        "packed" of "of" in "unit", "bytes" before and "compressed" after, and whether it was "verified".

    Raises:
        ChainruleError: if the model is none of such symbols.
        CodeError: if something else is decoded.
    """
    with atomic_path(out) as temporary:
        options: Any = {"about": pack(stream.about), "runner": runner, "progress": progress}

        def written(portable: bool) -> int:
            with temporary.open("wb") as target, stream.symbols() as source:
                how: Any = {"rate": stream.rate, "portable": portable, **options}
                return compress_stream(run.model, source, target, stream.kind, **how)

        size = as_portable(written, portable)
        start = time.perf_counter()
        if verify:
            with temporary.open("rb") as source, stream.content() as content:
                same = _Same(run, content, stream)
                decompress_stream(run.model, source, same, progress=progress)  # type: ignore[arg-type]
                same.close()
    counts = {"kind": stream.kind, "unit": stream.unit, "packed": stream.count, "of": stream.count}
    seconds = {"verify_seconds": time.perf_counter() - start} if verify else {}
    return {**counts, "bytes": stream.size, "compressed": size, "verified": verify, **seconds}


def pack_items(
    run: Run,
    name: str,
    items: Items,
    of: int,
    out: Path,
    *,
    verify: bool = True,
    data_dir: Path | None = None,
    runner: str = "auto",
    portable: bool = True,
    progress: Progress | None = None,
) -> dict:
    """Items and all else that their source is made of.

    Args:
        run: of the model.
        name: of the source, or its path.
        items: what was read of it, as far as it shall be packed.
        of: how many were read.
        out: where to.
        data_dir: where named sets lie.
        verify, runner, portable, progress: as for `pack_stream`.

    Returns:
        As `pack_stream`, with "items" and "variables" of all of them that are counted in place of "bytes".

    Raises:
        ChainruleError: if the model has a condition other than classes, or the items cannot be restored exactly.
        CodeError: if something else is decoded.
    """
    model = check_codable(run.model)
    if model.conditional and not model.condition.counts:
        raise ChainruleError(
            f"compress: {run.name} is conditioned on {model.condition.expected}, which no file stores"
        )
    path = Path(name).expanduser()
    own = path if name not in NAMED and path.exists() else None
    part = len(items) < of or items.split != "all"
    source = Source(name, own, items, run, part, data_dir)
    kind = kind_of_source(source)
    about = {"kind": kind, **KINDS[kind].describe(source)}
    labels = items.labels if model.condition.counts else None
    _check_whole(source, kind, about, labels)
    with atomic_path(out) as temporary:
        options: Any = {"about": pack(about), "runner": runner, "progress": progress}

        def written(portable: bool) -> int:
            with temporary.open("wb") as target:
                return write_items(model, items.x, labels, target, portable=portable, **options)

        size = as_portable(written, portable)
        start = time.perf_counter()
        if verify:
            _check_items(run, temporary, items.x, labels, about, progress)
    counts = {"kind": "items", "source": kind, **_counts(source, KINDS[kind].unit, of)}
    seconds = {"verify_seconds": time.perf_counter() - start} if verify else {}
    variables = int(model.domain.counted(items.x).sum())
    return {
        **counts,
        "items": len(items),
        "variables": variables,
        "compressed": size,
        "verified": verify,
        **seconds,
    }


def _counts(source: Source, unit: str, of: int) -> dict:
    """How much of how much; of long sequences steps are counted, since their windows may overlap."""
    streams, rate = source.items.streams, source.run.rate
    if streams is None:
        return {"unit": unit, "packed": len(source.items), "of": of}
    steps = int(streams.lengths.sum())
    return {"unit": "steps" if rate is None else "samples", "packed": steps, "of": steps}


def _check_whole(source: Source, kind: str, about: dict, labels: Tensor | None) -> None:
    """Write what would be decompressed, and hold it against the source, before anything is coded."""
    with scratch() as folder:
        ending = KINDS[kind].endings(about)[0]
        out = folder / f"back{ending}"
        if not ending:
            out.mkdir()
        KINDS[kind].write(Unpacked(about, source.items.x, labels, source.run), out)
        found = KINDS[kind].difference(source, out)
    if found:
        why = "; ".join((found, *source.items.notes.changed, OTHERWISE))
        raise ChainruleError(f"{source.name}: cannot be restored exactly: {why}")


def _check_items(
    run: Run, path: Path, x: Tensor, labels: Tensor | None, about: dict, progress: Progress | None
) -> None:
    """Decode the file, block by block, and compare."""
    done = 0

    def take(part: Tensor, classes: Tensor | None) -> None:
        nonlocal done
        own = slice(done, done + len(part))
        same = x[own].shape == part.shape and bool(((x[own] == part) | (x[own].isnan() & part.isnan())).all())
        if not same or (labels is not None and not (classes is not None and labels[own].equal(classes))):
            raise CodeError(f"the items after item {done} decode differently; nothing is written")
        done += len(part)

    with path.open("rb") as file:
        header = read_items(run.model, file, take, progress=progress)
    if done != len(x) or unpack(header.about) != about:
        raise CodeError(f"only {done:,} of {len(x):,} items decode; nothing is written")


class _Same:
    """What `write` holds against a source, byte for byte.

    Args:
        run: of the model.
        content: what comes next, by `read`.
        stream: of it.

    Raises:
        CodeError: at the first difference.
    """

    def __init__(self, run: Run, content: Any, stream: Stream) -> None:
        self._content, self._done = content, 0
        start, self._restored = restoring(run, stream.kind, stream.about)
        self._compare(start)

    def write(self, part: bytes) -> int:
        """The next symbols."""
        self._compare(self._restored(part))
        return len(part)

    def close(self) -> None:
        """See that nothing is left."""
        if self._content.read(2):
            raise CodeError(f"only {self._done:,} bytes decode; nothing is written")

    def _compare(self, part: bytes) -> None:
        if self._content.read(len(part)) != part:
            raise CodeError(f"the bytes after byte {self._done:,} decode differently; nothing is written")
        self._done += len(part)
