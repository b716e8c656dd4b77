"""Number columns: maps fitted to their marginals, points, grids, lattices and ends."""

import math

import pytest
import torch

import chainrule as cr
from chainrule.data import Data
from chainrule.domain import Column, Domain
from chainrule.errors import ChainruleError
from chainrule.heads import NumberHead
from chainrule.layers.numbers.curve import KNOTS
from chainrule.layers.numbers.fit_curve import fit_curve
from chainrule.layers.numbers.marginal_map import MarginalMap
from chainrule.layers.numbers.numbers import Numbers
from chainrule.models.parts.marginals import unseen
from chainrule.tasks.blame import blame
from chainrule.tasks.density_floor import nats_by_floor
from chainrule.testing import check_head

ROWS, DRAWN = 4000, 10_000


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def uniform(n, seed=0):
    return torch.rand(n, generator=generator(seed), dtype=torch.float64)


def normal(n, seed=0):
    return torch.randn(n, generator=generator(seed), dtype=torch.float64)


def number(**support):
    return Column("x", "number", **support)


def marginal(column, values):
    """The model of one column by itself."""
    model = cr.create_model("independent", Domain.table([column]))
    model.estimate(values[:, None])
    return model.eval()


def drawn(model):
    return model.sample(DRAWN, generator=generator(1))[:, 0]


@torch.no_grad()
def nats(model, values):
    return -model.log_prob(values[:, None]).mean().item()


# --- right values --------------------------------------------------------------------------------


def test_zeros_are_drawn_as_often_as_they_are_and_nothing_below():
    values = torch.where(uniform(ROWS) < 0.7, 0.0, (3 * normal(ROWS, 1)).exp())
    samples = drawn(marginal(number(points=(0.0,), lowest=0.0), values))
    assert (samples == 0).double().mean().item() == pytest.approx(
        (values == 0).double().mean().item(), abs=0.015
    )
    assert (samples >= 0).all()


def test_a_constant_column_is_drawn_constant():
    model = marginal(number(points=(5.0,)), torch.full((ROWS,), 5.0, dtype=torch.float64))
    assert (drawn(model) == 5).all()
    assert -50 < model.log_prob(torch.tensor([[7.0]], dtype=torch.float64)).item() < -10


@pytest.mark.parametrize("lowest, highest", [(0.0, 100.0), (0.0, 1.0)])
def test_ends_are_never_left(lowest, highest):
    values = lowest + (highest - lowest) * torch.sigmoid(2 * normal(ROWS))
    samples = drawn(marginal(number(lowest=lowest, highest=highest), values))
    assert ((samples >= lowest) & (samples <= highest)).all()
    assert samples.std().item() == pytest.approx(values.std().item(), rel=0.05)


def test_prices_that_end_in_99_are_drawn_in_their_share():
    whole, other = (20 * -uniform(ROWS, seed).log() for seed in (0, 1))
    cents = torch.where(uniform(ROWS, 2) < 0.7, whole.floor() * 100 + 99, (other * 100).round())
    model = marginal(number(step=0.01, lattices=((1.0, 0.99),), lowest=0.0), cents / 100)
    samples = drawn(model)
    again = (samples * 100).round()
    assert torch.equal(samples, again / 100)  # the decimals of the file, to the last bit
    share = (cents % 100 == 99).double().mean().item()
    assert (again % 100 == 99).double().mean().item() == pytest.approx(share, abs=0.02)


def test_modes_seven_orders_of_magnitude_apart_cost_what_the_truth_does():
    narrow = uniform(2 * ROWS) < 0.8
    values = normal(2 * ROWS, 1) * torch.where(narrow, 1e-4, 1e3)
    train, test = values.split(ROWS)
    terms = [
        math.log(share) + torch.distributions.Normal(0.0, scale).log_prob(test)
        for share, scale in ((0.8, 1e-4), (0.2, 1e3))
    ]
    truth = -torch.logaddexp(*terms).mean().item()
    assert truth - 0.02 < nats(marginal(number(), train), test) < truth + 0.12


