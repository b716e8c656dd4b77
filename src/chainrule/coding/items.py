"""Items of a model's domain ↔ bytes."""

from __future__ import annotations

import io
import logging
import os
import zlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, BinaryIO, TypeVar

import torch
from torch import Tensor

from chainrule.coding.alphabet import Alphabet
from chainrule.coding.block import Block, Rows, decode, encode
from chainrule.coding.container import Header, Reader, Writer, brief
from chainrule.coding.environment import PORTABLE, Arithmetic, digest_of, repeatable
from chainrule.coding.parallel import in_order
from chainrule.coding.runner import Steppers, choose_runner
from chainrule.domain import Domain
from chainrule.engine.portable import NotPortable
from chainrule.engine.rows import HELD, state_bytes
from chainrule.errors import CodeError, ConditionError
from chainrule.models import AutoregressiveModel, Model

AUTO = "auto"
# Variables of a block at most, unless 16 rows have more: what is held of a block does not grow with what is coded.
BLOCK, FEWEST, MOST_ROWS = 1 << 18, 16, 4096
MOST_HELD = 1 << 30  # bytes of all blocks that are coded at once
Progress = Callable[[int], None]
Result = TypeVar("Result")
log = logging.getLogger(__name__)


def compress(
    model: Model,
    x: Tensor,
    cond: Tensor | int | None = None,
    *,
    runner: str = AUTO,
    portable: bool = True,
    workers: int | None = None,
    progress: Progress | None = None,
) -> bytes:
    """Compress items to Σ -log2 p(x) / 8 bytes, within 0.1 % and 64 bytes.

    Blocks of rows are coded step by step, all rows of a block before the next step, so that the decoder, which has to
    know x_<d before x_d, computes the very numbers of the encoder, down to the last bit.

    Args:
        model: one factorisation, on the CPU, of levels, or of categories and whole numbers.
        x: (B, *event_shape), in its domain. The lengths of items that differ in length are coded too.
        cond: classes, one per item or one for all, are coded as well, at log2 of their number; any other condition
            is not, and must be given to `decompress` again.
        runner: "eager", "native", or "auto" for what is faster.
        portable: whether steps are computed in an arithmetic that is the same on every machine. Otherwise, and where a
            step does what has no portable form, which is logged, the file says which runner, versions and processor it
            was made with, and is decoded with the same.
        workers: blocks that are coded at once; torch's number of threads by default. It changes nothing but time.
        progress: called with the number of items coded, after each block.

    Raises:
        ChainruleError: if the model has reals, mixes several factorisations, or is not on the CPU.
        DomainError: if x does not lie in the domain.

    Example:
        >>> import chainrule as cr
        >>> model = cr.create_model("independent", cr.Domain.binary(8))
        >>> x = torch.tensor([[0, 1, 1, 0, 1, 0, 0, 1]])
        >>> torch.equal(cr.decompress(model, cr.compress(model, x)), x)
        True
    """

    def written(portable: bool) -> bytes:
        stream = io.BytesIO()
        write_items(
            model, x, cond, stream, runner=runner, portable=portable, workers=workers, progress=progress
        )
        return stream.getvalue()

    return as_portable(written, portable)


def as_portable(write: Callable[[bool], Result], portable: bool) -> Result:
    """What `write` gives in portable arithmetic; where a model does what that does not have, in this machine's own.

    Args:
        write: (portable) → a whole file, which is begun anew by each call.
        portable: False for this machine's own in any case.
    """
    if portable:
        try:
            return write(True)
        except NotPortable as reason:
            log.warning("compressed for this kind of machine and these versions alone: %s", reason)
    return write(False)


def write_items(
    model: Model,
    x: Tensor,
    cond: Tensor | int | None,
    target: BinaryIO,
    *,
    about: bytes = b"",
    runner: str = AUTO,
    portable: bool = True,
    workers: int | None = None,
    progress: Progress | None = None,
) -> int:
    """`compress` into a file, with a description of its source; returns the number of bytes written.

    Raises:
        NotPortable: if `portable`, and a step does what has no portable form; half a file may then be written.
    """
    alphabet = Alphabet(model)
    model.domain.validate(x)
    uncoded = None if model.condition.counts else cond
    cond = model.expand_cond(cond, len(x))
    model.check_cond(cond)
    if model.conditional:
        model.condition(cond, len(x))  # raises now
    rows, held = _sizes(alphabet.model)
    parts = [(x[i : i + rows], None if cond is None else cond[i : i + rows]) for i in range(0, len(x), rows)]
    workers = threads(workers, held)
    with repeatable(model):
        if runner == AUTO:
            first = None if cond is None else cond[:rows]
            size = min(rows, len(x)), len(parts)
            runner = choose_runner(alphabet.model, *size, first, portable) if parts else "eager"
        arithmetic, check = Arithmetic.here(PORTABLE if portable else runner), _check_of(uncoded)
        header = Header(
            "items", digest_of(model, portable), brief(model.domain), arithmetic, check, about=about
        )
        task = partial(_encoded, alphabet, Steppers(arithmetic, runner))
        writer, done = Writer(target, header), 0
        for block in in_order(task, parts, workers):
            writer.block(block)
            done += block.rows
            if progress is not None:
                progress(done)
    writer.close()
    return writer.size


