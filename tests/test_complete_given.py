"""Completions under conditions on the hidden cells, beside the known ones of each row."""

import pytest
import torch

import chainrule as cr
from chainrule.domain.column import Column
from chainrule.errors import ChainruleError
from chainrule.tasks import complete_given

COLUMNS = (
    Column("a", "categorical", tuple("xyz"), missing=True),
    Column("n", "number", step=1.0, lowest=0.0, highest=3.0),
    Column("b", "categorical", (False, True)),
)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    found = cr.create_model("made", cr.Domain.table(COLUMNS), hidden=[16], components=2).double().eval()
    with torch.no_grad():  # strong dependence
        for weights in found.network.parameters():
            weights.mul_(3)
    return found


def enumerated(model, holds):
    """p(row | condition) of all rows without a missing cell that meet it: rows (R, 3), probabilities (R,)."""
    values = [torch.arange(3.0), torch.arange(4.0), torch.arange(2.0)]
    rows = torch.cartesian_prod(*values).double()
    rows = rows[[holds(*row) for row in rows.tolist()]]
    return rows, model.log_prob(rows).softmax(0)


CASES = [
    # given, known columns, exact
    ({"n": cr.between(1, 2)}, (0,), True),  # after what is known, in the order of the model
    ({"a": ["x", "z"]}, (), True),
    ({"a": ["x", "z"]}, (1,), False),
    ({"n": cr.between(1, None), "b": [True]}, (0,), False),
]


@pytest.mark.parametrize(("given", "known", "exact"), CASES)
def test_draws_are_those_of_the_model_under_the_condition(model, given, known, exact):
    row = torch.tensor([[2.0, 1.0, 1.0]], dtype=torch.float64)
    mask = torch.tensor([[d in known for d in range(3)]])
    found = complete_given(model, row, mask, given, 2000, particles=16, generator=seeded())
    assert found.items.shape == (1, 2000, 3) and bool(found.exact[0]) == exact

    def holds(a, n, b):
        met = (
            given.get("n", cr.between(0, 3)).holds(n)
            and (a != 1 or "a" not in given)
            and (b or "b" not in given)
        )
        return met and all((a, n, b)[d] == row[0, d] for d in known)

    rows, expected = enumerated(model, holds)
    shares = (found.items[0][:, None] == rows).all(-1).double().mean(0)
    assert shares.sum() == pytest.approx(1)
    # Four standard errors of as many independent draws; candidates are few.
    slack = 4 * (expected * (1 - expected) / 2000).sqrt() + (0.0 if exact else 0.01)
    assert ((shares - expected).abs() <= slack).all()
    if exact:
        assert found.effective[0] == pytest.approx(2000)
    else:
        assert 1 <= found.effective[0] < found.candidates == 2000 * 16


def test_each_row_keeps_its_own_known_cells(model):
    x = torch.tensor([[0.0, 3.0, 1.0], [1.0, 0.0, 0.0], [2.0, 2.0, 1.0]], dtype=torch.float64)
    known = torch.tensor([[True, False, True], [False, False, False], [True, True, True]])
    items = complete_given(model, x, known, {"n": cr.between(2, None)}, 5, generator=seeded()).items
    assert (items[..., 1] >= 2).all() and not items.isnan().any()
    assert (items[0, :, [0, 2]] == x[0, [0, 2]]).all() and (items[2] == x[2]).all()
    again = complete_given(model, x, known, {"n": cr.between(2, None)}, 5, generator=seeded()).items
    assert torch.equal(items, again)


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ({"n": cr.between(2, None)}, "'n' is 1 in row 1, which the condition rules out"),
        ({"a": ["x", "y"]}, "'a' is z in row 0, which the condition rules out"),
        ({"q": 1}, "no column 'q'"),
    ],
)
def test_known_cells_that_contradict(model, given, match):
    x = torch.tensor([[2.0, 3.0, 1.0], [0.0, 1.0, 1.0]], dtype=torch.float64)
    with pytest.raises(ChainruleError, match=match):
        complete_given(model, x, torch.tensor([True, True, False]), given)


def test_models_without_conditionals_are_refused():
    model = cr.create_model("nice", cr.Domain.vector(2))
    with pytest.raises(ChainruleError, match="draws variable by variable"):
        complete_given(model, torch.zeros(1, 2), torch.tensor([True, False]), {"1": cr.between(0, 1)})
