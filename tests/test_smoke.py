"""Each dependency is used once, on its plainest path: what `make matrix` runs on the oldest and the newest versions."""

import io
from contextlib import redirect_stderr, redirect_stdout

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch
from PIL import Image

import chainrule as cr
from chainrule.cli import main
from chainrule.engine.auto import find_runner

TINY = ("--set", "channels=8", "--epochs", "1", "--device", "cpu")


def call(*arguments):
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        status = main([str(argument) for argument in arguments])
    assert status == 0, err.getvalue()
    return out.getvalue()


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    run = tmp_path_factory.mktemp("runs") / "digits"
    call("train", "causal-conv1d", "--data", "digits", *TINY, "--out", run)
    return run


def test_typer_and_rich():
    assert "--data" in call("train", "--help")
    assert "causal-conv1d" in call("models")


def test_lightning_trains_and_resumes(tmp_path):
    options = ("--data", "digits", *TINY, "--out", tmp_path / "run", "--json")
    first = call("train", "causal-conv1d", *options)
    assert call("train", "causal-conv1d", *options, "--resume") == first


def test_jinja_and_matplotlib_write_the_report(digits):
    assert "data:image/png" in (digits / "report.html").read_text(encoding="utf-8")


def test_pillow_writes_and_reads(digits, tmp_path):
    call("sample", digits, "-n", "2", "-o", tmp_path / "s.png")
    Image.fromarray(np.full((8, 8), 255, np.uint8)).save(tmp_path / "white.png")
    call("complete", digits, tmp_path / "white.png", "--keep", "top", "-n", "1", "-o", tmp_path / "c.npy")
    assert np.load(tmp_path / "c.npy").max() <= 16


def test_constriction_codes(digits, tmp_path):
    x = np.random.default_rng(0).integers(0, 17, (4, 8, 8))
    np.save(tmp_path / "x.npy", x)
    call("compress", digits, tmp_path / "x.npy", "-o", tmp_path / "x.crz")
    call("decompress", digits, tmp_path / "x.crz", "-o", tmp_path / "y.npy")
    assert np.array_equal(np.load(tmp_path / "y.npy").reshape(x.shape), x)


def test_numba_draws_what_eager_steps_draw(digits):
    model = cr.load(digits)
    drawn = [
        model.sample(3, generator=torch.Generator().manual_seed(0), runner=runner)
        for runner in (model, find_runner(model, "native"))
    ]
    assert torch.equal(*drawn)


def test_pandas_and_pyarrow_read_tables(tmp_path):
    rng = np.random.default_rng(0)
    age = rng.integers(20, 60, 120)
    frame = pd.DataFrame({"age": age, "height": rng.normal(170, 9, 120), "job": np.where(age > 40, "x", "y")})
    frame.to_csv(tmp_path / "t.csv", index=False)
    frame.to_parquet(tmp_path / "t.parquet")
    domains = [cr.load_data(tmp_path / name).domain for name in ("t.csv", "t.parquet")]
    assert domains[0] == domains[1]
    options = ("--epochs", "1", "--set", "hidden=[8]", "--device", "cpu")
    call("train", "made", "--data", tmp_path / "t.csv", "--out", tmp_path / "run", *options)
    call("sample", tmp_path / "run", "-n", "3", "--given", "job=x", "-o", tmp_path / "s.parquet")
    assert list(pd.read_parquet(tmp_path / "s.parquet").columns) == ["age", "height", "job"]


def test_scipy_and_scikit_learn():
    from chainrule.sklearn import AutoregressiveDensity

    rows = np.random.default_rng(0).normal(size=(80, 3))
    density = AutoregressiveDensity(hyperparameters={"hidden": [8]}, epochs=1, random_state=0).fit(rows)
    assert np.isfinite(density.score_samples(rows)).all()


def test_soundfile_and_soxr(tmp_path):
    from chainrule.data.readers.sound import resample

    wave = (9000 * np.sin(np.arange(8000) * 0.3)).astype(np.int16)
    soundfile.write(tmp_path / "a.flac", wave, 8000)
    samples, rate = soundfile.read(tmp_path / "a.flac", dtype="int16")
    assert rate == 8000 and len(resample(samples, 8000, 4000).samples) == 4000
