"""Runs beside one another: compared, of several seeds, tuned, chosen, started from another, logged."""

import json
import shutil

import pytest
import torch

import chainrule as cr
from chainrule.cli import main
from chainrule.domain.tiny import TINY
from chainrule.errors import ChainruleError, RunError
from chainrule.models import save_model, tiny_model
from chainrule.models.choose import choose_models
from chainrule.tasks.compare_runs import compare_runs
from chainrule.training import needs

QUICK = {"channels": 4, "depth": 2}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    data = cr.load_data("digits")
    for k in range(2):
        torch.manual_seed(k)
        model = cr.create_model("causal-conv1d", data.domain, **QUICK)
        cr.fit(model, data, out=folder / str(k), epochs=2, seed=k, progress=False, device="cpu")
    return folder


def call(capsys, *arguments):
    status = main([*map(str, arguments)])
    told = capsys.readouterr()
    return status, told.out, told.err


def test_differences_are_paired(runs, capsys, tmp_path):
    opened = [cr.Run.open(runs / str(k)) for k in range(2)]
    items = [cr.load_data("digits").items("test") for _ in opened]
    found = compare_runs([run.model for run in opened], items)
    with torch.no_grad():
        nats = [run.model.log_prob(items[0].x).double() for run in opened]
    best = max(range(2), key=lambda k: nats[k].mean())
    more = nats[best] - nats[1 - best]
    assert found[best].more == 0 and found[1 - best].more == pytest.approx(more.mean().item(), rel=1e-5)
    assert found[1 - best].more_se == pytest.approx((more.std() / len(more) ** 0.5).item(), rel=1e-5)
    status, out, _ = call(capsys, "compare", runs / "0", runs / "1", "-o", tmp_path / "c.png", "--json")
    told = json.loads(out)["runs"]
    assert status == 0 and (tmp_path / "c.png").read_bytes()[1:4] == b"PNG"
    assert [run["more_nats"] for run in told] == pytest.approx([one.more for one in found])


def test_runs_of_other_data_are_not_compared(runs, capsys, tmp_path):
    (tmp_path / "words.txt").write_text("abc\nabd\nabe\nbcd\n" * 20)
    text = cr.load_data(tmp_path / "words.txt")
    cr.fit(cr.create_model("independent", text.domain), text, out=tmp_path / "other", progress=False)
    status, _, err = call(capsys, "compare", runs / "0", tmp_path / "other")
    assert status == 1 and "were trained on different data" in err
    status, _, err = call(capsys, "compare", runs / "0")
    assert status == 1 and "expected two runs or more" in err


def test_seeds_and_auto(capsys, tmp_path):
    common = ["--epochs", 1, "--set", "channels=4", "--device", "cpu", "--seeds", 2, "--json"]
    status, out, err = call(capsys, "train", "auto", "--data", "digits", *common, "--out", tmp_path)
    told = json.loads(out)
    nats = [run["nats"] for run in told["runs"]]
    assert status == 0 and "auto: causal-conv1d (small images" in err and nats[0] != nats[1]
    assert told["nats"] == pytest.approx(sum(nats) / 2)
    assert told["nats_se_over_seeds"] == pytest.approx(abs(nats[0] - nats[1]) / 2)
    assert cr.Run.open(tmp_path / "1").config["training"]["seed"] == 1


def test_a_run_starts_with_anothers_weights_and_is_extended(runs, tmp_path):
    data = cr.load_data("digits")
    model = cr.create_model("causal-conv1d", data.domain, **QUICK)
    about = {"out": tmp_path / "run", "progress": False, "device": "cpu", "lr": 1e-9}
    run = cr.fit(model, data, start=runs / "0", epochs=1, **about)
    assert run.best["valid_nats"] == pytest.approx(cr.Run.open(runs / "0").best["valid_nats"], rel=1e-4)
    other = cr.create_model("causal-conv1d", data.domain, channels=8, depth=2)
    with pytest.raises(RunError, match="cannot be started from: expected a run of the same causal-conv1d"):
        cr.fit(other, data, start=runs / "0", epochs=1, **{**about, "out": tmp_path / "x"})
    with pytest.raises(RunError, match=r"cannot resume: training was \{'epochs': 1"):
        cr.fit(model, data, resume=True, epochs=3, start=runs / "0", **about)
    again = cr.fit(model, data, resume=True, extend=True, start=runs / "0", epochs=3, **{**about, "lr": 1e-3})
    assert (
        len(again.metrics) == 3 and again.metrics[1]["lr"] > 1e-5 and again.config["training"]["epochs"] == 3
    )


