"""Arrays, tensors, frames, pairs and dicts as sources of load_data, load_items and fit."""

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet
import pytest
import torch

import chainrule as cr
from chainrule.data import Reading, load_data, load_items

RNG = np.random.default_rng(0)
BITS = RNG.integers(0, 2, (40, 6))
CLASSES = np.arange(40) % 3
FRAME = pd.DataFrame({"job": ["clerk", "baker"] * 20, "age": np.arange(40) + 0.5, "kind": ["u", "v"] * 20})


class Stream:
    """A frame of another library, of which only arrow's protocol is known."""

    def __init__(self, table):
        self.table, self.columns = table, table.column_names

    def __arrow_c_stream__(self, requested_schema=None):
        return self.table.__arrow_c_stream__(requested_schema)


def saved(tmp_path, **arrays):
    np.savez(tmp_path / "a.npz", **arrays)
    return load_data(tmp_path / "a.npz")


def alike(one, other):
    """Of the same domain, rows and labels, split alike."""
    assert one.domain == other.domain and set(one.labels) == set(other.labels)
    for split in ("train", "valid", "test"):
        assert getattr(one, split).equal(getattr(other, split)), split
        assert one.labels.get(split, torch.tensor(0)).equal(other.labels.get(split, torch.tensor(0)))


@pytest.mark.parametrize("make", [np.asarray, torch.tensor, list, torch.Tensor, lambda x: x.astype(bool)])
def test_an_array_is_what_its_file_is(tmp_path, make):
    data = load_data(make(BITS))
    alike(data, saved(tmp_path, x=BITS))
    assert data.name == "array" and data.origin == {} and "array; " in data.source


def test_tensors_of_any_kind():
    x = torch.rand(40, 3, dtype=torch.float64, requires_grad=True)
    assert str(load_data(x).domain) == "vector:3:real" and load_data(x).train.dtype == torch.float64
    assert load_data(x.detach().bfloat16()).train.dtype == torch.float32
    assert load_data(x.detach().half().t().contiguous().t()).train.shape == (32, 3)


def test_pairs_and_dicts_have_labels_and_splits(tmp_path):
    alike(load_data((BITS, CLASSES)), saved(tmp_path, x=BITS, y=CLASSES))
    splits = {"train": BITS, "val": BITS[:5], "test": BITS[5:9], "y_train": CLASSES}
    splits |= {"y_val": CLASSES[:5], "y_test": CLASSES[5:9]}
    data = load_data({name: torch.tensor(part) for name, part in splits.items()})
    alike(data, saved(tmp_path, **splits))
    assert "found: array val, int64 (5, 6)" in data.notes.lines()
    named = load_data((torch.tensor(BITS), ["ant", "cow", "bee"] * 13 + ["ant"]))
    assert named.class_names == ("ant", "bee", "cow")
    # Matched by name, whatever is there of them.
    how = Reading(domain=named.domain, classes=named.classes)
    assert load_items((BITS[:2], ["cow", "bee"]), how).labels.tolist() == [2, 1]
    with pytest.raises(cr.errors.DataError, match="'dog': the run knows 'ant'"):
        load_items((BITS[:2], ["cow", "dog"]), how)
    assert load_items((BITS[:2], pd.Series([1, 0])), named.domain).labels.tolist() == [1, 0]


@pytest.mark.parametrize(
    "make", [lambda frame: frame, pa.Table.from_pandas, lambda f: Stream(pa.Table.from_pandas(f))]
)
def test_a_frame_is_what_its_file_is(tmp_path, make):
    FRAME.to_parquet(tmp_path / "a.parquet")
    data = load_data(make(FRAME))
    alike(data, load_data(tmp_path / "a.parquet"))
    assert data.origin == {} and data.name == "frame" and data.notes.found == ["40 rows of 3 columns"]
    alike(load_data(make(FRAME), labels=["kind"]), load_data(tmp_path / "a.parquet", labels=["kind"]))
    pair = load_data((make(FRAME[["job", "age"]]), FRAME["kind"]))
    alike(pair, load_data(tmp_path / "a.parquet", labels=["kind"]))
    items = load_items(make(FRAME[:7]), data.domain)
    assert items.x.shape == (7, 3) and items.x.equal(load_items(make(FRAME), data.domain).x[:7])
    splits = load_data({"train": make(FRAME), "test": make(FRAME[:4])})
    assert len(splits.test) == 4 and splits.domain == data.domain


