"""Layers of images obey `check_grid_layer`, which catches broken ones."""

import pytest
import torch
from torch import nn

from chainrule.layers import (
    DiagonalBiLSTM,
    DiagonalLSTM,
    Everywhere,
    GridResidual,
    GridSerial,
    MaskedConv2d,
    PixelConv,
    RowLSTM,
    SpatialLSTM,
)
from chainrule.networks.gated_pixelcnn import Gate
from chainrule.testing import LawViolation, check_grid_layer

LAYERS = {
    "everywhere": lambda groups: Everywhere(nn.Tanh()),
    "gate": lambda groups: Gate(groups),
    "pixel conv, 1x1": lambda groups: PixelConv(6, 3, groups=groups),
    "pixel conv": lambda groups: PixelConv(6, 6, left=2, groups=groups),
    "masked conv": lambda groups: MaskedConv2d(6, 9, kernel_size=3, groups=groups),
    "masked conv, wide": lambda groups: MaskedConv2d(6, 3, kernel_size=5, groups=groups),
    "row LSTM": lambda groups: RowLSTM(6, 3, kernel_size=3, groups=groups),
    "diagonal LSTM": lambda groups: DiagonalLSTM(6, 3, groups=groups),
    "spatial LSTM": lambda groups: SpatialLSTM(6, 3, groups=groups),
    "diagonal BiLSTM": lambda groups: DiagonalBiLSTM(6, 3, groups=groups),
    "residual": lambda groups: GridResidual(MaskedConv2d(6, 6, kernel_size=3, groups=groups)),
    "serial": lambda groups: GridSerial(
        RowLSTM(6, 6, kernel_size=3, groups=groups), Everywhere(nn.Tanh()), PixelConv(6, 3, groups=groups)
    ),
}


def image(height=4, width=4):
    return torch.randn(2, 6, height, width, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("groups", [1, 3])
@pytest.mark.parametrize("name", LAYERS)
def test_grid_layer(name, groups):
    check_grid_layer(LAYERS[name](groups), image(), groups=groups)


class Ahead(MaskedConv2d):
    """Reads one pixel too far, in whole images."""

    def forward(self, x):
        return super().forward(x) + x.roll(-1, 3)


class Understated(MaskedConv2d):
    """Declares less than it reads."""

    def connect(self, reads):
        return reads


class Overstated(PixelConv):
    """Declares the row above, too."""

    def connect(self, reads):
        return super().connect(reads) | super().connect(nn.functional.pad(reads[:, :-1], (0, 0, 0, 0, 1, 0)))


class Carried(PixelConv):
    """Does not begin a row afresh."""

    def start_row(self, state):
        return state


class Lost(MaskedConv2d):
    """Forgets the rows that came at once."""

    def prefill(self, x, state):
        return super().prefill(x, state)[0], state


class Single(PixelConv):
    """Computes in float32."""

    def step(self, x, state, column, group):
        y, state = super().step(x, state, column, group)
        return y.float().double(), state


class Detached(PixelConv):
    """Steps without a gradient."""

    def step(self, x, state, column, group):
        y, state = super().step(x.detach(), state, column, group)
        return y, state


@pytest.mark.parametrize(
    "layer, message",
    [
        (lambda: Ahead(6, 6, kernel_size=3), "step and forward differ"),
        (lambda: Understated(6, 6, kernel_size=3), "connect does not declare"),
        (lambda: Overstated(6, 6, left=1), "not read where connect declares"),
        (lambda: Carried(6, 6, left=1), "step and forward differ"),
        (lambda: Lost(6, 6, kernel_size=3), "rows at once differ"),
        (lambda: Single(6, 6, left=1), "step and forward differ"),
        (lambda: Detached(6, 6, left=1), "gradients differ"),
    ],
)
def test_a_broken_grid_layer_is_caught(layer, message):
    with pytest.raises(LawViolation, match=message):
        check_grid_layer(layer(), image())
