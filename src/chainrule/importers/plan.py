"""What an importer says of a published model: which of ours it is, and where each of its tensors comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from chainrule.domain import Domain
from chainrule.errors import ChainruleError
from chainrule.importers.weights import Weights
from chainrule.models import Model, create_model
from chainrule.models.sketch import SMALL, TooLarge, check_sizes, sketch


@dataclass(frozen=True)
class Piece:
    """Where a tensor comes from.

    Attributes:
        names: theirs; several are joined along the first dimension.
        turned: whether theirs is transposed.
        rows: (first, last + 1) of theirs; None for all.
        row: the one row that is taken, without its dimension.
    """

    names: tuple[str, ...]
    turned: bool = False
    rows: tuple[int, int] | None = None
    row: int | None = None

    def whole(self, shape: tuple[int, ...]) -> str | None:
        """In words the shape that theirs must have for ours to have `shape`, where there is one; else None."""
        if self.turned:
            return str(shape[::-1])
        return str(shape) if len(self.names) == 1 and self.rows is None and self.row is None else None

    def of(self, parts: list[Tensor]) -> Tensor:
        """Ours, of theirs; on tensors that hold no numbers, too."""
        tensor = torch.cat(parts) if len(parts) > 1 else parts[0]
        if self.rows is not None:
            tensor = tensor[self.rows[0] : self.rows[1]]
        if self.row is not None:
            tensor = tensor[self.row]
        return tensor.T if self.turned else tensor


def piece(*names: str, **how: Any) -> Piece:
    """The tensor of these names."""
    return Piece(names, **how)


@dataclass(frozen=True)
class Plan:
    """A published model as one of ours.

    Attributes:
        name, domain, hyperparameters: as for `create_model`.
        pieces: name of a tensor of ours → where it comes from.
        prefix: what may stand before their names.
        ignored: endings of their names that are no weights: masks, frequencies, a tied matrix written twice.
    """

    name: str
    domain: Domain
    hyperparameters: Mapping[str, Any]
    pieces: Mapping[str, Piece]
    prefix: str
    ignored: tuple[str, ...]

    def build(self, weights: Weights) -> Model:
        """The model with these weights, in single precision and in evaluation mode.

        Shapes are compared before memory is taken for the model.

        Raises:
            ChainruleError: if the model cannot be built, or a tensor is missing, unknown, of another shape or kind, or
                holds what is no finite number.
        """
        size = sum(torch.Size(shape).numel() for shape in weights.shapes.values())
        named = self._named(weights)
        build = partial(create_model, self.name, self.domain, **self.hyperparameters)
        try:
            check_sizes(self.domain, self.hyperparameters, size)
            own = sketch(build, 4 * size + SMALL).state_dict()
        except TooLarge as error:
            raise ChainruleError(
                f"{weights.where}: its files have far fewer weights than it says: {error}"
            ) from error
        for name, tensor in own.items():
            self._check(name, tuple(tensor.shape), named, weights)
        model = build()
        with torch.no_grad():
            for name, tensor in model.state_dict().items():
                parts = [_floats(weights, named[theirs]) for theirs in self.pieces[name].names]
                tensor.copy_(self.pieces[name].of(parts))
        return model.eval()

    def _named(self, weights: Weights) -> dict[str, str]:
        """Their names without the prefix → as they are in the file.

        Raises:
            ChainruleError: if one is missing or unknown.
        """
        named = {name.removeprefix(self.prefix): name for name in weights.shapes}
        needed = {theirs for found in self.pieces.values() for theirs in found.names}
        for name in sorted(needed - named.keys()):
            raise ChainruleError(f"{weights.where}: {name}: expected a tensor of this name, found none")
        for name in sorted(named.keys() - needed):
            if not name.endswith(self.ignored):
                raise ChainruleError(
                    f"{weights.where}: {name}: expected no tensor of this name for {self.name}"
                )
        return named

    def _check(self, name: str, shape: tuple[int, ...], named: Mapping[str, str], weights: Weights) -> None:
        found = self.pieces[name]
        shapes = [weights.shapes[named[theirs]] for theirs in found.names]
        try:
            fits = tuple(found.of([torch.empty(shape, device="meta") for shape in shapes]).shape) == shape
        except (RuntimeError, IndexError):
            fits = False
        if not fits:
            expected = found.whole(shape) or f"what makes {shape}"
            raise ChainruleError(
                f"{weights.where}: {' and '.join(found.names)}: expected {expected}, "
                f"got {' and '.join(map(str, shapes))}"
            )


def _floats(weights: Weights, name: str) -> Tensor:
    tensor = weights.read(name)
    if not tensor.is_floating_point() or tensor.dtype.itemsize < 2:
        raise ChainruleError(
            f"{weights.where}: {name}: expected floating-point numbers of at least 16 bits, got {tensor.dtype}; "
            "quantised weights are not read"
        )
    tensor = tensor.float()
    if not tensor.isfinite().all():
        raise ChainruleError(
            f"{weights.where}: {name}: expected finite numbers, got others; the file is damaged"
        )
    return tensor