MIXED = {
    "n": [0.5, 1.25, None, 3.0] * 10,
    "c": ["x", None, "y", "x"] * 10,
    "f": [True, False, None, True] * 10,
}
LIBRARIES = {
    "pandas": pd.DataFrame,
    "polars": pl.DataFrame,
    "pyarrow": pa.table,
    "batch": lambda cells: pa.table(cells).to_batches()[0],
    "reader": lambda cells: pa.table(cells).to_reader(),
    "duckdb": lambda cells: duckdb.from_arrow(pa.table(cells)),
    "dictionaries": lambda cells: [
        dict(zip(cells, row, strict=True)) for row in zip(*cells.values(), strict=True)
    ],
}


@pytest.mark.parametrize("library", LIBRARIES)
def test_frames_of_all_libraries_are_alike(library):
    data = load_data(LIBRARIES[library](MIXED), columns={})
    assert data.domain == load_data(pa.table(MIXED), columns={}).domain
    assert [column.name for column in data.domain.columns] == ["n", "c", "f"]
    assert load_items(LIBRARIES[library](MIXED), data.domain).x.isnan().sum(0).tolist() == [10, 10, 10]


def test_arrays_of_records_and_of_objects_are_tables():
    rows = [(i / 4, i % 3, "xyz"[i % 3]) for i in range(40)]
    records = np.array(rows, dtype=[("n", float), ("i", np.int32), ("c", "U3")])
    objects = np.array(rows, dtype=object)
    for source, names in ((records, ["n", "i", "c"]), (objects, ["x0", "x1", "x2"])):
        columns = load_data(source).domain.columns
        assert [column.name for column in columns] == names
        assert columns[2].categories == ("x", "y", "z") and columns[1].step == 1
    assert load_data([{"a": 1.5}, {"b": "x"}] * 20).domain.columns[1].missing  # a key that is not there


def test_names_that_are_no_text_or_the_same(tmp_path):
    frame = pd.DataFrame([[1.5, "x", 2.5]] * 20, columns=[0, 0, "b"])
    for source in (frame, pa.table([[1.5] * 20, ["x"] * 20, [2.5] * 20], names=["0", "0", "b"])):
        data = load_data(source)
        assert [column.name for column in data.domain.columns] == ["0", "0_2", "b"]
        assert "changed: names: columns without a name of their own are called 0_2" in data.notes.lines()


def test_an_index_without_a_name_is_no_column(tmp_path):
    FRAME.sample(frac=1).to_parquet(tmp_path / "a.parquet")
    assert "__index_level_0__" in pa.parquet.read_schema(tmp_path / "a.parquet").names
    data = load_data(tmp_path / "a.parquet")
    assert [column.name for column in data.domain.columns] == list(FRAME)
    assert "ignored: the index of a frame: __index_level_0__" in data.notes.lines()


def test_text_of_views_is_text():
    table = pa.table({"a": pa.array(["x", "y"] * 20, pa.string_view()), "b": np.arange(40.0)})
    assert load_data(table).domain.columns[0].categories == ("x", "y")


def test_sets_of_the_hub_library():
    datasets = pytest.importorskip("datasets")
    rows = datasets.Dataset.from_pandas(FRAME)
    assert load_data(rows).domain == load_data(FRAME).domain
    both = datasets.DatasetDict(train=rows, test=rows.select(range(5)))
    assert len(load_data(both).test) == 5


def test_what_was_read_is_not_what_the_user_goes_on_writing_into():
    splits = {split: BITS.astype(np.uint8) for split in ("train", "valid", "test")}
    for made in (dict, lambda parts: {name: torch.from_numpy(part) for name, part in parts.items()}):
        data = load_data(made(splits))
        before = data.train.clone()
        for part in splits.values():
            part += 1
        assert data.train.equal(before)
        for part in splits.values():
            part -= 1


