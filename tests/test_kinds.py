"""What columns of tables are taken for: grids, lattices, points, ends, times, ids; and what leaves as it came."""

import json
import math
from datetime import date, datetime, time, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch

import chainrule as cr
from chainrule.data import Notes, decode, encode, load_data
from chainrule.data.columns import find_columns
from chainrule.data.grid import step_of
from chainrule.data.times import from_numbers, spelling_of, to_numbers
from chainrule.domain.column import Column
from chainrule.errors import DataError

N = 1000
rng = np.random.default_rng(0)


def found(cells, name="a", **kinds):
    """The column that cells make, and why."""
    result = find_columns(pd.DataFrame({name: cells}), kinds)
    (column,) = result.columns
    return column, result.reasons[name]


def left(cells, name="a"):
    """Why cells make no column to model."""
    return find_columns(pd.DataFrame({name: cells, "beside": [0.5, 1.25] * (len(cells) // 2)})).left.get(name)


# --- grids --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "values, step",
    [
        (rng.integers(1, 300, N), 1),
        (rng.integers(1, 300, N) * 10, 10),
        (rng.integers(1, 300, N) * 1000, 1000),
        (rng.integers(1, 300, N) * 3, 3),
        (rng.integers(1, 300, N) / 4, 0.25),
        (rng.integers(2, 11, N) / 2, 0.5),
        (rng.normal(50, 20, N).round(1), 0.1),
        (rng.lognormal(3, 1, N).round(2), 0.01),
        (rng.normal(size=N).round(6), 1e-6),
        (np.float32(rng.lognormal(2, 1, N).round(2)), 0.01),
        (rng.normal(size=N), None),
        (np.float32(rng.normal(size=N)), None),
        (rng.integers(1, 300, N) / 3, None),
        (1.7e9 + rng.normal(size=N), None),
        (rng.normal(size=N) * 1e300, None),
        ([0.1 + 0.2, 0.7, 1.1], None),  # 0.30000000000000004 is no tenth
    ],
)
def test_grid(values, step):
    assert found(values)[0].step == step


@pytest.mark.parametrize(
    "values, step",
    [
        ([2, 4, 6], 1),  # three even numbers are no evidence
        (range(2, 60, 2), 2),
        ([0, 1000], 1),
        ([0, 2_932_896], 1),  # any number is a multiple of itself
        (
            [10.0, 20.0, 78.2, 30.0, *range(40, 70)],
            0.1,
        ),  # one fraction; the whole numbers say nothing about its digit
        ([119.5, 97.5, 98.5, 250.0, 318.0], 0.1),
        ([5], 1),
        ([0.25], 0.01),
    ],
)
def test_a_wider_grid_takes_evidence(values, step):
    assert step_of(np.array(values, float)) == step


# --- lattices, points, ends ---------------------------------------------------------------------------


def mixed(share, one, other):
    return np.where(rng.random(N) < share, one, other)


INCOME = rng.lognormal(10, 0.6, N).round()
PRICE = rng.lognormal(3, 0.7, N).round(2)


@pytest.mark.parametrize(
    "values, lattices",
    [
        (mixed(0.7, np.floor(PRICE) + 0.99, PRICE), [(1, 0.99)]),
        (mixed(0.5, np.floor(PRICE), mixed(0.5, np.floor(PRICE) + 0.5, PRICE)), [(1, 0), (0.5, 0)]),
        (mixed(0.3, rng.integers(4, 16, N) * 5, rng.integers(18, 80, N)), [(5, 0)]),
        (mixed(0.6, (INCOME / 1000).round() * 1000, INCOME), [(1000, 0)]),
        (mixed(0.5, rng.integers(60, 90, N) * 2, rng.integers(120, 180, N)), [(2, 0)]),
        (mixed(0.5, rng.normal(50, 9, N).round(), rng.normal(50, 9, N)), [(1, 0)]),  # beside a density
        (INCOME.clip(max=50_000), []),  # the cap makes no multiples of 1000
        (rng.integers(0, 256, N), []),
        (rng.poisson(3, N), []),
        (rng.exponential(5, N).round(), []),
        (rng.geometric(0.2, N), []),
        (rng.normal(0, 3, N).round(1), []),
        (rng.normal(size=N).round(6), []),
    ],
)
def test_lattices(values, lattices):
    assert sorted(found(values)[0].lattices) == sorted(lattices)


@pytest.mark.parametrize(
    "values, points",
    [
        (mixed(0.7, 0, PRICE), (0,)),
        (mixed(0.04, 999, rng.integers(0, 90, N)), (999,)),
        (mixed(0.04, -1, rng.poisson(5, N)), (-1,)),
        (INCOME.clip(max=50_000), (50_000,)),
        (rng.lognormal(size=N).clip(0.2, 3), (0.2, 3)),  # of a density
        (mixed(0.6, rng.choice([0.1, 1 / 3, 7.7]), rng.choice([math.pi, math.e])), None),
        (rng.poisson(0.2, N), ()),  # a peak at the end of a plain distribution
        (rng.poisson(3, N), ()),
        (rng.geometric(0.3, N), ()),
        (rng.integers(1, 6, N), ()),
        (rng.choice([4, 6, 8], N, p=[0.5, 0.2, 0.3]), ()),
        (rng.choice([1, 2, 3, 4, 5], N, p=[0.05, 0.05, 0.1, 0.2, 0.6]), ()),
        (rng.laplace(0, 1, N).round(1), ()),
        (rng.normal(size=N), ()),
        ([0, 1, 2] * 33 + [7], ()),
    ],
)
def test_points(values, points):
    column = found(values)[0]
    if points is None:  # few different values without a grid are all points
        points = tuple(sorted(set(values)))
    assert column.points == points


@pytest.mark.parametrize(
    "values, ends",
    [
        (rng.normal(size=N), (None, None)),
        (rng.normal(10, 1, N), (None, None)),  # positive, but far from 0
        (rng.normal(3.5, 1, N), (0, None)),  # none is negative, and the tail could be
        (rng.gamma(100, 1, N), (None, None)),
        (rng.normal(65, 10, N).round(), (None, None)),
        (mixed(0.5, rng.normal(10, 1, N), rng.normal(100, 1, N)), (0, None)),
        (rng.standard_cauchy(N), (None, None)),
        (rng.lognormal(0, 1, N), (0, None)),
        (rng.exponential(3, N), (0, None)),
        (rng.exponential(3, 60), (0, None)),
        (rng.pareto(1.1, N) + 1, (1, None)),
        (rng.poisson(3, N), (0, None)),
        (rng.geometric(0.05, N), (1, None)),
        (rng.random(N), (0, 1)),
        (rng.beta(2, 5, N), (0, 1)),
        ((100 * rng.beta(5, 2, N)).round(1), (0, 100)),
        (rng.random(N) * 2 - 1, (-1, 1)),
        (rng.random(N) * 360, (0, 360)),
        (rng.integers(1, 6, N), (1, 5)),
        (rng.integers(1970, 1983, N), (1970, 1982)),
        (np.uint8(rng.integers(0, 256, N)), (0, 255)),
        (np.uint16(rng.normal(500, 9, N)), (0, None)),  # the type says so
        (mixed(0.04, 999, rng.integers(0, 90, N)), (0, 89)),
        (mixed(0.04, -1, rng.poisson(5, N)), (0, None)),
        (INCOME.clip(max=50_000), (0, 50_000)),
        ([7] * 9, (7, 7)),
        ([3.5] * 9, (3.5, 3.5)),
        (rng.normal(8, 1, N), (None, None)),
        (np.abs(rng.normal(35, 10, N)) + 0.5, (0, None)),
    ],
)
def test_ends(values, ends):
    assert found(values)[0].ends == ends


def test_normal_columns_get_no_ends():
    """Of plain data at any distance from 0, two columns in a hundred at most; a 0 where data hardly ever pass it."""
    draws, means = np.random.default_rng(1), np.linspace(-4, 4, 60)
    ends = [found(draws.normal(mean, 1, 300))[0].ends for mean in means]
    assert sum(end not in ((None, None), (0, None)) for end in ends) <= 2
    assert all(mean > 2.5 for mean, end in zip(means, ends, strict=True) if end == (0, None))


def test_reasons():
    prices = np.where(np.arange(N) % 10 < 7, np.floor(PRICE) + 0.99, PRICE)
    assert found(prices)[1].startswith("number, multiples of 0.01, 70% end in .99")
    assert found(mixed(0.7, 0, PRICE))[1].endswith("are 0, never negative")
    assert found([7] * 9)[1] == "number, always 7"
    assert found(rng.normal(size=N))[1] == "number, no grid, so densities"
    assert found(["x", "y"])[1] == "categorical, 2 texts, others may come"
    assert found(pd.Categorical(["x"], ["x", "y"]))[1] == "categorical, the 2 that it declares"


def test_columns_in_words_and_in_json():
    columns = (
        Column("price", "number", step=0.01, lattices=((1, 0.99),), points=(0,), lowest=0, missing=True),
        Column("share", "number", lowest=0, highest=1),
        Column("job", "categorical", ("a", "b"), other=True),
        Column("joined", "number", step=1, lowest=18262, spelling="days: %d.%m.%Y"),
        Column("same", "number", step=1, points=(5,), lowest=5, highest=5),
    )
    assert list(map(str, columns)) == [
        "price: number (multiples of 0.01, many end in .99, often 0, ≥ 0), may be missing",
        "share: number (in [0, 1])",
        "job: categorical (2 and others)",
        "joined: number (days, ≥ 2020-01-01)",
        "same: number (always 5)",
    ]
    domain = cr.Domain.table(columns)
    assert cr.Domain.from_json(json.loads(json.dumps(domain.to_json()))) == domain


# --- what is left out, and codes ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "cells, name, reason",
    [
        ([f"u{k}" for k in range(20)], "a", "a key or free text, since all 20 cells differ"),
        ([f"u{k}" for k in range(6)], "user_id", "an id, by its name and since all 6 cells differ"),
        ([f"u{k // 2}" for k in range(200)] + ["x", "y"] * 40, "a", None),
        ([f"name {k}" if k % 4 else "same" for k in range(200)], "a", "a key or free text, since 151 of 200"),
        (np.random.default_rng(0).permutation(60), "PassengerId", "an id, by its name"),
        (np.random.default_rng(0).permutation(60), "size", None),
        (range(60), "a", "row numbers, 0 to 59 in order"),
        (range(1, 7), "Unnamed: 0", "row numbers"),
        (range(60)[::-1], "__index_level_0__", "an index, by its name and since all cells differ"),
        (range(1960, 2020), "year", None),
        ([2**63 + 7 * k for k in range(60)], "a", r"whole numbers beyond 2\^53, which float64 would round"),
        ([10**17 + k for k in range(60)], "key", "an id, by its name"),
        ([None, None], "a", "all cells are missing"),
        ([1.5, 2.5] * 10, "id", None),
    ],
)
def test_columns_that_are_left_out(cells, name, reason):
    said = left(cells, name)
    assert said is None if reason is None else pd.Series([said]).str.match(reason).all(), said


def test_codes_are_categories():
    assert found([0, 1, 1, 0])[0] == Column("a", "categorical", (0, 1), other=True)
    assert found([3, 7] * 10)[0].categories == (3, 7)
    assert found(list(range(10, 19)) * 9, "shop_id")[0].categories == tuple(range(10, 19))
    assert found([True, False])[0] == Column("a", "categorical", (False, True))
    assert found([0, 1, 2] * 9)[0].kind == "number"


def test_counts_that_training_never_saw():
    """What a fold does not have is a number all the same."""
    column = found([0, 1, 2] * 33)[0]
    x = encode(pd.DataFrame({"a": [7, 2]}), [column])
    assert x.tolist() == [[7], [2]]
    cr.Domain.table([column]).check(torch.from_numpy(x))


def test_thousands_of_categories_are_no_trouble():
    frame = pd.DataFrame({"city": [f"c{k % 9000}" for k in range(27_000)]})
    column = find_columns(frame).columns[0]
    assert len(column.categories) == 9000
    assert decode(encode(frame, [column]), [column])["city"].tolist() == frame["city"].tolist()


def test_values_never_seen_are_another_category():
    column, notes = found(["x", "y", "x"])[0], Notes()
    x = encode(pd.DataFrame({"a": ["y", "z", "w"]}), [column], notes=notes)
    assert x.tolist() == [[1], [2], [2]]
    assert notes.found == ["column 'a': 2 cells of categories never seen in training"]
    cr.Domain.table([column]).check(torch.from_numpy(x))
    assert decode(x, [column], "?")["a"].tolist() == ["y", "?", "?"]
    assert decode(x, [column])["a"].isna().tolist() == [False, True, True]
    with pytest.raises(DataError, match="column 'a': expected one of 'x', 'y', got 'z' in row 1"):
        encode(pd.DataFrame({"a": ["y", "z"]}), [column], strict=True)
    declared = found(pd.Categorical(["x"], ["x", "y"]))[0]
    with pytest.raises(DataError, match="column 'a': expected one of 'x', 'y', got 'z'"):
        encode(pd.DataFrame({"a": ["z"]}), [declared])


# --- times --------------------------------------------------------------------------------------------

ZONED = pd.to_datetime(["2020-01-31 10:30", "2020-02-01 11:00"]).tz_localize("Europe/Berlin")


@pytest.mark.parametrize(
    "cells, spelling, numbers",
    [
        ([date(1970, 1, 2), None], "days: date32[day]", [1, math.nan]),
        (pd.to_datetime(["1970-01-03", "1970-01-02"]), "days: timestamp[us]", [2, 1]),
        (pd.to_datetime(["1970-01-01 02:00", None]), "hours: timestamp[us]", [2, math.nan]),
        (ZONED, "minutes: timestamp[us, tz=Europe/Berlin]", [26341050, 26342520]),
        ([datetime(1970, 1, 1, 0, 0, 3)], "seconds: timestamp[us]", [3]),
        ([timedelta(minutes=90), timedelta(minutes=1)], "minutes: duration[us]", [90, 1]),
        ([time(12, 30), time(0, 0, 1)], "seconds: time64[us]", [45000, 1]),
        (["1970-01-31", None], "days: %Y-%m-%d", [30, math.nan]),
        (["02/01/1970", "31/01/1970"], "days: %d/%m/%Y", [1, 30]),
        (["01/02/1970", "01/31/1970"], "days: %m/%d/%Y", [1, 30]),
        (["1/2/1970", "1/31/1970"], "days: %-m/%-d/%Y", [1, 30]),
        (["2.1.1970"], "days: %-d.%-m.%Y", [1]),
        (["1970-01-01 00:00:07"], "seconds: %Y-%m-%d %H:%M:%S", [7]),
        (["1970-01-01T01:00:00Z"], "hours: %Y-%m-%dT%H:%M:%SZ", [1]),
        (["00:01", "23:59"], "minutes: %H:%M", [1, 1439]),
    ],
)
def test_times(cells, spelling, numbers):
    cells = pa.chunked_array([pa.Array.from_pandas(pd.Series(cells))])
    assert spelling_of(cells) == spelling
    values = to_numbers(cells, spelling)
    assert np.array_equal(values, numbers, equal_nan=True)
    back = from_numbers(values, spelling)
    assert back.to_pylist() == cells.to_pylist()


def test_texts_that_are_no_times():
    for texts in (["2020-13-01"], ["31/31/2020"], ["1.5.2"], ["12345"], ["2020-01-31", "x"], ["1:2:3:4"]):
        assert spelling_of(pa.chunked_array([texts])) is None


def test_a_table_of_times(tmp_path):
    frame = pd.DataFrame(
        {
            "joined": [f"{day:02}.0{month}.2020" for day in range(1, 21) for month in (3, 7)],
            "seen": pd.to_datetime("2021-05-01") + pd.to_timedelta(np.arange(40) ** 2 % 77, unit="h"),
            "took": pd.to_timedelta(np.arange(40) ** 2 % 61, unit="s"),
            "at": [f"{k % 24:02}:{k:02}" for k in range(40)],
        }
    )
    columns = find_columns(frame).columns
    assert [c.kind for c in columns] == ["number"] * 4 and [c.step for c in columns] == [1] * 4
    assert (columns[3].lowest, columns[3].highest) == (0, 1439)
    back = decode(encode(frame, columns), columns)
    pd.testing.assert_frame_equal(back, frame)
    x = encode(pd.DataFrame({"joined": ["2020-03-01"], "seen": ["2021-05-01T00:00"], "took": [None], "at": ["01:00"]}),
               columns, allow_missing=True)  # fmt: skip
    assert x[0, [0, 1, 3]].tolist() == [18322, 18748 * 24, 60]
    with pytest.raises(DataError, match=r"column 'joined': expected a time such as 01\.01\.1970, got 'soon'"):
        encode(pd.DataFrame({"joined": ["soon"]}), columns, allow_missing=True)
    frame.to_csv(tmp_path / "a.csv", index=False)
    data = load_data(tmp_path / "a.csv")
    assert len(data.domain.columns) == 4
    assert data.notes.columns["joined"].startswith("number, times (%d.%m.%Y), days")


def test_a_finer_clock_than_float64_counts_is_left_out():
    moments = pd.to_datetime(np.arange(40) ** 2 + 1_600_000_000_000_000_001)
    assert left(moments) == "timestamp[ns] in parts of a microsecond or of no fixed length"


@pytest.mark.parametrize(
    "spelling", ["days: %Y-%m-%d", "days: date32[day]", "hours: timestamp[ns]", "seconds: timestamp[s]"]
)
def test_far_moments_are_written_all_the_same(spelling):
    values = np.array([0.0, -1e300, 1e300, math.nan])
    back = from_numbers(values, spelling).to_pylist()
    assert back[3] is None and str(back[1]) < str(back[0]) < str(back[2])
    ends = pa.chunked_array([["0001-01-01", "9999-12-31"]])
    assert from_numbers(to_numbers(ends, "days: %Y-%m-%d"), "days: %Y-%m-%d").to_pylist() == ends.to_pylist()


# --- what leaves is what came -------------------------------------------------------------------------


def test_types_and_decimals_come_back():
    n = 60
    draws = np.random.default_rng(2)
    frame = pd.DataFrame(
        {
            "cents": draws.lognormal(3, 1, n).round(2),
            "byte": draws.integers(0, 256, n).astype(np.uint8),
            "short": draws.integers(-99, 99, n).astype(np.int16),
            "single": draws.normal(size=n).astype(np.float32),
            "tenths": draws.normal(size=n).round(1).astype(np.float32),
            "whole": draws.integers(0, 50, n).astype(np.float64),
            "flag": draws.random(n) < 0.5,
            "code": draws.integers(0, 2, n).astype(np.int8),
            "grade": pd.Categorical(draws.choice(["lo", "hi"], n), ["lo", "mid", "hi"], ordered=True),
            "text": draws.choice(["x", "y"], n),
            "gaps": pd.array([None, 3, 4] * 20, dtype="Int32"),
            "day": pd.to_datetime("2020-01-01") + pd.to_timedelta(draws.integers(0, 99, n), unit="D"),
        }
    )
    columns = find_columns(frame).columns
    back = decode(encode(frame, columns), columns)
    back["gaps"] = back["gaps"].astype("Int32")
    pd.testing.assert_frame_equal(back, frame)
    # What was drawn has the decimals of the file, though 0.07 · 100 is no whole number in float64.
    cents = np.arange(1, 2000) * 0.01
    assert decode(cents[:, None], columns[:1])["cents"].tolist() == [k / 100 for k in range(1, 2000)]
    # What the type does not hold is not bent to it.
    assert decode(np.array([[300.0]]), [columns[1]])["byte"].tolist() == [300]
    assert decode(np.array([[0.305]]), columns[:1])["cents"].tolist() == [0.305]
