"""Bytes of any file, characters of a text or samples of a sound ↔ a compressed file, block after block."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from threading import Lock
from typing import BinaryIO

import numpy as np
import torch
from torch import Tensor

from chainrule.coding.alphabet import check_codable
from chainrule.coding.block import Block, Rows, decode, encode
from chainrule.coding.bytewise import decode_bytes, encode_bytes
from chainrule.coding.container import VERSION, Header, Reader, Writer, brief
from chainrule.coding.contexts import Contexts
from chainrule.coding.environment import PORTABLE, Arithmetic, digest_of, repeatable
from chainrule.coding.items import AUTO, Progress, block_rows, check_header, threads
from chainrule.coding.order0 import Mixed
from chainrule.coding.parallel import in_order
from chainrule.coding.runner import Steppers, choose_runner
from chainrule.coding.symbols import Mixer
from chainrule.engine.rows import state_bytes
from chainrule.errors import CodeError, DomainError
from chainrule.models import AutoregressiveModel, Model
from chainrule.models.baselines import Uniform
from chainrule.models.resize import of_length

# How many levels a model of each kind of symbols may have; None for any number.
LEVELS: dict[str, tuple[int, ...] | None] = {
    "file": (256,),
    "folder": (256,),
    "sound": (65536, 256),
    "text": None,
}
MIXED = ("file", "folder")  # what is mixed with contexts
BITWISE = 4  # the first format in which that is done bit by bit
# Rows of a block, where a net may go on beyond the length it was trained on; of bytes mixed bit by bit.
ROWS, FEW_ROWS = 32, 8
ALONE = 1 << 22  # bytes of a block at most, where contexts do without a model


class Cuts:
    """How many symbols in a row are cut into rows that are coded in step.

    A net whose steps may go on for ever gets few and long rows, since each begins knowing nothing; another one gets
    rows of its own length.

    Args:
        model: of sequences.
        rows: that many, if the net may go on.
    """

    def __init__(self, model: AutoregressiveModel, rows: int = ROWS) -> None:
        self.model, self._rows = model, rows
        self._models: dict[int, AutoregressiveModel] = {model.sites: model}
        self._lock = Lock()

    def of(self, symbols: int) -> AutoregressiveModel:
        """The model of the rows of a block with this number of symbols."""
        longest = -(-symbols // self._rows)
        steps = max(longest, self.model.sites) if self.model.network.supports_streaming else self.model.sites
        with self._lock:
            if steps not in self._models:
                try:
                    self._models[steps] = check_codable(of_length(self.model, steps))
                except DomainError:  # weights that belong to places
                    self._models[steps] = self.model
            return self._models[steps]


def compress_stream(
    model: Model,
    source: BinaryIO,
    target: BinaryIO,
    kind: str = "file",
    *,
    rate: int = 0,
    about: bytes = b"",
    runner: str = AUTO,
    portable: bool = True,
    workers: int | None = None,
    progress: Progress | None = None,
) -> int:
    """Code all that can be read, in memory that does not grow with it.

    Args:
        model: unconditional, of sequences: of 256 levels for bytes; of 65,536 for the samples of a sound + 32,768, of
            256 for its μ-law levels; one level per character for a text.
        source: is read to its end: symbols as `symbol_type` says.
        target: is written.
        kind: "file", "folder", "sound" or "text".
        rate: of a sound, in Hz.
        about: the description of the source.
        runner, portable, workers: as for `compress`.
        progress: called with the number of symbols coded.

    Returns:
        How many bytes were written.

    Raises:
        ChainruleError: if the model is none of such symbols.
        NotPortable: as `write_items`.
    """
    model = check_stream(model, kind)
    width = symbol_type(model).itemsize
    size = block_symbols(model, kind) * width
    chunks = iter(lambda: source.read(size), b"")
    first, cuts = next(chunks, b""), cuts_of(model, kind)
    workers = threads(workers, _held(cuts, kind, VERSION, len(first) // width))
    with repeatable(model):
        if runner == AUTO:
            own = cuts.of(len(first) // width)
            rows = _rows(own, len(first) // width)
            runner = choose_runner(own, rows, 1, None, portable) if first else "eager"
        arithmetic = Arithmetic.here(PORTABLE if portable else runner)
        header = Header(
            kind, digest_of(model, portable), brief(model.domain), arithmetic, rate=rate, about=about
        )
        writer, done = Writer(target, header), 0
        task = partial(_encoded, cuts, Steppers(arithmetic, runner), kind)
        for block in in_order(task, _again(first, chunks), workers):
            writer.block(block)
            done += block.rows
            if progress is not None:
                progress(done)
    writer.close()
    return writer.size


def decompress_stream(
    model: Model,
    source: BinaryIO,
    target: BinaryIO,
    *,
    anyway: bool = False,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Header:
    """Write all that `compress_stream` read.

    Args:
        model, anyway, workers: as for `decompress`.
        source: the file; it must be seekable.
        target: is written block after block; if there is an error, what was written until then is to be thrown away.
        progress: called with the number of symbols decoded.

    Returns:
        The file's header.

    Raises:
        CodeError: as `decompress`.
    """
    reader = Reader(source)
    header = reader.header
    if header.kind not in LEVELS:
        raise CodeError(f"expected a file, a folder, a sound or a text, got {header.kind}")
    model, done = check_stream(model, header.kind), 0
    check_header(model, header, header.kind, anyway)
    cuts, most = (
        cuts_of(model, header.kind, header.version),
        block_symbols(model, header.kind, header.version),
    )
    task = partial(_decoded, cuts, Steppers(header.arithmetic), header)
    workers = threads(workers, _held(cuts, header.kind, header.version, most))
    with repeatable(model):
        for block, rows in in_order(task, reader.blocks(most), workers):
            reader.agree(block, rows.check())
            target.write(rows.symbols[rows.there].numpy().astype(symbol_type(model)).tobytes())
            done += block.rows
            if progress is not None:
                progress(done)
    return header


def check_stream(model: Model, kind: str) -> AutoregressiveModel:
    """Refuse a model that is not one of such symbols.

    Raises:
        DomainError: if its items are not sequences of them in their own order, or it is conditional.
    """
    chosen, levels = check_codable(model), LEVELS[kind]
    domain = chosen.domain
    suits = isinstance(domain.levels, int) if levels is None else domain.levels in levels
    one = domain.layout == "sequence" and suits and domain.width == 1
    if not one or domain.lengths == "ends" or not chosen.ordering.is_identity:
        wanted = "a number of" if levels is None else " or ".join(map(str, levels))
        raise DomainError(f"compress: a {kind} needs a model of sequences of {wanted} levels, got {domain}")
    if chosen.conditional:
        raise DomainError(
            f"compress: a {kind} needs an unconditional model, got one conditioned on {chosen.condition.expected}"
        )
    return chosen


def symbol_type(model: Model) -> np.dtype:
    """The type of a symbol in a stream: the smallest unsigned little-endian integer that holds its level."""
    return np.dtype(f"<u{next(size for size in (1, 2, 4) if model.domain.max_levels <= 256**size)}")


def block_symbols(model: AutoregressiveModel, kind: str, version: int = VERSION) -> int:
    """Symbols of a block, at most."""
    if isinstance(model, Uniform) and kind in MIXED and version >= BITWISE:
        return ALONE
    return block_rows(model.domain) * model.domain.size


def cuts_of(model: AutoregressiveModel, kind: str, version: int = VERSION) -> Cuts:
    """How streams of a kind are cut in a version of the format."""
    return Cuts(model, FEW_ROWS if kind in MIXED and version >= BITWISE else ROWS)


def cut(model: AutoregressiveModel, symbols: Tensor) -> Rows:
    """Symbols (n,) in rows as long as the model's items; what the last one lacks is 0, and not there."""
    there = _there(model, len(symbols))
    return Rows(torch.zeros(there.shape, dtype=torch.int64).masked_scatter(there, symbols), there)


