"""A block: rows of a batch coded in step with one another, into one payload."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import torch
from torch import Tensor

from chainrule.coding.alphabet import Alphabet
from chainrule.coding.choice import Coding
from chainrule.coding.range_coder import Coder, Decoder, Encoder
from chainrule.coding.steps import Steps
from chainrule.coding.symbols import Mixer, code_whole, uniform
from chainrule.models import AutoregressiveModel


@dataclass(frozen=True)
class Block:
    """What a file holds of some rows.

    Attributes:
        rows: B.
        bounds: of each column of whole numbers, its least and its greatest, less the column's shift.
        payload: of the coder.
        check: CRC-32 of the rows.
    """

    rows: int
    bounds: tuple[tuple[int, int], ...]
    payload: bytes
    check: int


@dataclass(frozen=True)
class Rows:
    """What a block is made of.

    Attributes:
        symbols: (B, D) int64 in generation order.
        there: (B, D) booleans, which of them there are.
        labels: (B,) or (B, k) int64 classes, coded along; None if there are none.
        cond: the condition, where it is not coded; None if there is none.
    """

    symbols: Tensor
    there: Tensor
    labels: Tensor | None = None
    cond: Tensor | None = None

    def check(self) -> int:
        """CRC-32 of all that is coded, as little-endian 64-bit numbers."""
        known = self.symbols.masked_fill(~self.there, 0)
        parts = [known, self.there.sum(1), *([] if self.labels is None else [self.labels])]
        value = 0
        for part in parts:
            value = zlib.crc32(part.contiguous().numpy().astype("<i8").tobytes(), value)
        return value


def encode(
    model: AutoregressiveModel,
    steps: Steps,
    rows: Rows,
    *,
    sized: bool = False,
) -> Block:
    """Rows → a block.

    Args:
        model: gives the conditionals.
        steps: run by a runner, in an arithmetic.
        rows: B ≥ 1 of them.
        sized: whether the decoder knows which symbols there are, so that lengths are not coded.
    """
    alphabet, coder = Alphabet(model), Encoder(steps.portable)
    batch = len(rows.symbols)
    _code_sides(model, coder, batch, rows.labels, rows.there, sized)
    bounds = alphabet.bounds(rows.symbols)
    rule = Coding(alphabet, coder, rows.there, bounds, rows.symbols)
    cond = rows.labels if rows.labels is not None else rows.cond
    steps.run(model, rule, batch, _sites(model, rows.there), cond)
    return Block(batch, tuple(bounds), coder.finish(), rows.check())


def decode(
    model: AutoregressiveModel,
    steps: Steps,
    block: Block,
    *,
    cond: Tensor | None = None,
    there: Tensor | None = None,
    mixer: Mixer | None = None,
) -> Rows:
    """A block → its rows.

    Args:
        model, steps: as in `encode`.
        block: the block.
        cond: the model's condition, if that is not coded.
        there: which symbols there are, if the decoder knows.
        mixer: a new one, what tables are mixed with in files of formats 1 to 3.

    Raises:
        CodeError: if the payload is none, or has more in it; that the rows are right their `check` says.
    """
    coder = Decoder(block.payload, steps.portable)
    labels, there = _code_sides(model, coder, block.rows, None, there, there is not None)
    rule = Coding(Alphabet(model), coder, there, list(block.bounds), None, mixer)
    steps.run(model, rule, block.rows, _sites(model, there), cond if labels is None else labels)
    coder.finish()
    return Rows(rule.symbols, there, labels, cond)


def _sites(model: AutoregressiveModel, there: Tensor) -> int:
    """Up to the last one of the longest row."""
    last = int((there.any(0) * torch.arange(1, model.domain.size + 1)).max())
    return -(-last // model.head.variables)


def _code_sides(
    model: AutoregressiveModel,
    coder: Coder,
    batch: int,
    labels: Tensor | None,
    there: Tensor | None,
    sized: bool,
) -> tuple[Tensor | None, Tensor]:
    """What stands before the symbols: the classes of each row, and unless `sized` how many steps it has."""
    every = torch.ones(batch, dtype=torch.bool)
    if model.condition.counts:
        given = None if labels is None else labels.reshape(batch, -1)
        found = [
            code_whole(uniform, (0, count - 1), coder, None if given is None else given[:, k], every)
            for k, count in enumerate(model.condition.counts)
        ]
        labels = torch.stack(found, dim=1).reshape(batch, *model.condition.item_shape)
    domain = model.domain
    if domain.lengths == "given" and not sized:
        lengths = None if there is None else there.sum(1) // domain.width
        lengths = code_whole(uniform, (0, domain.steps), coder, lengths, every)
        there = torch.arange(domain.size) < domain.width * lengths[:, None]
    return labels, torch.ones(batch, domain.size, dtype=torch.bool) if there is None else there
