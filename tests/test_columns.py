"""Tables: what columns are taken for, cells ↔ codes, and the commands that name columns."""

import decimal
import json
import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch

import chainrule as cr
from chainrule.data import Notes, decode, encode, infer_columns, load_items
from chainrule.data.readers.arrow import as_arrow
from chainrule.domain.column import Column
from chainrule.domain.measure import reference_measure
from chainrule.errors import ChainruleError, DataError
from chainrule.models.base.autoregressive import AutoregressiveModel
from chainrule.tasks import evaluate, parse_conditions, parts_of
from test_cli import call

rng = np.random.default_rng(0)
ROWS = 40


@pytest.fixture
def frame():
    """A column of every kind, with and without missing cells."""
    return pd.DataFrame(
        {
            "text": ["b", "ä c", None, "b"] * 10,
            "flag": [True, False] * 20,
            "flag or not": pd.array([True, False, None, True] * 10, dtype="boolean"),
            "few": [7, -1] * 20,
            "few or none": [3, 1, None, 3] * 10,  # floats, as pandas makes of them
            "count": np.arange(ROWS) * 1_000_003 + 10**12,
            "count or none": [None, *range(1, ROWS)],
            "size": np.linspace(-1, 1, ROWS) ** 3 / 3,
            "size or none": [0.1, math.nan] * 20,
            "grade": pd.Categorical(["low", "high"] * 20, ["low", "middle", "high"], ordered=True),
        }
    )


COLUMNS = (
    Column("text", "categorical", ("b", "ä c"), missing=True, other=True),
    Column("flag", "categorical", (False, True)),
    Column("flag or not", "categorical", (False, True), missing=True),
    Column("few", "categorical", (-1, 7), other=True),
    Column("few or none", "categorical", (1, 3), missing=True, other=True, spelling="double"),
    Column("count", "number", step=1),
    Column("count or none", "number", missing=True, step=1, spelling="double"),
    Column("size", "number"),
    Column("size or none", "number", missing=True, step=0.1, points=(0.1,), lowest=0.1, highest=0.1),
    Column("grade", "categorical", ("low", "middle", "high"), spelling="ordered dictionary"),
)


def support(column):
    """The kind of a column and its step."""
    return column.kind, column.step


def refused(match, function, *arguments, **options):
    with pytest.raises(DataError, match=match) as caught:
        function(*arguments, **options)
    assert "\n" not in str(caught.value)


# --- what columns are taken for -----------------------------------------------------------------------


def test_kinds_of_a_frame(frame, tmp_path):
    assert [replace(c, lowest=None, highest=None) for c in infer_columns(frame)] == [
        replace(c, lowest=None, highest=None) for c in COLUMNS
    ]
    assert (
        cr.Domain.table(frame).columns == infer_columns(frame) == infer_columns(pa.Table.from_pandas(frame))
    )
    frame.to_parquet(tmp_path / "a.parquet")
    assert infer_columns(tmp_path / "a.parquet") == infer_columns(frame)
    frame.to_csv(tmp_path / "a.csv", index=False)
    # Text has no order of its own, and others may come.
    read = infer_columns(str(tmp_path / "a.csv"))
    assert read[-1] == Column("grade", "categorical", ("high", "low"), other=True)
    assert [support(c) for c in read] == [support(c) for c in COLUMNS]


@pytest.mark.parametrize(
    "cells, kind, step",
    [
        ([*range(20)][::-1], "number", 1),
        ([float(k) for k in range(21)][::-1], "number", 1),
        ([k / 2 for k in range(21)], "number", 0.5),
        ([0.5, 1], "number", 0.1),
        ([1e300, 1.0], "number", None),  # whole, but float64 has gaps up there
        ([decimal.Decimal("0.5"), decimal.Decimal("1.5")], "number", 0.1),
        (np.arange(30, dtype=np.uint8)[::-1], "number", 1),
        (np.float32([0.3, 2.7, 9.1]), "number", 0.1),
        (np.sqrt(np.arange(1, 9)), "number", None),
        ([0, 1, 1], "categorical", None),
        (["1", "2"], "categorical", None),
        (pa.array(["x", None, "x"]).dictionary_encode(), "categorical", None),
    ],
)
def test_kind_of_cells(cells, kind, step):
    (column,) = infer_columns(pa.table({"a": cells}))
    assert support(column) == (kind, step)


