"""Engines of several workers, run for real: the same bytes, also after a kill; an error and Ctrl-C end in one line."""

import os
import signal
import sys
import time
from hashlib import sha256
from shutil import which

import numpy as np
import pandas as pd
import pytest
import torch

import chainrule as cr
from chainrule import scale
from children import child, ended, offspring, outcome

ROWS, PART = 40_000, 2000
WORKERS = {"local": "spawn_main", "ray": "ray::MapWorker", "spark": "pyspark.daemon"}
PACKAGES = {"ray": "ray", "spark": "pyspark"}
ALL = [pytest.param(name, marks=[pytest.mark.slow] if name != "local" else []) for name in WORKERS]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A run, Parquet files of many rows with gaps, and a folder in which one row has a number that is none."""
    folder = tmp_path_factory.mktemp("engines")
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({
        "id": np.arange(ROWS), "age": rng.integers(18, 90, ROWS), "job": rng.choice(["clerk", "smith"], ROWS)
    })  # fmt: skip
    frame[:500].drop(columns="id").to_csv(folder / "train.csv", index=False)
    data = cr.load_data(folder / "train.csv")
    torch.manual_seed(0)
    model = cr.create_model("made", data.domain, hidden=[8])
    cr.fit(model, data, out=folder / "run", epochs=1, progress=False, device="cpu")
    frame.loc[::3, "job"] = None
    bad = frame.astype({"age": float})
    bad.loc[5000, "age"] = np.inf
    for name, rows in (("many", frame), ("bad", bad)):
        (folder / name).mkdir()
        rows.to_parquet(folder / name / "0.parquet", index=False, row_group_size=PART)
    scale.map(folder / "run", "complete", folder / "many", folder / "one", particles=64)
    return folder


@pytest.fixture
def engine(request):
    """Its name, if it is installed."""
    if package := PACKAGES.get(request.param):
        pytest.importorskip(package)
    if request.param == "spark" and which("java") is None:
        pytest.skip("there is no Java")
    return request.param


def digests(folder):
    return {path.name: sha256(path.read_bytes()).hexdigest() for path in folder.glob("part-*")}


def command(place, source, engine, out):
    return ["complete", place / "run", place / source, "--engine", engine, "--workers", "2", "-o", out]


def left(out):
    """What is in a folder of results besides these."""
    return [path.name for path in out.iterdir() if not path.match("part-*.parquet")]


def begun(out, process):
    """Wait for the first results."""
    until = time.monotonic() + 240
    while process.poll() is None and time.monotonic() < until and not list(out.glob("part-*")):
        time.sleep(0.01)
    assert list(out.glob("part-*")), outcome(process)


@pytest.mark.parametrize("engine", ALL, indirect=True)
def test_a_killed_worker_loses_and_doubles_no_rows(engine, place, tmp_path):
    out = tmp_path / "two"
    with child(*command(place, "many", engine, out)) as process:
        begun(out, process)
        workers = [pid for pid in offspring(process.pid, WORKERS[engine]) if pid != process.pid]
        # Of Spark's processes the first hands out the work to the others.
        victim = workers[-1]
        os.kill(victim, signal.SIGKILL)
        assert len(list(out.glob("part-*"))) < ROWS // PART
        status, given, said = outcome(process)
    assert (status, given) == (0, ""), given + said
    assert digests(out) == digests(place / "one") and left(out) == ["_chainrule.json"]
    assert pd.read_parquet(out)["id"].tolist() == list(range(ROWS))


@pytest.mark.parametrize("engine", ALL, indirect=True)
def test_an_error_in_a_part_is_one_line(engine, place, tmp_path):
    status, _, said = ended(*command(place, "bad", engine, tmp_path / "out"))
    line = said.strip().splitlines()[-1]
    where = f"error: {place / 'bad' / '0.parquet'}, rows 4000 to 5999: "
    assert status == 1 and line.startswith(where) and "inf in row 1000" in line, said
    assert "Traceback" not in said and "Exception" not in said, said
    assert left(tmp_path / "out") == ["_chainrule.json"]


@pytest.mark.parametrize("engine", ALL, indirect=True)
def test_ctrl_c_ends_all(engine, place, tmp_path):
    """A terminal sends it to all processes."""
    out = tmp_path / "out"
    with child(*command(place, "many", engine, out), start_new_session=True) as process:
        begun(out, process)
        workers = offspring(process.pid, WORKERS[engine])
        os.killpg(process.pid, signal.SIGINT)
        status, _, said = outcome(process, timeout=120)
    assert status == 130 and "Traceback" not in said and "Exception" not in said, said
    assert left(out) == ["_chainrule.json"]
    until = time.monotonic() + 20
    while any(os.path.exists(f"/proc/{pid}") for pid in workers) and time.monotonic() < until:
        time.sleep(0.1)
    assert workers and not any(os.path.exists(f"/proc/{pid}") for pid in workers)
    status, _, said = ended(*command(place, "many", "local", out))
    assert status == 0 and digests(out) == digests(place / "one"), said


@pytest.mark.slow
@pytest.mark.skipif(torch.cuda.is_available(), reason="there are GPUs")
@pytest.mark.parametrize("engine", ["ray"], indirect=True)
def test_gpus_that_are_not_there(engine, place, tmp_path):
    status, _, said = ended(*command(place, "many", engine, tmp_path / "out"), "--gpus", "1")
    assert status == 1 and "error: gpus: expected 2 for all workers, Ray finds 0" in said, said


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["spark"], indirect=True)
def test_no_java(engine, place, tmp_path, monkeypatch):
    monkeypatch.setenv("JAVA_HOME", "/nowhere")
    status, _, said = ended(*command(place, "many", engine, tmp_path / "out"))
    assert status == 1 and "error: engine spark: it needs Java 17 or newer" in said and "Trace" not in said


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of theirs
@pytest.mark.parametrize("engine", ["ray", "spark"], indirect=True)
def test_a_session_that_there_is_stays(engine, place, tmp_path, monkeypatch):
    monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)
    handler = signal.getsignal(signal.SIGINT)
    if engine == "ray":
        import ray

        ray.init(num_cpus=2, num_gpus=2, include_dashboard=False, log_to_driver=False)  # or so it believes
        stays, stop = ray.is_initialized, ray.shutdown
    else:
        from pyspark.sql import SparkSession

        session = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").getOrCreate()
        stays, stop = lambda: session.range(3).count() == 3, session.stop
    options = {"gpus": 1, "device": "cpu"} if engine == "ray" else {}
    options |= {"engine": engine, "workers": 2, "particles": 64}
    try:
        scale.map(place / "run", "complete", place / "many", tmp_path / "two", **options)
        assert digests(tmp_path / "two") == digests(place / "one")
        assert stays()
    finally:
        stop()
        signal.signal(signal.SIGINT, handler)


def test_workers_end_with_a_killed_parent(place, tmp_path):
    out = tmp_path / "out"
    with child(*command(place, "many", "local", out)) as process:
        begun(out, process)
        workers = offspring(process.pid, WORKERS["local"])
        process.kill()
    until = time.monotonic() + 20
    while any(os.path.exists(f"/proc/{pid}") for pid in workers) and time.monotonic() < until:
        time.sleep(0.1)
    assert workers and not any(os.path.exists(f"/proc/{pid}") for pid in workers)
