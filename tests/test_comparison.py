"""Drawn rows beside real ones: each measure on tables whose answer is known, the page, the command."""

import datetime
import json

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ks_2samp, spearmanr
from scipy.stats.contingency import association

import chainrule as cr
from chainrule.cli import main
from chainrule.errors import DataError
from chainrule.report.comparison import write_comparison
from chainrule.report.scatter import draw_strongest, strongest
from chainrule.tasks.comparison.cells import Cells, read_cells
from chainrule.tasks.comparison.marginals import marginal
from chainrule.tasks.comparison.pairs import associations, compare_pairs
from chainrule.tasks.comparison.privacy import nearest_rows

RNG = np.random.default_rng


def people(n, seed=0):
    """Rows of all kinds whose columns depend on each other."""
    rng = RNG(seed)
    age = rng.integers(18, 90, n)
    job = np.where(age > 60, "retired", rng.choice(["clerk", "smith"], n))
    spend = np.where(rng.random(n) < 0.6, 0.0, (age * rng.exponential(size=n)).round(2))
    since = pd.Timestamp("2020-01-01") + pd.to_timedelta(age, unit="D")
    frame = pd.DataFrame({"age": age, "job": job, "spend": spend, "since": since, "member": age % 2 == 0})
    return frame.assign(age=frame.age.astype(float).mask(rng.random(n) < 0.1))


def shuffled(frame, seed=0):
    """The same marginals, without any dependence."""
    rng = RNG(seed)
    return pd.DataFrame({name: frame[name].to_numpy()[rng.permutation(len(frame))] for name in frame})


def numbers(real, drawn):
    return Cells("x", "number", (np.array(real, float), np.array(drawn, float)))


# --- cells ------------------------------------------------------------------------------------------------


def test_kinds_and_codes():
    real = pd.DataFrame(
        {
            "when": [datetime.date(1970, 1, 3), None, datetime.date(1969, 12, 31)],
            "colour": ["red", "red", "blue"],
            "flag": [True, False, None],
            "x": [1, None, 3],
        }
    )
    drawn = pd.DataFrame(
        {"x": [0.5], "flag": [False], "colour": ["green"], "when": [pd.Timestamp("1970-01-01 12:00")]}
    )
    columns, left_out = read_cells({"real": real, "drawn": drawn})
    assert not left_out
    when, colour, flag, x = columns
    np.testing.assert_equal(when.parts, ([2, np.nan, -1], [0.5]))
    assert when.kind == "date" and when.spelled(2.0) == "1970-01-03"
    assert colour.levels == ("red", "blue", "green")  # the most frequent first, unseen ones last
    np.testing.assert_equal(colour.parts, ([0, 0, 1], [2]))
    np.testing.assert_equal(flag.parts[0], [1, 0, np.nan])
    assert flag.levels == ("False", "True") and x.kind == "number"


@pytest.mark.parametrize("drawn", [[1, 2, 2], [1.0, np.nan, 2.0], ["1", "2", "2"]], ids=str)
def test_categories_are_the_same_however_they_are_typed(drawn):
    real = pd.DataFrame({"grade": pd.Categorical([2, 1, 2])})
    (grade,), _ = read_cells({"real": real, "drawn": pd.DataFrame({"grade": drawn})})
    assert grade.levels == ("2", "1")


@pytest.mark.parametrize("drawn", [["2020-01-01"], [pd.Timestamp("2020-01-01")]], ids=["text", "timestamp"])
def test_dates_in_text_are_dates(drawn):
    real = pd.DataFrame({"day": ["2020-01-02", None, "2019-12-31"]})
    (day,), _ = read_cells({"real": real, "drawn": pd.DataFrame({"day": drawn})})
    assert day.kind == "date" and day.spelled(day.parts[0][0]) == "2020-01-02"
    assert day.parts[1] - day.parts[0][0] == -1
    (day,), _ = read_cells({"real": real.assign(day=["2020-01-02", None, "?"]), "drawn": real})
    assert day.kind == "category"


