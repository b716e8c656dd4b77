"""The likelihood of a hidden part given the known part, beside the sum over all that could be hidden."""

import itertools

import pytest
import torch

import chainrule as cr
from chainrule.errors import ChainruleError
from chainrule.tasks import conditional_log_prob

BITS = cr.Domain.binary(5)
MODELS = {
    "made": {"hidden": [8], "ordering": "random-1"},
    "nade": {"hidden": 4},
    "deep-nade": {"hidden": [8]},
    "made-ensemble": {"hidden": [8], "masks": 2, "orderings": 2},
}
SOME = torch.tensor([True, False, False, True, False])


def build(name, **more):
    torch.manual_seed(0)
    model = cr.create_model(name, BITS, **MODELS[name], **more).double().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, dtype=parameter.dtype))
    return model


def by_sum(model, x, known):
    """log p(x) - log Σ_hidden p(known, hidden)."""
    hidden = (~known).nonzero().flatten()
    with torch.no_grad():
        total = []
        for values in itertools.product((0, 1), repeat=len(hidden)):
            other = x.clone()
            other[:, hidden] = torch.tensor(values)
            total.append(model.log_prob(other))
        return model.log_prob(x) - torch.stack(total).logsumexp(0)


@pytest.fixture
def x():
    return torch.randint(0, 2, (6, 5), generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", ["made", "nade"])
def test_a_prefix_is_exact(name, x):
    model = build(name)
    known = torch.zeros(5, dtype=torch.bool)
    known[model.ordering.variables[:2]] = True
    found = conditional_log_prob(model, x, known)
    assert found.exact.all() and not found.se.any()
    torch.testing.assert_close(found.log_prob, by_sum(model, x, known))


@pytest.mark.parametrize("name", ["made", "nade", "made-ensemble"])
def test_any_other_part_is_estimated_within_its_error(name, x):
    model = build(name)
    found = conditional_log_prob(model, x, SOME, particles=4000, generator=torch.Generator().manual_seed(1))
    assert not found.exact.any() and (found.se > 0).all() and (found.se < 0.1).all()
    assert ((found.log_prob - by_sum(model, x, SOME)).abs() < 4 * found.se).all()


def test_nothing_known_is_the_whole_likelihood_and_all_known_costs_nothing(x):
    for name in MODELS:
        model = build(name)
        nothing = conditional_log_prob(model, x, torch.zeros(5, dtype=torch.bool))
        assert nothing.exact.all()
        torch.testing.assert_close(nothing.log_prob, model.log_prob(x).detach())
        assert conditional_log_prob(model, x, torch.ones(5, dtype=torch.bool)).log_prob.abs().max() < 1e-12


def test_a_model_without_an_ordering_is_exact_for_any_part():
    """Probabilities of all that could be hidden sum to 1, for each item its own mask."""
    model = build("deep-nade")
    every = torch.cartesian_prod(*[torch.arange(2)] * 3)
    x = torch.zeros(8, 5, dtype=torch.int64)
    x[:, 0], x[:, 3], x[:, ~SOME] = 1, 1, every
    found = conditional_log_prob(model, x, SOME)
    assert found.exact.all()
    assert found.log_prob.exp().sum().item() == pytest.approx(1, abs=1e-12)
    other = torch.tensor([False, True, True, False, False])
    masks = torch.where((torch.arange(8) % 2 == 0)[:, None], SOME, other)
    mixed = conditional_log_prob(model, x, masks).log_prob
    torch.testing.assert_close(mixed[::2], found.log_prob[::2])
    torch.testing.assert_close(mixed[1::2], conditional_log_prob(model, x, other).log_prob[1::2])


def test_the_condition_counts(x):
    model = build("made", classes=3)
    known = torch.zeros(5, dtype=torch.bool)
    each = [conditional_log_prob(model, x, known, cond=label).log_prob for label in (0, 2)]
    torch.testing.assert_close(each[1], model.log_prob(x, torch.full((6,), 2)).detach())
    assert not torch.equal(*each)


def test_an_estimate_takes_several_particles(x):
    with pytest.raises(ChainruleError, match="particles: expected an integer ≥ 2, got 1"):
        conditional_log_prob(build("nade"), x, SOME, particles=1)
