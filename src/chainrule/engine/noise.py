"""The randomness of a rollout: one number per (row, variable), drawn before the first step."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from chainrule.devices import widest
from chainrule.randomness import turn

BELOW_ONE = 1 - 2**-24  # the largest float32


@dataclass(frozen=True)
class RowNoise:
    """In place of a generator: noise that each item has of its own, whatever items are beside it.

    Args:
        seeds: (B,) uint64, one per item.
        stream: of several independent ones.
    """

    seeds: np.ndarray
    stream: int = 0
    device = torch.device("cpu")

    def draw(self, rows: int, variables: int) -> Tensor:
        """Uniform noise (rows, variables) float64; the rows of one item side by side."""
        each = rows // len(self.seeds) * variables if len(self.seeds) else 0
        parts = [
            np.random.Generator(np.random.Philox(key=[seed, self.stream])).random(each) for seed in self.seeds
        ]
        return torch.from_numpy(np.concatenate(parts) if parts else np.zeros(0)).reshape(rows, variables)


class Continued:
    """In place of a generator: one whose branches go on, so that items drawn in parts are those drawn at once.

    Args:
        generator: where the numbers come from.
    """

    def __init__(self, generator: Noise) -> None:
        self.generator = generator
        self.device: torch.device = torch.device("cpu") if generator is None else generator.device
        self._branches: dict[int, Continued] = {}

    def draw(self, rows: int, variables: int) -> Tensor:
        """The next uniform noise (rows, variables) float64."""
        return draw_noise(rows, variables, self.generator)

    def branch(self, which: int) -> Continued:
        """The one of this number, from where it was left."""
        if which not in self._branches:
            self._branches[which] = Continued(branch(self.generator, which))
        return self._branches[which]


Noise = torch.Generator | RowNoise | Continued | None


def draw_noise(
    rows: int, variables: int, generator: Noise = None, device: torch.device | None = None
) -> Tensor:
    """Uniform noise in [0, 1), (rows, variables) float64, drawn where the generator lives.

    Row by row: the first rows of a larger draw are those of a smaller one. Because a value is a function of
    its conditional and of its own number, every runner and every split of the batch gives the same sample.

    Args:
        rows, variables: how many.
        generator: where it comes from; by default from torch's global one.
        device: where it goes; without a generator it is drawn there. A device without float64 gets float32.
    """
    if isinstance(generator, RowNoise | Continued):
        return sent(generator.draw(rows, variables), device)
    place = device or torch.device("cpu") if generator is None else generator.device
    with turn(generator):
        drawn = torch.rand(rows, variables, generator=generator, dtype=widest(place), device=place)
    return sent(drawn, device)


def sent(noise: Tensor, device: torch.device | None) -> Tensor:
    """Uniform noise on a device; rounded to float32 it is still below 1."""
    if device is None or noise.device == device:
        return noise
    kind = widest(device)
    if noise.dtype == torch.float64 and kind == torch.float32:
        noise = noise.float().clamp(max=BELOW_ONE)
    return noise.to(device, kind)


def draw_normal(
    rows: int, variables: int, generator: Noise = None, device: torch.device | None = None
) -> Tensor:
    """Standard normal noise (rows, variables) float64: Φ⁻¹ of `draw_noise`, and row by row as that is."""
    place = device if device is None or widest(device) == torch.float64 else torch.device("cpu")
    normal = torch.special.ndtri(draw_noise(rows, variables, generator, place).clamp(1e-300, 1 - 1e-16))
    return normal if device is None else normal.to(device, widest(device))


def branch(generator: Noise, which: int = 0) -> Any:
    """A new generator (or noise of rows), seeded from the position of this one, which does not advance.

    What is drawn in turn from one generator depends on how much was drawn before, so on the number of rows. Of what is
    drawn in parts (latent numbers, then pixels) all but one come from branches, each of another number: then the first
    rows of a larger draw are those of a smaller one in every part.
    """
    if isinstance(generator, Continued):
        return generator.branch(which)
    if isinstance(generator, RowNoise):
        return replace(generator, stream=generator.stream * 64 + which + 1)
    source = torch.default_generator if generator is None else generator
    number = torch.rand((), generator=source.clone_state(), dtype=widest(source.device), device=source.device)
    return torch.Generator(source.device).manual_seed(int(number * 2**32) + which)
