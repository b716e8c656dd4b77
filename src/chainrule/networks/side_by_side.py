"""Several nets over the same sites, whose parameters are averaged."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from chainrule.layers.state import State
from chainrule.networks.network import Network


class SideBySide(Network):
    """The mean of the parameters of several nets; the state is all of theirs.

    Args:
        networks: of the same sites and parameters, with the same condition.
    """

    def __init__(self, networks: Iterable[Network]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)
        self.condition = self._nets[0].condition

    @property
    def _nets(self) -> list[Any]:
        return list(self.networks)

    def forward(self, sites: Tensor, cond: Tensor | None = None) -> Tensor:
        """(B, T, V) → (B, T, P)."""
        return self._mean([net(sites, cond) for net in self._nets])

    def init_state(
        self, batch: int, *, cond: Tensor | None = None, length: int, device: torch.device, dtype: torch.dtype
    ) -> State:
        """The states of all."""
        own: Any = {"cond": cond, "length": length, "device": device, "dtype": dtype}
        return tuple(net.init_state(batch, **own) for net in self._nets)

    def step(self, prev: Tensor, state: State, t: Tensor, *, phase: Hashable = None) -> tuple[Tensor, State]:
        """(B, V) → (B, P)."""
        phases: Any = phase
        steps = [
            net.step(prev, own, t, phase=kind)
            for net, own, kind in zip(self._nets, state, phases, strict=True)
        ]
        return self._mean([params for params, _ in steps]), tuple(own for _, own in steps)

    def prefill(self, sites: Tensor, state: State) -> tuple[Tensor, State]:
        """(B, n, V) → (B, n, P)."""
        passes = [net.prefill(sites, own) for net, own in zip(self._nets, state, strict=True)]
        return self._mean([params for params, _ in passes]), tuple(own for _, own in passes)

    def schedule(self, length: int) -> Sequence[Hashable]:
        """The phases of all at each site."""
        return list(zip(*(net.schedule(length) for net in self._nets), strict=True))

    @property
    def supports_streaming(self) -> bool:
        """Whether all do."""
        return all(net.supports_streaming for net in self._nets)

    @property
    def prefill_multiple(self) -> int | None:
        """The least common multiple of theirs; None if one of them has none."""
        multiples = [net.prefill_multiple for net in self._nets]
        return None if None in multiples else math.lcm(*multiples)

    @property
    def depths(self) -> dict[str, nn.Module]:
        """None: the layers of one net are not below those of the next."""
        return {}

    @property
    def receptive_field(self) -> int | None:
        """The largest; None if one is not bounded."""
        fields = [net.receptive_field for net in self._nets]
        return None if None in fields else max(fields)

    def connectivity(self, length: int) -> Tensor:
        """(T, T): what any of them reads."""
        return torch.stack([net.connectivity(length) for net in self._nets]).any(0)

    def _mean(self, params: list[Tensor]) -> Tensor:
        return torch.stack(params).mean(0)