def test_dictionaries_of_several_chunks_are_joined():
    chunks = [pa.array(["b", "a"]).dictionary_encode(), pa.array(["c", None]).dictionary_encode()]
    table = pa.table({"a": pa.chunked_array(chunks)})
    (column,) = infer_columns(table)
    assert column == Column("a", "categorical", ("b", "a", "c"), missing=True, spelling="dictionary")
    assert encode(table, [column])[:, 0].tolist()[:3] == [0, 1, 2]


@pytest.mark.parametrize(
    "cells, match",
    [
        ([[1], [2]], "expected numbers, text or booleans, got list"),
        ([{"x": 1}], "expected numbers, text or booleans, got struct"),
        ([b"\xff"], "expected text in UTF-8 or numbers, got bytes"),
        ([0.5, -math.inf], "expected finite numbers, got -inf in row 1"),
        (pd.Categorical([0.5]), "expected categories of text, whole numbers or booleans, got 0.5"),
    ],
)
def test_columns_that_are_refused(cells, match):
    refused(f"table: column 'a': {match}", infer_columns, pd.DataFrame({"a": cells}))


@pytest.mark.parametrize(
    "cells, match",
    [
        ([None, None], "all cells are missing"),
        ([math.nan], "all cells are missing"),
        (pd.Categorical([None], ["a"]), "all cells are missing"),
        ([1 << 60, (1 << 60) + 1], r"whole numbers beyond 2\^53"),
        ([f"{k}-x" for k in range(20)], "a key or free text, since all 20 cells differ"),
        (range(20), "row numbers, 0 to 19 in order"),
    ],
)
def test_a_table_of_nothing_to_model_is_refused(cells, match):
    match = f"table: no column to model; column 'a' is left out: {match}.*; name a kind for one with --column"
    refused(match, infer_columns, pd.DataFrame({"a": cells}))


def test_sources_that_are_no_table(tmp_path):
    refused("expected a file of .csv, .*a DataFrame, .*a list of dictionaries.*got int", infer_columns, 5)
    refused("a.csv: no such file", infer_columns, tmp_path / "a.csv")
    (tmp_path / "a.txt").write_text("a")
    refused(r"a.txt: expected a table in .csv, .*, got \.txt", infer_columns, tmp_path / "a.txt")
    refused(
        "column 'a': expected cells of one kind, got int and str",
        infer_columns,
        pd.DataFrame({"a": [1, "x"]}),
    )


def test_kinds_are_overruled(frame):
    kinds = {"few": "integer", "count or none": "real", "few or none": "real", "count": "categorical"}
    kinds |= {"size": "drop", "text": "categorical"}
    found = {column.name: column for column in infer_columns(frame, kinds)}
    assert "size" not in found and found["text"] == COLUMNS[0]
    assert support(found["few"]) == ("number", 1) and found["few or none"].missing
    assert [support(found[name]) for name in ("count or none", "few or none")] == [("number", None)] * 2
    assert found["count"].levels == ROWS + 1
    for name, kind, match in (
        ("cuont", "real", "no column 'cuont'; did you mean 'count'"),
        ("few", "ordinal", "'few': expected a kind of categorical, number, .*, date, drop, got 'ordinal'"),
        ("text", "real", "column 'text': real needs numbers, its cells are text"),
        ("text", "date", "column 'text': date needs dates or times, its cells are text"),
        ("flag", "integer", "column 'flag': integer needs numbers, its cells are booleans"),
        ("size or none", "integer", "column 'size or none': integer needs whole numbers, got 0.1 in row 0"),
        ("size", "categorical", "column 'size': categorical needs whole numbers, got -0.333.* in row 0"),
    ):
        refused(match, infer_columns, frame, {name: kind})