def test_text_stays_text_where_all_drawn_cells_are_digits(tmp_path):
    pd.DataFrame({"code": ["01", "7"]}).to_csv(tmp_path / "drawn.csv", index=False)
    real = pd.DataFrame({"code": ["01", "01", "x"]})
    (code,), _ = read_cells({"real": real, "drawn": tmp_path / "drawn.csv"})
    assert code.levels == ("01", "x", "7")


def test_what_cannot_be_compared_is_named():
    real = people(120).assign(name=[f"person {i}" for i in range(120)], empty=None, own=1)
    drawn = people(50).assign(name="nobody", empty=1.0, other=2)
    columns, left_out = read_cells({"real": real, "drawn": drawn})
    assert [cells.name for cells in columns] == [*people(2), "empty"]
    assert "identifier or free text" in left_out.pop("name")
    assert left_out == {"own": "only in real", "other": "only in drawn"}
    with pytest.raises(DataError, match=r"^drawn: expected the columns of real, such as 'age'$"):
        read_cells({"real": people(3), "drawn": pd.DataFrame({"weight": [1.0]})})


def test_text_among_numbers_is_refused():
    with pytest.raises(
        DataError, match=r"synthetic table: column 'age': expected numbers as in the real table"
    ):
        cr.compare_tables(people(30), people(30).assign(age="?"))
    with pytest.raises(DataError, match="expected finite numbers, got inf in row 0"):
        cr.compare_tables(people(30), people(30).assign(age=np.inf))
    with pytest.raises(DataError, match=r"target 'agee'.*did you mean 'age'"):
        cr.compare_tables(people(30), people(30), targets=["agee"])
    with pytest.raises(DataError, match="the real table: expected at least 2 rows, got 1"):
        cr.compare_tables(people(1), people(30))


# --- one column ---------------------------------------------------------------------------------------------


def test_distances_are_those_of_halves():
    rng = RNG(0)
    real, drawn = rng.normal(size=400).round(1), rng.normal(1, size=200).round(1)
    found = marginal(numbers(real, drawn))
    split = RNG(0)
    expected = [
        ks_2samp(split.permutation(real)[:200], split.permutation(drawn)).statistic for _ in range(10)
    ]
    assert found.distance == pytest.approx(np.mean(expected))
    assert 0.04 < found.among_real < 0.15
    assert found.ratio == found.distance / found.among_real
    same = marginal(numbers(real[:200], real[200:]))
    assert 0.6 < same.ratio < 1.6


def test_distance_of_categories_is_total_variation():
    real, drawn = np.repeat([0.0, 1.0], [600, 400]), np.repeat([0.0, 1.0, 2.0], [300, 200, 500])
    found = marginal(Cells("c", "category", (real, drawn), ("a", "b", "new")))
    assert found.distance == pytest.approx(0.5, abs=0.03)
    assert found.outside == 0.5
    assert (found.frequent, found.frequent_real, found.frequent_drawn) == ("a", 0.6, 0.3)


@pytest.mark.parametrize(
    ("real", "drawn", "outside"),
    [
        ([0, 0, 5], [0, 5, -1, 6], 0.5),  # beyond the ends
        ([0, 0, 5], [0, 0.5, 1, 2], 0.25),  # between whole numbers
        ([1.99, 3.5], [2.17, 1.995], 0.5),  # more decimals than cents
        ([1 / 3, 2 / 3], [0.5, 0.6180339887498949], 0.0),  # no grid is evident
        ([0, np.nan, 5], [np.nan, 7], 1.0),
    ],
)
def test_what_lies_outside_the_support(real, drawn, outside):
    assert marginal(numbers(real, drawn)).outside == outside


def test_missing_cells_have_shares_of_their_own():
    found = marginal(numbers([1, np.nan, 1, 2], [np.nan, np.nan]))
    assert (found.missing_real, found.missing_drawn) == (0.25, 1.0)
    assert found.frequent_real == pytest.approx(2 / 3)
    assert np.isnan([found.frequent_drawn, found.outside, found.distance, found.ratio]).all()


# --- pairs --------------------------------------------------------------------------------------------------


