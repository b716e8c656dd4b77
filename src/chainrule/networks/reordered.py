"""A network with some of its tensors replaced: the same parameters, in another order."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from chainrule.layers.state import State
from chainrule.networks.network import Network


class Reordered(Network):
    """Another network, run with other tensors, through which gradients reach its own parameters.

    Args:
        network: whose methods run.
        tensors: parameters and buffers by name.
    """

    def __init__(self, network: Network, tensors: dict[str, Tensor]) -> None:
        super().__init__(network.condition)
        self.methods = _Methods(network)
        self.tensors = {f"network.{name}": tensor for name, tensor in tensors.items()}

    def forward(self, sites: Tensor, cond: Tensor | None = None) -> Tensor:
        """(B, T, V) → (B, T, P)."""
        return self._call("forward", sites, cond)

    def init_state(
        self, batch: int, *, cond: Tensor | None = None, length: int, device: torch.device, dtype: torch.dtype
    ) -> State:
        """The network's own."""
        return self._call("init_state", batch, cond=cond, length=length, device=device, dtype=dtype)

    def step(self, prev: Tensor, state: State, t: Tensor, *, phase: Hashable = None) -> tuple[Tensor, State]:
        """(B, V) → (B, P)."""
        return self._call("step", prev, state, t, phase=phase)

    def prefill(self, sites: Tensor, state: State) -> tuple[Tensor, State]:
        """(B, n, V) → (B, n, P)."""
        return self._call("prefill", sites, state)

    def schedule(self, length: int) -> Sequence[Hashable]:
        """The network's own."""
        return self.methods.network.schedule(length)

    @property
    def supports_streaming(self) -> bool:
        """The network's own."""
        return self.methods.network.supports_streaming

    @property
    def prefill_multiple(self) -> int | None:
        """The network's own."""
        return self.methods.network.prefill_multiple

    def _call(self, method: str, *args: Any, **kwargs: Any) -> Any:
        return functional_call(self.methods, self.tensors, (method, *args), kwargs)


class _Methods(nn.Module):
    """`functional_call` only calls `forward`; this makes every method one."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, method: str, *args: Any, **kwargs: Any) -> Any:
        return getattr(self.network, method)(*args, **kwargs)