# --- files --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text, expected",
    [
        ("a,b\n1,x\n", {"a": [1], "b": ["x"]}),
        ("\ufeffa , b\n 1, x y \n", {"a": [1], "b": ["x y "]}),
        ("1,2\n3,\n", {"column_1": [1, 3], "column_2": [2, None]}),
        ("1,,3\n4,5,6\n", {"column_1": [1, 4], "column_2": [None, 5], "column_3": [3, 6]}),
        (",b\n1,2\n", {"column_1": [1], "b": [2]}),
        ("a;b\n1,5;x\n-2,5;y\n", {"a": [1.5, -2.5], "b": ["x", "y"]}),
        ("1,5;2\n2,5;3\n", {"column_1": [1.5, 2.5], "column_2": [2, 3]}),
        ("a\tb\n1\tx,y\n2\tz;z\n", {"a": [1, 2], "b": ["x,y", "z;z"]}),
        ("a,b\nNA, NA\n1,nan\n,null\n", {"a": [None, 1, None], "b": [None] * 3}),
        ('a,b\n1,"x, ""y""\nz"\n', {"a": [1], "b": ['x, "y"\nz']}),
        ("\n\na,b\n\n1,2.5\n\n", {"a": [1], "b": [2.5]}),
        ("a\n1\n2\n", {"a": [1, 2]}),
        ("a,b\n" + "1,2\n" * 60 + "0.5,x\n", {"a": [1] * 60 + [0.5], "b": [2] * 60 + [None]}),
    ],
)
def test_csv(text, expected, tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(text, encoding="utf-8")
    assert as_arrow(path).to_pydict() == expected


def test_text_that_looks_like_numbers(tmp_path):
    (tmp_path / "a.csv").write_text("code,n\n007,1\n010,NA\n")
    assert as_arrow(tmp_path / "a.csv", ["code"]).to_pydict() == {"code": ["007", "010"], "n": [1, None]}
    columns = [Column("code", "categorical", ("007", "010")), Column("n", "integer", missing=True)]
    assert encode(tmp_path / "a.csv", columns)[:, 0].tolist() == [0, 1]


# --- cells ↔ codes ------------------------------------------------------------------------------------


def test_round_trip(frame, tmp_path):
    x = encode(frame, COLUMNS)
    assert x.shape == (ROWS, len(COLUMNS)) and x.dtype == np.float64
    assert np.isnan(x).any(0).tolist() == [column.missing for column in COLUMNS]
    cr.Domain.table(COLUMNS).check(torch.from_numpy(x))
    back = decode(torch.from_numpy(x), COLUMNS)
    for name in frame:
        cells, original = back[name].tolist(), frame[name].tolist()
        assert all((pd.isna(a) and pd.isna(b)) or a == b for a, b in zip(cells, original, strict=True)), name
    kinds = {
        name: str(back[name].dtype) for name in ("flag", "flag or not", "few", "few or none", "count or none")
    }
    assert list(kinds.values()) == ["bool", "boolean", "int64", "float64", "float64"]
    assert str(back["count"].dtype) == "int64" and str(back["size"].dtype) == "float64"
    assert np.array_equal(encode(back, COLUMNS), x, equal_nan=True)
    for name, write in (("b.csv", back.to_csv), ("b.parquet", back.to_parquet)):
        write(tmp_path / name, index=False)
        assert np.array_equal(encode(tmp_path / name, COLUMNS), x, equal_nan=True)


def test_cells_missing_where_the_column_has_none_come_back_too():
    back = decode(
        np.array([[np.nan, 1.0], [2, np.nan]]), [Column("n", "integer"), Column("c", "categorical", "ab")]
    )
    assert str(back["n"].dtype) == "Int64" and back["n"].isna().tolist() == [True, False]
    assert back["c"].isna().tolist() == [False, True] and back["c"][0] == "b"


def test_columns_are_found_by_name(frame):
    x = encode(frame, COLUMNS)
    turned = frame[frame.columns[::-1]]
    assert np.array_equal(encode(turned, COLUMNS), x, equal_nan=True)
    wider = turned.assign(cuont=1)
    refused(
        "table: the model has no column 'cuont'; did you mean 'count'", encode, wider, COLUMNS, strict=True
    )
    notes = Notes()
    assert np.array_equal(encode(wider, COLUMNS, notes=notes), x, equal_nan=True)
    assert notes.ignored == ["1 column that the model does not have: cuont"]
    x[:, 0] = np.nan
    assert np.array_equal(encode(frame.drop(columns="text"), COLUMNS, notes=notes), x, equal_nan=True)
    assert notes.found == ["no column text: all of its cells count as missing"]
    x = encode(frame, COLUMNS)
    narrow = frame.drop(columns=["few", "size"])
    refused(
        "here: expected the columns text, .*; without few, size, which had no gaps",
        encode,
        narrow,
        COLUMNS,
        "here",
    )
    gaps = encode(narrow, COLUMNS, allow_missing=True)
    assert np.isnan(gaps[:, [3, 7]]).all() and np.array_equal(gaps[:, 5], x[:, 5])


@pytest.mark.parametrize(
    "column, cells, match",
    [
        (Column("a", "categorical", "xyz"), ["x", "w"], "expected one of 'x', 'y', 'z', got 'w' in row 1"),
        (
            Column("a", "categorical", range(30)),
            [3, 31],
            r"expected one of 0, .*, 7, … \(30 in all\), got 31 in row 1",
        ),
        (Column("a", "categorical", (1, 2)), [1, 1.5], "expected one of 1, 2, got 1.5 in row 1"),
        (Column("a", "categorical", (1, 2)), ["1", "x"], "expected one of 1, 2, got 'x' in row 1"),
        (
            Column("a", "categorical", "xy"),
            ["x", None],
            "missing in row 1, but the column has no missing cells",
        ),
        (Column("a", "integer"), [1, 1.5], "expected a whole number, got 1.5 in row 1"),
        (Column("a", "integer"), ["1", "x y"], "expected a whole number, got 'x y' in row 1"),
        (Column("a", "real"), ["1", "x"], "expected a number, got 'x' in row 1"),
        (Column("a", "real"), [True, False], "expected a number, got True in row 0"),
        (Column("a", "real"), [1, math.inf], "expected finite numbers, got inf in row 1"),
        (Column("a", "real"), [1, math.nan], "missing in row 1"),
        (Column("a", "real"), [[1], [2]], "expected numbers, text or booleans, got list"),
    ],
)
def test_cells_that_are_refused(column, cells, match):
    refused(f"table: column 'a': {match}", encode, pd.DataFrame({"a": cells}), [column])


def test_spelt_values_are_read():
    columns = [
        Column("n", "integer"),
        Column("c", "categorical", (1, 2)),
        Column("b", "categorical", (False, True)),
    ]
    table = pa.table({"n": ["3"], "c": ["2.0"], "b": ["TRUE"]})
    assert encode(table, columns).tolist() == [[3, 1, 1]]
    assert (
        encode(pa.table({"n": pa.nulls(1), "c": [None], "b": [True]}), columns, allow_missing=True)[0, 2] == 1
    )


# --- what is given ------------------------------------------------------------------------------------


def parts(domain, values):
    """Variable → its only value, of conditions as users write them."""
    texts = [f"{name}={value}" for name, value in values.items()]
    return {d: part.values for d, part in parts_of(domain, parse_conditions(domain, texts)).items()}


def test_given_cells():
    given = {"text": "ä c", "flag": "false", "count": "12", "size": "-1e-3"}
    assert parts(cr.Domain.table(COLUMNS), given) == {0: (1,), 1: (0,), 5: (12,), 7: (-1e-3,)}


def test_given_variables():
    assert parts(cr.Domain.image(1, 2, 2, levels=3), {"3": "2", "0": "0"}) == {3: (2,), 0: (0,)}
    assert parts(cr.Domain.vector(2), {"1": "0.1"}) == {1: (0.1,)}


@pytest.mark.parametrize(
    "domain, values, match",
    [
        (
            cr.Domain.table(COLUMNS),
            {"flagg": "true"},
            "given: the model has no column 'flagg'; did you mean 'flag'",
        ),
        (
            cr.Domain.table(COLUMNS),
            {"grade": "x"},
            "given: column 'grade': expected one of 'low', .*, got 'x'$",
        ),
        (
            cr.Domain.table(COLUMNS),
            {"count": "x"},
            "given: column 'count': expected a number, got 'x'$",
        ),
        (cr.Domain.binary(3), {"3": "1"}, r"given: expected a variable in \[0, 3\), got '3'"),
        (cr.Domain.binary(3), {"a": "1"}, r"given: expected a variable in \[0, 3\), got 'a'"),
        (cr.Domain.binary(3), {"0": "2"}, r"given: variable 0: expected an integer in \[0, 2\), got '2'"),
        (cr.Domain.vector(3), {"0": "inf"}, "given: variable 0: expected a finite number, got 'inf'"),
    ],
)
def test_what_cannot_be_given(domain, values, match):
    with pytest.raises(ChainruleError, match=match):
        parts(domain, values)


# --- at the command line ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    """A folder with a table, the same with gaps, and the run of a small model of it."""
    folder = tmp_path_factory.mktemp("people")
    count = 60
    frame = pd.DataFrame(
        {
            "job": rng.choice(["clerk", "nurse"], count),
            "age": rng.integers(18, 70, count),
            "income": rng.normal(size=count),
            "member": rng.random(count) < 0.5,
            "rooms": [None if k % 5 == 0 else k % 3 for k in range(count)],
        }
    )
    frame.to_csv(folder / "people.csv", index=False)
    gaps = frame.head(12).drop(columns="member")
    gaps.loc[:4, "income"] = None
    gaps.loc[3:8, "job"] = None
    gaps.to_csv(folder / "gaps.csv", index=False)
    settings = ("--set", "hidden=[8]", "--epochs", "1", "--device", "cpu", "--out", folder / "run")
    trained = call("train", "made", "--data", folder / "people.csv", *settings, "--json")
    assert trained.json["split"] == "valid"
    assert "people: table of 5 columns, 48 train, 6 valid, 6 test" in trained.err
    assert ["rooms", "number,", "whole,", "never", "negative", "20.0%"] in [
        line.split() for line in trained.err.splitlines()
    ]
    return folder


def test_data_shows_columns(people):
    shown = call("data", people / "people.csv")
    assert (shown.status, shown.err) == (0, "")
    assert ["age", "number,", "whole,", "never", "negative"] in [
        line.split() for line in shown.out.splitlines()
    ]
    listed = call("data", people / "people.csv", "--column", "age=real", "--json").json
    assert listed["train"] == 48 and listed["name"] == "people"
    about = {
        "name": "age",
        "kind": "number",
        "levels": None,
        "missing": 0,
        "why": "number, no grid, so densities, never negative",
    }
    assert listed["columns"][1] == about
    assert call("data", "digits", "--json").json["columns"] == []
    assert "did you mean 'age'" in call("data", people / "people.csv", "--column", "agee=real").error
    assert call("data", people / "people.csv", "--column", "age").status != 0


def test_train_takes_kinds(people, tmp_path):
    run = tmp_path / "run"
    settings = ("--set", "hidden=[8]", "--epochs", "1", "--device", "cpu", "--out", run)
    ended = call("train", "made", "--data", people / "people.csv", "--column", "age=real", *settings)
    assert ended.status == 0, ended.err
    assert support(cr.load(run).domain.columns[1]) == ("number", None)
    assert call("evaluate", run, "--no-baselines", "--json").json["n"] == 6
    assert call("train", run / "config.yaml", "--out", tmp_path / "again", "--device", "cpu").status == 0


def test_evaluate_keeps_the_codes_of_the_run(people, tmp_path):
    own = call("evaluate", people / "run", "--no-baselines", "--json").json
    assert own["n"] == 6
    # Other rows of the same people, without clerks: nurses keep their code.
    frame = pd.read_csv(people / "people.csv")
    frame[frame.job == "nurse"].to_csv(tmp_path / "nurses.csv", index=False)
    other = call(
        "evaluate", people / "run", "--data", tmp_path / "nurses.csv", "--no-baselines", "--json"
    ).json
    model = cr.load(people / "run")
    x = load_items(tmp_path / "nurses.csv", model.domain).x
    assert (x[:, 0] == 1).all()
    assert other["nats"] == pytest.approx(-model.double().log_prob(x).mean().item(), rel=1e-5)


def test_the_reference_measure_is_stated(people):
    run, expected = people / "run", reference_measure(cr.load(people / "run").domain.columns)
    assert expected.startswith(
        "Probabilities: job (2 categories and others), age (whole), member (2 categories), ro"
    )
    assert expected.endswith("Densities per unit of the file: income.")
    asked = ("evaluate", run, "--no-baselines")
    assert (
        expected in " ".join(call(*asked).err.split()) and call(*asked, "--json").json["measure"] == expected
    )
    assert json.loads((run / "model.json").read_text())["measure"] == expected
    assert expected in (run / "report.html").read_text()
    assert "measure" not in evaluate(*digits_model()).to_dict()


def digits_model():
    data = cr.load_data("digits").first(8)
    return cr.create_model("uniform", data.domain), data


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (
            [Column("d", "number", step=1.0, spelling="days: %Y-%m-%d"), Column("p", "number", step=0.01)],
            "Probabilities: d (days), p (multiples of 0.01).",
        ),
        (
            [
                Column("x", "number", points=(0, 999), lattices=((0.5, 0.0),), missing=True),
                Column("y", "real"),
            ],
            "Densities per unit of the file: x (the values 0, 999 and values that are multiples of 0.5 and missing "
            "cells have probabilities), y.",
        ),
        ([Column(f"c{k}", "integer") for k in range(12)], "Probabilities: "),
    ],
)
def test_reference_measure(columns, expected):
    found = reference_measure(columns)
    assert found == expected if len(columns) == 2 else found.endswith("c7 (whole) and 4 more.")