def test_associations_are_those_of_scipy():
    rng = RNG(0)
    a = rng.normal(size=5000)
    b = a + rng.normal(size=5000)
    code = np.digitize(a + rng.normal(size=5000), [-1, 0, 1]).astype(float)
    other = np.where(rng.random(5000) < 0.5, code, rng.integers(0, 4, 5000))
    found = associations(np.stack([a, b, code, other], axis=1), [0, 0, 4, 4])
    assert found[0, 1] == pytest.approx(spearmanr(a, b).statistic)
    table = pd.crosstab(code, other).to_numpy()
    assert found[2, 3] == pytest.approx(association(table, method="cramer"), abs=0.01)
    ranks = pd.Series(a).rank()
    between = ranks.groupby(code).transform("mean").var(ddof=0) / ranks.var(ddof=0)
    assert found[0, 2] == pytest.approx(np.sqrt(between), abs=0.01)
    assert np.array_equal(found, found.T)


def test_associations_of_chance_are_small():
    """Uncorrected, a hundred categories in 300 rows have a Cramér's V of 0.57 and a correlation ratio of as much."""
    rng = RNG(0)
    rows = np.stack([rng.normal(size=300), *rng.integers(0, 100, (2, 300))], axis=1)
    found = associations(rows, [0, 100, 100])
    assert np.abs(found[np.triu_indices(3, 1)]).max() < 0.35
    rows[:, 0] = 3.0
    assert (associations(rows, [0, 100, 100])[0, 1:] == 0).all()  # a constant
    rows[:299, 0] = np.nan
    assert np.isnan(associations(rows, [0, 100, 100])[0, 1])


# --- all of it ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def alike():
    return cr.compare_tables(people(300), people(400, 1), people(400, 2))


def test_rows_of_the_same_kind_are_believed(alike):
    figures = alike.figures()
    assert 0.7 < figures["distance_ratio"] < 1.4
    assert figures["outside"] < 0.005 and figures["frequent_gap"] < 0.1
    assert figures["pair_difference"] < 2 * figures["pair_difference_among_real"]
    assert abs(figures["two_sample"] - 0.5) < 4 * alike.two_sample.se
    assert 0.95 < figures["usefulness"] < 1.05
    assert abs(alike.privacy.closer - 0.5) < 0.1 and figures["close"] < 0.15
    assert [each.name for each in alike.usefulness] == list(people(2))
    assert {u.name: u.chance < u.real for u in alike.usefulness}["since"]  # the age in another form
    assert alike.rows == {"real": 300, "synthetic": 400, "train": 400}


def test_lost_dependence_shows(alike):
    lost = cr.compare_tables(people(300), shuffled(people(400, 1)), people(400, 2))
    assert lost.figures()["distance_ratio"] < 1.4
    assert lost.two_sample.area > 0.9
    assert lost.pairs.difference > 5 * lost.pairs.among_real
    assert "age" in lost.pairs.worst
    assert lost.figures()["usefulness"] < 0.85 * alike.figures()["usefulness"]


def test_copies_show():
    train, held = (people(300, seed).assign(size=RNG(seed).normal(size=300)) for seed in (0, 1))
    private = cr.compare_tables(held, train.sample(200, random_state=0), train, targets=0).privacy
    assert (private.copies, private.copies_held, private.close, private.closer) == (1, 0, 1, 1)
    alone = cr.compare_tables(train, train.sample(frac=1, random_state=0), targets=0)
    assert alone.two_sample.area < 0.2 and alone.privacy.closer is None
    assert (alone.privacy.copies, alone.privacy.copies_held, alone.privacy.close) == (1, 0, 1)


def test_distance_to_the_closest_row():
    rows = np.array([[0.5, 1, np.nan], [0.2, 0, 0.1]])
    among = np.array([[0.4, 1, np.nan], [0.2, 2, 0.1], [0.5, 1, 0.3]])
    numeric = np.array([True, False, True])
    np.testing.assert_allclose(nearest_rows(rows, among, numeric), [0.1 / 3, 1 / 3])
    own = nearest_rows(among, among, numeric, own=True)
    np.testing.assert_allclose(own, [1.1 / 3, (0.3 + 1 + 0.2) / 3, 1.1 / 3])


