"""STCN: a temporal convolutional net with a ladder of latent variables at every step."""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from chainrule.domain import Domain
from chainrule.layers import State, TemporalBlock
from chainrule.models.base.latent_sequence import LatentSequence, Level, perceptron
from chainrule.models.parts.encoders import EncodingName
from chainrule.models.parts.latent_normal import LatentNormal
from chainrule.models.parts.sequence import OutputName


class STCN(LatentSequence):
    """Level l of a TCN sees further than level l - 1, d_t^l = block_l(d^{l-1}) of x_≤t; each has latents of its own:

        prior      z_t^l ~ N(f_p(z_t^{l+1}, d_{t-1}^l))
        posterior  z_t^l | x_≤t ~ N(f_q(z_t^{l+1}, d_t^l)) · prior
        decoder    x_t ~ f_o(z_t^1), or f_o(z_t^1, …, z_t^L) if dense, or f_o(…, d_{t-1}) with the past

    The posterior is the normal of the product, its means weighted by precision. In the paper, what x_t owes to the past
    comes through z_t alone: the decoder reads no d, and the past is known only as well as draws of the prior say it.
    With `past` it reads d_{t-1} too, as the decoder of a `VRNN` reads h_{t-1}. Blocks are those of `TCN`, one a level,
    and f_p, f_q, f_o have one hidden layer and see one step; the paper has five gated blocks a level.

    Args:
        channels: of the blocks and of every hidden layer.
        depth: levels L; the block of level l has dilation 2^(l-1).
        latent: numbers of z_t^1; each level has half of those of the level below, and one at least.
        kernel_size: taps of each convolution, of which a block has two.
        dropout: in the blocks, after each activation.
        dense: whether the decoder reads all levels, or the lowest only.
        past: whether the decoder reads d_{t-1} of the top level too, which is not in the paper.
        output: see `models.sequence`.
        encoding: see `models.encoding`.

    References:
        Aksan, Hilliges (2019), "STCN: stochastic temporal convolutional networks", https://arxiv.org/abs/1902.06568
    """

    smallest = MappingProxyType({"channels": 12, "depth": 2, "latent": 4})

    def __init__(
        self,
        domain: Domain,
        *,
        channels: int = 128,
        depth: int = 4,
        latent: int = 64,
        kernel_size: int = 3,
        dropout: float = 0.1,
        dense: bool = True,
        past: bool = False,
        output: OutputName = "independent",
        encoding: EncodingName | None = None,
    ) -> None:
        sizes = [max(latent >> level, 1) for level in range(depth)]
        super().__init__(domain, latents=sum(sizes), output=output, encoding=encoding)
        self.sizes, self.dense, self.past, self.width = sizes, dense, past, channels
        self.blocks = nn.ModuleList(
            TemporalBlock(
                channels if level else self.channels,
                channels,
                kernel_size=kernel_size,
                dilation=2**level,
                dropout=dropout,
            )
            for level in range(depth)
        )
        above = [*sizes[1:], 0]
        self.priors, self.posteriors = (
            nn.ModuleList(
                perceptron(channels + upper, channels, 2 * own)
                for upper, own in zip(above, sizes, strict=True)
            )
            for _ in range(2)
        )
        self.decoder = perceptron(
            (sum(sizes) if dense else latent) + past * channels, channels, self.head.size
        )

    def infer(self, codes: Tensor, noise: Tensor) -> tuple[Tensor, Sequence[Level]]:
        """(B, T, C), (B, T, Z) → (B, T, P), and z."""
        now = []
        for block in self.blocks:
            codes = block(codes)
            now.append(codes)
        before = [F.pad(d[:, :-1], (0, 0, 1, 0)) for d in now]
        levels = self.ladder(before, noise, now)
        return self.decode(levels, before), levels

    def begin(self, batch: int) -> State:
        """d before the first step, zeros (B, channels) of each level, and the states of the blocks."""
        options: Any = {"device": self.device, "dtype": self.dtype}
        features = tuple(torch.zeros(batch, self.width, **options) for _ in self.blocks)
        return features, tuple(block.init_state(batch, length=self.steps, **options) for block in self.blocks)

    def emit(self, state: State, noise: Tensor) -> tuple[Tensor, Tensor]:
        """(B, Z) → (B, P); z_t is not carried on."""
        return self.decode(self.ladder(state[0], noise), state[0]), noise[:, :0]

    def absorb(self, code: Tensor, drawn: Tensor, state: State, t: Tensor) -> State:
        """d_t of each level."""
        features, states = [], []
        for block, before in zip(self.blocks, state[1], strict=True):
            code, after = block.step(code, before, t)
            features.append(code)
            states.append(after)
        return tuple(features), tuple(states)

    def ladder(
        self, before: Sequence[Tensor], noise: Tensor, now: Sequence[Tensor] | None = None
    ) -> list[Level]:
        """Draw z_t from its top level down.

        Args:
            before: d_{t-1} (…, channels) of each level.
            noise: normal (…, Z).
            now: d_t, for a draw from the posterior; without them it is from the prior.

        Returns:
            The levels, the lowest first.
        """
        levels: list[Level] = []
        above, parts = noise[..., :0], noise.split(self.sizes, dim=-1)
        for i in reversed(range(len(self.sizes))):
            q = p = LatentNormal.of(self.priors[i](torch.cat([before[i], above], dim=-1)))
            if now is not None:
                q = LatentNormal.of(self.posteriors[i](torch.cat([now[i], above], dim=-1))).times(p)
            z = q.draw(parts[i])
            levels.insert(0, Level(z, q, p))
            above = z.to(self.dtype)  # z itself stays precise: its densities are
        return levels

    def decode(self, levels: Sequence[Level], before: Sequence[Tensor]) -> Tensor:
        """z of each level, and d_{t-1} of each → (…, P)."""
        read = [level.z.to(self.dtype) for level in (levels if self.dense else levels[:1])]
        return self.decoder(torch.cat([*read, before[-1]] if self.past else read, dim=-1))