def test_sample_a_table(people, tmp_path):
    run = people / "run"
    printed = call("sample", run, "-n", "7")
    assert printed.status == 0
    for name in ("s.csv", "s.parquet"):
        assert call("sample", run, "-n", "7", "-o", tmp_path / name).status == 0
    assert (tmp_path / "s.csv").read_text() == printed.out
    drawn = pd.read_parquet(tmp_path / "s.parquet")
    assert list(drawn) == ["job", "age", "income", "member", "rooms"] and len(drawn) == 7
    assert drawn["member"].dtype == bool and drawn["age"].dtype == np.int64
    assert set(drawn["job"]) <= {"clerk", "nurse"}
    domain = cr.load(run).domain
    expected = cr.load(run).sample(7, generator=torch.Generator().manual_seed(0))
    assert np.array_equal(encode(tmp_path / "s.csv", domain.columns), expected.numpy(), equal_nan=True)
    items = call("sample", run, "-n", "7", "--json").json["items"]
    assert [item["job"] for item in items] == drawn["job"].tolist()
    assert [item["income"] for item in items] == drawn["income"].tolist()
    assert "s.png: expected the ending .npy or .csv or .parquet" in call("sample", run, "-o", "s.png").error


def test_sample_given_cells(people):
    run = people / "run"
    given = ("--given", "job=nurse", "--given", "income=0.1", "--given", "rooms=2", "--particles", "4")
    items = call("sample", run, "-n", "5", *given, "--json").json["items"]
    assert {(item["job"], item["income"], item["rooms"]) for item in items} == {("nurse", 0.1, 2)}
    assert len({item["age"] for item in items}) > 1
    assert (
        "given: the model has no column 'jub'; did you mean 'job'"
        in call("sample", run, "--given", "jub=x").error
    )
    assert "one of 'clerk', 'nurse', got 'x'" in call("sample", run, "--given", "job=x").error
    assert call("sample", run, "--given", "job").status != 0