def test_tensorboard_reads_what_was_logged(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    data = cr.load_data("digits")
    model = cr.create_model("causal-conv1d", data.domain, **QUICK)
    run = cr.fit(
        model, data, out=tmp_path, epochs=2, logger=["tensorboard", "csv"], progress=False, device="cpu"
    )
    (events,) = tmp_path.glob("logs/*/events*")
    told = EventAccumulator(str(events.parent))
    told.Reload()
    found = [event.value for event in told.Scalars("valid_nats")]
    assert found == pytest.approx([row["valid_nats"] for row in run.metrics], rel=1e-6)
    assert len(list(tmp_path.glob("logs/*/metrics.csv"))) == 1
    with pytest.raises(ChainruleError, match="logger: unknown 'tensorbord'"):
        cr.fit(model, data, epochs=1, logger="tensorbord")


def test_what_cannot_fit_is_refused_before_it_is_built(capsys, tmp_path, monkeypatch):
    import numpy as np

    np.save(tmp_path / "x.npy", np.random.default_rng(0).integers(0, 256, (50, 3, 32, 32)).astype("uint8"))
    monkeypatch.setattr(needs, "available", lambda: 8 * 10**9)
    asked = ["train", "made", "--data", tmp_path / "x.npy", "--domain", "image:3x32x32:256"]
    status, _, err = call(capsys, *asked, "--out", tmp_path / "run")
    assert status == 1 and "more than can be trained in 8.0 GB of memory" in err
    assert "what would fit: pixelcnn-plus-plus" in err and not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "domain, items, expected",
    [
        ("image:1x28x28:2", 60_000, "gated-pixelcnn"),
        ("image:3x32x32:256", 50_000, "pixelcnn-plus-plus"),
        ("sequence:256:65", 4000, "transformer"),
        ("sequence:64:30", 500, "lstm"),
        ("sequence:8192:256", 1000, "wavenet"),
        ("sequence:4096:65536:given", 1000, "rls-lstm"),
        ("vector:100:2", 1000, "made"),
        ("vector:6:real", 1000, "maf"),
    ],
)
def test_a_model_by_kind_and_size(domain, items, expected):
    domain = cr.Domain.parse(domain)
    choices = choose_models(domain, items)
    assert choices[0].name == expected and all(choice.why for choice in choices)
    for choice in choices:
        needs.checked(lambda name=choice.name: cr.create_model(name, domain), choice.name, domain, items)


def test_trials_are_kept_and_go_on(capsys, tmp_path):
    pytest.importorskip("optuna")
    asked = ["tune", "causal-conv1d", "--data", "digits", "--budget", "5m", "--trials", 2, "--device", "cpu"]
    asked += ["--set", "epochs=1", "--set", "channels=4", "--set", "depth=2", "--out", tmp_path, "--json"]
    told = call(capsys, *asked)
    assert told[0] == 0, told[2]
    first = json.loads(told[1])
    status, out, _ = call(capsys, *asked)
    again = json.loads(out)
    assert status == 0 and (first["trials"], again["trials"]) == (2, 4) and again["value"] <= first["value"]
    best = cr.Run.open(again["run"])
    assert best.best["valid_nats"] == pytest.approx(again["value"])
    status, _, err = call(capsys, "tune", "made", *asked[2:6], "--out", tmp_path)
    assert status == 1 and "holds a study of model causal-conv1d" in err


def test_runs_together_are_one_run(runs, capsys, tmp_path):
    out = tmp_path / "both"
    status, _, said = call(capsys, "ensemble", runs / "0", runs / "1", "-o", out)
    assert status == 0 and "2 runs" in said
    status, told, _ = call(capsys, "evaluate", out, "--json")
    x = cr.load_data("digits").test
    members = [cr.load(runs / str(k)) for k in range(2)]
    with torch.no_grad():
        logits = torch.stack([member(x).unflatten(-1, (1, 17)).log_softmax(-1) for member in members]).mean(0)
        sites = members[0].to_sites(x)
        nats = -logits.log_softmax(-1).gather(-1, sites[..., None].long()).flatten(1).sum(1)
    assert json.loads(told)["nats"] == pytest.approx(nats.mean().item(), rel=1e-5)
    assert call(capsys, "sample", out, "-n", "2", "-o", tmp_path / "s.png")[0] == 0
    config = (runs / "1" / "config.yaml").read_text()
    shutil.copytree(runs / "1", tmp_path / "1")
    (tmp_path / "1" / "config.yaml").write_text(config.replace("source: digits", "source: elsewhere"))
    told = call(capsys, "ensemble", runs / "0", tmp_path / "1", "-o", tmp_path / "apart")
    assert told[0] == 0 and "trained on different data or splits" in told[2]
    status, _, error = call(capsys, "ensemble", runs / "0", "-o", tmp_path / "one")
    assert status == 1 and "expected two models or more" in error


def test_runs_that_read_data_differently_are_not_put_together(capsys, tmp_path):
    for name, labels in (("a", {"class": ["x"]}), ("b", {})):
        model = cr.create_model("fvsbn", cr.Domain.binary(4))
        save_model(model, tmp_path / name, version=cr.__version__)
        (tmp_path / name / "config.yaml").write_text(json.dumps({"model": "fvsbn", "labels": labels}))
    status, _, error = call(capsys, "ensemble", tmp_path / "a", tmp_path / "b", "-o", tmp_path / "both")
    assert status == 1 and "labels: expected the same in" in error
    assert not (tmp_path / "both").exists()


@pytest.mark.parametrize("items", [100, 50_000])
@pytest.mark.parametrize("domain", TINY, ids=str)
def test_what_is_said_to_suit_a_domain_serves_it(domain, items):
    for choice in choose_models(domain, items):
        assert tiny_model(choice.name, domain).domain == domain
