"""Conditions on ranges and sets: their probability, draws under them, and one column predicted from the others."""

import math

import numpy as np
import pandas as pd
import pytest
import torch

import chainrule as cr
from chainrule.domain.column import Column
from chainrule.domain.part import Part, between
from chainrule.errors import ChainruleError
from chainrule.heads import Bernoulli, BinnedMixture, Categorical, Gaussian, MaybeMissing, Mixture
from chainrule.heads.restricted import Interval, Values, restricted_draw
from chainrule.tasks import parse_conditions, parts_of, posterior, sample_given

COLUMNS = (
    Column("a", "real"),
    Column("n", "integer", missing=True),
    Column("job in town", "categorical", ("clerk", "smith, free", "x=1")),
    Column("grade", "categorical", (1, 2, 3)),
)
ROWS = torch.tensor([[1, 2, 0, 1], [2, 5, 1, 2], [3, 9, 2, 0], [2, 4, 0, 0.0]], dtype=torch.float64)


def table_model(name="made", columns=COLUMNS, seed=0, **hyperparameters):
    """A model of a mixed table with weights of its own, as if it had been trained."""
    torch.manual_seed(seed)
    model = cr.create_model(name, cr.Domain.table(columns), **{"hidden": [16, 16], **hyperparameters})
    model.prepare(ROWS[:, : len(columns)])
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.3 * torch.randn_like(p))
    return model.eval()


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


# --- parts ---------------------------------------------------------------------------------------


def test_parts_meet():
    both = between(40, None, above=True) & between(None, 65)
    assert [both.holds(value) for value in (40, 41, 65, 66)] == [False, True, True, False]
    assert (between(1, 3) & between(1, 3, above=True)).holds(1) is False
    assert (Part((1, 5)) & between(2, None)).values == (5,) == (between(2, None) & Part((1, 5))).values
    assert [part.empty for part in (Part((1,)) & Part((2,)), between(2, 1), between(2, 2, below=True))] == [
        True
    ] * 3
    assert not between(2, 2).empty
    assert between(0.5, 3, below=True).on_grid(1).holds(1) and not between(0.5, 3, below=True).on_grid(
        1
    ).holds(3)
    grid = between(0.3, 0.7, above=True).on_grid(0.1)
    assert (grid.lowest, grid.highest) == pytest.approx((0.4, 0.7))
    assert between(3, 5.99, above=True).on_grid(0.01) == between(3.01, 5.99)
    with pytest.raises(ChainruleError, match="expected numbers"):
        between(math.nan, 1)


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["a>=1", "a<2.5"], {0: between(1, 2.5, below=True)}),
        (["n>4.5"], {1: between(5, None)}),
        (["job in town=x=1"], {2: Part((2.0,))}),
        (['job in town in clerk,"smith, free"'], {2: Part((0.0, 1.0))}),
        (["grade>=2"], {3: Part((1.0, 2.0))}),
        (["grade in 1,3", "grade>1"], {3: Part((2.0,))}),
        (["n = 5", "n<9"], {1: Part((5.0,))}),
    ],
)
def test_conditions_are_read(texts, expected):
    domain = cr.Domain.table(COLUMNS)
    assert parts_of(domain, parse_conditions(domain, texts)) == expected


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["b=1"], "no column 'b'"),
        (["a"], "expected COLUMN=VALUE"),
        (["a=1", "a=2"], "one value of 'a', got '1' and '2'"),
        (["job in town>clerk"], "expected a number, got 'clerk'"),
        (["job in town>1"], "expected = or in"),
        (["n>4", "n<5"], "no value of 'n'"),
        (["n="], "got ''"),
        (["job in town=baker"], "baker"),
        (["a>=tall"], "tall"),
    ],
)
def test_bad_conditions_are_one_line(texts, message):
    domain = cr.Domain.table(COLUMNS)
    with pytest.raises(ChainruleError, match=message) as found:
        parts_of(domain, parse_conditions(domain, texts))
    assert "\n" not in str(found.value)


def test_a_condition_is_no_missing_cell():
    with pytest.raises(ChainruleError, match="expected a value, got None"):
        parts_of(cr.Domain.table(COLUMNS), {"n": None})