def test_predict_a_column(people, tmp_path):
    run, whole = people / "run", pd.read_csv(people / "people.csv")
    frame = whole.drop(columns="job")
    frame.insert(1, "name", [f"n{k}" for k in range(len(frame))])
    frame.to_csv(tmp_path / "new.csv", index=False)
    asked = ("predict", run, people / "people.csv", "--column")
    ended = call("predict", run, tmp_path / "new.csv", "--column", "job", "-o", tmp_path / "jobs.csv")
    assert ended.status == 0 and f"60 rows, column 'job': {tmp_path / 'jobs.csv'}" in ended.err
    jobs, model = pd.read_csv(tmp_path / "jobs.csv"), cr.load(run)
    assert jobs["name"].tolist() == frame["name"].tolist()
    assert jobs["job"].tolist() == cr.predict(model, whole, "job").tolist()
    assert call(*asked, "job", "--proba", "-o", tmp_path / "p.parquet").status == 0
    shares = pd.read_parquet(tmp_path / "p.parquet")
    assert list(shares) == ["job=clerk", "job=nurse"]
    np.testing.assert_allclose(shares, cr.predict_proba(model, whole, "job"), atol=1e-6)
    ages = call(*asked, "age", "--quantile", "0.9", "--json").json["rows"]
    assert [row["age"] for row in ages] == cr.predict(model, whole, "age", quantile=0.9).tolist()
    assert "no column 'jub'; did you mean 'job'" in call(*asked, "jub").error
    assert "neither --quantile nor --mean" in call(*asked, "age", "--proba", "--mean").error
    assert "too many values" in call(*asked, "income", "--proba").error


