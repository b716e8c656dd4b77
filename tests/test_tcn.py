"""TCN: the paper's blocks, and weights by norm and direction."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import weight_norm

import chainrule as cr
from chainrule.layers import TemporalBlock, WeightNormConv1d


def test_weight_norm_is_torchs():
    """The same output, and the same gradients of g and v."""
    ours = WeightNormConv1d(3, 5, kernel_size=3, dilation=2).double()
    theirs = nn.Conv1d(3, 5, 3, dilation=2).double()
    with torch.no_grad():
        ours.gain.mul_(1.7)
        theirs.bias.copy_(ours.conv.bias)
    weight_norm(theirs)
    g, v = theirs.parametrizations.weight.original0, theirs.parametrizations.weight.original1
    with torch.no_grad():
        g.copy_(ours.gain[:, None, None])
        v.copy_(ours.conv.weight.transpose(1, 2))
    x = torch.randn(2, 9, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    y, reference = ours(x), theirs(F.pad(x.transpose(1, 2), (4, 0))).transpose(1, 2)
    torch.testing.assert_close(y, reference)
    gain, direction = torch.autograd.grad(y.square().sum(), [ours.gain, ours.conv.weight])
    by_torch = torch.autograd.grad(reference.square().sum(), [g, v])
    torch.testing.assert_close(gain, by_torch[0].flatten())
    torch.testing.assert_close(direction, by_torch[1].transpose(1, 2))
    across = (direction * ours.conv.weight).flatten(1).sum(1)
    torch.testing.assert_close(across, torch.zeros_like(across))  # the length of v moves nothing


def test_starts_as_a_plain_convolution():
    layer = WeightNormConv1d(3, 5, kernel_size=2)
    x = torch.randn(2, 6, 3)
    torch.testing.assert_close(layer(x), layer.conv(x))


@pytest.mark.parametrize("inputs", [3, 4])
def test_block_is_the_papers(inputs):
    block = TemporalBlock(inputs, 4, kernel_size=2, dilation=3).double()
    x = torch.randn(2, 8, inputs, dtype=torch.float64)
    y = x
    for layer in (block.body.layers[0], block.body.layers[3]):
        v = layer.conv.weight
        w = layer.gain[:, None, None] * v / v.flatten(1).norm(dim=1)[:, None, None]
        before = F.pad(y[:, :-3], (0, 0, 3, 0))
        y = torch.relu(before @ w[:, 0].T + y @ w[:, 1].T + layer.conv.bias)
    shortcut = x if inputs == 4 else x @ block.shortcut.weight.T + block.shortcut.bias
    torch.testing.assert_close(block(x), torch.relu(shortcut + y))


@pytest.mark.parametrize("depth, kernel_size", [(1, 2), (3, 2), (2, 3)])
def test_receptive_field(depth, kernel_size):
    model = cr.create_model(
        "tcn", cr.Domain.sequence(40, 3), channels=2, depth=depth, kernel_size=kernel_size
    )
    assert model.connectivity().sum(1).max() == 1 + 2 * (kernel_size - 1) * (2**depth - 1)


def test_dropout_only_in_training():
    model = cr.create_model("tcn", cr.Domain.sequence(6, 3), channels=8, depth=2, dropout=0.5)
    x = torch.zeros(1, 6, dtype=torch.int64)
    assert not torch.equal(model.train()(x), model(x))
    assert torch.equal(model.eval()(x), model(x))
