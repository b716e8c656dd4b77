"""Training: the run it leaves, and that stopping it changes nothing."""

import csv
import io
import os
import re
import signal
import time
from types import SimpleNamespace

import pytest
import torch
from rich.console import Console

import chainrule as cr
from chainrule.cli import main
from chainrule.training import Recipe, Run, TrainingConfig
from chainrule.training.batches import CropOrder, EpochOrder, InOrder
from chainrule.training.checkpoint import SafetensorsIO
from chainrule.training.compiled import CACHE, TEMPORARY, compiled
from chainrule.training.module import Likelihood
from chainrule.training.progress import ProgressLine
from chainrule.training.ranks import Ranks
from chainrule.training.recorder import Recorder
from chainrule.training.session import Session
from children import SECONDS, appears, child, outcome

SMALL = {"channels": 8, "depth": 2}
QUICK = {"lr": 1e-2, "warmup": 0, "ema": 0.5, "progress": False}


@pytest.fixture(scope="module")
def digits():
    return cr.load_data("digits")


def small(data, **options):
    torch.manual_seed(0)
    return cr.create_model("causal-conv1d", data.domain, **SMALL, **options)


def test_fit_learns_and_keeps_the_best(digits, tmp_path):
    model = small(digits)
    before = model.eval().log_prob(digits.valid).mean()
    run = cr.fit(model, digits, epochs=3, out=tmp_path / "run", **QUICK)
    assert -run.best["valid_nats"] > before + 20
    assert not run.model.training
    with torch.no_grad():
        again = cr.load(tmp_path / "run")
        nats = -again.log_prob(digits.valid).mean().item()
    assert nats == pytest.approx(run.best["valid_nats"], rel=1e-6)
    for name in (
        "config.yaml",
        "model.safetensors",
        "model.json",
        "metrics.csv",
        "checkpoints/last.safetensors",
    ):
        assert (tmp_path / "run" / name).is_file(), name
    assert [row["epoch"] for row in Run.open(tmp_path / "run").metrics] == [0, 1, 2]
    assert not [path for path in (tmp_path / "run").rglob("*") if path.suffix in (".ckpt", ".pt", ".pkl")]


def test_the_rate_falls_along_the_time_where_that_ends_first(digits):
    now = [0.0]
    config = TrainingConfig(minutes=2.0, warmup=0)
    train, valid = EpochOrder(10, 4, 0), InOrder(10, 4, Ranks())
    module = Likelihood(small(digits), config, 1000, lambda: now[0], train, valid)
    rate = module.configure_optimizers()["lr_scheduler"]["scheduler"].lr_lambdas[0]
    found = []
    for seconds in (0.0, 60.0, 120.0, 200.0):
        now[0] = seconds
        found.append(rate(0))
    assert found == pytest.approx([1, 0.5, 0, 0])
    now[0] = 0.0
    assert rate(500) == pytest.approx(0.5)  # along the steps where these end first


def test_minutes_end_training(digits, tmp_path):
    start = time.perf_counter()
    run = cr.fit(small(digits), digits, epochs=300, minutes=0.02, patience=0, out=tmp_path, **QUICK)
    assert (
        time.perf_counter() - start >= 1.2
    )  # the last row may be a step short of it: one is written where steps end
    assert 0 < run.metrics[-1]["step"] < 300 * 16  # far from all, so it was the clock that ended it
    again = cr.fit(
        small(digits), digits, epochs=300, minutes=0.02, patience=0, out=tmp_path, resume=True, **QUICK
    )
    assert [row["step"] for row in again.metrics] == [row["step"] for row in run.metrics]


def test_what_ended_training_is_said(digits, capsys):
    def said(**options):
        cr.fit(small(digits), digits.first(128), **{"batch_size": 64, "progress": True, **options})
        first, *_, last = [line for line in capsys.readouterr().err.splitlines() if line.strip()]
        return first, last

    assert said(epochs=2) == ("at most 2 epochs of 2 steps", "2 of 2 epochs")
    waited = said(epochs=50, lr=0.0, patience=2)
    assert waited[1] == "3 of 50 epochs, then stopped: no better validation in 2 epochs"
    first, last = said(epochs=5000, patience=0, minutes=0.005)
    assert first == "at most 5000 epochs of 2 steps or 0.005 minutes"
    assert re.fullmatch(r"[\d.]+ of 5000 epochs, then stopped: the 0.005 minutes are over", last)