def test_a_small_deviation_far_from_zero():
    values = 1.7e9 + normal(ROWS)
    model = marginal(number(), values)
    assert drawn(model).std().item() == pytest.approx(1, abs=0.05)
    assert nats(model, 1.7e9 + normal(ROWS, 1)) == pytest.approx(
        0.5 * math.log(2 * math.pi * math.e), abs=0.04
    )


def test_a_heavy_tail():
    samples = drawn(marginal(number(lowest=1.0), uniform(ROWS) ** (-1 / 1.5)))
    truth = 0.001 ** (-1 / 1.5)
    assert truth / 2 < samples.quantile(0.999) < 2 * truth


def test_a_rare_level_is_drawn_as_often_as_it_is():
    codes = torch.zeros(50_000, dtype=torch.float64)
    codes[:40] = 1
    for column in (Column("x", "categorical", ("a", "b")), number(step=1.0, points=(0.0,), lowest=0.0)):
        share = (drawn(marginal(column, codes)) == 1).double().mean().item()
        assert 0.0004 <= share <= 0.0016


def test_a_net_draws_the_marginals_and_learns_what_they_depend_on():
    age = (40 + 12 * normal(ROWS)).round().clamp(17, 90)
    spent = torch.where(
        uniform(ROWS, 1) < torch.sigmoid((age - 40) / 5), 0.0, (age / 20 + normal(ROWS, 2) / 2).exp()
    )
    rows = torch.stack([age, spent], dim=1)
    columns = [
        Column("age", "number", step=1.0, lowest=17.0, highest=90.0),
        Column("spent", "number", points=(0.0,), lowest=0.0),
    ]
    domain = Domain.table(columns)
    model = cr.create_model("made", domain, hidden=[16], components=2, dropout=0.0)
    torch.manual_seed(0)
    data = Data("shop", rows[:3000], rows[3000:3500], rows[3500:], domain)
    cr.fit(model, data, epochs=4, batch_size=100, lr=2e-2, progress=False, device="cpu")
    alone = cr.create_model("independent", domain)
    alone.estimate(rows[:3000])
    with torch.no_grad():
        gained = (model.log_prob(rows[3500:]) - alone.log_prob(rows[3500:])).mean()
    assert gained > 0.3
    samples = model.sample(DRAWN, generator=generator())
    assert (samples[:, 1] == 0).double().mean().item() == pytest.approx(
        (spent == 0).double().mean().item(), abs=0.03
    )
    assert torch.equal(samples[:, 0], samples[:, 0].round()) and (samples[:, 1] >= 0).all()


# --- maps ----------------------------------------------------------------------------------------

SHAPES = {
    "normal": (number(), normal(ROWS)),
    "few": (number(), normal(7)),
    "one": (number(), torch.tensor([3.0]).double()),
    "none": (number(points=(1.0,)), torch.zeros(0).double()),
    "constant": (number(), torch.full((50,), 1e6).double()),
    "ties": (number(), normal(ROWS).mul(2).round()),
    "far": (number(), 1.7e9 + normal(ROWS)),
    "modes": (number(), normal(ROWS) * torch.where(uniform(ROWS, 1) < 0.8, 1e-4, 1e3)),
    "heavy": (number(lowest=0.0), uniform(ROWS) ** -2),
    "interval": (number(lowest=0.0, highest=1.0), uniform(ROWS)),
    "at its end": (number(lowest=0.0), torch.zeros(50).double()),
    "ages": (number(step=1.0, lowest=0.0), (40 + 15 * normal(ROWS)).round().clamp(min=0)),
    "two": (number(step=1.0), (uniform(ROWS) < 0.5).double()),
    "gap": (number(step=1.0), torch.tensor([0.0, 1.0, 2.0] * 33 + [7.0]).double()),
}


