"""Order-less models: any subset may be known, and the loss is the mean over orderings."""

import itertools

import pytest
import torch

import chainrule as cr
from chainrule.domain.column import Column
from chainrule.testing.subject import randomise

IMAGE = cr.Domain.image(1, 2, 2, levels=2)
KINDS = {
    "deep-nade": (cr.Domain.binary(4), {"hidden": [8, 8]}),
    "conv-nade": (IMAGE, {"channels": 4, "depth": 1}),
    "conv-nade without the mask": (IMAGE, {"channels": 4, "depth": 1, "masked": False}),
}
TABLE = cr.Domain.table(
    [
        Column("a", "real", missing=True),
        Column("b", "categorical", ("x", "y", "z"), missing=True),
        Column("c", "integer", missing=True),
        Column("d", "categorical", (False, True)),
    ]
)


def build(name, domain, seed=0, **options):
    model = cr.create_model(name, domain, **options).double().eval()
    randomise(model, torch.Generator().manual_seed(seed), 1.0 if domain.discrete else 0.3)
    return model


def of_kind(kind):
    domain, options = KINDS[kind]
    return build(kind.split()[0], domain, **options)


def every(domain):
    values = torch.cartesian_prod(*[torch.arange(k) for k in domain.levels_per_variable])
    return values.reshape(-1, *domain.event_shape)


@pytest.mark.parametrize("permutation", [[0, 1, 2, 3], [2, 0, 3, 1]])
@pytest.mark.parametrize("kind", KINDS)
def test_guesses_of_what_is_next_are_the_parallel_pass(kind, permutation):
    model = of_kind(kind).in_order(torch.tensor(permutation))
    x = every(model.domain)
    sites, params = model.to_sites(x), model(x)
    for t in range(4):
        seen = (torch.arange(4) < t).expand(len(x), 4)
        guess = model.network._call("guess", sites, seen, None)
        torch.testing.assert_close(guess[:, t], params[:, t])


@pytest.mark.parametrize("kind", KINDS)
def test_orderings_are_distributions_that_differ(kind):
    model = of_kind(kind)
    x = every(model.domain)
    joints = [model.in_order(torch.tensor(p)).log_prob(x) for p in ([0, 1, 2, 3], [3, 1, 0, 2])]
    for joint in joints:
        assert joint.exp().sum().item() == pytest.approx(1, abs=1e-10)
    assert not torch.allclose(*joints)


@pytest.mark.parametrize(
    "name, options", [("deep-nade", {"hidden": [8, 8]}), ("conv-nade", {"channels": 4, "depth": 1})]
)
def test_the_loss_estimates_the_mean_over_all_orderings(name, options):
    domain = cr.Domain.binary(3) if name == "deep-nade" else cr.Domain.image(1, 1, 3, levels=2)
    model = build(name, domain, **options)
    x = every(domain)[5:6]
    orderings = [torch.tensor(p) for p in itertools.permutations(range(3))]
    expected = torch.stack([-model.in_order(p).log_prob(x) for p in orderings]).mean()
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        draws = model.loss(x.expand(20_000, *x.shape[1:]))
    error = (draws.mean() - expected) / (draws.std() / len(draws) ** 0.5)
    assert abs(error) < 4


def test_validation_draws_the_same_subsets_each_time():
    model, x = of_kind("deep-nade"), every(cr.Domain.binary(4))
    assert torch.equal(model.valid_loss(x), model.valid_loss(x))
    assert not torch.equal(model.loss(x), model.loss(x))