def test_the_bar_counts_the_time_where_that_ends_first(digits, tmp_path):
    session = Session(tmp_path, torch.device("cpu"))
    recorder = Recorder(session, TrainingConfig(minutes=2.0), epochs=10)
    line = ProgressLine(recorder, Console(file=io.StringIO()), session)
    about = {"num_training_batches": 5, "accumulate_grad_batches": 1, "current_epoch": 0}
    line.on_train_start(SimpleNamespace(global_step=0, **about), None)
    for step, elapsed, done in [(25, 30.0, 0.5), (25, 90.0, 0.75), (50, 90.0, 1.0)]:
        recorder.elapsed = lambda: elapsed  # noqa: B023
        line.on_train_batch_end(SimpleNamespace(global_step=step, **about), None)
        assert line.bar.tasks[0].completed == pytest.approx(done * line.bar.tasks[0].total, abs=1)
    line.teardown(None, None, "fit")


@pytest.mark.slow  # the compiler takes half a minute
def test_a_compiled_loss_is_the_same_loss(digits):
    runs = [
        cr.fit(
            small(digits, dropout=0.0),
            digits.first(128),
            epochs=2,
            precision="float32",
            compile=compiled,
            **QUICK,
        )
        for compiled in (False, True)
    ]
    plain, compiled = ([row["train_nats"] for row in run.metrics] for run in runs)
    assert compiled == pytest.approx(plain, rel=1e-5)


@pytest.mark.parametrize(
    "set_by, kept", [(None, "torch-compile"), (f"{TEMPORARY}me", "torch-compile"), ("/mine", "mine")]
)
def test_compiled_code_is_kept_in_the_users_cache(set_by, kept, monkeypatch, tmp_path):
    monkeypatch.setattr(torch, "compile", lambda function, dynamic: function)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv(CACHE, set_by or "")
    if set_by is None:
        monkeypatch.delenv(CACHE)
    compiled(len)
    assert os.environ[CACHE] == (set_by if kept == "mine" else str(tmp_path / "chainrule" / kept))


def test_fit_leaves_global_randomness_alone(digits):
    model = small(digits)
    before = torch.random.get_rng_state()
    cr.fit(model, digits, epochs=1, progress=False)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_same_seed_same_run(digits):
    first, second, other = (
        cr.fit(small(digits), digits, epochs=1, seed=seed, progress=False).best["valid_nats"]
        for seed in (1, 1, 2)
    )
    assert first == second != other


def test_closed_form(digits, tmp_path):
    run = cr.fit(cr.create_model("gaussian", digits.domain), digits, out=tmp_path / "g")
    assert run.metrics == [] and run.best is None
    assert torch.equal(run.model.log_prob(digits.test), cr.load(tmp_path / "g").log_prob(digits.test))


def test_labels_help_a_conditional_model(digits):
    run = cr.fit(small(digits, classes=10), digits, epochs=4, **QUICK)
    x, labels = digits.split("valid")
    right, wrong = (run.model.log_prob(x, y).mean().item() for y in (labels, (labels + 5) % 10))
    assert right > wrong


def test_stopped_early(digits, tmp_path):
    run = cr.fit(small(digits), digits, epochs=50, lr=0.0, patience=2, out=tmp_path / "run", progress=False)
    assert len(run.metrics) == 3  # the first is the best; two more do not better it
    resumed = cr.fit(
        small(digits),
        digits,
        epochs=50,
        lr=0.0,
        patience=2,
        out=tmp_path / "run",
        resume=True,
        progress=False,
    )
    assert resumed.metrics == run.metrics


def test_precision(digits):
    runs = {p: cr.fit(small(digits), digits, epochs=2, precision=p, **QUICK) for p in ("bf16", "float32")}
    assert all(p.dtype == torch.float32 for p in runs["bf16"].model.parameters())
    a, b = (run.best["valid_nats"] for run in runs.values())
    assert a != b and a == pytest.approx(b, rel=0.02)


