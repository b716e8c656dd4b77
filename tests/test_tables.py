"""Tables: codes of cells, columns, what files keep of them, and what a missing cell means."""

import json

import pytest
import torch

import chainrule as cr
from chainrule import __version__
from chainrule.domain.column import Column
from chainrule.layers import Cells
from chainrule.models import load_model, save_model
from chainrule.models.base.capabilities import Marginalises

COLUMNS = (
    Column("text", "categorical", ("b", "ä", "1"), missing=True),
    Column("flag", "categorical", (False, True)),
    Column("number", "categorical", (-1, 7, 10**12)),
    Column("wide", "categorical", tuple(range(100)), missing=True),
    Column("count", "integer", missing=True),
    Column("size", "real", missing=True),
    Column("whole", "integer"),
)
DOMAIN = cr.Domain.table(COLUMNS)
MODELS = {
    "made": {"hidden": [8, 8]},
    "nade": {"hidden": 8},
    "fvsbn": {},
    "deep-nade": {"hidden": [8, 8]},
    "eonade": {"hidden": [8, 8], "orderings": 2},
    "made-ensemble": {"hidden": [8, 8], "masks": 2, "orderings": 2},
    "made-committee": {"hidden": [8, 8], "members": 2, "orderings": 2},
}


def rows(n=12):
    generator = torch.Generator().manual_seed(0)
    levels = [len(c.categories) or 50 for c in COLUMNS]
    x = (torch.rand(n, len(COLUMNS), generator=generator, dtype=torch.float64) * torch.tensor(levels)).floor()
    x[:, 5] = torch.randn(n, generator=generator, dtype=torch.float64)
    gaps = torch.rand(n, len(COLUMNS), generator=generator) < 0.3
    return torch.where(gaps & torch.tensor([c.missing for c in COLUMNS]), torch.nan, x)


def build(name, domain=DOMAIN):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = cr.create_model(name, domain, **MODELS[name])
    return model.eval()


# --- domains and columns ------------------------------------------------------------------------------


def test_json_keeps_the_types_of_categories():
    back = cr.Domain.from_json(json.loads(json.dumps(DOMAIN.to_json())))
    assert back == DOMAIN
    for ours, theirs in zip(back.columns, COLUMNS, strict=True):
        assert [type(value) for value in ours.categories] == [type(value) for value in theirs.categories]


@pytest.mark.parametrize("name", MODELS)
def test_model_files_keep_columns_and_numbers(name, tmp_path):
    model, x = build(name), rows()
    model.prepare(x)
    save_model(model, tmp_path, version=__version__)
    again = load_model(tmp_path)
    assert again.domain.columns == COLUMNS
    assert [type(value) for c in again.domain.columns for value in c.categories] == [
        type(value) for c in COLUMNS for value in c.categories
    ]
    assert torch.equal(again.log_prob(x), model.log_prob(x))


@pytest.mark.parametrize(
    "fields, match",
    [
        (
            {"kind": "ordinal"},
            "column 'a': expected one of categorical, number, integer, real, got 'ordinal'",
        ),
        ({"kind": "categorical"}, "column 'a': expected categories .* got categorical with 0"),
        ({"kind": "real", "categories": (1, 2)}, "column 'a': expected categories .* got real with 2"),
        ({"kind": "categorical", "categories": ("x", "x")}, "column 'a': expected categories that differ"),
    ],
)
def test_columns_that_cannot_be(fields, match):
    with pytest.raises(cr.errors.DomainError, match=match):
        Column("a", **fields)


def test_domains_that_cannot_be():
    with pytest.raises(cr.errors.DomainError, match="columns: expected names that differ"):
        cr.Domain.table([Column("a"), Column("a")])
    with pytest.raises(cr.errors.DomainError, match="columns: expected them for a table"):
        cr.Domain((2,), None, "table")
    with pytest.raises(cr.errors.DomainError, match="columns: expected them for a table"):
        cr.Domain((1,), None, "vector", (Column("a"),))


@pytest.mark.parametrize(
    "column, value, match",
    [
        (0, 3.0, r"column 'text': expected a code in \[0, 3\), got 3.0 in row 1"),
        (0, 0.5, r"column 'text': expected a code in \[0, 3\), got 0.5 in row 1"),
        (1, -1.0, r"column 'flag': expected a code in \[0, 2\), got -1.0 in row 1"),
        (1, torch.nan, "column 'flag': .* got nan in row 1; the column has no missing cells"),
        (4, 0.5, "column 'count': expected a whole number, got 0.5 in row 1"),
        (5, torch.inf, "column 'size': expected a finite number, got inf in row 1"),
    ],
)
def test_cells_out_of_the_domain(column, value, match):
    x = rows()
    x[1, column] = value
    with pytest.raises(cr.errors.DomainError, match=match):
        build("made").log_prob(x)


