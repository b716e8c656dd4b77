"""The interface of a causal layer of images, and the combinators that thread its state.

Along a row such a layer is a `CausalLayer`; what it takes from the rows above is *a row's work*, done once, when the
row begins. Images whose colours are generated one after the other have their channels in one group per colour:
the features of group g read those of groups up to g at their own pixel, and all groups elsewhere.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor, nn

from chainrule.layers.state import State


class GridLayer(nn.Module, ABC):
    """A map of images whose output at a pixel reads the pixels up to it in raster order, itself included.

    A subclass gives `forward` for whole images, and for one pixel at a time `init_state`, `start_row` and `step`.
    Shapes: B images, C channels, H rows of W pixels; C_g channels of group g.
    """

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) → (B, C', H, W)."""

    @abstractmethod
    def init_state(self, batch: int, *, width: int, device: torch.device, dtype: torch.dtype) -> State:
        """The state above row 0 of images `width` pixels wide."""

    @abstractmethod
    def start_row(self, state: State) -> State:
        """A row's work: all that the next row takes from the rows above, which are complete."""

    @abstractmethod
    def step(self, x: Tensor, state: State, column: Tensor, group: int) -> tuple[Tensor, State]:
        """(B, C_g) of group g at a pixel (`column` is a 0-d integer tensor) → (B, C'_g), and the state after it."""

    @abstractmethod
    def prefill(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Rows 0 … r-1 at once, from a fresh state: (B, C, r, W) → (B, C', r, W), and the state below them."""

    @abstractmethod
    def connect(self, reads: Tensor) -> Tensor:
        """What the outputs read, given what the inputs do: booleans (G, H, W, N) → (G, H, W, N).

        N are the variables of the image; G the groups.
        """


class Everywhere(GridLayer):
    """A module that treats every feature alike: an activation, dropout."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) → (B, C, H, W)."""
        return self.module(x)

    def init_state(self, batch: int, *, width: int, device: torch.device, dtype: torch.dtype) -> State:
        """Nothing to remember."""
        return ()

    def start_row(self, state: State) -> State:
        """Nothing to do."""
        return state

    def step(self, x: Tensor, state: State, column: Tensor, group: int) -> tuple[Tensor, State]:
        """The same map."""
        return self.module(x), state

    def prefill(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """The same map."""
        return self.module(x), state

    def connect(self, reads: Tensor) -> Tensor:
        """The same."""
        return reads


class GridSerial(GridLayer):
    """Layers one after another; the state is the tuple of theirs."""

    def __init__(self, *layers: GridLayer) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) → (B, C', H, W)."""
        for layer in self.layers:
            x = layer(x)
        return x

    def init_state(self, batch: int, *, width: int, device: torch.device, dtype: torch.dtype) -> State:
        """One state per layer."""
        return tuple(
            layer.init_state(batch, width=width, device=device, dtype=dtype) for layer in self._layers
        )

    def start_row(self, state: State) -> State:
        """Each layer's."""
        return tuple(layer.start_row(before) for layer, before in zip(self._layers, state, strict=True))

    def step(self, x: Tensor, state: State, column: Tensor, group: int) -> tuple[Tensor, State]:
        """Each layer's step in turn."""
        after = []
        for layer, before in zip(self._layers, state, strict=True):
            x, new = layer.step(x, before, column, group)
            after.append(new)
        return x, tuple(after)

    def prefill(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Each layer's prefill in turn."""
        after = []
        for layer, before in zip(self._layers, state, strict=True):
            x, new = layer.prefill(x, before)
            after.append(new)
        return x, tuple(after)

    def connect(self, reads: Tensor) -> Tensor:
        """Each layer's in turn."""
        for layer in self._layers:
            reads = layer.connect(reads)
        return reads

    @property
    def _layers(self) -> list[Any]:
        return list(self.layers)


class GridResidual(GridLayer):
    """y = x + layer(x)."""

    def __init__(self, layer: GridLayer) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) → (B, C, H, W)."""
        return x + self.layer(x)

    def init_state(self, batch: int, *, width: int, device: torch.device, dtype: torch.dtype) -> State:
        """The layer's."""
        return self.layer.init_state(batch, width=width, device=device, dtype=dtype)

    def start_row(self, state: State) -> State:
        """The layer's."""
        return self.layer.start_row(state)

    def step(self, x: Tensor, state: State, column: Tensor, group: int) -> tuple[Tensor, State]:
        """(B, C_g) → (B, C_g)."""
        y, state = self.layer.step(x, state, column, group)
        return x + y, state

    def prefill(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """(B, C, r, W) → (B, C, r, W)."""
        y, state = self.layer.prefill(x, state)
        return x + y, state

    def connect(self, reads: Tensor) -> Tensor:
        """What the input reads, and what the layer adds."""
        return reads | self.layer.connect(reads)
