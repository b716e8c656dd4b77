"""Operations whose gradients are written out agree with autograd's, and with the plain operations they stand for."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from chainrule.heads import DiscretisedLogistic
from chainrule.layers import CausalAttention, attention
from chainrule.layers.dropout import Dropout, keep_mask
from chainrule.layers.gate import gate_images
from chainrule.layers.grid.weight_norm_conv2d import normalised
from chainrule.networks.pixelcnn_plus_plus.framed import framed_elu, gated, unframed

gradcheck = torch.autograd.gradcheck


def numbers(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(
        shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed), requires_grad=True
    )


@pytest.mark.parametrize("sides", [(1, 0), (1, 1)])
def test_the_framed_elu(sides):
    x = numbers(2, 3, 4, 5)
    plain = F.pad(F.elu(torch.cat([x, -x], dim=1)), (*sides, 1, 0))
    assert torch.equal(framed_elu(x, sides), plain)
    assert torch.equal(unframed(framed_elu(x, sides), 5), F.elu(torch.cat([x, -x], dim=1)))
    assert gradcheck(lambda x: framed_elu(x, sides), (x,))


def test_the_framed_elu_with_dropout():
    x = numbers(2, 3, 4, 5)

    def dropped(x):
        torch.manual_seed(0)
        return framed_elu(x, (1, 1), 0.4)

    zeros = (dropped(x)[:, :, 1:, 1:-1] == 0).double().mean()
    assert 0.3 < zeros < 0.5
    assert gradcheck(dropped, (x,))


def test_the_gate():
    x, gates = numbers(2, 3, 4, 5), numbers(2, 6, 4, 5, seed=1)
    a, b = gates.chunk(2, dim=1)
    torch.testing.assert_close(gated(x, gates), x + a * torch.sigmoid(b))
    assert gradcheck(gated, (x, gates))


@pytest.mark.parametrize("dims", [(1, 2), (0, 2)])
def test_weight_norm(dims):
    weight = numbers(3, 3, 4)
    assert gradcheck(lambda v, g: normalised(v, g, dims), (weight, numbers(3, seed=1)))
    (kept,) = {0, 1, 2} - set(dims)
    norms = (
        normalised(weight, torch.full((3,), 2.0, dtype=torch.float64), dims)
        .transpose(0, kept)
        .flatten(1)
        .norm(dim=1)
    )
    torch.testing.assert_close(norms, torch.full_like(norms, 2.0))


@pytest.mark.parametrize(("levels", "variables"), [(2, 1), (5, 3), (256, 2)])
def test_the_likelihood_of_a_coupled_mixture(levels, variables):
    head = DiscretisedLogistic(levels, variables, components=2)
    params = numbers(6, head.size)
    x = torch.randint(levels, (6, variables), generator=torch.Generator().manual_seed(1))
    x[0], x[1] = 0, levels - 1
    assert gradcheck(lambda params: head.log_prob(params, x), (params,))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_dropout_keeps_the_mean_and_the_part(dtype):
    x = torch.ones(64, 40, 33, dtype=dtype)[:, :, 1:].transpose(1, 2)
    torch.manual_seed(0)
    for p in (0.1, 0.5):
        y = Dropout(p)(x)
        assert y.shape == x.shape
        assert (y == 0).double().mean() == pytest.approx(p, abs=0.006)
        assert y.double().mean() == pytest.approx(1, abs=0.02)
    assert torch.equal(Dropout(0.5).eval()(x), x)


def test_dropout_of_neighbours_is_independent():
    torch.manual_seed(0)
    kept = keep_mask(torch.zeros(4, 100_000), 0.5).flatten()
    for distance in (1, 2, 3, 4, 8):
        assert (kept[distance:] * kept[:-distance]).mean() == pytest.approx(0.25, abs=0.005)


def test_attention_with_dropout_is_that_without(monkeypatch):
    layer = CausalAttention(8, heads=2, length=150, dropout=0.3)
    x = numbers(2, 150, 8).float()
    dropped = []
    monkeypatch.setattr(attention, "dropout", lambda weights, p: dropped.append(p) or weights)
    torch.testing.assert_close(layer(x), layer.eval()(x))
    assert dropped == [0.3] * 3


@pytest.mark.parametrize(("groups", "frame"), [(1, {}), (1, {"above": 1, "side": 2}), (3, {})])
def test_the_gate_of_images(groups, frame):
    z = numbers(2, 6 * groups, 3, 4)
    f, g = z.unflatten(1, (groups, 2, -1)).unbind(2)
    plain = (torch.tanh(f) * torch.sigmoid(g)).flatten(1, 2)
    side = frame.get("side", 0)
    torch.testing.assert_close(
        gate_images(z, groups, **frame), F.pad(plain, (side, side, frame.get("above", 0), 0))
    )
    assert gradcheck(lambda z: gate_images(z, groups, **frame), (z,))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_gate_is_as_exact_as_its_numbers(dtype):
    z = torch.cat([torch.linspace(-20, 20, 4001), torch.full((4001,), 20.0)]).to(dtype)[None, :, None, None]
    exact = torch.tanh(z[:, :4001].double())
    assert (gate_images(z).double() - exact).abs().max() < 4 * torch.finfo(dtype).eps
