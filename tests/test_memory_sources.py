"""Arrays, tensors, frames, pairs and dicts as sources of load_data, load_items and fit."""

import numpy as np
import pandas as pd
import pyarrow as pa
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
        (pd.DataFrame(np.ones((9, 2)), columns=["a", "a"]), "frame: .*'a'"),
        (
            pa.table([[1], [2]], names=["a", "a"]),
            "frame: expected columns of different names|table: .*'a' twice",
        ),
        (pd.DataFrame({"day": pd.date_range("2020", periods=9)}), "frame: column 'day': dates"),
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