def test_complete_under_conditions(people, tmp_path):
    run, out = people / "run", tmp_path / "filled.csv"
    given = ("complete", run, people / "gaps.csv", "--particles", "8", "-o", out, "--given")
    found = call(*given, "income>0", "--given", "job in nurse,clerk", "--keep", "0.4", "--json")
    assert found.status == 0, found.err
    result, gaps, filled = found.json, pd.read_csv(people / "gaps.csv"), pd.read_csv(out)
    assert not result["exact"] and result["candidates"] == 8
    assert 1 <= result["least_effective_sample_size"] <= result["effective_sample_size"] <= 8
    assert (filled["income"] > 0).all() and filled["age"].tolist() == gaps["age"].tolist()
    known = gaps["job"].notna()
    assert (filled["job"] == gaps["job"])[known].all() and set(filled["job"]) <= {"clerk", "nurse"}
    assert "of each row, worth" in call(*given, "income>0", "--keep", "0.4").err
    oldest = gaps["age"].max()
    refused = call(*given, f"age<{oldest}").error
    assert f"given: 'age' is {oldest} in row {gaps['age'].argmax()}, which the condition rules out" in refused


def test_sample_under_conditions(people):
    run = people / "run"
    given = ("--given", "age>=30", "--given", "age<50", "--given", "job in nurse,clerk", "--given", "rooms>1")
    found = call("sample", run, "-n", "6", *given, "--particles", "8", "--json").json
    assert all(30 <= item["age"] < 50 and item["rooms"] > 1 for item in found["items"])
    assert found["candidates"] == 48 and 0 < found["effective_sample_size"] <= 48.1 and not found["exact"]
    assert "chosen among 48 candidates" in call("sample", run, "-n", "6", *given, "--particles", "8").err
    assert "exact draws" in call("sample", run, "-n", "2", "--given", "job in nurse").err
    assert "no value of 'age' meets" in call("sample", run, "--given", "age>3", "--given", "age<2").error
    assert (
        "one value of 'age', got '30' and '31'"
        in call("sample", run, "--given", "age=30", "--given", "age=31").error
    )


