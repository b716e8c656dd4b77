"""Least squares that follow a sound, heads around their prediction, and the model of both."""

import math
from functools import partial

import numpy as np
import pytest
import torch

import chainrule as cr
from chainrule.domain import mu_law
from chainrule.errors import ChainruleError, DomainError
from chainrule.heads import LocatedCategorical, LocatedLogistic
from chainrule.layers import LeastSquares, LowBits
from chainrule.models import tiny_model
from chainrule.testing import check_head, check_layer, check_model

SOUND = cr.Domain.sequence(600, levels=65536)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=generator(seed), dtype=torch.float64)


def resonance(rows, length, size, seed=0):
    """A noise of standard deviation `size` through a resonance, (rows, length) whole numbers."""
    e, x = noise(rows, length, seed=seed) * size, torch.zeros(rows, length, dtype=torch.float64)
    for t in range(length):
        x[:, t] = e[:, t] + (1.6 * x[:, t - 1] if t > 0 else 0) - (0.8 * x[:, t - 2] if t > 1 else 0)
    return x.round()


def by_steps(layer, x):
    state, outputs = layer.init_state(len(x), length=1, device=x.device, dtype=x.dtype), []
    for t in range(x.shape[1]):
        output, state = layer.step(x[:, t], state, torch.tensor(t))
        outputs.append(output)
    return torch.stack(outputs, 1), state


# --- the layers ----------------------------------------------------------------------------------


def test_least_squares_obey_the_laws_of_a_layer():
    check_layer(LeastSquares([2, 3], [20.0, 100.0], limit=100.0), noise(3, 9, 1) * 5)


def test_predictions_minimise_the_weighted_errors():
    order, memory = 3, 30.0
    x = resonance(1, 80, 50.0)
    found = LeastSquares([order], [memory], limit=1e6)(x[..., None])[0]
    past = torch.stack([torch.nn.functional.pad(x[0], (k, 0))[:80] for k in range(1, order + 1)], dim=1)
    errors = x[0] - torch.cat([torch.zeros(1, dtype=torch.float64), found[:-1, 0]])
    torch.testing.assert_close(found[:, 1], errors)

    sums, total, forgetting = 16.0, 1.0, 1 - 1 / memory
    gram, moments = torch.eye(order, dtype=torch.float64) / 100, torch.zeros(order, dtype=torch.float64)
    for t in range(79):
        usual, size = sums / total + 0.3, errors[t].abs()
        weight = 1 / (usual * (usual + size))
        gram = forgetting * gram + weight * torch.outer(past[t], past[t])
        moments = forgetting * moments + weight * x[0, t] * past[t]
        sums, total = sums * (1 - 1 / 33) + size, total * (1 - 1 / 33) + 1
        predicted = torch.linalg.solve(gram, moments) @ past[t + 1]
        assert found[t, 0].item() == pytest.approx(predicted.item(), rel=1e-8, abs=1e-8)
        assert found[t, 3].item() == pytest.approx((sums / total + 0.3).item())


@pytest.mark.parametrize("orders, memories", [([4], [5.0]), ([8, 2, 5], [50.0, 10.0, 200.0])])
def test_the_compiled_loop_is_the_steps(orders, memories):
    """Through silence, too, in which the inverse covariance would grow for ever."""
    layer = LeastSquares(orders, memories, limit=32768.0)
    sound = resonance(2, 400, 300.0)
    sound[:, 120:300] = 0
    stepped, after = by_steps(layer, sound[..., None])
    scanned, state = layer.prefill(
        sound[..., None], layer.init_state(2, length=1, device=sound.device, dtype=sound.dtype)
    )
    # Of sounds in thousands: what rounding does differently is a thousand times larger after the silence.
    torch.testing.assert_close(scanned[:, :300], stepped[:, :300], rtol=1e-9, atol=1e-8)
    torch.testing.assert_close(scanned, stepped, rtol=0, atol=1e-5)
    for a, b in zip(state, after, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-7, atol=1e-8)


def test_silence_leaves_the_inverse_bounded():
    layer = LeastSquares([4], [5.0], limit=32768.0)
    _, state = by_steps(layer, torch.zeros(1, 300, 1))
    assert 1e6 < state.inverse.diagonal(dim1=-2, dim2=-1).mean().item() < 1e6 / (1 - 1 / 5) + 1


def test_predictions_stay_within_the_limit():
    sound = (1.3 ** torch.arange(60, dtype=torch.float64))[None, :, None].clamp(max=1000)
    assert LeastSquares([2], [20.0], limit=1000.0)(sound)[..., 0].abs().max().item() == 1000


@pytest.mark.parametrize("orders, memories", [([], []), ([2], [1.0]), ([2, 3], [10.0]), ([0], [5.0])])
def test_predictors_need_an_order_and_a_memory_each(orders, memories):
    with pytest.raises(ChainruleError, match="orders, memories: expected one of each"):
        LeastSquares(orders, memories, limit=1.0)


def test_low_bits_are_those_of_all_samples_so_far():
    x = torch.tensor([[0.0, 8, -24, 4, 16, 3, 8]])[..., None]
    expected = [[3.0, 3, 3, 2, 2, 0, 0]]
    layer = LowBits(3)
    assert layer(x)[..., 0].tolist() == expected
    stepped, state = by_steps(layer, x)
    assert stepped[..., 0].tolist() == expected
    first, rest = layer.prefill(x[:, :4], layer.init_state(1, length=7, device=x.device, dtype=x.dtype))
    assert first[..., 0].tolist() == [expected[0][:4]]
    assert layer.step(x[:, 4], rest, torch.tensor(4))[0].item() == 2
    torch.testing.assert_close(state, layer.prefill(x, torch.zeros(1, 3))[1])


