"""RealNVP: affine couplings, for images at several scales."""

from __future__ import annotations

from types import MappingProxyType

from torch import Tensor

from chainrule.domain import Domain
from chainrule.flows import (
    ActNorm,
    Bijection,
    Chain,
    Coupling,
    FactorOut,
    Flatten,
    Normal,
    ResidualConvs,
    Squeeze,
    alternate,
    checkerboard,
    half_channels,
    perceptron,
)
from chainrule.models.base.flow import Dequantisation, Flow
from chainrule.models.base.model import VECTOR_TRAINING

COUPLINGS = 3  # of each kind of mask at a scale


class RealNVP(Flow):
    """z = y ⊙ exp(s) + t, s and t from the variables that stay.

    Images: at each scale three couplings with checkerboard masks, a squeeze of 2 × 2 pixels into channels, three with
    half of the channels, and half of the channels are done; the last scale has four checkerboard couplings. Vectors and
    sequences: every second variable moves at each of `transforms` couplings. Before each an activation normalisation,
    in place of the paper's batch normalisation, so that an item's likelihood does not depend on its batch.

    Args:
        channels, depth: of the residual nets, for images.
        scales: how often an image is squeezed at most; sides must be even for that.
        hidden, transforms: of the perceptrons, and how many couplings, for vectors.
        dequantisation: of levels; see `Flow`.

    References:
        Dinh, Sohl-Dickstein, Bengio (2017), "Density estimation using Real NVP", https://arxiv.org/abs/1605.08803
    """

    training_defaults = MappingProxyType({**VECTOR_TRAINING, "lr": 1e-3})
    smallest = MappingProxyType({"channels": 8, "depth": 1, "hidden": [16, 16], "transforms": 4})

    def __init__(
        self,
        domain: Domain,
        *,
        channels: int = 32,
        depth: int = 2,
        scales: int = 2,
        hidden: list[int] | tuple[int, ...] = (128, 128),
        transforms: int = 8,
        dequantisation: Dequantisation = "uniform",
    ) -> None:
        if domain.layout == "image":
            colours, height, width = domain.event_shape
            bijection = image_scale((colours, height, width), channels, depth, scales)
        else:
            bijection = vector_couplings(domain, hidden, transforms)
        super().__init__(domain, bijection, Normal(), dequantisation=dequantisation)


def image_scale(shape: tuple[int, int, int], channels: int, depth: int, scales: int) -> Bijection:
    """The couplings of a scale and all below: (B, C, H, W) ↔ (B, C·H·W).

    Args:
        shape: (C, H, W).
        channels, depth: of the nets.
        scales: squeezes left.
    """
    colours, height, width = shape

    def coupling(mask: Tensor, colours: int) -> Coupling:
        return Coupling(mask, ResidualConvs(colours, channels, depth, 2 * colours))

    def plane(odd: bool) -> list[Bijection]:
        return [ActNorm(shape), coupling(checkerboard(height, width, odd), colours)]

    if not scales or height % 2 or width % 2:
        last = [part for i in range(COUPLINGS + 1) for part in plane(bool(i % 2))]
        return Chain(*last, Flatten(shape))
    small = (4 * colours, height // 2, width // 2)
    checkered = [part for i in range(COUPLINGS) for part in plane(bool(i % 2))]
    channelled = [
        part
        for i in range(COUPLINGS)
        for part in (ActNorm(small), coupling(half_channels(small[0], bool(i % 2)), small[0]))
    ]
    going = (2 * colours, *small[1:])
    rest = image_scale(going, channels, depth, scales - 1)
    return Chain(*checkered, Squeeze(), *channelled, FactorOut(small, rest))


def vector_couplings(domain: Domain, hidden: list[int] | tuple[int, ...], transforms: int) -> Bijection:
    """Couplings with every second variable: (B, *event_shape) ↔ (B, D)."""
    size = domain.size
    parts = [
        part
        for i in range(transforms)
        for part in (
            ActNorm((size,)),
            Coupling(alternate(size, bool(i % 2)), perceptron(size, hidden, 2 * size)),
        )
    ]
    return Chain(Flatten(domain.event_shape), *parts)
