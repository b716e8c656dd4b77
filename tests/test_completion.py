"""Completion of what lies before known values: candidates weighed by the probability of what they led to."""

import warnings

import pytest
import torch

import chainrule as cr
from chainrule.models import ApproximateCompletionWarning
from chainrule.models.base import autoregressive
from chainrule.testing.subject import randomise

ITEMS = torch.cartesian_prod(*[torch.arange(2)] * 4)
MODELS = {
    "made": {"hidden": [16, 16], "dropout": 0.0},
    "fvsbn": {},
    "made-ensemble": {"hidden": [16, 16], "masks": 4, "orderings": 4, "dropout": 0.0},
    "made-committee": {"hidden": [16, 16], "members": 3, "orderings": 3, "dropout": 0.0},
}
N = 2000


def build(name, seed=0):
    model = cr.create_model(name, cr.Domain.binary(4), **MODELS[name]).double().eval()
    randomise(model, torch.Generator().manual_seed(seed), 2.0)
    return model


def distance(model, x, known, **options):
    """Total variation between the completions of an item and p(unknown | known)."""
    agree = (x == ITEMS)[:, known].all(1)
    conditional = torch.softmax(model.log_prob(ITEMS[agree]), 0)
    drawn = model.complete(x[None], known, N, torch.Generator().manual_seed(0), **options)[0]
    seen = (drawn[:, None] == ITEMS[agree]).all(-1)
    assert seen.any(1).all()
    return (seen.double().mean(0) - conditional).abs().sum().item() / 2


def unlikely(model, known):
    """The values of the known variables that surprise the model most."""
    probabilities = [model.log_prob(ITEMS[(x == ITEMS)[:, known].all(1)]).logsumexp(0) for x in ITEMS]
    return ITEMS[torch.stack(probabilities).argmin()]


@pytest.mark.parametrize("known", [[3], [2, 3], [1, 3]])
@pytest.mark.parametrize("name", MODELS)
def test_candidates_see_what_is_behind_them(name, known):
    model, mask = build(name), torch.zeros(4, dtype=torch.bool)
    mask[known] = True
    x = unlikely(model, mask)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ApproximateCompletionWarning)
        many = distance(model, x, mask, particles=256)
    with pytest.warns(ApproximateCompletionWarning):
        one = distance(model, x, mask, particles=1)
    assert many < 0.05
    assert one > 2 * many and one > 0.06


@pytest.mark.parametrize("name", ["made", "fvsbn"])
def test_what_is_known_first_needs_no_candidates(name):
    model, mask = build(name), torch.tensor([True, True, False, False])
    with warnings.catch_warnings():
        warnings.simplefilter("error", ApproximateCompletionWarning)
        assert distance(model, torch.tensor([1, 0, 0, 0]), mask) < 0.05


@pytest.mark.parametrize("name", MODELS)
def test_nothing_or_everything_known_warns_of_nothing(name):
    model, nothing = build(name), torch.zeros(4, dtype=torch.bool)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ApproximateCompletionWarning)
        assert model.complete(ITEMS[:3], nothing, 2, particles=1).shape == (3, 2, 4)
        assert torch.equal(model.complete(ITEMS, ~nothing, 1, particles=1)[:, 0], ITEMS)


@pytest.mark.parametrize("name", MODELS)
def test_an_empty_batch(name):
    known = torch.tensor([False, True, False, True])
    assert build(name).complete(ITEMS[:0], known, 3, particles=4).shape == (0, 3, 4)


@pytest.mark.parametrize("name", ["made", "made-ensemble"])
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "options",
    [{"n": 0}, {"n": 1.5}, {"particles": 0}, {"particles": "many"}, {"temperature": -1.0}, {"cond": 1}],
)
def test_refusals(name, options):
    with pytest.raises(cr.errors.ChainruleError, match=next(iter(options))):
        build(name).complete(ITEMS, torch.tensor([True, False, True, False]), **options)


@pytest.mark.parametrize("n", [-1, 2.5, "2", None])
@pytest.mark.parametrize("name", MODELS)
def test_samples_are_counted(name, n):
    with pytest.raises(cr.errors.ChainruleError, match="n: expected a number of items ≥ 0, got"):
        build(name).sample(n)


@pytest.mark.parametrize("name", ["made", "made-ensemble"])
def test_many_items_are_drawn_in_parts(name, monkeypatch):
    """The same items as at once, with states of few rows at a time."""
    model, sizes = build(name), []
    whole = model.sample(50, generator=torch.Generator().manual_seed(0))
    generate = autoregressive.generate

    def counting(model, rule, batch, **options):
        sizes.append(batch)
        return generate(model, rule, batch, **options)

    monkeypatch.setattr(autoregressive, "ROWS", 8)
    monkeypatch.setattr(autoregressive, "generate", counting)
    assert torch.equal(model.sample(50, generator=torch.Generator().manual_seed(0)), whole)
    assert max(sizes) == 8 and sum(sizes) == 50


def test_parts_of_a_draw_have_their_own_conditions(monkeypatch):
    model = cr.create_model("made", cr.Domain.binary(4), hidden=[8], classes=3).double().eval()
    randomise(model, torch.Generator().manual_seed(0), 2.0)
    cond = torch.arange(20) % 3
    whole = model.sample(20, cond, generator=torch.Generator().manual_seed(0))
    monkeypatch.setattr(autoregressive, "ROWS", 7)
    assert torch.equal(model.sample(20, cond, generator=torch.Generator().manual_seed(0)), whole)
