"""The readings of training rows are kept while a model is trained, and are those of a reading each time."""

import copy

import pytest
import torch

import chainrule as cr
from chainrule.data import Data
from chainrule.domain import Column, Domain
from chainrule.layers.numbers import remembered
from chainrule.layers.numbers.marginal_map import MarginalMap

COLUMNS = (
    Column("job", "categorical", categories=("a", "b", "c")),
    Column("spend", "number", step=0.01, points=(0.0,), lowest=0.0, missing=True),
    Column("price", "number", step=0.01, lattices=((1.0, 0.99),), lowest=0.0),
    Column("share", "number", lowest=0.0, highest=1.0),
)
SIZES = {"hidden": [8, 8], "components": 3}


def rows(n=60, seed=0):
    """Rows with zeros, gaps and prices that end in .99."""
    u = torch.rand(n, 4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    spend = torch.where(u[:, 1] < 0.3, 0.0, (10 * u[:, 1]).round(decimals=2))
    spend[::7] = torch.nan
    price = torch.where(u[:, 2] < 0.6, (9 * u[:, 2]).floor() + 0.99, (9 * u[:, 2]).round(decimals=2))
    return torch.stack([(3 * u[:, 0]).floor(), spend, price, u[:, 3]], dim=1)


def prepared(name):
    model = cr.create_model(name, Domain.table(COLUMNS), **SIZES)
    model.prepare(rows())
    return model.eval()


@pytest.fixture
def reads(monkeypatch):
    """The number of times that a map is computed, in a list."""
    calls, own = [], MarginalMap.forward
    monkeypatch.setattr(MarginalMap, "forward", lambda self, *given: calls.append(1) or own(self, *given))
    return calls


@pytest.mark.parametrize("name", ["made", "deep-nade"])
def test_rows_that_are_remembered_are_scored_as_others(name, reads):
    model = prepared(name)
    trained = copy.deepcopy(model)
    trained.remember(rows()[:40], rows()[40:])
    for seed in (0, 1):  # those of seed 1 were never seen
        reads.clear()
        found = trained.valid_loss(rows(seed=seed))
        computed = len(reads)
        torch.testing.assert_close(found, model.valid_loss(rows(seed=seed)), rtol=1e-6, atol=1e-6)
        assert (computed == 0) == (seed == 0)


def test_gradients_are_the_same():
    model = prepared("made")
    trained = copy.deepcopy(model)
    trained.remember(rows())
    for own in (model, trained):
        own.loss(rows()).sum().backward()
    for one, other in zip(model.parameters(), trained.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-5, atol=1e-6)


def test_nothing_is_kept_of_too_many_rows_or_by_the_model_that_is_fitted(monkeypatch, reads):
    model, x = prepared("made"), rows()
    before = list(model.state_dict())
    cr.fit(model, Data("rows", x, x, x, model.domain), epochs=1, progress=False)
    assert list(model.state_dict()) == before and model.head.numbers._remembered is None
    monkeypatch.setattr(remembered, "MOST", 10)
    model.remember(x)
    reads.clear()
    model.loss(x)
    assert reads