def test_conditions_on_variables_without_names():
    domain = cr.Domain.categorical(3, 5)
    assert parts_of(domain, parse_conditions(domain, ["1>=2", "1<4"])) == {1: Part((2, 3))}
    assert parts_of(domain, {"2": [0, 4]}) == {2: Part((0, 4))}
    for bad in ({"3": 1}, {"0": 7}, {"0": "x"}):
        with pytest.raises(ChainruleError):
            parts_of(domain, bad)


# --- conditionals --------------------------------------------------------------------------------

NUMBERS = {
    "gaussian": Mixture(3),
    "laplace": Mixture(3, kernel="laplace"),
    "logistic": Mixture(3, kernel="logistic"),
    "normal": Gaussian(),
    "whole": BinnedMixture(3),
    "gaps": MaybeMissing(Mixture(2, kernel="logistic")),
    "whole gaps": MaybeMissing(BinnedMixture(2)),
}


def conditional_of(head, rows=1, seed=0):
    params = torch.randn(1, head.size, generator=seeded(seed), dtype=torch.float64).expand(rows, -1)
    return head.double().step(None, head.init_state(params), 0)[0]


@pytest.mark.parametrize("head", NUMBERS.values(), ids=NUMBERS)
def test_distribution_function_sums_the_probabilities(head):
    own = conditional_of(head)
    whole = isinstance(getattr(head, "head", head), BinnedMixture)
    low, high = torch.tensor([-2.0], dtype=torch.float64), torch.tensor([3.0], dtype=torch.float64)
    if whole:
        cells = torch.arange(-1, 4, dtype=torch.float64)
        found = torch.stack([own.log_prob(cell[None]) for cell in cells]).exp().sum()
    else:
        x = torch.linspace(-2, 3, 4_001, dtype=torch.float64)
        found = torch.trapezoid(torch.stack([own.log_prob(part[None]) for part in x]).exp()[:, 0], x)
    assert (own.cdf(high) - own.cdf(low)).item() == pytest.approx(found.item(), rel=1e-5)
    there = 1 - (0 if own.missing() is None else own.missing().item())
    infinite = torch.tensor([math.inf], dtype=torch.float64)
    assert own.cdf(infinite).item() == pytest.approx(there)
    assert (own.cdf(low) + own.cdf(low, upper=True)).item() == pytest.approx(there)
    at = own.cdf(high) - own.cdf(high, strict=True)
    assert at.item() == pytest.approx(own.log_prob(high).exp().item() if whole else 0, abs=1e-12)


@pytest.mark.parametrize("head", NUMBERS.values(), ids=NUMBERS)
def test_restricted_draws_follow_the_distribution(head):
    """Of equally spaced noise, the share of draws below a value is the restricted distribution function there."""
    u = (torch.arange(2000, dtype=torch.float64) + 0.5) / 2000
    own = conditional_of(head, len(u))
    low, high = torch.tensor(-1.0, dtype=torch.float64), torch.tensor(2.0, dtype=torch.float64)
    x, mass = restricted_draw(own, Interval(low, high, False, True), u)
    total = own.cdf(high.expand(len(u)), strict=True) - own.cdf(low.expand(len(u)), strict=True)
    assert torch.allclose(mass, total.log()) and (x >= low - 1e-5).all() and (x < high).all()
    for place in (-0.5, 0.25, 1.0):
        value = torch.full_like(u, place)
        share = (own.cdf(value) - own.cdf(low.expand(len(u)), strict=True)) / total
        assert (x <= place + 1e-5).double().mean().item() == pytest.approx(share[0].item(), abs=1e-3)


def test_restricted_draws_far_out_keep_their_digits():
    own = conditional_of(Mixture(1, kernel="logistic"), 3)
    u = torch.tensor([0.1, 0.5, 0.9], dtype=torch.float64)
    for sign in (-1, 1):
        ends = sorted([sign * 500.0, sign * math.inf])
        x, mass = restricted_draw(own, Interval(*map(torch.tensor, ends), False, False), u)
        assert (sign * x >= 500).all() and len(x.unique()) == 3
        assert mass.isfinite().all() and (mass < -100).all()
    _, mass = restricted_draw(own, Interval(torch.tensor(1e9), torch.tensor(math.inf), False, False), u)
    assert mass.isneginf().all()


