"""The rule of a rollout that codes: a variable's value is what the coder writes, or reads, given its conditional."""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

import torch
from torch import Tensor

from chainrule.coding.alphabet import Alphabet
from chainrule.coding.range_coder import Coder
from chainrule.coding.symbols import Mixer, code_variable
from chainrule.heads import Conditional


class StepByStep:
    """A rule of a coder, which works variable by variable on the rows of its block."""

    def map(self, fn: Callable[[Tensor], Tensor]) -> Self:
        """A coder has one order of variables, and no other rows.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError("a coder works step by step, on the rows of its block")


class Coding(StepByStep):
    """Code the variables of a block's rows, each in all rows before the next; one rule for both directions.

    Args:
        alphabet: of the model.
        coder: writes, or reads.
        there: which variables there are, (B, D) booleans in generation order; the others are not coded.
        bounds: of each column of whole numbers.
        symbols: (B, D), to encode; None to decode.
        mixer: what tables are mixed with.

    Attributes:
        symbols: (B, D), once the rollout is over.
    """

    def __init__(
        self,
        alphabet: Alphabet,
        coder: Coder,
        there: Tensor,
        bounds: list[tuple[int, int]],
        symbols: Tensor | None = None,
        mixer: Mixer | None = None,
    ) -> None:
        self._alphabet, self._coder, self._there, self._mixer = alphabet, coder, there, mixer
        self._known = symbols
        self._bounds = dict(zip(alphabet.whole, bounds, strict=True))
        self.symbols = torch.zeros(there.shape, dtype=torch.int64) if symbols is None else symbols

    def __call__(self, conditional: Conditional, d: int | Tensor) -> Tensor:
        """(B,) values of variable d."""
        assert isinstance(d, int)  # coders work step by step
        known = None if self._known is None else self._known[:, d]
        rows, bounds = self._there[:, d], self._bounds.get(d)
        found = code_variable(conditional, self._coder, known, rows, bounds, self._mixer)
        if known is None:
            self.symbols[:, d] = found
        return self._alphabet.value(found, d)