@pytest.mark.parametrize("n", [1, 3])
@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_complete_fills_the_gaps_and_nothing_else(people, tmp_path, n, ending):
    out = tmp_path / f"filled{ending}"
    options = ("-n", n, "--particles", "4", "--json")
    result = call("complete", people / "run", people / "gaps.csv", "-o", out, *options).json
    gaps = pd.read_csv(people / "gaps.csv")
    assert result == {"items": 12, "n": n, "kept": int(gaps.notna().sum().sum()), "of": 60, "file": str(out)}
    filled = pd.read_csv(out) if ending == ".csv" else pd.read_parquet(out)
    if n > 1:
        assert filled.pop("draw").tolist() == [0, 1, 2] * 12
    assert list(filled) == ["job", "age", "income", "member", "rooms"]
    for name in gaps:
        seen = gaps[name].notna()
        for draw in range(n):
            cells = filled[name][draw::n].reset_index(drop=True)
            assert cells[seen].tolist() == gaps[name][seen].tolist(), name
    assert filled[["job", "age", "income", "member"]].notna().all().all()


def test_complete_draws_rows_with_gaps_only_those_with_the_same_together(people, tmp_path, monkeypatch):
    seen = []
    complete = AutoregressiveModel.complete

    def counting(self, x, known, *args, **options):
        seen.append((~known).int().tolist())
        return complete(self, x, known, *args, **options)

    monkeypatch.setattr(AutoregressiveModel, "complete", counting)
    monkeypatch.setattr("chainrule.cli.complete_table.ROWS", 2 * 4)
    rows = pd.read_csv(people / "people.csv").dropna().head(7).reset_index(drop=True)
    rows.loc[[1, 4], "job"] = None
    rows.loc[[2, 6], "income"] = None
    rows.to_csv(tmp_path / "few.csv", index=False)
    options = ["-o", tmp_path / "c.csv", "--particles", "4"]
    assert call("complete", people / "run", tmp_path / "few.csv", *options).status == 0
    assert [len(part) for part in seen] == [2, 2]
    assert all(part[0] == part[1] and sum(part[0]) == 1 for part in seen)
    assert pd.read_csv(tmp_path / "c.csv").drop(index=[1, 2, 4, 6]).equals(rows.drop(index=[1, 2, 4, 6]))