def decompress(
    model: Model,
    blob: bytes,
    cond: Tensor | int | None = None,
    *,
    labels: bool = False,
    anyway: bool = False,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Any:
    """The items that `compress` was given.

    Args:
        model: the same.
        blob: what `compress` gave.
        cond: a condition other than classes must be given again.
        labels: whether to give the classes as well, as (x, labels).
        anyway: whether to try it with other versions or on another processor than the file's. What comes out wrong
            is refused all the same, by its checksum.
        workers, progress: as for `compress`.

    Returns:
        (B, *event_shape): int64 levels, or float64 rows of a table.

    Raises:
        CodeError: if the blob is no such file, truncated, altered, of another model, or coded with an arithmetic that
            is not that of this machine.
    """
    parts: list[tuple[Tensor, Tensor | None]] = []
    read_items(
        model,
        io.BytesIO(blob),
        lambda *part: parts.append(part),
        cond,
        anyway=anyway,
        workers=workers,
        progress=progress,
    )
    whole, classes = joined(model, parts)
    return (whole, classes) if labels else whole


def read_items(
    model: Model,
    source: BinaryIO,
    take: Callable[[Tensor, Tensor | None], None],
    cond: Tensor | int | None = None,
    *,
    anyway: bool = False,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Header:
    """`decompress` a file block by block.

    Args:
        model, cond, anyway, workers, progress: as for `decompress`.
        source: the file; it must be seekable.
        take: is given the items (n, *event_shape) of a block and their classes, or None.

    Raises:
        CodeError: as `decompress`.
    """
    alphabet = Alphabet(model)
    reader = Reader(source, len(alphabet.whole))
    check_header(model, reader.header, "items", anyway)
    model.check_cond(None if cond is None else torch.as_tensor(cond))
    uncoded = None if model.condition.counts else cond
    if _check_of(uncoded) != reader.header.cond:
        raise ConditionError("cond: expected the condition that `compress` was given, got a different one")
    steppers, done = Steppers(reader.header.arithmetic), 0
    workers = threads(workers, _sizes(alphabet.model)[1])
    with repeatable(model):
        tasks = _with_cond(reader.blocks(block_rows(model.domain)), model, uncoded)
        for block, rows in in_order(partial(_decoded, alphabet, steppers), tasks, workers):
            reader.agree(block, rows.check())
            take(alphabet.items(rows.symbols, rows.there), rows.labels)
            done += block.rows
            if progress is not None:
                progress(done)
    return reader.header


def joined(model: Model, parts: Sequence[tuple[Tensor, Tensor | None]]) -> tuple[Tensor, Tensor | None]:
    """The items and the classes of all blocks; of no blocks none."""
    kind = torch.float64 if model.domain.columns else torch.int64
    x = torch.cat([torch.zeros(0, *model.domain.event_shape, dtype=kind), *(part for part, _ in parts)])
    if not model.condition.counts:
        return x, None
    none = torch.zeros(0, *model.condition.item_shape, dtype=torch.int64)
    return x, torch.cat([none, *(labels for _, labels in parts if labels is not None)])


def block_rows(domain: Domain) -> int:
    """Rows of a block, at most."""
    return min(max(BLOCK // domain.size, FEWEST), MOST_ROWS)


def _sizes(model: AutoregressiveModel) -> tuple[int, int]:
    """Rows of a block that is written, fewer where their states are large; and the bytes of these states."""
    kind = torch.int64 if model.condition.counts else model.dtype
    one = torch.zeros(1, *model.condition.item_shape, dtype=kind) if model.conditional else None
    each = max(state_bytes(model, one), 1)
    rows = max(min(block_rows(model.domain), HELD // each), FEWEST)
    return rows, rows * each


def check_header(model: Model, header: Header, kind: str, anyway: bool) -> None:
    """Refuse a file before anything of it is decoded.

    Raises:
        CodeError: if it is of another kind, model or arithmetic.
    """
    if header.kind != kind:
        raise CodeError(f"expected {kind}, got a file that holds a {header.kind}")
    own = digest_of(model, header.arithmetic.portable)
    if header.domain != brief(model.domain) or header.digest != own:
        raise CodeError(
            f"coded by another model than this {model.name or type(model).__name__} of {model.domain}: expected "
            f"{own.hex()}, got {header.digest.hex()}"
        )
    if not anyway:
        header.arithmetic.check()


def _encoded(alphabet: Alphabet, steppers: Steppers, part: tuple[Tensor, Tensor | None]) -> Block:
    x, cond = part
    symbols, there = alphabet.symbols(alphabet.model.domain.check(x))
    classes = bool(alphabet.model.condition.counts)
    rows = Rows(symbols, there, cond if classes else None, None if classes else cond)
    return encode(alphabet.model, steppers.of(alphabet.model, len(symbols), cond), rows)


def _decoded(alphabet: Alphabet, steppers: Steppers, task: tuple[Block, Tensor | None]) -> tuple[Block, Rows]:
    block, cond = task
    return block, decode(alphabet.model, steppers.of(alphabet.model, block.rows, cond), block, cond=cond)


def _with_cond(
    blocks: Iterator[Block], model: Model, cond: Tensor | int | None
) -> Iterator[tuple[Block, Tensor | None]]:
    """Each block with the conditions of its rows, or the one of all."""
    start = 0
    for block in blocks:
        several = isinstance(cond, Tensor) and cond.ndim > len(model.condition.item_shape)
        own = cond[start : start + block.rows] if isinstance(cond, Tensor) and several else cond
        yield block, model.expand_cond(own, block.rows)
        start += block.rows


def _check_of(cond: Tensor | int | None) -> int:
    if cond is None:
        return 0
    return zlib.crc32(torch.as_tensor(cond).detach().double().contiguous().numpy().astype("<f8").tobytes())


def threads(workers: int | None, each: int) -> int:
    """How many blocks are coded at once.

    Args:
        workers: as the user says; None for as many as there are cores, unless they would hold too much.
        each: bytes that a block takes.
    """
    return max(1, workers or min(torch.get_num_threads(), os.cpu_count() or 1, MOST_HELD // max(each, 1)))
