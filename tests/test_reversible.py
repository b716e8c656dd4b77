"""Reversible layers: ordinary gradients, memory that does not grow with depth, inputs told from outputs."""

import copy

import pytest
import torch
from torch import nn

import chainrule as cr
from chainrule.bench import reversible as bench_reversible
from chainrule.bench.saved_memory import peak_saved_bytes
from chainrule.layers import CausalAttention, CausalConv1d, CausalLayer, Pointwise, Reversible, Serial
from chainrule.testing import check_layer

C = 6


class Norm(nn.Module):
    """Batch normalisation of channels that come last."""

    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm1d(C)

    def forward(self, x):
        return self.norm(x.flatten(0, -2)).view(x.shape)


def branch(kind: str) -> CausalLayer:
    if kind == "convolution":
        return Serial(Pointwise(nn.GELU()), CausalConv1d(C, C, kernel_size=3, dilation=2))
    if kind == "attention":
        return Serial(Pointwise(nn.LayerNorm(C)), CausalAttention(C, heads=1, length=9, dropout=0.3))
    if kind == "dropout":
        return Serial(CausalConv1d(C, C, kernel_size=2), Pointwise(nn.Tanh()), Pointwise(nn.Dropout(0.4)))
    return Serial(Pointwise(Norm()), CausalConv1d(C, C, kernel_size=2))


def chain(*kinds: str, seed: int = 0) -> Reversible:
    torch.manual_seed(seed)
    return Reversible(*(branch(kind) for kind in kinds)).double()


def items(batch=3, steps=9):
    return torch.randn(batch, steps, 2 * C, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def gradients(layer, x, seed=5):
    """Of the input and of every parameter, and what comes out."""
    torch.manual_seed(seed)
    leaf = x.clone().requires_grad_()
    y = layer(leaf)
    direction = torch.randn(y.shape, dtype=y.dtype, generator=torch.Generator().manual_seed(2))
    wanted = [leaf, *(p for p in layer.parameters() if p.requires_grad)]
    return y, torch.autograd.grad((y * direction).sum(), wanted, allow_unused=True)


KINDS = [
    ("convolution", "attention"),
    ("convolution", "convolution", "dropout", "attention", "attention", "dropout"),
    ("normalised", "dropout", "normalised", "convolution"),
]


@pytest.mark.parametrize("kinds", KINDS)
@pytest.mark.parametrize("training", [False, True])
def test_gradients_are_those_of_backpropagation(kinds, training):
    ours = chain(*kinds).train(training)
    ordinary = copy.deepcopy(ours)
    ordinary.recompute = False
    y, own = gradients(ours, items())
    by_torch, expected = gradients(ordinary, items())
    torch.testing.assert_close(y, by_torch, rtol=0, atol=0)
    for one, other in zip(own, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)


def test_dropout_draws_on_behind_the_backward_pass():
    """Replaying the random numbers of the forward pass leaves the stream of them where it was."""
    drawn = []
    for recompute in (True, False):
        layer = chain("dropout", "dropout")
        layer.recompute = recompute
        gradients(layer, items())
        drawn.append(torch.rand(3))
    assert torch.equal(*drawn)


def test_the_formula():
    f, g = branch("convolution"), branch("attention").eval()
    layer = Reversible(f, g).double().eval()
    x = items()
    y1 = x[..., :C] + f(x[..., C:])
    torch.testing.assert_close(layer(x), torch.cat([y1, x[..., C:] + g(y1)], dim=-1))


def test_a_layer_used_twice_and_one_that_is_frozen():
    shared = branch("convolution").double()
    frozen = branch("dropout").double().requires_grad_(False)
    ours = Reversible(shared, frozen, shared, branch("attention").double())
    ordinary = copy.deepcopy(ours)
    ordinary.recompute = False
    for one, other in zip(gradients(ours, items())[1], gradients(ordinary, items())[1], strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)


def test_statistics_of_batches_are_counted_once():
    ours = chain("normalised", "normalised", "dropout", "normalised")
    ordinary = copy.deepcopy(ours)
    ordinary.recompute = False
    for layer in (ours, ordinary):
        for seed in range(3):
            gradients(layer, items() * (seed + 1), seed)
    counted = dict(ordinary.named_buffers())
    for name, buffer in ours.named_buffers():
        torch.testing.assert_close(buffer, counted[name], rtol=0, atol=0)
    assert ours.layers[0].layers[0].module.norm.num_batches_tracked == 3


def test_autocast_is_that_of_the_forward_pass():
    seen = []

    class Probe(nn.Module):
        def forward(self, x):
            seen.append(torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else None)
            return torch.tanh(x)

    layer = Reversible(Pointwise(Probe()), Pointwise(Probe()))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = layer(items().float().requires_grad_())
    y.sum().backward()
    assert seen == [torch.bfloat16] * 4


@pytest.mark.parametrize("depth", [1, 5])
def test_input_from_output(depth):
    layer = chain(*["convolution", "attention"] * depth).eval()
    x = items()
    torch.testing.assert_close(layer.inverse(layer(x)), x, rtol=0, atol=1e-10)


@pytest.mark.parametrize("kinds", [("convolution", "attention"), ("convolution", "dropout") * 2])
def test_laws_of_a_layer(kinds):
    check_layer(chain(*kinds), items(steps=7))


def model(name, domain, **hyperparameters):
    torch.manual_seed(0)
    return cr.create_model(name, domain, **hyperparameters)


@pytest.mark.parametrize(
    "name, small", [("transformer", {"heads": 2}), ("tcn", {}), ("revnet", {"cycle": 2})]
)
def test_a_model_trains_as_by_backpropagation(name, small):
    """The gradients of a loss with dropout, by the same random numbers."""
    choice = {} if name == "revnet" else {"reversible": True}
    ours = model(name, cr.Domain.sequence(11, levels=5), channels=8, depth=3, dropout=0.3, **small, **choice)
    ours = ours.double().train()
    x = torch.randint(5, (4, 11), generator=torch.Generator().manual_seed(0))
    found = []
    for recompute in (True, False):
        for layer in ours.modules():
            if isinstance(layer, Reversible):
                layer.recompute = recompute
        ours.zero_grad()
        torch.manual_seed(3)
        ours.loss(x).sum().backward()
        found.append([parameter.grad.clone() for parameter in ours.parameters()])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)
    assert any(part.abs().max() > 1e-3 for part in found[0])


