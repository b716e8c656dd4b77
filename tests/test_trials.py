"""Trials: small data are trained with several amounts of noise, and validation chooses."""

import json
from dataclasses import replace

import pytest
import torch

import chainrule as cr
from chainrule.models.made import FEW, TRIALS
from chainrule.training import Run
from chainrule.training.descent import descend
from chainrule.training.run import best_of, read_metrics
from chainrule.training.trials import choose_trial

QUICK = {"epochs": 2, "lr": 1e-2, "progress": False}


@pytest.fixture(scope="module")
def data():
    x = torch.randint(2, (60, 5), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    return cr.Data("bits", x[:40], x[40:50], x[50:], cr.Domain.binary(5))


def made(data, name="made", **options):
    torch.manual_seed(0)
    return cr.create_model(name, data.domain, **{"hidden": [8, 8], **options})


def recorded(folder):
    card = json.loads((folder / "model.json").read_text())["hyperparameters"]
    return {name: card[name] for name in ("dropout", "input_dropout")}


@pytest.fixture(scope="module")
def whole(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trials") / "run"
    cr.fit(made(data), data, out=folder, **QUICK)
    return folder


def test_each_is_run_and_the_best_is_kept(whole, data):
    folders = sorted((whole / "trials").iterdir())
    assert [folder.name for folder in folders] == ["0", "1", "2"]
    assert [recorded(folder) for folder in folders] == list(TRIALS)
    lowest = [best_of(read_metrics(folder / "metrics.csv"))["valid_nats"] for folder in folders]
    best = lowest.index(min(lowest))
    run = Run.open(whole)
    assert run.best["valid_nats"] == min(lowest)
    assert recorded(whole) == TRIALS[best]
    assert run.model.network.dropout.p == TRIALS[best]["dropout"]
    for name in ("model.safetensors", "metrics.csv"):
        assert (whole / name).read_bytes() == (folders[best] / name).read_bytes()
    nats = -run.model.log_prob(data.valid).mean().item()
    assert nats == pytest.approx(min(lowest), rel=1e-6)


def test_each_starts_from_the_same_weights_and_is_a_run_of_its_own(whole, data):
    """The second trial is what `fit` gives where its dropout is given, as far as it goes: one that is behind stops."""
    alone = cr.fit(made(data, **TRIALS[1]), data, **QUICK)
    second = read_metrics(whole / "trials" / "1" / "metrics.csv")
    assert second
    assert [row["valid_nats"] for row in alone.metrics[: len(second)]] == [
        row["valid_nats"] for row in second
    ]


def test_a_given_dropout_is_the_only_one(data, tmp_path):
    run = cr.fit(made(data, dropout=0.3), data, out=tmp_path / "run", **QUICK)
    assert not (tmp_path / "run" / "trials").exists()
    assert run.model.hyperparameters["dropout"] == 0.3 and run.model.network.dropout.p == 0.3


def test_large_data_are_trained_once(data):
    model = made(data)
    assert model.trials(FEW) == TRIALS and model.trials(FEW + 1) == ()
    assert model.network.dropout.p == 0.2


@pytest.mark.parametrize("name, count", [("made-ensemble", "masks"), ("made-committee", "members")])
def test_ensembles_are_tried_too(data, name, count, tmp_path):
    run = cr.fit(made(data, name, **{count: 2}), data, out=tmp_path / "run", **QUICK)
    assert len(list((tmp_path / "run" / "trials").iterdir())) == 3
    assert recorded(tmp_path / "run") in TRIALS
    for k in range(2):
        dropouts = [m for m in run.model.member(k).modules() if type(m).__name__ == "Dropout"]
        assert {(m.p, m.training) for m in dropouts} == {(recorded(tmp_path / "run")["dropout"], False)}
    again = cr.load(tmp_path / "run")
    assert torch.equal(again.log_prob(data.test.long()), run.model.log_prob(data.test.long()))


@pytest.mark.parametrize("stop", [1, 2])
def test_interrupted_it_is_usable_and_resumed_it_repeats_nothing(stop, whole, data, tmp_path, monkeypatch):
    """Ctrl-C before trial `stop`: what was best is there; resumed, the run is that of one never interrupted."""
    started = []

    def interrupted(session, *args):
        if len(started) == stop:
            raise KeyboardInterrupt
        started.append(session.folder.name)
        descend(session, *args)

    out = tmp_path / "run"
    monkeypatch.setitem(choose_trial.__globals__, "descend", interrupted)
    with pytest.raises(KeyboardInterrupt):
        cr.fit(made(data), data, out=out, **QUICK)
    monkeypatch.undo()
    assert torch.isfinite(cr.load(out).log_prob(data.valid)).all()
    assert recorded(out) in TRIALS[:stop]
    finished = [(out / "trials" / str(k) / "metrics.csv").read_text() for k in range(stop)]
    run = cr.fit(made(data), data, out=out, resume=True, **QUICK)
    # The seconds of each epoch tell that none was trained again.
    assert [(out / "trials" / str(k) / "metrics.csv").read_text() for k in range(stop)] == finished
    expected = Run.open(whole)
    assert run.best["valid_nats"] == expected.best["valid_nats"] and recorded(out) == recorded(whole)
    assert (out / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()


def test_later_trials_share_the_time_left(data, tmp_path, monkeypatch, capsys):
    """Of 6 minutes the first trial takes 1 of its 2, so that the second has 2.5; it takes 9, and no third begins."""
    shares, spent = [], iter([60.0, 540.0])

    def timed(session, model, data, config):
        shares.append(config.minutes)
        descend(replace(session, progress=False), model, data, config)
        rows = read_metrics(session.folder / "metrics.csv")
        rows[-1]["seconds"] = next(spent)
        lines = [",".join(rows[0]), *(",".join(str(value) for value in row.values()) for row in rows)]
        (session.folder / "metrics.csv").write_text("\n".join(lines) + "\n")

    monkeypatch.setitem(choose_trial.__globals__, "descend", timed)
    run = cr.fit(made(data), data, out=tmp_path / "run", minutes=6.0, **{**QUICK, "progress": True})
    assert shares == [2.0, 2.5]
    assert capsys.readouterr().err == "trial 3 of 3: not begun: the 6 minutes are over\n"
    assert run.best["valid_nats"] < float("inf")


def test_a_finished_run_resumed_stays_as_it_is(whole, data):
    before = {path: path.read_bytes() for path in whole.rglob("*") if path.suffix in (".csv", ".json")}
    weights = (whole / "model.safetensors").read_bytes()
    cr.fit(made(data), data, out=whole, resume=True, **QUICK)
    assert {path: path.read_bytes() for path in before} == before
    assert (whole / "model.safetensors").read_bytes() == weights


def test_other_settings_are_not_resumed(whole, data):
    with pytest.raises(cr.errors.RunError, match="cannot resume: training"):
        cr.fit(made(data), data, out=whole, resume=True, **{**QUICK, "lr": 0.1})
    with pytest.raises(cr.errors.RunError, match="already holds a run"):
        cr.fit(made(data), data, out=whole, **QUICK)
    assert torch.isfinite(cr.load(whole).log_prob(data.valid)).all()