def test_restricted_draws_of_a_few_values():
    u = (torch.arange(1000, dtype=torch.float64) + 0.5) / 1000
    for head, values in ((Categorical(4), [0, 3]), (Bernoulli(1), [1]), (Mixture(2), [0.0, 1.5])):
        own = conditional_of(head, len(u))
        part = torch.tensor(values)
        x, mass = restricted_draw(own, Values(part), u)
        each = torch.stack([own.log_prob(value.expand(len(u))) for value in part]).exp()
        assert torch.allclose(mass.exp(), each.sum(0))
        share = (x == part[0]).double().mean().item()
        assert share == pytest.approx((each[0] / each.sum(0))[0].item(), abs=2e-3)


# --- draws under conditions ----------------------------------------------------------------------

CASES = {
    "first": ({"a": between(2, None)}, True),
    "known, then a range": ({"a": 2.0, "n": between(3, 8)}, None),
    "later set": ({"job in town": {"clerk", "x=1"}}, False),
    "two": ({"a": between(None, 1.5), "grade": {2, 3}}, False),
    "three": ({"n": between(4, 9), "a": between(0, None, above=True), "grade": 1}, False),
}


def holds(rows, parts):
    cells = [[part.holds(value) for value in rows[:, d].tolist()] for d, part in parts.items()]
    return torch.tensor(cells).all(0)


@pytest.mark.parametrize("name", ["made", "made-ensemble", "deep-nade"])
@pytest.mark.parametrize("case", CASES)
def test_draws_are_those_of_all_rows_that_meet_the_conditions(case, name):
    given, exact = CASES[case]
    extra = {"masks": 3, "orderings": 2} if name == "made-ensemble" else {}
    model = table_model(name, **extra)
    parts = parts_of(model.domain, given)
    drawn = sample_given(model, 1500, given, particles=16, generator=seeded(1))
    assert drawn.items.shape == (1500, 4) and holds(drawn.items, parts).all()
    # Of two ranges none can come first; a model of all orderings puts a single one there, an ensemble has several.
    assert (
        drawn.exact
        == {
            "made": exact is not False,
            "deep-nade": case not in ("two", "three"),
            "made-ensemble": False,
        }[name]
    )
    assert (
        drawn.candidates == 1500 * (1 if drawn.exact else 16) and 0 < drawn.effective < drawn.candidates + 0.1
    )
    if case == "known, then a range":  # a density at one value: nothing to filter
        return
    if name == "deep-nade":  # untrained, its orderings disagree
        single = sorted(parts, key=lambda d: len(parts[d].values or (1, 2)) > 1)
        (model,) = model.followed(torch.tensor(single))
    rows = model.sample(60_000, generator=seeded(2))
    kept = rows[holds(rows, parts)]
    share = len(kept) / len(rows)
    assert math.exp(drawn.log_prob) == pytest.approx(share, abs=5 * math.sqrt(share / len(rows)) + 0.003)
    for d in (0, 2, 3):
        ours, theirs = drawn.items[:, d], kept[:, d]
        cuts = theirs.quantile(torch.tensor([0.2, 0.5, 0.8], dtype=torch.float64))
        for cut in cuts:
            spread = 5 * math.sqrt(0.25 * (1 / len(kept) + 1 / 1500))
            share = (theirs <= cut).double().mean().item()
            assert (ours <= cut).double().mean().item() == pytest.approx(share, abs=spread)


def test_impossible_conditions_say_so():
    columns = (Column("a", "real"), Column("b", "real"))
    model = table_model(columns=columns)
    with pytest.raises(ChainruleError, match="impossible: the model gives probability 0 to b = "):
        sample_given(model, 3, {"b": between(1e30, None)}, generator=seeded())
    with pytest.raises(ChainruleError, match="no value of 'a'"):
        sample_given(model, 3, {"a": set()})


