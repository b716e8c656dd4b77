"""Flows beyond their laws: what each paper promises, and what they refuse."""

import math
from functools import partial

import pytest
import torch

import chainrule as cr
from chainrule.domain.column import Column
from chainrule.engine import auto as automatic
from chainrule.engine import count_flops
from chainrule.engine.native import NativeRunner
from chainrule.flows import Coupling, Inverse, Shift, Spline
from chainrule.heads import Gaussian
from chainrule.models.maf import MAF
from chainrule.testing import check_model

REALS = cr.Domain.vector(5)


def shaken(module, seed=0, size=0.5):
    """Random parameters: couplings start as the identity, and would hide what they do."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(size * torch.randn(parameter.shape, generator=generator))
    return module.double().eval()


def test_nice_keeps_the_volume_but_for_its_last_scaling():
    model = shaken(cr.create_model("nice", REALS, hidden=[16]))
    y = torch.randn(4, 5, dtype=torch.float64)
    parts = list(model.bijection.parts)
    for part in parts[:-1]:
        y, log_det = part(y)
        assert torch.equal(log_det, torch.zeros(4, dtype=torch.float64))  # exactly
    assert sum(isinstance(part, Coupling) and isinstance(part.univariate, Shift) for part in parts) == 4
    assert torch.allclose(model.bijection(y)[1], parts[-1].log_scale.sum())


def test_one_transform_is_a_made_with_normals():
    """MAF of one transform is the autoregressive model whose head is a normal."""
    bijection = shaken(MAF.transform(5, [16, 16]))
    y = torch.randn(3, 5, dtype=torch.float64)
    z, log_det = bijection(y)
    params = bijection.network(y[..., None])
    limited = torch.stack([params[..., 0], 3 * torch.tanh(params[..., 1] / 3)], dim=-1)
    terms = Gaussian().log_prob(limited, y[..., None])[..., 0]
    flow = -0.5 * z.square() - 0.5 * math.log(2 * math.pi)
    assert torch.allclose(flow.sum(1) + log_det, terms.sum(1), atol=1e-12)


def test_a_rollout_undoes_a_transform_with_the_arithmetic_of_a_pass():
    bijection = shaken(MAF.transform(12, [32, 32])).float().to("meta")
    y = torch.zeros(1, 12, device="meta")
    assert count_flops(lambda: bijection.inverse(y)) <= 1.1 * count_flops(lambda: bijection(y))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_native_steps_undo_a_transform(dtype, monkeypatch):
    """Long rollouts go native by themselves, with z as their noise, which is no number in [0, 1)."""
    bijection, used = shaken(MAF.transform(12, [32, 32])).to(dtype), []
    z = 3 * torch.randn(7, 12, dtype=dtype, generator=torch.Generator().manual_seed(0))
    eager = bijection.inverse(z)
    loop = NativeRunner.loop
    monkeypatch.setattr(NativeRunner, "loop", lambda self, *a, **k: used.append(1) or loop(self, *a, **k))
    for name in ("RECORDING", "LOADING"):
        monkeypatch.setattr(automatic, name, -1.0)
    with torch.no_grad():
        native = bijection.inverse(z)
    assert used
    assert torch.allclose(native, eager, atol=1e-4 if dtype == torch.float32 else 1e-12)


def test_iaf_is_maf_the_other_way_round():
    forward = shaken(MAF.transform(5, [16, 16]))
    backward = Inverse(forward)
    y = torch.randn(3, 5, dtype=torch.float64)
    z, log_det = forward(y)
    again, negative = backward(z)
    assert torch.allclose(again, y, atol=1e-12)
    assert torch.allclose(negative, -log_det, atol=1e-12)


def test_gradients_through_a_rollout_are_those_of_its_steps():
    """The series of the adjoint equals back-propagation through one evaluation for each variable."""
    bijection = shaken(MAF.transform(5, [16, 16]))
    z = torch.randn(3, 5, dtype=torch.float64)
    weights = torch.randn(3, 5, dtype=torch.float64)
    parameters = [p for p in bijection.parameters() if p.requires_grad]

    def unrolled(z):
        y = torch.zeros_like(z)
        for _ in range(5):  # the variable that was wrong in the first place is right after d evaluations
            y = bijection._generated(y, z)
        return y

    results = []
    for way in (bijection.inverse, unrolled):
        given = z.clone().requires_grad_()
        y = way(given)
        loss = (y * weights).sum() + y.square().sum()
        results.append((y.detach(), torch.autograd.grad(loss, [given, *parameters], allow_unused=True)))
    (ours, own), (theirs, expected) = results
    assert torch.allclose(ours, theirs, atol=1e-12)
    for a, b in zip(own, expected, strict=True):
        assert (a is None) == (b is None)
        assert a is None or torch.allclose(a, b, atol=1e-10)
    assert any(a is not None and a.abs().max() > 1e-3 for a in own[1:])


@pytest.mark.parametrize("name", ["nice", "realnvp", "maf", "iaf", "nsf"])
def test_levels_have_a_bound_and_reals_a_density(name):
    bound = cr.create_model(name, cr.Domain.binary(4))
    x = bound.sample(3)
    assert bound.likelihood == "bound" and bound.log_prob_bound(x).shape == (3,)
    with pytest.raises(cr.errors.ChainruleError, match=f"{name} has no exact likelihood.*log_prob_bound"):
        bound.log_prob(x)
    exact = cr.create_model(name, REALS)
    y = exact.sample(3)
    assert exact.exact and torch.equal(exact.log_prob(y), exact.log_prob_bound(y))
    p = cr.as_distribution(exact)
    assert torch.allclose(p.log_prob(y), exact.log_prob(y))
    for verb in (
        lambda: exact.log_prob(y, reduce=False),
        lambda: exact.complete(y, y > 0),
        lambda: exact.factorisation,
    ):
        with pytest.raises(cr.errors.ChainruleError, match=f"{name} has no"):
            verb()


def test_an_autoregressive_spline_flow_obeys_the_laws_of_flows():
    factory = partial(cr.create_model, "nsf", hidden=[16], transforms=2, bins=4, transform="autoregressive")
    laws = ["inverts", "counts_volume"]
    assert set(check_model(lambda: factory(cr.Domain.vector(3)), laws=laws).values()) == {"holds"}
    with pytest.raises(cr.errors.ChainruleError, match="transform: expected one of coupling, autoregressive"):
        cr.create_model("nsf", REALS, transform="planar")


def test_a_spline_is_increasing_and_the_identity_outside():
    generator = torch.Generator().manual_seed(0)
    spline, y = Spline(5, 2.0), torch.linspace(-3, 3, 601, dtype=torch.float64)
    params = 3 * torch.randn(spline.size, generator=generator, dtype=torch.float64).expand(601, -1)
    z, log_slope = spline(y, params)
    assert (z.diff() > 0).all() and torch.equal(z[y.abs() >= 2], y[y.abs() >= 2])
    (slope,) = torch.autograd.grad(spline(y.requires_grad_(), params)[0].sum(), y)
    assert torch.allclose(log_slope, slope.log(), atol=1e-10)
    assert torch.allclose(spline(y, 0 * params)[0], y, atol=1e-12)


@pytest.mark.parametrize("domain", ["lengths", "levels", "columns"])
def test_refused(domain):
    domains = {
        "lengths": cr.Domain.sequence(4, 3, lengths="ends"),
        "levels": cr.Domain.categorical(2, (2, 3)),
        "columns": cr.Domain.table([Column("a", "categorical", ("x", "y"))]),
    }
    with pytest.raises(cr.errors.DomainError, match="expected reals without missing cells"):
        cr.create_model("maf", domains[domain])


def test_the_units_of_the_data_count():
    """A density is on the user's scale: a hundred times wider data are log 100 less likely, each variable."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(500, 5, generator=generator, dtype=torch.float64)
    narrow, wide = (cr.create_model("realnvp", REALS, hidden=[8], transforms=2).double() for _ in range(2))
    narrow.prepare(x)
    wide.prepare(100 * x)
    wide.bijection.load_state_dict(narrow.bijection.state_dict())
    difference = narrow.log_prob(x[:9]) - wide.log_prob(100 * x[:9])
    assert torch.allclose(difference, torch.full((9,), 5 * math.log(100), dtype=torch.float64), atol=1e-4)


def test_learnt_noise_bounds_more_tightly():
    """Bits that follow one another exactly: with uniform noise a flow leaves the corners of its cells empty."""
    generator = torch.Generator().manual_seed(0)
    bits = torch.randint(2, (256, 1), generator=generator).expand(256, 4).contiguous()
    nats = {}
    for kind in ("uniform", "variational"):
        torch.manual_seed(0)
        model = cr.create_model("nice", cr.Domain.binary(4), hidden=[32, 32], dequantisation=kind)
        model.prepare(bits)
        optimiser = torch.optim.Adam(model.parameters(), lr=5e-3)
        for _ in range(300):
            optimiser.zero_grad()
            model.loss(bits).mean().backward()
            optimiser.step()
        with torch.no_grad():
            bound = model.log_prob_bound(bits, samples=20, generator=torch.Generator().manual_seed(1))
        nats[kind] = -bound.mean().item()
    assert math.log(2) - 0.01 < nats["variational"] < nats["uniform"]


def test_interpolates_in_latent_space():
    model = shaken(cr.create_model("realnvp", cr.Domain.image(1, 4, 4, levels=4), channels=4, depth=1))
    x = torch.randint(4, (2, 1, 4, 4))
    assert torch.equal(model.decode(model.encode(x)), x)