def _held(cuts: Cuts, kind: str, version: int, symbols: int) -> int:
    """Bytes that a block of this number of symbols takes: states of its rows, and contexts."""
    model = cuts.of(symbols)
    rows, contexts = _rows(model, symbols), 0
    if kind in MIXED and version >= BITWISE:
        from chainrule.coding.mixing.memory import held

        contexts = held(symbols, rows)
    elif kind in MIXED:
        contexts = Contexts.held(model.domain.max_levels, symbols)
    return rows * state_bytes(model) + contexts


def _rows(model: AutoregressiveModel, symbols: int) -> int:
    return -(-symbols // model.sites)


def _there(model: AutoregressiveModel, symbols: int) -> Tensor:
    rows = _rows(model, symbols)
    return (torch.arange(rows * model.sites) < symbols).view(rows, model.sites)


def _encoded(cuts: Cuts, steppers: Steppers, kind: str, chunk: bytes) -> Block:
    symbols = np.frombuffer(chunk, symbol_type(cuts.model))
    model = cuts.of(len(symbols))
    rows = cut(model, torch.from_numpy(symbols.astype(np.int64)))
    steps = steppers.of(model, len(rows.symbols))
    if kind in MIXED:
        return Block(len(symbols), (), encode_bytes(model, steps, symbols.copy()), rows.check())
    return replace(encode(model, steps, rows, sized=True), rows=len(symbols))


def _decoded(cuts: Cuts, steppers: Steppers, header: Header, block: Block) -> tuple[Block, Rows]:
    model = cuts.of(block.rows)
    steps = steppers.of(model, _rows(model, block.rows))
    if header.kind in MIXED and header.version >= BITWISE:
        found = decode_bytes(model, steps, block.rows, block.payload)
        return block, cut(model, torch.from_numpy(found).long())
    there = _there(model, block.rows)
    whole = replace(block, rows=len(there))
    return block, decode(model, steps, whole, there=there, mixer=_mixer(header, there))


def _mixer(header: Header, there: Tensor) -> Mixer | None:
    """What the bytes of a block are mixed with, in a file of an earlier version."""
    if header.kind not in MIXED:
        return None
    return Mixed(256) if header.version == 1 else Contexts(256, len(there), int(there.sum()))


def _again(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    if first:
        yield first
    yield from rest
