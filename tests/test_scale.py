"""Verbs over parts of large tables: the same bytes whoever does them."""

import os
import signal
import threading
import time
from hashlib import sha256

import numpy as np
import pandas as pd
import pytest
import torch

import chainrule as cr
from chainrule import scale
from chainrule.cli import main
from chainrule.data import load_items
from chainrule.errors import ChainruleError
from chainrule.scale.parts import drawn_parts, parts_of
from children import offspring

ROWS = 2000


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A run of a small table, and Parquet files of its rows, some of whose cells are missing in `gaps`."""
    folder = tmp_path_factory.mktemp("scale")
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({
        "id": [f"u{i:05d}" for i in range(ROWS)],
        "age": rng.integers(18, 90, ROWS),
        "job": rng.choice(["clerk", "smith", "baker"], ROWS),
    })  # fmt: skip
    frame[:500].to_csv(folder / "train.csv", index=False)
    data = cr.load_data(folder / "train.csv")
    torch.manual_seed(0)
    model = cr.create_model("made", data.domain, hidden=[8])
    cr.fit(model, data, out=folder / "run", epochs=1, progress=False, device="cpu")
    holes = frame.copy()
    holes.loc[::3, "job"] = None
    for name, rows in (("whole", frame), ("gaps", holes)):
        (folder / name).mkdir()
        for k in range(2):
            rows[k * 1000 : (k + 1) * 1000].to_parquet(
                folder / name / f"{k}.parquet", index=False, row_group_size=700
            )
    return folder


def digests(folder):
    return {
        str(path.relative_to(folder)): sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("part-*")
    }


def test_parts_are_all_rows_once(place):
    parts = parts_of(place / "whole", 300)
    assert [part.number for part in parts] == list(range(len(parts))) and max(
        part.rows for part in parts
    ) == 300
    rows = pd.concat([part.read().to_pandas() for part in parts])
    assert rows["id"].tolist() == [f"u{i:05d}" for i in range(ROWS)]
    assert [part.rows for part in drawn_parts(1000, 300)] == [300, 300, 300, 100]


def test_scores_are_those_of_one_process(place, tmp_path):
    told = []
    done = scale.map(
        place / "run", "score", place / "whole", tmp_path / "s", rows=300, progress=lambda *n: told.append(n)
    )
    assert done == ROWS and told[0] == (0, ROWS) and told[-1] == (ROWS, ROWS)
    found = pd.read_parquet(tmp_path / "s")
    run = cr.Run.open(place / "run")
    items = load_items(pd.read_parquet(place / "whole"), run.reading)
    with torch.no_grad():
        expected = -run.model.log_prob(items.x)
    assert found["id"].tolist() == [f"u{i:05d}" for i in range(ROWS)]
    np.testing.assert_allclose(found["nats"], expected, rtol=1e-5)


def test_missing_cells_are_drawn_and_others_stay(place, tmp_path):
    scale.map(place / "run", "complete", place / "gaps", tmp_path / "c", rows=300)
    before, after = (pd.read_parquet(folder) for folder in (place / "gaps", tmp_path / "c"))
    there = before["job"].notna()
    assert after["job"].notna().all() and (after["job"][there] == before["job"][there]).all()
    assert (after[["id", "age"]] == before[["id", "age"]]).all(axis=None)


@pytest.mark.parametrize("verb", ["score", "complete", "sample"])
def test_parts_lost_are_done_again_alike(verb, place, tmp_path):
    source = {"score": place / "whole", "complete": place / "gaps"}.get(verb)
    about = {"rows": 300, "n": None if source else 1000}
    scale.map(place / "run", verb, source, tmp_path / "a", **about)
    expected = digests(tmp_path / "a")
    (tmp_path / "a" / "part-000001.parquet").unlink()
    scale.map(place / "run", verb, source, tmp_path / "a", **about)
    assert digests(tmp_path / "a") == expected and len(set(expected.values())) == len(expected)


def test_a_killed_process_loses_no_rows(place, tmp_path):
    """Two processes, of which one is killed: the bytes are those of one process."""
    scale.map(place / "run", "sample", None, tmp_path / "one", n=4000, rows=200)

    def kill():
        until = time.monotonic() + 60
        while time.monotonic() < until and not list((tmp_path / "two").glob("part-*")):
            time.sleep(0.01)
        children = offspring(os.getpid(), "spawn_main")
        for pid in children[:1]:
            os.kill(pid, signal.SIGKILL)
        killed.extend(children[:1])

    killed: list[int] = []
    thread = threading.Thread(target=kill)
    thread.start()
    scale.map(place / "run", "sample", None, tmp_path / "two", n=4000, rows=200, workers=2)
    thread.join()
    assert killed and digests(tmp_path / "two") == digests(tmp_path / "one")


def test_refusals(place, tmp_path):
    run, whole, out = place / "run", place / "whole", tmp_path / "x"
    for asked, message in [
        (("scor", whole, out), "verb: unknown 'scor'"),
        (("sample", whole, out), "expected n and no source for sample"),
        (("score", place / "run", out), "expected a Parquet file, or a folder of them"),
        (("score", whole, place / "whole" / "x"), "expected a folder outside of"),
        (("score", whole, place), "expected an empty folder"),
    ]:
        with pytest.raises(ChainruleError, match=message):
            scale.map(run, *asked)
    scale.map(run, "score", whole, out)
    with pytest.raises(ChainruleError, match="holds results of other work"):
        scale.map(run, "complete", whole, out)
    with pytest.raises(ChainruleError, match="gpus: expected the engine ray"):
        scale.map(run, "score", whole, out, gpus=1)
    with pytest.raises(ChainruleError, match="engine: unknown 'dask'"):
        scale.map(run, "score", whole, out, engine="dask")


def test_the_command(place, tmp_path, capsys):
    asked = ["score", place / "run", place / "whole", "--engine", "local", "-o", tmp_path / "s"]
    assert main([*map(str, asked)]) == 0
    assert "2,000 rows" in capsys.readouterr().err and len(pd.read_parquet(tmp_path / "s")) == ROWS
    assert main([*map(str, asked[:-1]), str(tmp_path / "s.csv")]) == 1
    assert "expected a folder to write to" in capsys.readouterr().err
    assert main([*map(str, asked), "--false-alarms", "0.1"]) == 1
    assert "--false-alarms: means nothing with --engine" in capsys.readouterr().err
