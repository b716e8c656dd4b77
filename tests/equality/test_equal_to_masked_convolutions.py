"""PixelCNNs are what they usually are: torch's whole convolutions, each kernel times a mask.

Masked weights of theirs are random numbers, so that a mask of ours that differs would show.
"""

import pytest
import torch
from copying import randomise
from torch import nn
from torch.nn import functional as F

import chainrule as cr
from chainrule.layers import PixelConv

LEVELS = 3


class Masked(nn.Conv2d):
    """Mask A reads the pixels before in raster order, and of the pixel itself the colours before; B those up to it.

    With rows alone, A reads the rows above, B those up to its own.
    """

    def __init__(self, kind, inputs, outputs, size, groups=1, rows=False):
        super().__init__(inputs, outputs, size, padding=[k // 2 for k in size])
        height, width = size[0] // 2, size[1] // 2
        mask = torch.zeros_like(self.weight)
        mask[:, :, :height] = 1
        if rows:
            mask[:, :, height] = float(kind == "B")
        else:
            mask[:, :, height, :width] = 1
            mine = (torch.arange(outputs) * groups // outputs)[:, None]
            other = torch.arange(inputs) * groups // inputs
            mask[:, :, height, width] = (other < mine if kind == "A" else other <= mine).double()
        self.register_buffer("mask", mask)

    def forward(self, x):
        return F.conv2d(x, self.weight * self.mask, self.bias, padding=self.padding)


def rows_of(conv, kind):
    """Our convolution of rows, (C', C, rows, n)."""
    outputs, inputs, _, width = conv.weight.shape
    theirs = Masked(kind, inputs, outputs, (width, width), rows=True)
    theirs.weight[:, :, : conv.rows] = conv.weight
    theirs.bias.copy_(conv.bias)
    return theirs


def pixels_of(conv):
    """Our convolution along a row, (C', taps, C)."""
    outputs, taps, inputs = conv.weight.shape
    theirs = Masked("A" if conv.strict else "B", inputs, outputs, (1, 2 * conv.left + 1), conv.groups)
    theirs.weight[:, :, 0, :taps] = conv.weight.transpose(1, 2)
    theirs.bias.zero_()
    if conv.bias is not None:
        theirs.bias.copy_(conv.bias)
    return theirs


def whole_of(conv):
    """Our masked convolution, in two parts."""
    half, (outputs, inputs, _, size) = conv.along.left, conv.above.weight.shape
    theirs = Masked("A" if conv.along.strict else "B", inputs, outputs, (size, size), conv.along.groups)
    theirs.weight[:, :, :half] = conv.above.weight
    theirs.weight[:, :, half, : conv.along.weight.shape[1]] = conv.along.weight.transpose(1, 2)
    theirs.bias.copy_(conv.above.bias)
    return theirs


def layers_of(layers):
    """Mask B, 1×1 layers and what has no weights, in order."""
    made = []
    for layer in layers:
        if isinstance(layer, PixelConv):
            made.append(pixels_of(layer))
        else:
            made.append(whole_of(layer) if hasattr(layer, "above") else nn.ReLU())
    return nn.Sequential(*made)


def build(name, colours):
    domain = cr.Domain.image(colours, 6, 5, levels=LEVELS)
    model = cr.create_model(name, domain, channels=6, depth=2, last=9, first_size=5, dropout=0.0)
    return randomise(model, 0.3)


def compare(model, net, colours, equal):
    """Each colour enters as a number with a 1 beside it; cross entropies of images."""
    x = torch.randint(LEVELS, (8, colours, 6, 5))
    codes = x.double() / (LEVELS - 1)
    logits = net(torch.stack([codes, torch.ones_like(codes)], 2).flatten(1, 2)).unflatten(
        1, (colours, LEVELS)
    )
    expected = -F.cross_entropy(logits.transpose(1, 2), x, reduction="none").sum((1, 2, 3))
    equal(model.log_prob(x), expected)


@pytest.mark.proves("torch", "nn.Conv2d with masks A and B", "pixelcnn", "log-likelihoods of images")
@pytest.mark.parametrize("colours", [1, 3])
@torch.no_grad()
def test_pixelcnn(colours, equal, wide):
    """Row `pixelcnn`."""
    model = build("pixelcnn", colours)
    first, (*blocks, last) = whole_of(model.network.first), model.network.body.layers
    blocks = [layers_of(block.layer.layers) for block in blocks]
    last = layers_of(last.layers)

    def net(x):
        x = first(x)
        for block in blocks:
            x = x + block(x)
        return last(x)

    compare(model, net, colours, equal)


@pytest.mark.proves(
    "torch", "nn.Conv2d with masks, two stacks", "gated-pixelcnn", "log-likelihoods of images"
)
@pytest.mark.parametrize("colours", [1, 3])
@torch.no_grad()
def test_gated_pixelcnn(colours, equal, wide):
    """Row `gated-pixelcnn`."""
    model = build("gated-pixelcnn", colours)
    blocks = model.network.blocks
    vertical = [rows_of(block.vertical, "B" if block.residual else "A") for block in blocks]
    along, out = ([pixels_of(getattr(block, part)) for block in blocks] for part in ("along", "out"))
    last = layers_of(model.network.last.layers)

    def gate(x, groups):
        f, g = x.unflatten(1, (groups, 2, -1)).unbind(2)
        return (torch.tanh(f) * torch.sigmoid(g)).flatten(1, 2)

    def net(x):
        v = h = x
        for i, block in enumerate(blocks):
            z = vertical[i](v)
            y = out[i](gate(along[i](h) + block.link(z), colours))
            v, h = gate(z, 1), h + y if i else y
        return last(h)

    compare(model, net, colours, equal)
