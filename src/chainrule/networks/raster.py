"""Nets of images, generated row by row: whole rows of work, then their pixels."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Hashable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from chainrule.layers.condition import Condition
from chainrule.layers.encoding import Encoding
from chainrule.layers.state import State, write_at
from chainrule.networks.network import Network


class RasterPhase(NamedTuple):
    """The phase of a site: whether a row begins with it, and which group of colours it is."""

    first: bool
    group: int


class RasterState(NamedTuple):
    """The codes of the row that is being made (B, W·G, C/G), the condition's features (B, F, H or 1, W or 1) or (), and
    the state of the net proper."""

    row: Tensor
    cond: State
    body: State


class Raster(Network):
    """A net of images (C, H, W) in raster order, whose work is that of rows and that of pixels.

    Sites are pixels, or with G groups the colours of pixels one after the other. The code of a site has a 1 beside it,
    so that outside of the image differs from black.

    A subclass gives `paint` for whole images, and for one site at a time `init_body`, `start_row` and `step_pixel`;
    with `paint_rows` it absorbs whole rows of a prefix in parallel, and `connect` says what its outputs read.
    Shapes: C codes of a pixel, all groups together; F features of the condition, (B, F, H, W) or broadcast to it.

    Args:
        code: of a site.
        channels: of the code.
        height, width: of an image.
        groups: G.
        condition: of F features.
    """

    def __init__(
        self,
        code: Encoding,
        channels: int,
        *,
        height: int,
        width: int,
        groups: int = 1,
        condition: Condition | None = None,
    ) -> None:
        super().__init__(condition)
        self.code, self.channels = code, (channels + 1) * groups  # a 1 beside each code
        self.height, self.width, self.groups = height, width, groups

    # --- what a subclass gives -------------------------------------------------------------------

    @abstractmethod
    def paint(self, codes: Tensor, cond: Tensor | None) -> Tensor:
        """The parameters of all sites: (B, C, H, W) → (B, G·P, H, W), group after group."""

    @abstractmethod
    def init_body(self, batch: int, *, device: torch.device, dtype: torch.dtype) -> State:
        """The state above row 0."""

    @abstractmethod
    def start_row(self, row: Tensor, cond: Tensor | None, body: State, phase: Any) -> State:
        """A row's work, given the row above (B, C, W), zeros above row 0, and the condition there (B, F, W or 1)."""

    @abstractmethod
    def step_pixel(self, code: Tensor, body: State, column: Tensor, phase: Any) -> tuple[Tensor, State]:
        """The code of the site before (B, C/G), zeros where a row begins → the parameters of the site (B, P)."""

    @abstractmethod
    def paint_rows(self, codes: Tensor, cond: Tensor | None, body: State) -> tuple[Tensor, State]:
        """Rows 0 … r-1 at once: (B, C, r, W) → (B, G·P, r, W), and the state before `start_row` is given the last."""

    @abstractmethod
    def connect(self, reads: Tensor, cond: Tensor | None = None) -> Tensor:
        """What the outputs read, given what the codes do: booleans (G, H, W, N) → (G, H, W, N).

        `cond`, (H, W, N), says what the condition's map reads at each pixel; by default none of the image.
        """

    # --- the two modes ---------------------------------------------------------------------------

    def forward(self, sites: Tensor, cond: Tensor | None = None) -> Tensor:
        """(B, T, V) → (B, T, P)."""
        return self._sites(self.paint(self.image(sites), self._features(cond, sites.shape[0])))

    def init_state(
        self, batch: int, *, cond: Tensor | None = None, length: int, device: torch.device, dtype: torch.dtype
    ) -> State:
        """Above the first row."""
        return self.above(batch, self._features(cond, batch), device=device, dtype=dtype)

    def above(
        self, batch: int, features: Tensor | None, *, device: torch.device, dtype: torch.dtype
    ) -> RasterState:
        """The state above the first row, given the condition's features."""
        row = torch.zeros(
            batch, self.width * self.groups, self.channels // self.groups, device=device, dtype=dtype
        )
        return RasterState(
            row, () if features is None else features, self.init_body(batch, device=device, dtype=dtype)
        )

    def step(self, prev: Tensor, state: State, t: Tensor, *, phase: Any = None) -> tuple[Tensor, State]:
        """(B, V) → (B, P)."""
        row, cond, body = state
        code = F.pad(self.code.at(prev, t - 1), (0, 1), value=1.0)
        code = torch.where(t > 0, code, torch.zeros_like(code))
        site = t % (self.width * self.groups)
        row = write_at(row, (site - 1) % (self.width * self.groups), code)
        if phase.first:
            above = row.unflatten(1, (self.width, self.groups)).flatten(2).transpose(1, 2).contiguous()
            body = self.start_row(above, self._at_row(cond, t), body, phase)
            code = torch.zeros_like(code)
        params, body = self.step_pixel(code, body, site // self.groups if self.groups > 1 else site, phase)
        return params, RasterState(row, cond, body)

    def prefill(self, sites: Tensor, state: State) -> tuple[Tensor, State]:
        """(B, n, V) → (B, n, P): whole rows at once, then the rest of a row site by site."""
        n, per_row = sites.shape[1], self.width * self.groups
        rows, params = n // per_row, []
        if rows:
            codes = self._codes(sites[:, : rows * per_row])
            cond = state.cond if isinstance(state.cond, Tensor) else None
            if cond is not None and cond.shape[2] > 1:
                cond = cond[:, :, :rows]
            painted, body = self.paint_rows(self._grid(codes), cond, state.body)
            params.append(self._sites(painted))
            state = RasterState(codes[:, -per_row:].contiguous(), state.cond, body)
        clock, phases = torch.arange(n, device=sites.device), self.schedule(self.height * per_row)
        for t in range(rows * per_row, n):
            now, state = self.step(sites[:, max(t - 1, 0)], state, clock[t], phase=phases[t])
            params.append(now[:, None])
        return torch.cat(params, dim=1), state

    # --- what it declares ------------------------------------------------------------------------

    def schedule(self, length: int) -> Sequence[Hashable]:
        """Each row's first site does the row's work; each group is a phase of its own."""
        per_row = self.width * self.groups
        return [RasterPhase(t % per_row == 0, t % self.groups) for t in range(length)]

    def connectivity(self, length: int, cond: Tensor | None = None) -> Tensor:
        """What the layers read, one after the other; `cond` as in `connect`."""
        sites = torch.eye(length, dtype=torch.bool).unflatten(0, (self.height, self.width, self.groups))
        own = sites.permute(2, 0, 1, 3)
        reads = self.connect(own) if cond is None else self.connect(own, cond)
        return reads.permute(1, 2, 0, 3).reshape(length, length)

    @property
    def prefill_multiple(self) -> int:
        """A row."""
        return self.width * self.groups

    @property
    def encoder(self) -> nn.Module:
        """The code."""
        return self.code

    # --- between sites and maps ------------------------------------------------------------------

    def image(self, sites: Tensor) -> Tensor:
        """The codes of whole rows: (B, n·W·G, V) → (B, C, n, W)."""
        return self._grid(self._codes(sites))

    def _codes(self, sites: Tensor) -> Tensor:
        return F.pad(self.code(sites), (0, 1), value=1.0)

    def _grid(self, codes: Tensor) -> Tensor:
        """(B, n·W·G, C/G) → (B, C, n, W)."""
        return codes.unflatten(1, (-1, self.width, self.groups)).flatten(3).permute(0, 3, 1, 2)

    def _sites(self, params: Tensor) -> Tensor:
        """(B, G·P, n, W) → (B, n·W·G, P)."""
        return params.permute(0, 2, 3, 1).unflatten(3, (self.groups, -1)).flatten(1, 3)

    def _features(self, cond: Tensor | None, batch: int) -> Tensor | None:
        features = self.condition(cond, batch)
        return features if features is None or features.ndim == 4 else features[:, :, None, None]

    def _at_row(self, cond: State, t: Tensor) -> Tensor | None:
        """The features at the row of site t: (B, F, W or 1)."""
        if not isinstance(cond, Tensor):
            return None
        if cond.shape[2] == 1:
            return cond[:, :, 0]
        return cond.index_select(2, (t // (self.width * self.groups)).reshape(1))[:, :, 0]
