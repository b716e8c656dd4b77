"""VRNN: a recurrent net with a latent variable at every step."""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType
from typing import Literal

import torch
from torch import Tensor, nn

from chainrule.domain import Domain
from chainrule.layers import Recurrent, State
from chainrule.layers.dropout import Dropout
from chainrule.models.base.latent_sequence import LatentSequence, Level, perceptron
from chainrule.models.parts.encoders import EncodingName
from chainrule.models.parts.latent_normal import LatentNormal
from chainrule.models.parts.sequence import OutputName


class VRNN(LatentSequence):
    """The recurrence carries what was seen and what was drawn, h_t = f(φ_x(x_t), φ_z(z_t), h_{t-1}); at each step

        prior      z_t ~ N(φ_prior(h_{t-1}))                    (5)
        decoder    x_t ~ φ_dec(φ_z(z_t), h_{t-1})               (6)
        posterior  z_t | x_t ~ N(φ_enc(φ_x(x_t), h_{t-1}))      (9)

    Each φ is a net with one hidden layer, φ_x and φ_z are that layer alone.

    Args:
        width: of every hidden layer, and of h.
        latent: numbers of z_t.
        cell: "rnn", "lstm" or "gru".
        dropout: of φ_x, which q and h read, and of what the decoder reads.
        output: see `models.sequence`.
        encoding: see `models.encoding`.

    References:
        Chung et al. (2015), "A recurrent latent variable model for sequential data",
        https://arxiv.org/abs/1506.02216
    """

    smallest = MappingProxyType({"width": 16, "latent": 3})

    def __init__(
        self,
        domain: Domain,
        *,
        width: int = 128,
        latent: int = 32,
        cell: Literal["rnn", "lstm", "gru"] = "gru",
        dropout: float = 0.0,
        output: OutputName = "independent",
        encoding: EncodingName | None = None,
    ) -> None:
        super().__init__(domain, latents=latent, output=output, encoding=encoding)
        self.of_x = nn.Sequential(nn.Linear(self.channels, width), nn.ReLU(), Dropout(dropout))
        self.of_z = nn.Sequential(nn.Linear(latent, width), nn.ReLU())
        self.prior = perceptron(width, width, 2 * latent)
        self.posterior = perceptron(2 * width, width, 2 * latent)
        self.decoder = nn.Sequential(Dropout(dropout), perceptron(2 * width, width, self.head.size))
        self.recurrence = Recurrent(2 * width, width, cell=cell)

    def infer(self, codes: Tensor, noise: Tensor) -> tuple[Tensor, Sequence[Level]]:
        """(B, T, C), (B, T, Z) → (B, T, P), and z."""
        x, state = self.of_x(codes), self.begin(len(codes))
        clock = torch.arange(self.steps, device=x.device)
        steps = []
        for x_t, noise_t, t in zip(x.unbind(1), noise.unbind(1), clock, strict=True):
            h = state[0]
            q = LatentNormal.of(self.posterior(torch.cat([x_t, h], dim=-1)))
            z = q.draw(noise_t)
            of_z = self.of_z(z.to(self.dtype))  # z itself stays precise: its densities are
            steps.append((h, z, of_z, *q))
            state = self.recurrence.step(torch.cat([x_t, of_z], dim=-1), state, t)[1]
        # Only q is in the loop: the prior and the decoder take all steps at once.
        h, z, of_z, *q_parts = (torch.stack(part, dim=1) for part in zip(*steps, strict=True))
        p = LatentNormal.of(self.prior(h))
        return self.decoder(torch.cat([of_z, h], dim=-1)), [Level(z, LatentNormal(*q_parts), p)]

    def begin(self, batch: int) -> State:
        """h_0, which is learned."""
        return self.recurrence.init_state(batch, length=self.steps, device=self.device, dtype=self.dtype)

    def emit(self, state: State, noise: Tensor) -> tuple[Tensor, Tensor]:
        """(B, Z) → (B, P), and φ_z(z_t)."""
        h = state[0]
        of_z = self.of_z(LatentNormal.of(self.prior(h)).draw(noise).to(self.dtype))
        return self.decoder(torch.cat([of_z, h], dim=-1)), of_z

    def absorb(self, code: Tensor, drawn: Tensor, state: State, t: Tensor) -> State:
        """h_t."""
        return self.recurrence.step(torch.cat([self.of_x(code), drawn], dim=-1), state, t)[1]
