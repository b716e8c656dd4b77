"""Columns that are not modelled, such as ids: how they go on in drawn rows."""

import re

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch

import chainrule as cr
from chainrule.data.carried import Carried, with_fresh
from chainrule.errors import ChainruleError, RunError
from chainrule.sklearn import AutoregressiveDensity
from test_cli import call

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
N = 60


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def people():
    """Ids of several kinds between columns that are modelled."""
    rng = np.random.default_rng(0)
    uuids = Carried("key", 0, "uuid").fresh(N, seeded(5))
    return pd.DataFrame(
        {
            "id": 100 + rng.permutation(N),
            "age": rng.integers(20, 60, N),
            "code": [f"u{k:05}" for k in rng.permutation(N)],
            "key": uuids,
            "height": rng.normal(170, 9, N),
            "remark": [f"said {k} things about {k * k} others" for k in range(N)],
        }
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ids")
    people().to_csv(folder / "people.csv", index=False)
    ended = call("train", "independent", "--data", folder / "people.csv", "--out", folder / "run")
    assert ended.status == 0, ended.err
    return folder / "run"


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ([7, 3, 9], [10, 11]),
        (["u00012", "u00007"], ["u00013", "u00014"]),
        (["u9", "u10"], ["u11", "u12"]),
        (["99", "98"], ["100", "101"]),
        (["a-001.x", "a-999.x"], ["a-1000.x", "a-1001.x"]),
        (["Ann", "Bob"], [None, None]),
        (["a1", "b2"], [None, None]),
        ([0.5, 1.5], [None, None]),
        ([2**62], [2**62 + 1, 2**62 + 2]),
    ],
)
def test_ids_go_on(cells, expected):
    assert Carried.of("id", 0, pa.chunked_array([cells])).fresh(2, seeded()) == expected


def test_uuids_are_new_and_seeded():
    found = Carried.of("key", 0, pa.chunked_array([people()["key"]]))
    first, again, other = (found.fresh(50, seeded(seed)) for seed in (0, 0, 1))
    assert first == again != other and len(set(first)) == 50
    assert all(UUID.fullmatch(text) for text in first)


def test_sampled_rows_have_new_ids_in_the_files_order(run, tmp_path):
    printed = call("sample", run, "-n", "3", "--ids", "fresh", "-o", tmp_path / "s.csv")
    assert printed.status == 0 and "column 'remark' stays empty" in printed.err
    frame = pd.read_csv(tmp_path / "s.csv")
    assert list(frame) == list(people())
    assert frame["id"].tolist() == [160, 161, 162] and frame["code"].tolist() == [
        "u00060",
        "u00061",
        "u00062",
    ]
    assert frame["remark"].isna().all() and frame["key"].map(UUID.fullmatch).all()
    plain = call("sample", run, "-n", "3", "-o", tmp_path / "plain.csv")
    assert plain.status == 0
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "plain.csv"), frame[["age", "height"]])
    assert call("sample", run, "-n", "2", "--ids", "fresh").out.startswith(
        "id,age,code,key,height,remark\n160,"
    )
    items = call("sample", run, "-n", "2", "--ids", "fresh", "--json").json["items"]
    assert [item["id"] for item in items] == [160, 161]
    opened = cr.Run.open(run)
    assert list(opened.frame(opened.model.sample(2), ids="fresh")) == list(people())


def test_ids_that_cannot_be_made(run, tmp_path):
    assert "got .npy" in call("sample", run, "--ids", "fresh", "-o", tmp_path / "s.npy").error
    opened = cr.Run.open(run)
    with pytest.raises(RunError, match="ids: expected fresh, got 'new'"):
        opened.frame(opened.model.sample(2), ids="new")
    del opened.config["carried"]  # as runs of before have it
    with pytest.raises(RunError, match="found no columns that training left out"):
        opened.frame(opened.model.sample(2), ids="fresh")


def test_dropped_columns_stay_out():
    kinds = {"code": "drop"}
    data = cr.load_data(people(), columns=kinds)
    assert [(column.name, column.place) for column in data.carried] == [("id", 0), ("key", 2), ("remark", 4)]
    frame = with_fresh(pd.DataFrame({"age": [1], "height": [2.0]}), data.carried, seeded())
    assert list(frame) == ["id", "age", "key", "height", "remark"]


def test_the_estimator_warns_of_columns_left_out_and_makes_them_anew():
    density = AutoregressiveDensity("independent", random_state=0)
    with pytest.warns(UserWarning, match=r"X: not modelled, column 'id': an id.*'drop'") as told:
        density.fit(people())
    assert len(told) == 1
    drawn = density.sample(3, random_state=0, ids="fresh")
    assert list(drawn) == list(people()) and drawn["id"].tolist() == [160, 161, 162]
    assert drawn["id"].dtype == people()["id"].dtype
    assert list(density.sample(3, random_state=0)) == ["age", "height"]
    with pytest.raises(ChainruleError, match="ids: expected 'fresh' or None"):
        density.sample(3, ids="new")
    agreed = dict.fromkeys(("id", "code", "key", "remark"), "drop")
    AutoregressiveDensity("independent", random_state=0, columns=agreed).fit(people())  # warnings are errors
