"""The arrays of one block: what is learnt, what has been coded, where the coder stands."""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import numpy as np

from chainrule.coding.mixing import kernel, tables
from chainrule.coding.mixing.compiled import COMPILED

GROUP = 64  # bytes of the slots of four bits
MOST_GROUPS, MOST_HEADS = 22, 20  # bits of their numbers
REST = 10 << 20  # bytes of what does not grow with a block
WORST = 25  # bytes that one may become
CHUNK = 1 << 12  # bytes coded between two looks at the payload


class Memory(NamedTuple):
    """What `kernel.run` works on; every array is flat.

    Attributes:
        slots: int32, groups of 16: a check, and 15 slots.
        histories: int32, cells of adaptive maps, one for each context and history.
        weights, shares: int32, of the mixers and of their mixture; 2^16 is 1.
        refined: int32, P(1) of 2^16, of refinements.
        matches: int32, P(1) of 2^16, for each match, length and bit foretold.
        heads: int32, the place after each stretch of bytes, by its hash.
        rows: int64, `kernel.ROW` numbers of each row.
        seen: uint8, the bytes coded so far, 0 where none is yet.
        inputs: int32, log-odds that are mixed; the last but one is a constant.
        work: int64, what a bit leaves for its own learning.
        coder: int64, `kernel.CODER` numbers.
        payload: uint8, what is read, or the buffer that is written.
        given: uint8, bytes to be coded, or found.
        model: int32, 256 numbers > 0 of each row, as the model's probabilities of its next byte.
        squash, stretch, rates, often: int32, of `tables`.
        mask, spread: of the groups' numbers; bits of the heads' numbers.
    """

    slots: Any
    histories: Any
    weights: Any
    shares: Any
    refined: Any
    matches: Any
    heads: Any
    rows: Any
    seen: Any
    inputs: Any
    work: Any
    coder: Any
    payload: Any
    given: Any
    model: Any
    squash: Any
    stretch: Any
    rates: Any
    often: Any
    mask: int
    spread: int


def held(symbols: int, rows: int) -> int:
    """Bytes that a block of this number of bytes takes at most."""
    groups, spread = _sizes(symbols)
    return (GROUP << groups) + (8 << spread) + symbols + 4 * 256 * rows + REST


def allocate(symbols: int, rows: int, payload: bytes | None, model: bool) -> Memory:
    """What is known before the first byte.

    Args:
        symbols: bytes of the block.
        rows: of it.
        payload: to be decoded; None to encode.
        model: whether there is one.
    """
    groups, spread = _sizes(symbols)
    most = max(CHUNK, rows)
    read = (
        np.zeros(WORST * most + 16, np.uint8) if payload is None else np.frombuffer(payload, np.uint8).copy()
    )
    cells = kernel.CONTEXTS << kernel.HISTORY
    return Memory(
        slots=np.zeros(16 << groups, np.int32),
        histories=np.tile(tables.first_guesses(kernel.HISTORY) << 6, kernel.CONTEXTS)[:cells],
        weights=np.full(kernel.MIXERS * kernel.SETS * kernel.INPUTS, kernel.TOP // 5, np.int32),
        shares=np.full(256 * kernel.MIXERS, kernel.TOP // kernel.MIXERS, np.int32),
        refined=np.tile(_straight(), 16 * 256 + (1 << 16)),
        matches=np.tile(_trusting(), kernel.MATCHES),
        heads=np.zeros(kernel.MATCHES << spread, np.int32),
        rows=np.zeros(kernel.ROW * rows, np.int64),
        seen=np.zeros(symbols, np.uint8),
        inputs=_constant(),
        work=np.zeros(kernel.WORK, np.int64),
        coder=_begin(payload, model),
        payload=read,
        given=np.zeros(most, np.uint8),
        model=np.zeros(256 * rows, np.int32),
        squash=tables.squash(),
        stretch=tables.stretch(),
        rates=tables.rates(kernel.COUNT + 1, 30),
        often=tables.rates(64, 63),
        mask=(1 << groups) - 1,
        spread=spread,
    )


def run(memory: Memory, first: int, last: int, length: int, decode: bool) -> int:
    """`kernel.run`, compiled if numba is there."""
    if not COMPILED:
        return as_written(memory, first, last, length, decode)
    return kernel.run(memory, first, last, length, decode)


def as_written(memory: Memory, first: int, last: int, length: int, decode: bool) -> int:
    """`kernel.run` as Python runs it: views of the arrays give and take whole numbers without an end."""
    views: list[Any] = [array.data if isinstance(array, np.ndarray) else array for array in memory]
    return getattr(kernel.run, "py_func", kernel.run)(Memory(*views), first, last, length, decode)


def _sizes(symbols: int) -> tuple[int, int]:
    """Bits of the numbers of groups, and of heads."""
    each = 2 * kernel.CONTEXTS
    return min((symbols * each).bit_length(), MOST_GROUPS), min(symbols.bit_length() + 1, MOST_HEADS)


def _begin(payload: bytes | None, model: bool) -> np.ndarray:
    """The whole interval, and what a decoder reads first."""
    coder, width = np.zeros(kernel.CODER, np.int64), kernel.STATE // 8
    coder[kernel.HIGH] = (1 << kernel.STATE) - 1
    coder[kernel.TRUST] = kernel.ONE >> 1 if model else 0
    if payload is not None:
        coder[kernel.CODE] = int.from_bytes(payload[:width].ljust(width, b"\0"), "big")
        coder[kernel.PLACE] = width
    return coder


def _constant() -> np.ndarray:
    inputs = np.zeros(kernel.INPUTS, np.int32)
    inputs[-2] = tables.UNIT
    return inputs


@cache
def _straight() -> np.ndarray:
    """A refinement that changes nothing: P(1) at each of its steps."""
    odds = (np.arange(kernel.STEPS) - kernel.STEPS // 2) * kernel.STEP
    return tables.squash()[odds.clip(-kernel.LIMIT, kernel.LIMIT) + kernel.LIMIT] >> 6


@cache
def _trusting() -> np.ndarray:
    """P(1) after matches of each sort: a bit foretold fails once in 2 more than its number."""
    sorts = np.arange(32)
    fails = (kernel.TOP - 1) // (sorts + 2)
    return np.stack([fails, kernel.TOP - 1 - fails], axis=1).ravel().astype(np.int32)