# --- memory ---------------------------------------------------------------------------------------------


def test_what_autograd_holds_at_most():
    """The input and the output of a sigmoid, and what the second of two passes in one holds beside the first's."""
    layer = nn.Linear(10, 6)
    x = torch.randn(5, 10)
    assert peak_saved_bytes(lambda: torch.sigmoid(layer(x)).sum(), layer) == 4 * (5 * 10 + 5 * 6)

    def twice():
        torch.sigmoid(layer(x)).sum().backward()  # is over, and held no longer
        return torch.sigmoid(layer(x)).sum()

    assert peak_saved_bytes(twice, layer) == 4 * (5 * 10 + 5 * 6)


@pytest.mark.parametrize("name, choice", [("transformer", {"reversible": True}), ("revnet", {"cycle": 2})])
def test_memory_does_not_grow_with_depth(name, choice):
    """Within 5 % from 4 blocks to 16, in training, the random state before each layer counted."""
    x = torch.randint(5, (32, 128), generator=torch.Generator().manual_seed(0))
    held = {}
    for recompute in (True, False):
        for depth in (4, 16):
            own = model(name, cr.Domain.sequence(128, levels=5), channels=32, depth=depth, **choice).train()
            for layer in own.modules():
                if isinstance(layer, Reversible):
                    layer.recompute = recompute
            held[recompute, depth] = peak_saved_bytes(lambda own=own: own.loss(x).mean(), own)
    assert held[True, 16] < 1.05 * held[True, 4]
    assert held[False, 16] > 3 * held[False, 4]


def test_the_bench_builds_one_function_twice():
    kept, ours, ordinary = (
        bench_reversible.build("tcn", 2, way) for way in ("kept", "reversible", "ordinary")
    )
    assert all(torch.equal(a, b) for a, b in zip(kept.parameters(), ours.parameters(), strict=True))
    assert not any(isinstance(layer, Reversible) for layer in ordinary.modules())
    assert [
        layer.recompute for m in (kept, ours) for layer in m.modules() if isinstance(layer, Reversible)
    ] == [
        False,
        True,
    ]
