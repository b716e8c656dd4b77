"""Variables that are independent of one another once the condition is known: the decoder of a plain VAE."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from torch import Tensor

from chainrule.domain import Domain
from chainrule.heads import DiscretisedLogistic, Head, default_head
from chainrule.layers import Condition, State
from chainrule.models.base.autoregressive import AutoregressiveModel
from chainrule.networks import Network

SOFTMAX = 32  # levels up to which each has a logit; more have a mixture of logistics
COMPONENTS = 5


class Factorised(AutoregressiveModel):
    """p(x | h) = ∏_d p(x_d | h): parameters of a variable are linear in the condition, of images in that of its pixel.

    Args:
        domain: images of levels, or vectors of levels.
        features: M numbers that the condition h has: for each pixel of an image, (B, M, H, W), or of a vector, (B, M).
    """

    def __init__(self, domain: Domain, *, features: int) -> None:
        head: Head = (
            default_head(domain)
            if domain.max_levels <= SOFTMAX
            else DiscretisedLogistic(domain.max_levels, components=COMPONENTS)
        )
        if domain.layout == "image":
            colours, *size = domain.event_shape
            condition = Condition(colours * head.size, maps=(features, *size))
        else:
            condition = Condition(domain.size * head.size, embedding=features)
        super().__init__(ConditionOnly(condition, head.size), domain, head)


class ConditionOnly(Network):
    """The condition's features are the parameters of all sites; nothing else is read.

    Args:
        condition: of C·P features for each pixel, C colours, or of T·P features.
        size: P.
    """

    def __init__(self, condition: Condition, size: int) -> None:
        super().__init__(condition)
        self.size = size

    def forward(self, sites: Tensor, cond: Tensor | None = None) -> Tensor:
        """(B, T, V) → (B, T, P)."""
        return self.params(cond, len(sites))

    def params(self, cond: Tensor | None, batch: int) -> Tensor:
        """The condition → (B, T, P), of images pixel by pixel, and colour by colour within."""
        features: Tensor = self.condition(cond, batch)
        parts = features.unflatten(1, (-1, self.size))
        return parts if parts.ndim == 3 else parts.permute(0, 3, 4, 1, 2).flatten(1, 3)

    def init_state(
        self, batch: int, *, cond: Tensor | None = None, length: int, device: Any, dtype: Any
    ) -> State:
        """The parameters of all sites (B, T, P)."""
        return self.params(cond, batch)

    def step(self, prev: Tensor, state: State, t: Tensor, *, phase: Hashable = None) -> tuple[Tensor, State]:
        """Row t."""
        return state.index_select(1, t.reshape(1))[:, 0], state

    def prefill(self, sites: Tensor, state: State) -> tuple[Tensor, State]:
        """The first n rows."""
        return state[:, : sites.shape[1]], state

    @property
    def receptive_field(self) -> int:
        """No connection."""
        return 0