# --- the heads -----------------------------------------------------------------------------------


@pytest.mark.parametrize("levels, components, bits", [(4, 1, 1), (8, 1, 2), (8, 2, 0), (64, 1, 3), (1, 1, 0)])
def test_logistic_around_a_prediction(levels, components, bits):
    check_head(LocatedLogistic(levels, components=components, bits=bits))


@pytest.mark.parametrize("levels, components", [(1, 1), (2, 2), (5, 2), (16, 1)])
def test_softmax_around_a_prediction(levels, components):
    check_head(LocatedCategorical((np.arange(levels + 1) ** 1.5).tolist(), components=components))


def test_a_logistic_of_all_16_bit_levels_sums_to_one():
    head = LocatedLogistic(65536, components=2, bits=8).double()
    params = noise(5, head.size)
    params[:, -3:] = torch.tensor([[-32768, 3.0, 8], [0, 6, 8], [32767, 9, 4], [100, 0, 1], [5, 2, 0]])
    level = torch.arange(65536).expand(5, -1)[..., None]
    p = head.log_prob(params[:, None].expand(-1, 65536, -1), level)[..., 0].exp()
    torch.testing.assert_close(p.sum(1), torch.ones(5, dtype=torch.float64))
    conditional, _ = head.step(None, head.init_state(params), 0)
    edges = torch.tensor([0, 1, 257, 30000, 32768, 32769, 65280, 65281, 65536]).expand(5, -1)
    below = torch.cat([torch.zeros(5, 1, dtype=torch.float64), p.cumsum(1)], 1)
    torch.testing.assert_close(conditional.masses(edges), below.gather(1, edges).diff(dim=1))


def test_the_gate_says_how_much_lies_on_multiples():
    head = LocatedLogistic(65536, components=1, bits=8).double()
    params = torch.tensor([[2.0, 0, 0, 0, 40, 8, 8]], dtype=torch.float64)
    level = torch.arange(0, 65536, 256)[:, None]
    on = head.log_prob(params.expand(256, -1), level).exp().sum().item()
    gate = 1 / (1 + math.exp(-2))
    assert on == pytest.approx(gate + (1 - gate) / 256, abs=1e-3)


def test_levels_of_mu_law_have_the_masses_of_their_cells():
    edges = mu_law.expand(np.arange(257) - 0.5) * mu_law.FULL
    head = LocatedCategorical(edges.tolist(), components=1).double()
    params = torch.zeros(1, head.size, dtype=torch.float64)
    params[0, -2:] = torch.tensor([500.0, math.log(200)])
    at = torch.tensor(edges[1:-1])
    mass = torch.sigmoid((at - 500) / 200)
    mass = torch.cat([mass.new_zeros(1), mass, mass.new_ones(1)]).diff()
    expected = (mass + 1e-4 / 256).log() - math.log(1 + 1e-4)
    found = head.log_prob(params.expand(256, -1), torch.arange(256)[:, None])[:, 0]
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)  # edges are kept in float32


# --- the model -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "law",
    ["causal", "connected", "sums_to_one", "samples_match", "extreme_inputs", "step_is_forward", "prefix_is_steps",
     "state_is_a_tree_of_rows", "native_steps_are_eager", "compresses", "overfits"],
)  # fmt: skip
def test_a_mixture_of_few_levels(law):
    outcome = check_model(partial(tiny_model, "rls-lstm", output="logistic"), laws=[law])
    assert outcome[law] == "holds"


def bits_a_sample(model, sound):
    return -model.log_prob((sound + 32768).long()).sum().item() / sound.numel() / math.log(2)


@pytest.mark.parametrize("size", [4.0, 64.0, 1024.0])
def test_a_new_net_is_near_the_entropy_at_any_loudness(size):
    model = cr.create_model("rls-lstm", SOUND, orders=[4, 2], memories=[200.0, 50.0], width=8)
    entropy = math.log2(size * math.sqrt(2 * math.pi * math.e))
    assert entropy < bits_a_sample(model, resonance(4, 600, size)) < entropy + 0.9


def test_a_sound_of_fewer_bits_costs_fewer():
    model = cr.create_model("rls-lstm", SOUND, orders=[4, 2], memories=[200.0, 50.0], width=8)
    torch.nn.init.zeros_(model.network.last.bias)  # which begins at random
    torch.nn.init.constant_(model.network.last.bias[:1], 6.0)  # the gate
    coarse = 256 * resonance(2, 600, 4.0)
    fine = coarse + torch.randint(256, coarse.shape, generator=generator())  # as loud, and eight bits more
    saved = bits_a_sample(model, fine) - bits_a_sample(model, coarse)
    assert 7.5 < saved < 8.5


def test_a_sound_comes_back():
    model = cr.create_model("rls-lstm", cr.Domain.sequence(40, levels=65536), width=8)
    x = (resonance(2, 40, 500.0) + 32768).long()
    assert torch.equal(cr.decompress(model, cr.compress(model, x)), x)


@pytest.mark.parametrize(
    "domain, options, message",
    [
        (cr.Domain.image(1, 2, 2), {}, "expected a sequence of levels"),
        (cr.Domain.sequence(4, 2, width=2, lengths="given"), {}, "expected a sequence of levels"),
        (cr.Domain.sequence(4, 3, lengths="ends"), {}, "which has an end"),
        (cr.Domain.sequence(4, 65536), {"scale": "mu-law"}, "expected 256 levels for mu-law, got 65536"),
        (cr.Domain.sequence(4, 256), {"output": "logistic"}, "expected softmax for the levels of mu-law"),
    ],
)
def test_refuses_what_is_no_sound(domain, options, message):
    with pytest.raises(DomainError, match=message):
        cr.create_model("rls-lstm", domain, **options)