@pytest.mark.parametrize("name", SHAPES)
def test_a_map_rises_and_returns(name):
    column, values = SHAPES[name]
    curve = fit_curve(values, column)
    assert len(curve.x) <= KNOTS and (curve.slope > 0).all()
    assert (curve.x.diff() > 0).all() and (curve.z.diff() > 0).all()
    a_map, own = MarginalMap(1), torch.tensor([0])
    a_map.keep(0, curve)
    z = torch.linspace(-8, 8, 2001, dtype=torch.float64)[:, None]
    x = a_map.inverse(z, own)
    again, log_slope = a_map(x, own)
    assert (x.diff(dim=0) >= 0).all() and log_slope.isfinite().all()
    # As well as the last digits of x allow.
    lost = 1e-6 + 8 * (x.abs() + curve.x.abs().max()) * torch.finfo(x.dtype).eps * log_slope.exp()
    assert ((again - z).abs() <= lost).all()


@pytest.mark.parametrize("name", ["normal", "heavy", "interval", "modes"])
def test_the_slope_is_that_of_the_map(name):
    column, values = SHAPES[name]
    a_map, own = MarginalMap(1), torch.tensor([0])
    a_map.keep(0, fit_curve(values, column))
    x = values.sort().values[20:-20:50, None]
    _, log_slope = a_map(x, own)
    h = 1e-6 * (-log_slope).exp()
    rise = (a_map(x + h, own)[0] - a_map(x - h, own)[0]) / (2 * h)
    assert torch.allclose(rise.log(), log_slope, atol=1e-3)


def test_a_cast_leaves_maps_in_double_precision():
    model = marginal(number(), 1.7e9 + normal(ROWS))
    before = drawn(model)
    assert torch.allclose(drawn(model.to(torch.bfloat16).float()), before, rtol=1e-8)
    assert model.head.numbers.map.knots.dtype == torch.float64


# --- likelihoods ---------------------------------------------------------------------------------


def test_what_lies_beyond_an_end_is_scored_and_falls_off_slowly():
    model = marginal(number(lowest=0.0, highest=1.0), uniform(ROWS))
    x = torch.tensor([0.0, 1.0, 1.5, -3.0, 1e9], dtype=torch.float64)
    found = model.log_prob(x[:, None]).tolist()
    assert found[0] > -9 and found[1] > -9  # at an end is inside
    assert -20 < found[2] < -13 and -25 < found[3] < found[2] and -80 < found[4] < found[3]