def test_a_run_is_not_overwritten_nor_resumed_as_another(digits, tmp_path):
    cr.fit(small(digits), digits, epochs=1, out=tmp_path, progress=False)
    with pytest.raises(cr.errors.RunError, match="already holds a run"):
        cr.fit(small(digits), digits, epochs=1, out=tmp_path, progress=False)
    with pytest.raises(cr.errors.RunError, match="cannot resume: training was"):
        cr.fit(small(digits), digits, epochs=2, out=tmp_path, resume=True, progress=False)
    with pytest.raises(cr.errors.RunError, match="cannot resume: hyperparameters was"):
        cr.fit(small(digits, dropout=0.5), digits, epochs=1, out=tmp_path, resume=True, progress=False)


def test_bad_options(digits):
    model = small(digits)
    for options, words in (
        ({"epoch": 3}, "did you mean 'epochs'"),
        ({"epochs": -1}, "epochs: expected a number ≥ 0, got -1"),
        ({"lr": "fast"}, "lr: expected float"),
        ({"lr": -1.0}, "lr: expected a number ≥ 0"),
        ({"ema": 1.0}, "ema"),
        ({"optimizer": "adamaxx"}, "did you mean 'adamax'"),
        ({"precision": "int8"}, "precision"),
    ):
        with pytest.raises(cr.errors.ChainruleError, match=words):
            cr.fit(model, digits, progress=False, **options)
    with pytest.raises(cr.errors.DataError, match="expected data in the model's domain"):
        cr.fit(cr.create_model("rnn", cr.Domain.binary(3)), digits)
    unlabelled = cr.Data("x", digits.train, digits.valid, digits.test, digits.domain)
    with pytest.raises(cr.errors.DataError, match="labels"):
        cr.fit(small(digits, classes=10), unlabelled)


def test_defaults_of_a_model_are_under_what_is_given():
    assert TrainingConfig.of({"lr": 0.5, "epochs": 7}, {"lr": 1}).lr == 1
    assert TrainingConfig.of({"epochs": 7}, {}).epochs == 7


def test_order_depends_on_seed_and_epoch_alone():
    order = EpochOrder(10, 4, seed=3)
    first = list(order)
    order.set_epoch(1)
    assert (
        list(order) != first
        and sorted(i for batch in first for i in batch) == list(range(10))
        and len(order) == 3
    )
    order.set_epoch(0)
    assert list(order) == first


def test_order_of_windows_depends_on_seed_and_epoch_and_reaches_everywhere():
    def starts(seed, epoch):
        order = CropOrder(100, 8, seed, passes=2, extent=1000, ranks=Ranks())
        order.set_epoch(epoch)
        drawn = list(order)
        assert len(drawn) == len(order) == 26 and {len(batch) for batch in drawn} == {8, 4}
        return [start for batch in drawn for start in batch]

    first = starts(1, 0)
    assert first == starts(1, 0) and first != starts(2, 0) and first != starts(1, 1)
    assert 0 <= min(first) < 100 and 900 <= max(first) < 1000


def test_initial_weights_are_the_seeds():
    def weights(seed):
        recipe = Recipe("nade", {"source": "digits"}, training={"seed": seed})
        return torch.cat([p.flatten() for p in recipe.build(recipe.load_data()).parameters()])

    first = weights(1)
    assert torch.equal(first, weights(1)) and not torch.equal(first, weights(2))


def test_checkpoint_round_trip(tmp_path):
    tree = {"a": torch.arange(3), 1: [1.5, None, (True, "x")], "nested": {"t": torch.ones(()), 2: {}}}
    io = SafetensorsIO()
    io.save_checkpoint(tree, tmp_path / "c.safetensors")
    back = io.load_checkpoint(tmp_path / "c.safetensors")
    assert torch.equal(back["a"], tree["a"]) and back[1] == tree[1] and back["nested"][2] == {}
    with pytest.raises(TypeError, match="checkpoint: expected numbers"):
        io.save_checkpoint({"f": print}, tmp_path / "c.safetensors")
    assert torch.equal(io.load_checkpoint(tmp_path / "c.safetensors")["a"], tree["a"])  # the old one is whole
    (tmp_path / "bad.safetensors").write_bytes((tmp_path / "c.safetensors").read_bytes()[:-3])
    with pytest.raises(cr.errors.RunError, match="not a readable checkpoint"):
        io.load_checkpoint(tmp_path / "bad.safetensors")