def test_without_gaps():
    full = DOMAIN.without_gaps()
    assert not any(column.missing for column in full.columns)
    assert [column.name for column in full.columns] == [column.name for column in COLUMNS]
    assert cr.Domain.binary(3).without_gaps() == cr.Domain.binary(3)
    with pytest.raises(cr.errors.DomainError, match="the column has no missing cells"):
        full.check(rows())


# --- codes --------------------------------------------------------------------------------------------


def test_codes_of_cells():
    code = Cells([3, 0, 0], [False, True, False])
    x = torch.tensor([[2.0, torch.nan, -3.0], [0.0, 2.0, 0.0]])[..., None]
    expected = [
        [[0, 0, 1, 1, 0], [0, 0, 0, 0, 1], [0, 0, 0, -1.8184464, 0]],
        [[1, 0, 0, 0, 0], [0, 0, 0, 1.4436355, 0], [0, 0, 0, 0, 0]],
    ]
    torch.testing.assert_close(code(x), torch.tensor(expected))
    assert code.channels == 5


def test_columns_of_many_categories_have_learned_vectors_of_their_own():
    code = Cells([65, 3, 100], [False] * 3)
    assert code.vectors.weight.shape == (165, 64)
    x = torch.tensor([[64.0, 2.0, 0.0], [0.0, 1.0, 99.0]])[..., None]
    coded = code(x)[..., :64]
    table = code.vectors.weight
    for row, column, place in ((0, 0, 64), (1, 0, 0), (0, 2, 65), (1, 2, 164)):
        assert torch.equal(coded[row, column], table[place])
    assert coded[:, 1].sum(-1).tolist() == [1, 1] and coded[0, 1, 2] == 1 and coded[1, 1, 1] == 1
    for t in range(3):
        assert torch.equal(code.at(x[:, t], torch.tensor(t)), code(x)[:, t])
    coded.sum().backward()
    assert table.grad.abs().sum(1).nonzero().flatten().tolist() == [0, 64, 65, 164]


@pytest.mark.parametrize("name", ["made", "nade", "deep-nade", "made-ensemble"])
def test_many_categories_are_a_distribution(name):
    domain = cr.Domain.table(
        [Column("k", "categorical", tuple(range(70)), missing=True), Column("b", "categorical", "xy")]
    )
    model = build(name, domain).double()
    codes = torch.arange(70.0).double()
    if not isinstance(model, Marginalises):
        codes = torch.cat([codes, torch.tensor([torch.nan])])
    x = torch.cartesian_prod(codes, torch.arange(2.0).double())
    assert model.log_prob(x).exp().sum().item() == pytest.approx(1, abs=1e-9)
    assert (model.sample(500)[:, 0].nan_to_num() < 70).all()


# --- missing cells ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["made", "nade", "fvsbn"])
def test_a_missing_cell_is_an_outcome_with_a_probability(name):
    model = build(name).double()
    x = rows(1)
    x[0, 0] = x[0, 3] = x[0, 4] = x[0, 5] = torch.nan
    terms = model.log_prob(x, reduce=False)[0]
    assert (terms[[0, 3, 4, 5]] < 0).all()
    several = x.repeat(4, 1)
    several[:3, 0] = torch.arange(3)
    first = model.log_prob(several, reduce=False)[:, 0]
    assert first.exp().sum().item() == pytest.approx(1, abs=1e-10)


@pytest.mark.parametrize("name", ["made", "made-ensemble", "deep-nade"])
def test_completion_fills_gaps_with_values(name):
    model, x = build(name), rows()
    drawn = model.complete(x, ~x.isnan(), 3, torch.Generator().manual_seed(0), particles=4)
    assert not drawn.isnan().any()
    assert torch.equal(
        torch.where(x.isnan()[:, None], 0, drawn), torch.where(x.isnan(), 0, x)[:, None].expand_as(drawn)
    )
    DOMAIN.without_gaps().check(drawn.flatten(0, 1))


@pytest.mark.parametrize("temperature", [0.0, 0.5])
@pytest.mark.parametrize("name", MODELS)
def test_colder_draws_are_rows_of_the_table(name, temperature):
    DOMAIN.check(build(name).sample(20, temperature=temperature))


@pytest.mark.parametrize("options", [{"top_k": 1}, {"top_p": 0.5}])
@pytest.mark.parametrize("name", MODELS)
def test_numbers_have_no_ranks(name, options):
    with pytest.raises(
        cr.errors.ChainruleError,
        match="top_k, top_p: expected a discrete model, got one with numbers",
    ):
        build(name).sample(3, **options)


@pytest.mark.parametrize("name", MODELS)
def test_single_precision_and_strides_do_not_matter(name):
    model, x = build(name), rows().float().double()
    expected = model.log_prob(x)
    torch.testing.assert_close(model.log_prob(x.float()), expected)
    torch.testing.assert_close(model.log_prob(x.T.contiguous().T), expected)
    assert model.sample(2).dtype == torch.float64
