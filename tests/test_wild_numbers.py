"""Columns that are constant, repeated, tiny, huge or wild: training, scores and draws stay finite."""

import pytest
import torch

import chainrule as cr
from chainrule.domain.column import Column
from chainrule.models.parts.standardise import Units

SMALL = {
    "rnade": {"hidden": 8},
    "made": {"hidden": [8, 8]},
    "nade": {"hidden": 8},
    "deep-nade": {"hidden": [8, 8]},
}
TABLE = cr.Domain.table(
    [
        Column("constant", "real"),
        Column("same category", "categorical", ("a",)),
        Column("same number", "integer"),
        Column("wild", "real", missing=True),
        Column("wild number", "integer", missing=True),
        Column("tiny", "real"),
        Column("huge", "real"),
        Column("huge number", "integer"),
    ]
)


def reals(rows):
    """Float64 (rows, 6): constant, repeated, with an outlier a million scales out, tiny, huge, and huge but alike."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(rows, 6, generator=generator, dtype=torch.float64)
    x[:, 0] = 0.1
    x[:, 1] = (x[:, 1] > 0).double()
    x[0, 2] = 1e6
    x[:, 3] *= 1e-12
    x[:, 4] *= 1e12
    x[:, 5] = 1e12 + x[:, 5]
    return x[torch.arange(rows) // 2]  # each row twice


def table(rows):
    x = reals(rows)
    cells = torch.stack(
        [x[:, 0], 0 * x[:, 0], 0 * x[:, 0] + 7, x[:, 2], x[:, 2].round(), x[:, 3], x[:, 4]], dim=1
    )
    cells[1::3, 3:5] = torch.nan
    return torch.cat([cells, x[:, 4:5].round()], dim=1)


def data(x, domain):
    return cr.Data("wild", x, x[:5], x[:5], domain)


def fitted(name, x, domain, **options):
    torch.manual_seed(0)
    model = cr.create_model(name, domain, **SMALL[name])
    if model.trials(len(x)):
        model = cr.create_model(name, domain, dropout=0.2, **SMALL[name])
    return cr.fit(model, data(x, domain), progress=False, **{"epochs": 2, **options})


def assert_sound(run, x):
    assert all(
        torch.isfinite(torch.tensor([row["train_nats"], row["valid_nats"]])).all() for row in run.metrics
    )
    assert all(torch.isfinite(tensor).all() for tensor in run.model.state_dict().values())
    assert torch.isfinite(run.model.log_prob(x)).all()
    drawn = run.model.sample(50, generator=torch.Generator().manual_seed(0))
    run.model.domain.check(drawn)


@pytest.mark.parametrize("options", [{}, {"batch_size": 1}], ids=["batches", "one row a batch"])
@pytest.mark.parametrize("name", SMALL)
def test_vectors(name, options):
    x = reals(20)
    assert_sound(fitted(name, x, cr.Domain.vector(6), **options), x)


@pytest.mark.parametrize("options", [{}, {"batch_size": 1}], ids=["batches", "one row a batch"])
@pytest.mark.parametrize("name", ["made", "nade", "deep-nade"])
def test_tables(name, options):
    x = table(20)
    assert_sound(fitted(name, x, TABLE, **options), x)


@pytest.mark.parametrize("name", SMALL)
def test_a_single_row_to_train_on(name):
    assert_sound(fitted(name, reals(1), cr.Domain.vector(6)), reals(10))


@pytest.mark.parametrize("name", ["made", "nade", "deep-nade"])
def test_a_single_row_of_a_table(name):
    assert_sound(fitted(name, table(1), TABLE), table(10))


@pytest.mark.parametrize("value", [0.1, 0.3, 1e12, -1e30, 0.0, 1e-40])
def test_a_constant_is_near_zero_in_its_units(value):
    x = torch.full((37, 1), value, dtype=torch.float64)
    units = Units(cr.Domain.vector(1))
    units.fit(x)
    assert units.standardise(x, torch.float32).abs().max() <= 1
    assert units.scale > 1e-37


def test_a_spread_too_narrow_for_single_precision_is_near_zero_too():
    x = 1e12 + torch.randn(100, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    units = Units(cr.Domain.vector(1))
    units.fit(x)
    assert units.standardise(x, torch.float32).abs().max() <= 1.1


@pytest.mark.parametrize("wild", [1e60, 1e-60])
def test_sizes_beyond_single_precision_are_refused_or_finite(wild):
    x = wild * torch.randn(9, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    units = Units(cr.Domain.vector(1))
    if wild > 1:
        with pytest.raises(cr.errors.DomainError, match=r"variable 0: expected numbers below 3e\+38"):
            units.fit(x)
    else:
        units.fit(x)
        assert torch.isfinite(units.standardise(x, torch.float32)).all()
        assert torch.isfinite(units.log_jacobian()).all()


# --- the user's scale ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SMALL)
def test_a_rescaled_column_changes_log_prob_by_the_logarithm(name):
    x = torch.randn(64, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    factors = torch.tensor([1e-9, 1.0, 1e9], dtype=torch.float64)
    domain = cr.Domain.vector(3)
    plain, scaled = (fitted(name, y, domain).model for y in (x, x * factors))
    torch.testing.assert_close(scaled.log_prob(x * factors), plain.log_prob(x), rtol=0, atol=1e-3)
    one = torch.tensor([1.0, 1000.0, 1.0], dtype=torch.float64)
    scaled = fitted(name, x * one, domain).model
    expected = plain.log_prob(x) - one.log().sum()
    torch.testing.assert_close(scaled.log_prob(x * one), expected, rtol=0, atol=1e-3)


@pytest.mark.parametrize("name", ["made", "nade", "deep-nade"])
def test_whole_numbers_have_probabilities_in_any_scale(name):
    domain = cr.Domain.table([Column("n", "integer"), Column("m", "integer", missing=True)])
    x = torch.randint(-40, 40, (64, 2), generator=torch.Generator().manual_seed(1)).double()
    x[::5, 1] = torch.nan
    x[:, 0] *= 10
    model = fitted(name, x, domain).model.double()
    terms = model.log_prob(x, reduce=False)
    assert (terms <= 0).all()
    every = torch.stack([torch.arange(-20_000.0, 20_001.0), torch.zeros(40_001)], dim=1).double()
    first = model.log_prob(every, reduce=False)[:, 0]
    assert first.exp().sum().item() == pytest.approx(1, abs=1e-6)


def test_the_gaussian_follows_the_scales_of_columns():
    factors = torch.tensor([1e-9, 1.0, 1e9], dtype=torch.float64)
    x = (
        torch.randn(500, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64) * factors
        + 3 * factors
    )
    model = cr.create_model("gaussian", cr.Domain.vector(3), ridge=0.0).double()
    model.estimate(x)
    scaled = torch.distributions.MultivariateNormal(
        (x / factors).mean(0), torch.cov((x / factors).T, correction=0)
    )
    expected = scaled.log_prob(x / factors) - factors.log().sum()
    torch.testing.assert_close(model.log_prob(x), expected, rtol=0, atol=1e-4)
    drawn = model.sample(5000, generator=torch.Generator().manual_seed(0)) / factors
    torch.testing.assert_close(drawn.mean(0), torch.full((3,), 3.0).double(), rtol=0, atol=0.2)
    torch.testing.assert_close(drawn.std(0), torch.ones(3).double(), rtol=0, atol=0.1)