@pytest.mark.parametrize(
    ("source", "match"),
    [
        (None, "array: expected an array, a tensor.*got NoneType"),
        (3, "array: expected one row per item"),
        (object(), "array: expected integers or floats"),
        ((BITS, CLASSES, CLASSES), "got a tuple of 3"),
        ((BITS, CLASSES[:3]), "array: labels of train: expected one per row"),
        (((BITS, CLASSES), CLASSES), "pair: expected the items of one array"),
        ({"foo": BITS, "bar": BITS}, "arrays: expected arrays train"),
        ({}, "arrays: expected arrays train.*got none"),
        ({"train": FRAME, "rest": FRAME}, "frames: expected train, valid or test"),
        ({"train": FRAME, "test": BITS}, "frames: expected train, valid or test"),
        ({"train": "digits"}, "array 'train': expected an array.*got str"),
        ([[1], [1, 2]], "array: cannot be read"),
        ({1, 2}, "got set"),
        (np.zeros((0, 3)), "array: holds no values"),
        (np.full((9, 2), np.nan), "array: row 0 is not finite"),
        (np.array([{}, {}]), "array: expected integers or floats, got an array of object"),
        (BITS * 1j, "array: expected integers or floats, got an array of complex128"),
        (pd.DataFrame({"a": [1, "x"]}), "frame: column 'a': expected cells of one kind, got int and str"),
        ([{"a": 1}, {"a": "x"}], "frame: column 'a': expected cells of one kind, got int and str"),
        (pl.LazyFrame({"a": [1]}), "got a LazyFrame; collect it first"),
        (pl.DataFrame({"a": [[1]] * 9}), "frame: column 'a': expected numbers"),
        (pd.DataFrame({"a": [[1]] * 9}), "frame: column 'a': expected numbers"),
        (FRAME[:0], "frame: .*no rows|frame: .*missing|frame: .*rows"),
    ],
)
def test_what_is_no_source_is_named(source, match):
    with pytest.raises(cr.errors.DataError, match=match) as caught:
        load_data(source)
    assert "\n" not in str(caught.value)


def test_fit_takes_what_load_data_takes(tmp_path):
    options = {"epochs": 1, "progress": False, "seed": 0}

    def weights(data, **model):
        torch.manual_seed(0)
        made = cr.create_model("made", cr.Domain.binary(6), **model)
        return cr.fit(made, data, **options).model.log_prob(
            torch.tensor(BITS[:5]), *([torch.arange(5) % 3] if model else [])
        )

    assert weights(BITS).equal(weights(saved(tmp_path, x=BITS)))
    assert weights((BITS, CLASSES), classes=3).equal(weights(saved(tmp_path, x=BITS, y=CLASSES), classes=3))
    run = cr.fit(
        cr.create_model("independent", cr.Domain.binary(6)), torch.tensor(BITS), out=tmp_path / "run"
    )
    assert run.config["data"] == {}
    table = load_data(FRAME).domain
    assert cr.fit(cr.create_model("made", table), FRAME, **options).model.domain == table
    with pytest.raises(cr.errors.DataError, match="array: expected integer labels"):
        weights(BITS, classes=3)
    with pytest.raises(cr.errors.ChainruleError, match=r"array: .*does not fit"):
        weights(BITS[:, :5])


def test_a_domain_is_as_the_user_says():
    assert str(load_data(RNG.integers(0, 256, (40, 4, 4, 3)), axes="NHWC").domain) == "image:3x4x4:256"
    assert load_data(BITS, domain="image:1x2x3:2").train.shape == (32, 1, 2, 3)
    with pytest.raises(cr.errors.DataError, match="array: a rate is for recordings"):
        load_data(BITS, rate=8000)
    with pytest.raises(cr.errors.DataError, match="ndarray: kinds of columns are for tables"):
        load_data(BITS, columns={"a": "real"})