def test_draws_of_levels_and_of_a_class():
    model = cr.create_model("made", cr.Domain.categorical(4, 5), hidden=[8], classes=2).eval()
    drawn = sample_given(model, 50, {"1": [0, 4], "3": between(2, None)}, cond=1, generator=seeded())
    assert drawn.items.dtype == torch.int64 and not drawn.exact
    assert set(drawn.items[:, 1].tolist()) <= {0, 4} and drawn.items[:, 3].min() >= 2
    again = sample_given(model, 50, {"1": [0, 4], "3": between(2, None)}, cond=1, generator=seeded())
    assert torch.equal(drawn.items, again.items)
    with pytest.raises(ChainruleError, match="draws variable by variable"):
        sample_given(cr.create_model("realnvp", cr.Domain.vector(2)), 2, {"0": 1.0})


# --- one column from the others ------------------------------------------------------------------


@pytest.mark.parametrize("name", ["made", "deep-nade", "made-ensemble"])
def test_predicted_probabilities_are_bayes_rule(name):
    model = table_model(name, **({"masks": 3, "orderings": 2} if name == "made-ensemble" else {}))
    frame = pd.DataFrame({"a": [1.0, 2.5], "n": [3, 4], "grade": [1, 3]}, index=[7, 9])
    found = cr.predict_proba(model, frame, "job in town")
    assert list(found.columns) == ["clerk", "smith, free", "x=1"] and list(found.index) == [7, 9]
    rows = torch.tensor([[1, 3, k, 0] for k in range(3)], dtype=torch.float64)
    assert torch.allclose(
        torch.tensor(found.iloc[0].to_numpy()), model.log_prob(rows).double().softmax(0), atol=1e-6
    )
    best = cr.predict(model, frame, "job in town")
    assert best.name == "job in town" and best.tolist() == found.idxmax(axis=1).tolist()


def test_a_number_is_predicted_from_its_density():
    """A first column of a normal: the quantiles of a Gaussian mixture, whatever the grid."""
    model = table_model(columns=COLUMNS[:1], components=1, kernel="gaussian")
    x = torch.zeros(1, 1, dtype=torch.float64)
    found = posterior(model, x, 0)
    drawn = model.sample(200_000, generator=seeded())[:, 0]
    spread = drawn.std().item()
    assert found.probabilities.sum().item() == pytest.approx(1)
    assert found.mean().item() == pytest.approx(drawn.mean().item(), abs=0.02 * spread)
    for q in (0.05, 0.5, 0.9):
        assert found.quantile(q).item() == pytest.approx(drawn.quantile(q).item(), abs=0.03 * spread)


def test_whole_numbers_are_enumerated():
    model = table_model()
    frame = pd.DataFrame({"a": [2.0], "job in town": ["clerk"], "grade": [1]})
    found = cr.predict_proba(model, frame, "n")
    assert (np.diff(found.columns) == 1).all() and found.iloc[0].sum() == pytest.approx(1)
    drawn = sample_given(
        model, 4000, {"a": 2.0, "job in town": "clerk", "grade": 1}, generator=seeded()
    ).items[:, 1]
    assert cr.predict(model, frame, "n")[0] == pytest.approx(drawn.nanmedian().item(), abs=1)
    assert cr.predict(model, frame, "n", mean=True)[0] == pytest.approx(drawn.nanmean().item(), abs=0.5)


def test_predictions_refuse_in_one_line():
    model = table_model()
    frame = pd.DataFrame({"a": [2.0], "n": [1], "job in town": ["clerk"], "grade": [1]})
    for call, message in (
        (lambda: cr.predict(model, frame, "b"), "no column 'b'"),
        (lambda: cr.predict_proba(model, frame, "a"), "too many values"),
        (lambda: cr.predict(model, frame, "grade", mean=True), "categories"),
        (lambda: cr.predict(model, frame, "a", quantile=1.0), "in \\(0, 1\\)"),
        (lambda: cr.predict(cr.create_model("made", cr.Domain.binary(3)), frame, "a"), "model of a table"),
    ):
        with pytest.raises(ChainruleError, match=message):
            call()