def test_a_few_rows_and_one_column(tmp_path):
    found = cr.compare_tables(pd.DataFrame({"x": [1, 2, 3]}), pd.DataFrame({"x": [None, 2.0]}))
    assert found.two_sample is None and found.pairs is None and not found.usefulness
    page = write_comparison(found, tmp_path / "a.html", title="<b>").read_text()
    assert "Too few rows" in page and "&lt;b&gt;" in page and "nan" not in page.split("base64")[0]
    json.dumps(found.to_dict())


def test_many_rows_are_bounded(monkeypatch):
    monkeypatch.setattr("chainrule.tasks.comparison.compare.MOST_ROWS", 50)
    found = cr.compare_tables(people(80), people(70, 1), targets=1)
    assert found.rows == {"real": 50, "synthetic": 50}
    assert found.privacy.drawn == 50


# --- page and command -----------------------------------------------------------------------------------------


def test_the_page_says_what_each_number_means(alike, tmp_path):
    page = write_comparison(alike, tmp_path / "a.html", title="people").read_text()
    assert page.count('src="data:image/png;base64,') == 4
    for words in (
        "Kolmogorov–Smirnov",
        "total variation",
        "Cramér",
        "AUROC",
        "held out",
        "2020-",
        "closer to",
    ):
        assert words in page
    assert "prefers-color-scheme: dark" in page and "http" not in page


def test_the_command(tmp_path, capsys):
    for seed, name in enumerate(("real.csv", "drawn.parquet", "train.csv")):
        frame = people(60, seed)
        path = tmp_path / name
        frame.to_csv(path, index=False) if path.suffix == ".csv" else frame.to_parquet(path, index=False)
    real, drawn, train = (str(tmp_path / name) for name in ("real.csv", "drawn.parquet", "train.csv"))
    page = str(tmp_path / "page.html")
    assert (
        main(["compare-tables", real, drawn, "--train", train, "--target", "job", "-o", page, "--json"]) == 0
    )
    found = json.loads(capsys.readouterr().out)
    assert [each["name"] for each in found["usefulness"]] == ["job"]
    assert found["rows"] == {"real": 60, "synthetic": 60, "train": 60}
    assert found["privacy"]["closer"] is not None
    assert main(["compare-tables", real, drawn]) == 0
    assert "two-sample test: AUROC" in capsys.readouterr().out
    assert main(["compare-tables", real, drawn, "-o", str(tmp_path / "page.csv")]) == 1
    assert "error:" in capsys.readouterr().err
    before = (tmp_path / "real.csv").read_bytes()
    assert main(["compare-tables", real, drawn, "-o", real]) == 1
    assert (tmp_path / "real.csv").read_bytes() == before


def test_the_report_of_a_run_compares_its_rows(tmp_path):
    people(90).drop(columns="since").to_csv(tmp_path / "people.csv", index=False)
    run = str(tmp_path / "run")
    short = ["--epochs", "1", "--set", "hidden=[8]", "--device", "cpu"]
    assert main(["train", "made", "--data", str(tmp_path / "people.csv"), "--out", run, *short]) == 0
    page = (tmp_path / "run" / "report.html").read_text()
    for words in ("1,000 drawn rows", "Can a classifier separate them?", "Copies and near copies", "spend"):
        assert words in page


def test_the_strongest_pairs_are_drawn_real_above_drawn(monkeypatch):
    figures = []
    monkeypatch.setattr("chainrule.report.scatter.to_png", lambda figure: figures.append(figure) or b"")
    real = people(300)[["age", "spend", "since"]]
    columns, _ = read_cells({"real": real, "drawn": shuffled(real, 1)})
    pairs = compare_pairs(columns)
    assert strongest(pairs)[0] == (0, 2)  # the date is the age in days
    draw_strongest(columns, pairs)
    above, below = figures[0].axes[0], figures[0].axes[3]
    points = [np.ma.filled(axes.collections[0].get_offsets(), np.nan) for axes in (above, below)]
    kept = [one[~np.isnan(one).any(1)] for one in points]
    assert abs(np.corrcoef(kept[0].T)[0, 1]) > 0.99 > 0.3 > abs(np.corrcoef(kept[1].T)[0, 1])
    assert (above.get_title(), below.get_title(), above.get_xlabel(), above.get_ylabel()) == (
        "real",
        "drawn",
        "age",
        "since",
    )