def test_a_grid_beyond_its_ends_sums_to_one():
    model = marginal(
        number(step=0.5, lattices=((2.0, 0.5),), points=(1.0,), lowest=0.0, highest=5.0),
        (uniform(ROWS) * 11).floor() / 2,
    ).double()
    x = torch.arange(-40_000, 40_000, dtype=torch.float64)[:, None] / 2
    assert model.log_prob(x).exp().sum().item() == pytest.approx(1, abs=1e-9)
    assert model.log_prob(x[80_000 // 2 : 80_000 // 2 + 11]).exp().sum().item() == pytest.approx(1, abs=2e-6)


def test_fine_grids_lose_no_digits():
    values = (uniform(ROWS) * 1e12).floor()
    cents = marginal(number(step=1.0, lowest=0.0), values)
    assert nats(cents, values) == pytest.approx(math.log(1e12), abs=0.05)
    near = torch.tensor([4e11, 4e11 + 1, 4e11 + 2], dtype=torch.float64)
    assert cents.log_prob(near[:, None]).detach().diff().abs().max() < 1e-6


@pytest.mark.parametrize(
    "column",
    [
        pytest.param(number(missing=True), marks=pytest.mark.slow),
        number(step=1.0, lowest=-3.0, highest=6.0, missing=True),
        number(step=0.5, lattices=((2.0, 0.5),), lowest=0.0, highest=8.0),
    ],
    ids=str,
)
def test_head(column):
    numbers = Numbers([column])
    numbers.map.keep(0, fit_curve(normal(300).abs() if column.lowest == 0 else normal(300), column))
    check_head(NumberHead(numbers, 0, components=2))


def test_columns_are_scored_together_as_alone():
    columns = [
        Column("a", "number", points=(0.0,), missing=True),
        Column("b", "number", step=0.25, lattices=((1.0, 0.0), (5.0, 0.0)), lowest=0.0),
    ]
    rows = torch.stack([normal(50).relu(), uniform(50).mul(40).round() / 4], dim=1)
    rows[::7, 0] = math.nan
    model = cr.create_model("nade", Domain.table(columns), hidden=8).eval()
    model.prepare(rows)
    params, sites = model(rows), model.to_sites(rows)
    together = model.head.log_prob(params, sites)
    alone = [model.head.at(t).log_prob(params[:, t, : model.head.at(t).size], sites[:, t]) for t in range(2)]
    assert torch.allclose(together[..., 0], torch.cat(alone, dim=1), atol=1e-6)


@pytest.mark.parametrize(
    "column",
    [
        number(points=(1.0,), lowest=0.0, missing=True),
        number(step=0.5, lattices=((2.0, 0.5),), points=(1.0,), lowest=0.0, highest=6.0),
    ],
    ids=["density", "grid"],
)
def test_the_distribution_function_is_that_of_the_draws(column):
    numbers = Numbers([column])
    numbers.map.keep(0, fit_curve((normal(300).abs() * 4).round() / 2, column))
    head = NumberHead(numbers, 0, components=2)
    params = torch.randn(head.size, generator=generator(), dtype=torch.float64) / 2
    u = (torch.arange(20_000, dtype=torch.float64) + 0.5) / 20_000
    conditional, _ = head.step(None, params.expand(len(u), -1), 0)
    samples = conditional.draw(u)
    for value in (-math.inf, -1.0, 0.0, 0.5, 1.0, 1.7, 2.5, 6.0, math.inf):
        at = torch.full_like(u, value)
        for strict in (False, True):
            own = ((samples < at) if strict else (samples <= at)).double().mean().item()
            found = conditional.cdf(at, strict=strict)[0].item()
            assert found == pytest.approx(own, abs=5e-4)
            rest = conditional.cdf(at, strict=strict, upper=True)[0].item()
            assert found + rest == pytest.approx((~samples.isnan()).double().mean().item(), abs=5e-4)


# --- other categories ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "counts, others, expected",
    [
        ([98, 1, 1], 0, 0.02),
        ([50, 50], 0, 1 / 102),
        ([1, 1, 1], 0, 0.5),
        ([60, 20], 20, 0.2 + 1 / 102),
        ([], 9, 0.999),
    ],
)
def test_the_probability_of_what_was_never_seen(counts, others, expected):
    assert unseen(torch.tensor(counts).double(), others) == pytest.approx(expected)


@pytest.mark.parametrize("missing", [False, True])
def test_other_categories_are_scored_and_never_drawn(missing):
    column = Column("x", "categorical", ("a", "b"), other=True, missing=missing)
    codes = torch.tensor([0.0] * 49 + [1.0] * 50 + [math.nan if missing else 1.0]).double()
    model = marginal(column, codes)
    other = torch.tensor([[2.0]], dtype=torch.float64)
    assert model.log_prob(other).exp().item() == pytest.approx(1 / 102 if not missing else 0.01, rel=1e-4)
    every = torch.tensor([0.0, 1.0, 2.0, *([math.nan] if missing else [])]).double()
    assert model.log_prob(every[:, None]).exp().sum().item() == pytest.approx(1, abs=1e-6)
    assert not (drawn(model) == 2).any()
    filled = model.complete(other.expand(500, 1), torch.zeros(1, dtype=torch.bool), generator=generator())
    assert ((filled == 0) | (filled == 1)).all()


# --- files ---------------------------------------------------------------------------------------


def test_compressed_cents_come_back(tmp_path):
    column = number(step=0.01, lattices=((1.0, 0.99),), points=(5.0,), lowest=0.0, missing=True)
    cents = (2000 * -uniform(300).log()).round()
    cents[:40], cents[40:60] = 500, math.nan
    rows = (cents / 100)[:, None]
    model = marginal(column, rows[:, 0])
    rows[0] = -3.25  # beyond an end
    blob = cr.compress(model, rows)
    assert torch.equal(cr.decompress(model, blob).nan_to_num(-9), rows.nan_to_num(-9))
    assert len(blob) * 8 < -model.log_prob(rows).sum().item() / math.log(2) * 1.01 + 1000
    rows[1] = 0.001
    with pytest.raises(ChainruleError, match=r"compress: column 'x': expected multiples of 0.01, got others"):
        cr.compress(model, rows)


def test_saved_maps_come_back(tmp_path):
    model = marginal(number(lowest=0.0), uniform(ROWS) ** -2)
    cr.models.save_model(model, tmp_path, version="0")
    again = cr.models.load_model(tmp_path)
    assert torch.equal(drawn(again), drawn(model))


def test_a_flow_reads_scores_and_stays_within_the_ends():
    column = number(lowest=0.0, highest=2.0)
    values = 2 * uniform(ROWS)[:, None] ** 2
    model = cr.create_model("nsf", Domain.table([column]), transforms=1, hidden=[8], bins=4).double().eval()
    model.prepare(values)
    # Midpoints of even steps in √x: the density rises as x^(-1/2).
    root = (torch.arange(20_000, dtype=torch.float64)[:, None] + 0.5) / 20_000 * math.sqrt(2)
    with torch.no_grad():
        density = model.log_prob(root.square()).exp()
        assert (density * 2 * root[:, 0]).mean().item() * math.sqrt(2) == pytest.approx(1, abs=1e-3)
        assert -60 < model.log_prob(torch.tensor([[5.0]]).double()).item() < -14
    samples = model.sample(DRAWN, generator=generator())
    assert ((samples >= 0) & (samples <= 2)).all()
    assert samples.median().item() == pytest.approx(values.median().item(), abs=0.1)


def test_a_floor_is_one_of_densities():
    values = normal(60)[:, None]
    for column, moved in ((number(), True), (number(step=0.5), False)):
        model = cr.create_model("nade", Domain.table([column]), hidden=4).eval()
        model.prepare((2 * values).round() / 2)
        with torch.no_grad():
            model.network.out_bias[0, 10:20] = -6  # narrow components
        nats = nats_by_floor(model, (2 * values).round() / 2)
        assert (len(set(nats.values())) == 3) == moved


def test_nobody_expects_what_training_never_saw():
    columns = [Column("a", "categorical", ("x", "y"), other=True), number(step=1.0, lowest=0.0)]
    rows = torch.stack([(uniform(50) < 0.5).double(), (uniform(50, 1) * 9).floor()], dim=1)
    model = cr.create_model("independent", Domain.table(columns))
    model.estimate(rows)
    odd = torch.tensor([[2.0, 3.0]], dtype=torch.float64)
    found = blame(model, odd, rows)
    assert found.expected[0, 0] in (0, 1) and found.gain[0, 0] > 2


def test_a_few_values_far_apart_keep_their_rows():
    """Twelve days a year apart, fifteen rows each, on the grid of days: what lies between them has next to nothing."""
    days = torch.arange(12, dtype=torch.float64) * 365
    column = MarginalMap(1)
    column.keep(0, fit_curve(days.repeat_interleave(15), Column("day", "number", step=1.0)))
    edges = torch.stack([days - 0.5, days + 0.5], dim=1)
    low, high = column(edges, torch.zeros(2, dtype=torch.long))[0].sigmoid().unbind(1)
    assert (high - low).sum() > 0.95
