"""Large tables in folders that name columns, and as compressed files: what comes out is all that went in."""

import json
from hashlib import sha256

import numpy as np
import pandas as pd
import pyarrow.dataset as ds
import pytest
import torch

import chainrule as cr
from chainrule import scale
from chainrule.cli import main
from chainrule.errors import ChainruleError, DataError
from chainrule.scale.parts import parts_of

ROWS = 600


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A run of a small table, and Parquet files of its rows in folders by year and state, which are not modelled."""
    folder = tmp_path_factory.mktemp("sources")
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"age": rng.integers(18, 90, ROWS), "job": rng.choice(["clerk", "smith"], ROWS)})
    frame.to_csv(folder / "train.csv", index=False)
    data = cr.load_data(folder / "train.csv")
    torch.manual_seed(0)
    model = cr.create_model("made", data.domain, hidden=[8])
    cr.fit(model, data, out=folder / "run", epochs=1, progress=False, device="cpu")
    frame["year"], frame["state"] = np.repeat([2020, 2021], ROWS // 2), np.tile(["CA", "N Y"], ROWS // 2)
    frame.to_parquet(folder / "hive", index=False, partition_cols=["year", "state"])
    return folder


def digests(folder):
    return {
        str(path.relative_to(folder)): sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*part-*")
    }


def test_folders_are_columns(place, tmp_path):
    (place / "hive" / "_delta_log").mkdir(exist_ok=True)
    (place / "hive" / "_delta_log" / "0.parquet").write_bytes(b"none of ours")
    parts = parts_of(place / "hive", 100)
    assert {part.folder for part in parts} == {
        f"year={y}/state={s}" for y in (2020, 2021) for s in ("CA", "N%20Y")
    }
    assert parts[0].read().schema.field("year").type == "int32"
    scale.map(place / "run", "score", place / "hive", tmp_path / "s", rows=100)
    found = pd.read_parquet(tmp_path / "s")
    assert list(found) == ["year", "state", "nats"] and len(found) == ROWS
    assert found.groupby(["year", "state"]).size().to_dict() == {
        (y, s): ROWS // 4 for y in (2020, 2021) for s in ("CA", "N Y")
    }
    scale.map(place / "run", "complete", place / "hive", tmp_path / "c", rows=100)
    whole = ds.dataset(place / "hive", partitioning="hive").to_table().to_pandas()
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "c")[list(whole)], whole, check_dtype=False)


def test_a_column_of_folders_may_be_modelled(place, tmp_path):
    (tmp_path / "in" / "job=smith").mkdir(parents=True)
    pd.DataFrame({"age": range(20, 60)}).to_parquet(tmp_path / "in" / "job=smith" / "0.parquet")
    scale.map(place / "run", "score", tmp_path / "in", tmp_path / "s")
    found = pd.read_parquet(tmp_path / "s")
    assert set(found["job"]) == {"smith"} and len(found) == 40


def test_folders_and_files_that_differ(place, tmp_path):
    (tmp_path / "in" / "age=old").mkdir(parents=True)
    pd.DataFrame({"age": [1, 2]}).to_parquet(tmp_path / "in" / "age=old" / "0.parquet")
    with pytest.raises(DataError, match="the folders' columns and the files' do not go together"):
        scale.map(place / "run", "score", tmp_path / "in", tmp_path / "s")


def test_compressed_parts_are_the_same_and_give_all_back(place, tmp_path):
    for workers in (1, 2):
        out = tmp_path / f"packed{workers}"
        assert scale.map(place / "run", "compress", place / "hive", out, workers=workers, rows=100) == ROWS
    assert digests(tmp_path / "packed1") == digests(tmp_path / "packed2") and len(digests(out)) == 8
    assert "year=2020/state=CA/part-000000.chr" in digests(out)
    assert scale.map(place / "run", "decompress", out, tmp_path / "back") == ROWS
    was, now = (
        ds.dataset(folder, partitioning="hive", format="parquet", exclude_invalid_files=True).to_table()
        for folder in (place / "hive", tmp_path / "back")
    )
    assert now.replace_schema_metadata(None).equals(was.replace_schema_metadata(None))


def test_the_commands(place, tmp_path, capsys):
    run, packed = str(place / "run"), str(tmp_path / "packed")
    asked = ["compress", run, str(place / "hive"), "--engine", "local", "-o", packed]
    assert main(asked) == 0
    assert main(["decompress", run, packed, "--json", "-o", str(tmp_path / "back")]) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == ROWS
    (tmp_path / "packed" / "year=2020" / "state=CA" / "part-000000.chr").write_bytes(b"none")
    assert main(["decompress", run, packed, "-o", str(tmp_path / "again")]) == 1
    said = " ".join(capsys.readouterr().err.split())
    assert f"error: {packed}/year=2020/state=CA/part-000000.chr: " in said
    assert main(["decompress", run, str(place / "hive"), "-o", str(tmp_path / "x")]) == 1
    assert "expected a folder that `chainrule compress --engine` has made" in capsys.readouterr().err


def test_what_cannot_be_packed_is_refused(place, tmp_path):
    (tmp_path / "in").mkdir()
    frame = pd.read_csv(place / "train.csv").assign(id=range(ROWS))
    frame.to_parquet(tmp_path / "in" / "0.parquet", index=False)
    with pytest.raises(ChainruleError, match=r"0.parquet, rows 0 to 599: .*the model has no column 'id'"):
        scale.map(place / "run", "compress", tmp_path / "in", tmp_path / "x")


def test_what_was_found_in_rows_is_said(place, tmp_path, capsys):
    """The cells of all parts are added up, also of those that are done already."""
    frame = pd.read_csv(place / "train.csv")
    frame.loc[[3, 250, 590], "job"] = "astronaut"
    frame.loc[5, "job"] = "diver"
    (tmp_path / "new").mkdir()
    frame.to_parquet(tmp_path / "new" / "a.parquet", row_group_size=200)
    for _ in range(2):
        assert (
            main(
                [
                    "score",
                    str(place / "run"),
                    str(tmp_path / "new"),
                    "--engine",
                    "local",
                    "-o",
                    str(tmp_path / "s"),
                ]
            )
            == 0
        )
        said = capsys.readouterr().err
        assert said.count("column 'job': 4 cells of categories never seen in training") == 1, said