def command(out, epochs):
    options = ["--data", "digits", "--epochs", epochs, "--set", "channels=8", "--out", out, "--resume"]
    return ["train", "causal-conv1d", *options]


def curve(folder):
    with (folder / "metrics.csv").open() as file:
        return [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]


def test_killed_and_resumed_is_uninterrupted(tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert main([*map(str, command(whole, 6))]) == 0
    with child(*command(killed, 6)) as process:
        assert appears(killed / "checkpoints" / "last.safetensors", process)
        process.kill()
        process.wait()
    before = (killed / "metrics.csv").read_text()
    assert 1 < len(before.splitlines()) < 7
    assert main([*map(str, command(killed, 6))]) == 0
    after = (killed / "metrics.csv").read_text()
    assert after.startswith(before)  # with its seconds: no epoch is trained again
    assert curve(killed) == curve(whole) and len(curve(whole)) == 6
    assert (killed / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()


def test_a_background_job_goes_on_when_its_script_is_interrupted(tmp_path):
    """A shell starts it with SIGINT ignored; SIGTERM ends it."""
    out = tmp_path / "run"
    with child(*command(out, 2000), sigint=signal.SIG_IGN) as process:
        assert appears(out / "metrics.csv", process)
        process.send_signal(signal.SIGINT)
        epochs = len((out / "metrics.csv").read_text().splitlines())
        until = time.monotonic() + SECONDS
        while len((out / "metrics.csv").read_text().splitlines()) < epochs + 2:
            assert process.poll() is None and time.monotonic() < until
            time.sleep(0.02)
        process.terminate()
        status, _, said = outcome(process)
    assert status == 143 and "can be used as it is, or resumed" in said


def test_an_interrupted_replacement_leaves_the_old_run(tmp_path):
    out = tmp_path / "run"
    cr.fit(cr.create_model("uniform", cr.load_data("digits").domain), cr.load_data("digits"), out=out)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    again = [*command(out, 2000)[:-1], "--overwrite"]
    with child(*again) as process:
        assert appears(out / ".chainrule-next" / "metrics.csv", process)
        assert cr.load(out).name == "uniform"
        process.send_signal(signal.SIGINT)
        status, _, said = outcome(process)
        assert status == 130
    assert f"the run in {out} is the old one, --overwrite --resume continues the new one" in said
    assert before == {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()}


def test_a_trial_that_falls_behind_halfway_stops_and_says_so(tmp_path, monkeypatch, capsys):
    trials = ({"dropout": 0.1, "input_dropout": 0.0}, {"dropout": 0.99, "input_dropout": 0.9})
    # The columns are nearly the same, which a net that reads next to nothing cannot learn.
    x = torch.randn(200, 1, generator=torch.Generator().manual_seed(0)).expand(-1, 3)
    x = x + 0.1 * torch.randn(200, 3, generator=torch.Generator().manual_seed(1))
    lengths = []
    for order in (trials, trials[::-1]):
        monkeypatch.setattr("chainrule.models.made.TRIALS", order)
        folder = tmp_path / str(len(lengths))
        model = cr.create_model("made", cr.Domain.vector(3), hidden=[16, 16], components=2)
        run = cr.fit(model, x, out=folder, epochs=6, batch_size=16, **{**QUICK, "progress": True})
        assert run.model.hyperparameters["dropout"] == 0.1
        said = capsys.readouterr().err
        stopped = (
            "trial 2 of 2: 3 of 6 epochs, then stopped: after half of its epochs worse than an earlier trial"
        )
        assert (stopped in said) == (order == trials)
        lengths.append(
            [len(Run.open(folder).metrics)]
            + [len((folder / "trials" / str(k) / "metrics.csv").read_text().splitlines()) - 1 for k in (0, 1)]
        )
    # A better one that comes later is trained to its end.
    assert lengths == [[6, 6, 3], [6, 6, 6]]


def test_a_run_that_is_not_kept_writes_no_checkpoint(digits, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("a checkpoint")

    monkeypatch.setattr("lightning.pytorch.Trainer.save_checkpoint", refuse)
    assert len(cr.fit(small(digits), digits, epochs=1, **QUICK).metrics) == 1
