"""Two nets of images as one: a sub-grid of the pixels first, then the others, which see all of it."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from chainrule.layers.condition import Condition
from chainrule.layers.encoding import Encoding
from chainrule.layers.state import State, write_at
from chainrule.networks.network import Network
from chainrule.networks.raster import Raster


class Stage(NamedTuple):
    """The phase of a site: that of the small net's step, and those of the large net's steps up to this site's own.

    The large net goes through the image in raster order: before its own step are those of pixels of the sub-grid, whose
    values are known. `begins` says that the sub-grid has just been completed.
    """

    small: Hashable
    large: tuple[Hashable, ...] = ()
    begins: bool = False


class MultiScaleState(NamedTuple):
    """The condition's features (B, M) or (), the sub-grid's codes so far (B, h·w·G, C), and the two nets' states."""

    cond: State
    codes: Tensor
    small: State
    large: State


def sub_grid_first(height: int, width: int, groups: int, scale: int) -> Tensor:
    """Where in raster order (H, W, G) each site is, in the order x[::s, ::s], then the other pixels: (T,)."""
    chosen = torch.zeros(height, width, groups, dtype=torch.bool)
    chosen[::scale, ::scale] = True
    return chosen.flatten().logical_not().sort(stable=True).indices


class MultiScale(Network):
    """p(x) = p_small(x_s) · p_large(the other pixels | x_s), with x_s the sub-grid x[::s, ::s] of the pixels.

    The large net runs over the whole image, conditioned at each pixel on a map made of x_s:
    3×3 convolution → ReLU → deconvolution s×s, at a stride of s. Its conditionals at the pixels of x_s are dropped, and
    the values there are those of x_s: so each pixel is drawn once, and the two nets are one distribution.

    Sites are in generation order: those of x_s in raster order, then the others in raster order. Both nets take codes
    for values.

    Args:
        code: of a site.
        small: on the grid (⌈H/s⌉, ⌈W/s⌉), under the condition.
        large: on the grid (H, W), conditioned on maps of M numbers for each pixel.
        scale: s.
        condition: of M features, which enter the map before the ReLU.

    References:
        van den Oord, Kalchbrenner, Kavukcuoglu (2016), "Pixel recurrent neural networks", §3.7,
        https://arxiv.org/abs/1601.06759
    """

    raster: Tensor
    inverse: Tensor

    def __init__(
        self, code: Encoding, small: Raster, large: Raster, *, scale: int, condition: Condition
    ) -> None:
        super().__init__(condition)
        self.code, self.small, self.large, self.scale = code, small, large, scale
        features = large.condition.item_shape[0]
        self.look = nn.Conv2d(small.channels, features, 3, padding=1)
        self.enlarge = nn.ConvTranspose2d(features, features, scale, stride=scale)
        # Never moved: what is decided on the host reads this.
        self.order = sub_grid_first(large.height, large.width, large.groups, scale)
        self.first = small.height * small.width * small.groups  # the sites of x_s
        self.register_buffer("raster", self.order, persistent=False)
        self.register_buffer("inverse", self.order.argsort(), persistent=False)

    # --- the two modes ---------------------------------------------------------------------------

    def forward(self, sites: Tensor, cond: Tensor | None = None) -> Tensor:
        """(B, T, V) → (B, T, P)."""
        codes = self.code(sites)
        known = codes[:, : self.first]
        seen = self._map(known, self.condition(cond, sites.shape[0]))
        rest = self.large(codes.index_select(1, self.inverse), seen)
        return torch.cat([self.small(known, cond), rest.index_select(1, self.raster[self.first :])], dim=1)

    def init_state(
        self, batch: int, *, cond: Tensor | None = None, length: int, device: torch.device, dtype: torch.dtype
    ) -> State:
        """Nothing drawn; the large net has yet to see its map."""
        options: dict[str, Any] = {"device": device, "dtype": dtype}
        added = self.condition(cond, batch)
        codes = torch.zeros(batch, self.first, self.small.channels // self.small.groups - 1, **options)
        features = self.large.condition.features.out_channels
        unseen = torch.zeros(batch, features, self.large.height, self.large.width, **options)
        return MultiScaleState(
            () if added is None else added,
            codes,
            self.small.init_state(batch, cond=cond, length=self.first, **options),
            self.large.above(batch, unseen, **options),
        )

    def step(self, prev: Tensor, state: State, t: Tensor, *, phase: Any = None) -> tuple[Tensor, State]:
        """(B, V) → (B, P)."""
        cond, codes, small, large = state
        code = self.code(prev)
        if not phase.large or phase.begins:  # at t = 0 with anything: t = 1 writes there again
            codes = write_at(codes, torch.clamp(t - 1, min=0), code)
        if not phase.large:
            params, small = self.small.step(code, small, t, phase=phase.small)
            return params, MultiScaleState(cond, codes, small, large)
        if phase.begins:
            large = self._show(codes, cond, large)
        start = self.raster.index_select(0, t.reshape(1)) - (len(phase.large) - 1)
        for i, place in enumerate(phase.large):
            if i:  # the one before is of the sub-grid
                code = codes.index_select(1, self.inverse.index_select(0, start + (i - 1)))[:, 0]
            params, large = self.large.step(code, large, (start + i)[0], phase=place)
        return params, MultiScaleState(cond, codes, small, large)

    def prefill(self, sites: Tensor, state: State) -> tuple[Tensor, State]:
        """(B, n, V) → (B, n, P): each net absorbs its part at once, the large one up to the last pixel drawn."""
        n, codes = sites.shape[1], self.code(sites)
        params, small = self.small.prefill(codes[:, : self.first], state.small)
        known, large = torch.cat([codes[:, : self.first], state.codes[:, n:]], dim=1), state.large
        if n > self.first:
            drawn = int(self.order[n - 1]) + 1
            image = codes.index_select(1, self.inverse[:drawn])
            rest, large = self.large.prefill(image, self._show(known, state.cond, large))
            params = torch.cat([params, rest.index_select(1, self.raster[self.first : n])], dim=1)
        return params, MultiScaleState(state.cond, known, small, large)

    # --- what it declares ------------------------------------------------------------------------

    def schedule(self, length: int) -> Sequence[Hashable]:
        """The small net's, then for each of the other pixels the large net's from the one drawn before."""
        places, ends = self.large.schedule(len(self.order)), self.order[self.first :].tolist()
        starts = [0, *(end + 1 for end in ends[:-1])]
        stages = [Stage(place) for place in self.small.schedule(self.first)]
        for start, end in zip(starts, ends, strict=False):
            stages.append(Stage(None, tuple(places[start : end + 1]), start == 0))
        return stages[:length]

    def connectivity(self, length: int) -> Tensor:
        """The small net's, and the large net's with what its map reads."""
        sites = torch.eye(length, dtype=torch.bool)
        own = sites.unflatten(0, (self.large.height, self.large.width, -1)).any(2)
        around = F.max_pool2d(own[:: self.scale, :: self.scale].permute(2, 0, 1).float(), 3, 1, 1)
        seen = around.repeat_interleave(self.scale, 1).repeat_interleave(self.scale, 2)
        seen = seen[:, : self.large.height, : self.large.width].permute(1, 2, 0).bool()
        reads = self.large.connectivity(length, seen)[self.order][:, self.order]
        reads[: self.first] = False
        reads[: self.first, : self.first] = self.small.connectivity(self.first)
        return reads

    @property
    def encoder(self) -> nn.Module:
        """The code."""
        return self.code

    @property
    def depths(self) -> dict[str, nn.Module]:
        """None: no layer of either net has features of all sites."""
        return {}

    # --- from one net to the other ---------------------------------------------------------------

    def _map(self, codes: Tensor, cond: State) -> Tensor:
        """The codes of x_s (B, h·w·G, C), the condition's features (B, M) → (B, M, H, W)."""
        features = self.look(self.small.image(codes))
        if isinstance(cond, Tensor):
            features = features + cond[..., None, None]
        return self.enlarge(F.relu(features))[..., : self.large.height, : self.large.width]

    def _show(self, codes: Tensor, cond: State, large: State) -> State:
        """The large net's fresh state, now that x_s is known."""
        features = self.large.condition(self._map(codes, cond), codes.shape[0])
        return large._replace(cond=features.contiguous())  # convolutions choose their own strides