@pytest.mark.parametrize("known", [[1], [3], [0, 2], [1, 2, 3], []])
@pytest.mark.parametrize("kind", ["deep-nade", "conv-nade"])
def test_completion_has_the_conditional_of_any_subset(kind, known):
    model = of_kind(kind)
    x, n = every(model.domain)[11:12], 4000
    mask = torch.zeros(4, dtype=torch.bool)
    mask[known] = True
    first = torch.tensor([*known, *(d for d in range(4) if d not in known)])
    items = every(model.domain)
    agree = (items.flatten(1) == x.flatten(1))[:, mask].all(1)
    conditional = torch.softmax(model.in_order(first).log_prob(items[agree]), 0)
    drawn = model.complete(x, mask.reshape(model.domain.event_shape), n, torch.Generator().manual_seed(0))[0]
    seen = (drawn.flatten(1)[:, None] == items[agree].flatten(1)).all(-1)
    assert seen.any(1).all()  # what is known is kept
    statistic = ((seen.double().sum(0) - n * conditional).square() / (n * conditional)).sum()
    assert statistic < 3 * len(conditional) + 12


def test_each_row_has_its_own_mask():
    model, items = of_kind("deep-nade"), every(cr.Domain.binary(4))
    known = torch.rand(16, 4, generator=torch.Generator().manual_seed(2)) < 0.5
    drawn = model.complete(items, known, 3)
    assert torch.equal(
        drawn[known[:, None].expand_as(drawn)],
        items[:, None].expand_as(drawn)[known[:, None].expand_as(drawn)],
    )


@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_batch(kind):
    model = of_kind(kind)
    x = every(model.domain)[:0]
    known = torch.zeros(model.domain.event_shape, dtype=torch.bool)
    assert model.complete(x, known, 3).shape == (0, 3, *model.domain.event_shape)
    assert model.loss(x).shape == model.log_prob(x).shape == (0,)
    with pytest.raises(cr.errors.ChainruleError, match="n: expected a number of draws ≥ 1, got -1"):
        model.complete(x, known, -1)


def test_missing_cells_have_no_term_and_come_last():
    model = build("deep-nade", TABLE, hidden=[8, 8])
    x = torch.tensor([[0.3, 2.0, 5.0, 1.0]], dtype=torch.float64)
    for gaps in ([0], [1], [0, 1], [0, 2], [0, 1, 2], []):
        holed = x.clone()
        holed[:, gaps] = torch.nan
        there = [d for d in range(4) if d not in gaps]
        last = model.in_order(torch.tensor([*there, *gaps]))
        terms = last.log_prob(x, reduce=False)[0]
        torch.testing.assert_close(model.log_prob(holed)[0], terms[there].sum())
        own = model.log_prob(holed, reduce=False)[0]
        assert (own[gaps] == 0).all() and (own[there] != 0).all()


def test_a_row_with_nothing_in_it_has_probability_one():
    domain = cr.Domain.table([Column("a", "real", missing=True), Column("b", "integer", missing=True)])
    model = build("deep-nade", domain, hidden=[8, 8])
    x = torch.full((2, 2), torch.nan, dtype=torch.float64)
    assert (model.log_prob(x) == 0).all() and (model.loss(x) == 0).all()
    assert model.complete(x, x.isnan(), 2).isfinite().all()


def test_a_fresh_net_has_the_variables_on_their_own():
    model = cr.create_model("deep-nade", cr.Domain.binary(5), hidden=[8, 8]).eval()
    seen = torch.tensor([[True, False, True, True, False], [False] * 5])
    guesses = model.network.guess(torch.tensor([[1, 0, 1, 1, 0], [0, 1, 0, 1, 1]])[..., None], seen)
    torch.testing.assert_close(guesses, model.network.out_bias.expand(2, -1, -1))


def test_a_net_whose_layers_add_nothing_is_a_logistic_regression_on_what_is_seen():
    model = build("deep-nade", cr.Domain.binary(4), hidden=[8, 8], linear=True)
    for layer in model.network.activation:
        layer.layers[-1].weight.data.zero_()
        layer.layers[-1].bias.data.zero_()
    x, seen = every(model.domain)[..., None], torch.tensor([True, True, True, False])
    guesses = model.network.guess(x, seen.expand(16, 4))[..., 0]
    nothing, first, second, both = (guesses[i] for i in (0, 8, 4, 12))
    torch.testing.assert_close(both - first, second - nothing)
