"""MADE against its paper, and the state of its steps."""

import pytest
import torch

import chainrule as cr
from chainrule.testing.subject import randomise, steps

SHAPES = [([6], False), ([9, 4], False), ([30, 30, 30], True), ([2, 2], True), ([1], False)]


def build(domain, **options):
    model = cr.create_model("made", domain, **{"hidden": [12, 12], **options}).double().eval()
    randomise(model, torch.Generator().manual_seed(0), 1.0 if domain.discrete else 0.3)
    return model


@pytest.mark.parametrize("length", [1, 2, 5, 30])
@pytest.mark.parametrize("hidden, residual", SHAPES)
def test_degrees_are_spread_evenly(hidden, residual, length):
    net = build(cr.Domain.binary(length), hidden=hidden, residual=residual).network
    for degrees in net.degrees:
        counts = degrees.bincount(minlength=length)[1:length]
        assert torch.equal(degrees, degrees.sort().values)
        assert length == 1 or (degrees.min() >= 1 and degrees.max() <= length - 1)
        assert len(counts) == 0 or counts.max() - counts.min() <= 1


@pytest.mark.parametrize("hidden, residual", SHAPES)
def test_masks_follow_the_degrees(hidden, residual):
    """Eq. 12-13 of the paper: m^l(k') ≥ m^{l-1}(k), strictly more at the output; direct connections strict."""
    model = build(cr.Domain.categorical(5, 3), hidden=hidden, residual=residual)
    net = model.network
    before = [d for d in range(1, 6) for _ in range(net.channels)]
    inputs = before
    for degrees, layer in zip(net.degrees, net.layers, strict=True):
        expected = [[m >= b for b in before] for m in degrees.tolist()]
        assert layer.mask.tolist() == expected
        before = degrees.tolist()
    outputs = [d for d in range(1, 6) for _ in range(model.head.size)]
    assert net.out.mask.tolist() == [[d > b for b in before] for d in outputs]
    assert net.direct.mask.tolist() == [[d > b for b in inputs] for d in outputs]


@pytest.mark.parametrize("options", [{}, {"classes": 3}, {"embedding": 2}])
@pytest.mark.parametrize(
    "domain", [cr.Domain.binary(1), cr.Domain.categorical(1, 5), cr.Domain.vector(1)], ids=str
)
def test_a_single_variable(domain, options):
    model = build(domain, **options)
    cond = {"classes": torch.tensor([0, 2]), "embedding": torch.randn(2, 2).double()}
    cond = cond[next(iter(options))] if options else None
    x = model.sample(2, cond)
    log_prob = model.log_prob(x, cond)
    assert log_prob.isfinite().all()
    if cond is not None:
        assert not torch.equal(log_prob, model.log_prob(x, cond.flip(0)))
    elif domain.discrete:
        every = torch.arange(domain.max_levels)[:, None]
        assert model.log_prob(every).exp().sum().item() == pytest.approx(1, abs=1e-10)


def test_with_a_condition_some_units_read_it_alone():
    model = build(cr.Domain.binary(4), classes=3)
    for degrees in model.network.degrees:
        assert degrees.min() == 0
    first = model(torch.zeros(3, 4, dtype=torch.int64), torch.arange(3))[:, 0, 0]
    assert len(set(first.tolist())) == 3


@pytest.mark.parametrize("classes", [None, 3])
@pytest.mark.parametrize("hidden, residual", SHAPES)
@pytest.mark.parametrize(
    "domain", [cr.Domain.binary(5), cr.Domain.categorical(5, 3), cr.Domain.vector(5)], ids=str
)
def test_what_is_not_final_is_zero_in_the_state(domain, hidden, residual, classes):
    model = build(domain, hidden=hidden, residual=residual, classes=classes)
    cond = None if classes is None else torch.tensor([0, 1, 2])
    sites = model.to_sites(model.sample(3, cond))
    phases, clock = model.schedule(), torch.arange(5)
    with torch.no_grad():
        state = model.init_state(3, cond=cond)
        for t in range(5):
            assert_zero_where_not_final(model.network, state, known=t)
            _, state = model.step(sites[:, max(t - 1, 0)], state, clock[t], phase=phases[t])
        for n in range(1, 5):
            _, state = model.prefill(sites[:, :n], model.init_state(3, cond=cond))
            assert_zero_where_not_final(model.network, state, known=n)


def assert_zero_where_not_final(network, state, known):
    """After `known` steps the units of degree below `known` are final, and the codes of as many sites less one."""
    assert (state.codes[:, known:] == 0).all()
    for hidden, degrees in zip(state.hidden, network.degrees, strict=True):
        assert (hidden[:, degrees >= known] == 0).all()


@pytest.mark.parametrize("hidden, residual", SHAPES)
def test_steps_are_the_parallel_pass_bit_by_bit(hidden, residual):
    model = build(cr.Domain.categorical(5, 3), hidden=hidden, residual=residual)
    x = model.sample(7)
    with torch.no_grad():
        stepped, _ = steps(model, model.to_sites(x), model.init_state(7))
        torch.testing.assert_close(stepped, model(x), rtol=0, atol=1e-12)


def test_masked_weights_never_wake():
    """Garbage in masked weights changes neither mode."""
    model = build(cr.Domain.binary(5))
    x = torch.randint(2, (6, 5), generator=torch.Generator().manual_seed(0))
    before, noise = model.log_prob(x), torch.Generator().manual_seed(1)
    drawn = model.sample(6, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        for layer in (*model.network.layers, model.network.out, model.network.direct):
            garbage = 100 * torch.randn(layer.weight.shape, generator=noise, dtype=torch.float64)
            layer.weight.copy_(torch.where(layer.mask, layer.weight, garbage))
    assert torch.equal(model.log_prob(x), before)
    assert torch.equal(model.sample(6, generator=torch.Generator().manual_seed(2)), drawn)
