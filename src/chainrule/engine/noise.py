"""The randomness of a rollout: one number per (row, variable), drawn before the first step."""

from __future__ import annotations

import torch
from torch import Tensor

from chainrule.randomness import turn


def draw_noise(rows: int, variables: int, generator: torch.Generator | None = None) -> Tensor:
    """Uniform noise in [0, 1), (rows, variables) float64, drawn where the generator lives.

    Row by row: the first rows of a larger draw are those of a smaller one. Because a value is a function of
    its conditional and of its own number, every runner and every split of the batch gives the same sample.
    """
    device = "cpu" if generator is None else generator.device
    with turn(generator):
        return torch.rand(rows, variables, generator=generator, dtype=torch.float64, device=device)


def draw_normal(rows: int, variables: int, generator: torch.Generator | None = None) -> Tensor:
    """Standard normal noise (rows, variables) float64: Φ⁻¹ of `draw_noise`, and row by row as that is."""
    return torch.special.ndtri(draw_noise(rows, variables, generator).clamp(1e-300, 1 - 1e-16))


def branch(generator: torch.Generator | None, which: int = 0) -> torch.Generator:
    """A new generator, seeded from the position of this one, which does not advance.

    What is drawn in turn from one generator depends on how much was drawn before, so on the number of rows. Of what is
    drawn in parts (latent numbers, then pixels) all but one come from branches, each of another number: then the first
    rows of a larger draw are those of a smaller one in every part.
    """
    source = torch.default_generator if generator is None else generator
    number = torch.rand((), generator=source.clone_state(), dtype=torch.float64, device=source.device)
    return torch.Generator(source.device).manual_seed(int(number * 2**32) + which)
