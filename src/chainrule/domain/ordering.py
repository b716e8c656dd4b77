"""Data (B, *event_shape) ↔ variables in the order in which the model generates them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import torch
from torch import Tensor, nn

from chainrule.devices import index_on
from chainrule.domain.domain import Domain
from chainrule.errors import DomainError


class Ordering(nn.Module):
    """A permutation of a domain's variables.

    Position d of the generation order holds variable `permutation[d]` of the flattened data. The natural
    ordering reads images row by row, and within a pixel R, G, B.

    Args:
        domain: whose variables are ordered.
        spec: "natural", "reversed", "random-SEED" (say "random-0"), or the permutation itself.

    Raises:
        DomainError: if `spec` is none of these.

    Example:
        >>> x = torch.arange(3)[None]
        >>> order = Ordering(Domain.binary(3), "reversed")
        >>> order.flatten(x), order.unflatten(order.flatten(x))
        (tensor([[2, 1, 0]]), tensor([[0, 1, 2]]))
    """

    permutation: Tensor
    inverse: Tensor

    def __init__(self, domain: Domain, spec: str | Sequence[int] = "natural") -> None:
        super().__init__()
        self.event_shape = domain.event_shape
        permutation = _permutation(domain, spec)
        self.is_raster = torch.equal(permutation, _permutation(domain, "natural"))
        self.is_identity = bool((permutation == torch.arange(domain.size)).all())
        self.variables = permutation  # as below, but never moved: what is decided on the host reads this
        # Rebuilt from the hyperparameters, so not part of the weights.
        self.register_buffer("permutation", permutation, persistent=False)
        self.register_buffer("inverse", permutation.argsort(), persistent=False)

    def on(self, device: torch.device) -> Self:
        """Moved to a device, where orderings that return again and again are kept."""
        self.permutation = index_on(device, self.permutation)
        self.inverse = index_on(device, self.inverse)
        return self

    def flatten(self, x: Tensor) -> Tensor:
        """(B, *event_shape) → (B, D) in generation order."""
        flat = x.flatten(1)
        return flat if self.is_identity else flat.index_select(1, self.permutation)

    def unflatten(self, variables: Tensor) -> Tensor:
        """(B, D) in generation order → (B, *event_shape)."""
        flat = variables if self.is_identity else variables.index_select(1, self.inverse)
        return flat.unflatten(1, self.event_shape)


def _permutation(domain: Domain, spec: str | Sequence[int]) -> Tensor:
    natural = torch.arange(domain.size)
    if domain.layout == "image":
        natural = natural.reshape(domain.event_shape).permute(1, 2, 0).flatten()
    if spec == "natural":
        return natural
    if spec == "reversed":
        return natural.flip(0)
    if isinstance(spec, str):
        kind, _, seed = spec.partition("-")
        if kind != "random" or not seed.isdigit():
            raise DomainError(
                f"ordering: expected natural, reversed, random-SEED or a permutation, got {spec!r}"
            )
        return torch.randperm(domain.size, generator=torch.Generator().manual_seed(int(seed)))
    given = torch.as_tensor(list(spec))
    if given.dtype.is_floating_point or not torch.equal(given.sort().values, torch.arange(domain.size)):
        raise DomainError(
            f"ordering: expected a permutation of 0 … {domain.size - 1}, got {list(spec)[:10]}…"
        )
    return given
