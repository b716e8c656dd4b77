"""Weights at random, and the same in another library's net."""

import torch
from torch import nn


class Bent(nn.Module):
    """asinh of each input: what our nets of reals read."""

    def forward(self, x, *_):
        return torch.asinh(x)


@torch.no_grad()
def randomise(model, std=0.5):
    """Every parameter, for some begin at 0."""
    torch.manual_seed(0)
    for parameter in model.parameters():
        parameter.normal_(std=std)
    return model.eval()


@torch.no_grad()
def copy_linear(ours, theirs, rows=slice(None), columns=slice(None)):
    """Of our linear layers the rows and columns that theirs has."""
    theirs.weight.copy_(ours.weight[rows][:, columns])
    theirs.bias.copy_(ours.bias[rows])


@torch.no_grad()
def copy_masked(network, theirs, places=None):
    """Our masked perceptron's layers to theirs, unit by unit of the same degree; the masks must then be the same.

    `places` says which of their variables stands at each of our positions. Theirs has no direct connections.
    """
    network.direct.weight.zero_()
    size = network.sizes[0]
    places = torch.arange(len(network.sizes)) if places is None else places
    outputs = (places[:, None] * size + torch.arange(size)).flatten()
    layers = [*network.layers, network.out]
    reads = [torch.eye(len(places), dtype=torch.bool)] * 2
    here, there = torch.arange(len(places)), places
    for ours, other in zip(layers, theirs, strict=True):
        masks = ours.mask.bool(), other.mask.bool()
        reads = [(mask.double() @ read.double()) > 0 for mask, read in zip(masks, reads, strict=True)]
        if other is theirs[-1]:
            rows = torch.arange(len(outputs)), outputs
        else:
            rows = [read.sum(1).argsort(stable=True) for read in reads]
        assert torch.equal(masks[0][rows[0]][:, here], masks[1][rows[1]][:, there])
        weight, bias = torch.empty_like(other.weight), torch.empty_like(other.bias)
        weight[rows[1][:, None], there] = ours.weight[rows[0]][:, here]
        bias[rows[1]] = ours.bias[rows[0]]
        other.weight.copy_(weight)
        other.bias.copy_(bias)
        here, there = rows
