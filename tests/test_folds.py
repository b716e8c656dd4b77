"""Ten folds of a small table, and what a floor under scales does to a likelihood."""

import math

import pytest
import torch

import chainrule as cr
from chainrule.domain.column import Column
from chainrule.reproduce.folds import folds, mean_of_folds
from chainrule.tasks.density_floor import FLOORS, floored, nats_by_floor

SPREAD = torch.tensor([1e-3, 1.0, 5e4])


def vectors(rows=103):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(rows, 3, generator=generator, dtype=torch.float64) * SPREAD + 7
    return cr.Data("x", x[:80], x[80:90], x[90:], cr.Domain.vector(3))


def test_each_row_is_tested_once():
    data = vectors()
    every = torch.cat([data.train, data.valid, data.test])
    tested = []
    for fold, _ in folds(data):
        parts = [fold.train, fold.valid, fold.test]
        assert sum(map(len, parts)) == len(every)
        whole = torch.cat(parts).double()
        # The fold's units are an affine map of each column, found from the two ends.
        scale = (every.amax(0) - every.amin(0)) / (whole.amax(0) - whole.amin(0))
        tested.append((fold.test.double() - whole.amin(0)) * scale + every.amin(0))
        back = (whole - whole.amin(0)) * scale + every.amin(0)
        order = [rows[:, 1].argsort() for rows in (back, every)]
        torch.testing.assert_close(back[order[0]] / SPREAD, every[order[1]] / SPREAD, rtol=0, atol=1e-2)
    assert len(tested) == 10
    rows, expected = (torch.sort(column[:, 1]).values for column in (torch.cat(tested), every))
    torch.testing.assert_close(rows, expected, rtol=0, atol=1e-5)


def test_the_training_part_alone_gives_the_units():
    for fold, jacobian in folds(vectors()):
        assert fold.train.dtype == torch.float32
        torch.testing.assert_close(fold.train.mean(0), torch.zeros(3), rtol=0, atol=1e-5)
        torch.testing.assert_close(fold.train.std(0), torch.ones(3), rtol=0, atol=1e-5)
        assert fold.test.mean(0).abs().max() > 1e-3
        assert jacobian == pytest.approx(SPREAD.log().sum().item(), abs=0.5)


def test_the_jacobian_takes_nats_back_to_the_users_units():
    """The normal of the training part, in its units and in the user's."""
    data = vectors()
    every = torch.cat([data.train, data.valid, data.test])
    every = every[torch.randperm(len(every), generator=torch.Generator().manual_seed(0))]
    fold, jacobian = next(iter(folds(data)))
    test = every[torch.arange(len(every)) % 10 == 0]
    rest = every[torch.arange(len(every)) % 10 != 0]
    train = rest[torch.arange(len(rest)) % 10 != 0]
    own = torch.distributions.Normal(train.mean(0), train.std(0)).log_prob(test).sum(1).mean()
    standard = torch.distributions.Normal(0.0, 1.0).log_prob(fold.test).sum(1).mean()
    assert own.item() == pytest.approx(standard.item() - jacobian, abs=1e-4)


def test_other_data_have_no_folds():
    bits = torch.zeros(30, 3, dtype=torch.uint8)
    with pytest.raises(cr.errors.ChainruleError, match="folds: expected vectors of reals"):
        next(iter(folds(cr.Data("bits", bits, bits, bits, cr.Domain.binary(3)))))


def test_mean_over_folds():
    assert mean_of_folds([1.0, 2.0, 3.0]) == {"nats": 2.0, "nats_se": pytest.approx(1 / math.sqrt(3))}


# --- floors -------------------------------------------------------------------------------------------


def single_normal(log_scale, scale=3.0):
    """One variable, N(0, (scale · e^log_scale)²)."""
    model = cr.create_model("rnade", cr.Domain.vector(1), hidden=2, components=1).double().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        model.network.out_bias[0, 1] = log_scale
    model.units.scale.fill_(scale)
    return model


def test_a_repeated_value_owes_its_nats_to_the_floor():
    """log p(0) = -log(floor · scale) - ½ log 2π: a hundred times the floor costs log 100."""
    nats = nats_by_floor(single_normal(-50.0), torch.zeros(5, 1, dtype=torch.float64))
    assert list(nats) == [f"{floor:g}" for floor in FLOORS]
    assert list(nats.values()) == sorted(nats.values())
    for floor, value in nats.items():
        # The head's own floor is e^-7 = 9.12e-4.
        assert value == pytest.approx(math.log(float(floor) * 3) + 0.5 * math.log(2 * math.pi), abs=1e-3)


def test_wide_densities_owe_it_nothing():
    x = torch.randn(50, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    model = single_normal(math.log(0.2))
    assert set(nats_by_floor(model, x).values()) == {-model.log_prob(x).mean().item()}


def test_floors_are_lifted_again_and_need_densities():
    model = cr.create_model("rnade", cr.Domain.vector(2)).eval()
    with pytest.raises(RuntimeError), floored(model, 0.1):
        assert model.head.floor == math.log(0.1)
        raise RuntimeError
    assert model.head.floor == -7.0
    assert (
        nats_by_floor(cr.create_model("made", cr.Domain.binary(3)), torch.zeros(2, 3, dtype=torch.int64))
        == {}
    )
    whole = cr.create_model("nade", cr.Domain.table([Column("n", "integer")]))
    assert nats_by_floor(whole, torch.zeros(2, 1, dtype=torch.float64)) == {}
