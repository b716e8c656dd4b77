"""Items drawn and written some at a time make the same files as all at once."""

import numpy as np
import pandas as pd
import pytest
import torch
from pyarrow import parquet

from chainrule.domain import Column
from chainrule.engine import rows
from chainrule.models.base import capabilities
from chainrule.report.frames import write_frames
from test_cli import call

RUNS = {
    "bits": ("independent", "bits.npy"),
    "text": ("count-table", "words.txt"),
    "people": ("independent", "people.csv"),
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    rng = np.random.default_rng(0)
    np.save(folder / "bits.npy", rng.integers(0, 2, (40, 6)))
    (folder / "words.txt").write_text("the cat sat on the mat\n" * 60)
    names = [None if k % 7 == 0 else ("ann", "bob")[k % 2] for k in range(60)]
    people = pd.DataFrame({"age": rng.integers(20, 60, 60), "height": rng.normal(170, 9, 60), "name": names})
    people.to_csv(folder / "people.csv", index=False)
    for name, (model, data) in RUNS.items():
        ended = call("train", model, "--data", folder / data, "--out", folder / name)
        assert ended.status == 0, ended.err
    return folder


@pytest.mark.parametrize(
    "run, ending",
    [
        *(("bits", ending) for ending in (".npy", ".csv", ".png")),
        *(("text", ending) for ending in (".txt", ".npy")),
        *(("people", ending) for ending in (".csv", ".npy", ".parquet")),
    ],
)
def test_a_file_is_the_same_in_parts(run, ending, runs, tmp_path, monkeypatch):
    whole, parts = tmp_path / f"whole{ending}", tmp_path / f"parts{ending}"
    assert call("sample", runs / run, "-n", 23, "-o", whole).status == 0
    monkeypatch.setattr(capabilities, "FEW", 0)
    monkeypatch.setattr(rows, "MOST_ROWS", 5)
    assert call("sample", runs / run, "-n", 23, "-o", parts).status == 0
    if ending == ".parquet":  # in groups of rows
        assert parquet.read_table(parts).equals(parquet.read_table(whole))
        assert parquet.ParquetFile(parts).num_row_groups == 5
    else:
        assert parts.read_bytes() == whole.read_bytes()


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_types_are_those_of_all_rows(ending, tmp_path):
    """A part without a fraction, or without a name, is no other table."""
    columns = [
        Column("number", "real", missing=True),
        Column("count", "integer", missing=True),
        Column("name", "categorical", ("a", "b"), missing=True),
    ]
    x = torch.tensor([[1.0, 2.0, torch.nan], [2.0, 3.0, torch.nan], [0.5, torch.nan, 1.0], [3.0, 2.5, 0.0]])
    for name, size in (("whole", 4), ("parts", 2)):
        write_frames(x.double().split(size), tmp_path / f"{name}{ending}", columns)
    if ending == ".csv":
        assert (tmp_path / "parts.csv").read_text() == (tmp_path / "whole.csv").read_text()
        return
    whole, parts = (parquet.read_table(tmp_path / f"{name}.parquet") for name in ("whole", "parts"))
    assert parts.equals(whole) and parts.schema.types == whole.schema.types