def test_complete_with_the_most_probable(people, tmp_path):
    for seed in (1, 2):
        out = tmp_path / f"{seed}.npy"
        options = ("--most-probable", "--items", "3", "--seed", seed)
        assert call("complete", people / "run", people / "gaps.csv", "-o", out, *options).status == 0
    first = np.load(tmp_path / "1.npy")
    assert first.shape == (3, 5) and np.array_equal(first, np.load(tmp_path / "2.npy"), equal_nan=True)


def test_complete_what_it_is_told_to_keep(people, tmp_path):
    options = ("--keep", "0.4", "--json", "-o", tmp_path / "f.csv")
    assert call("complete", people / "run", people / "people.csv", *options).json["kept"] == 60 * 2


def test_complete_carries_what_the_model_does_not_know(people, tmp_path):
    """Ids and categories never seen leave as they came; so do cells that are spelt in another way."""
    source = "id,job,age\n9007199254740993,smith,3.50\n9007199254740995,,\n"
    (tmp_path / "a.csv").write_text(source)
    out = tmp_path / "o.csv"
    ended = call("complete", people / "run", tmp_path / "a.csv", "-o", out)
    assert "ignored: 1 column that the model does not have: id" in ended.err
    assert "column 'job': 1 cell of categories never seen in training" in ended.err
    filled = pd.read_csv(out, dtype=str)
    assert list(filled) == ["id", "job", "age", "income", "member", "rooms"]
    assert filled["id"].tolist() == ["9007199254740993", "9007199254740995"]
    assert filled["job"][0] == "smith" and filled["job"][1] in ("clerk", "nurse")
    assert float(filled["age"][0]) == 3.5 and filled.drop(columns="rooms").notna().all().all()
    assert "expected the ending" in call("complete", people / "run", tmp_path / "a.csv", "-o", "o.txt").error


def test_scores_carry_what_the_model_does_not_know(people, tmp_path):
    frame = pd.read_csv(people / "people.csv").assign(id=[f"no-{k}" for k in range(60)])
    frame.loc[3, "job"] = "smith"
    frame.to_csv(tmp_path / "new.csv", index=False)
    out = tmp_path / "scores.csv"
    ended = call("score", people / "run", tmp_path / "new.csv", "-o", out, "--blame", "--false-alarms", "0.5")
    assert ended.status == 0, ended.err
    scores = pd.read_csv(out)
    assert scores["id"].tolist() == frame["id"].tolist() and np.isfinite(scores["nats"]).all()
    smith = scores.loc[3]
    assert smith["alarm"] and (smith["column"], smith["value"]) == ("job", "a value never seen")
