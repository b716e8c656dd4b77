"""Items of a domain ↔ the symbols that are coded: levels, codes of categories, whole numbers."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from chainrule.coding.symbols import MISSING
from chainrule.errors import ChainruleError
from chainrule.models import AutoregressiveModel, Model
from chainrule.models.base.capabilities import Exact, Factorises, Marginalises

MOST_WHOLE = 2**53  # whole numbers up to here are what float64 says


class Alphabet:
    """What is coded of an item of a model's domain, variable by variable in generation order.

    Args:
        model: a single factorisation, on the CPU, of levels, or of categories and whole numbers.

    Raises:
        ChainruleError: if the model is of another kind.
    """

    def __init__(self, model: Model) -> None:
        self.model = check_codable(model)
        self.domain = self.model.domain
        order = self.model.ordering.variables.tolist()
        # By place in the generation order; None where items are no rows of a table.
        self.columns = [self.domain.columns[d] if self.domain.columns else None for d in order]
        self.whole = [
            d for d, column in enumerate(self.columns) if column and column.kind in ("integer", "number")
        ]
        if self.domain.columns:
            units = self.model.units
            self.shift, self.scale = (units.shift.double()[order], units.scale.double()[order])

    def symbols(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Items (B, *event_shape), in the domain → symbols (B, D) int64, and which there are, booleans (B, D).

        Raises:
            ChainruleError: on a missing cell of a model that sums over those, or numbers beyond 2^53.
        """
        if not self.domain.columns:
            sites = self.model.ordering.flatten(x)
            if self.domain.lengths == "given":
                return sites.clamp(min=0), sites >= 0
            return sites, torch.ones_like(sites, dtype=torch.bool)
        cells = self.model.ordering.flatten(x.double())
        if isinstance(self.model, Marginalises) and cells.isnan().any():
            raise ChainruleError("compress: expected no missing cells, the model sums over them")
        if (cells.abs() > MOST_WHOLE).any():
            raise ChainruleError("compress: expected whole numbers up to 2^53, got larger ones")
        symbols = torch.empty(cells.shape, dtype=torch.int64)
        for d, column in enumerate(self.columns):
            assert column is not None
            gap = column.levels if column.categories else MISSING
            number = torch.round(cells[:, d].nan_to_num() / (column.step or 1.0)).long()
            number = number - (0 if column.categories else int(self.shift[d]))
            symbols[:, d] = torch.where(cells[:, d].isnan(), torch.tensor(gap), number)
            if (
                column.step
                and not (self._cells(symbols[:, d], d) == cells[:, d].nan_to_num(0.0))
                .logical_or(cells[:, d].isnan())
                .all()
            ):
                raise ChainruleError(
                    f"compress: column {column.name!r}: expected multiples of {column.step:g}, got others"
                )
        return symbols, torch.ones_like(symbols, dtype=torch.bool)

    def items(self, symbols: Tensor, there: Tensor) -> Tensor:
        """The inverse of `symbols`; what is not there is -1."""
        if not self.domain.columns:
            return self.model.ordering.unflatten(torch.where(there, symbols, -1))
        cells = torch.empty(symbols.shape, dtype=torch.float64)
        for d in range(len(self.columns)):
            cells[:, d] = self._cells(symbols[:, d], d)
        return self.model.ordering.unflatten(cells)

    def value(self, symbols: Tensor, d: int) -> Tensor:
        """What the model reads (B,) where variable d has these symbols (B,)."""
        column = self.columns[d]
        if column is None:
            return symbols
        if column.categories:
            return symbols.to(self.model.dtype)
        z = (self._cells(symbols, d) - self.shift[d]) / self.scale[d]
        return z.to(self.model.head.kind(self.model.dtype))

    def bounds(self, symbols: Tensor) -> list[tuple[int, int]]:
        """The least and the greatest of each column of whole numbers; 0 and 0 where all cells are missing."""
        found = []
        for d in self.whole:
            known = symbols[:, d][symbols[:, d] != MISSING]
            found.append((int(known.min()), int(known.max())) if len(known) else (0, 0))
        return found

    def _cells(self, symbols: Tensor, d: int) -> Tensor:
        column = self.columns[d]
        assert column is not None
        if column.categories:
            return torch.where(symbols == column.levels, torch.nan, symbols.double())
        number = (symbols + int(self.shift[d])).double()
        if column.step:
            head: Any = self.model.head.at(d)
            number = head.numbers.written(number[:, None] * column.step, head.numbers.only(head.column))[:, 0]
        return torch.where(symbols == MISSING, torch.nan, number)


def check_codable(model: Model) -> AutoregressiveModel:
    """Refuse a model whose conditionals no coder can use.

    Raises:
        ChainruleError: if it mixes several factorisations, has no likelihood, is of reals, or not on the CPU.
    """
    if not isinstance(model, Exact):
        raise ChainruleError(f"compress: expected a model with an exact likelihood, got {model.name}")
    if not isinstance(model, Factorises):
        raise ChainruleError(
            f"compress: expected one factorisation, got {model.name}, a mixture of several, which has no "
            f"probability of a variable given those before it"
        )
    domain = model.domain
    real = [column.name for column in domain.columns if column.has_density]
    if real or domain.levels is None:
        raise ChainruleError(
            f"compress: expected levels, categories or whole numbers, got "
            f"{f'column {real[0]!r} of numbers with a density' if real else domain}"
        )
    if model.device.type != "cpu":
        raise ChainruleError(
            f"compress: expected a model on the CPU, where the last bits repeat; got {model.device}"
        )
    return model.factorisation
