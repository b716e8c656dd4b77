"""Benches: the peers compute what ours does, the records say what was measured. No test looks at a time."""

import sys

import pytest
import torch

import chainrule as cr
from chainrule.engine import FixedPoint
from chainrule.errors import ChainruleError
from chainrule.tasks import (
    bench_anomaly,
    bench_defence,
    bench_made,
    bench_maf,
    bench_nade_training,
    bench_wavenet,
)
from chainrule.tasks.bench import CASES, find_case, run_case, table_of
from chainrule.tasks.premasked import premasked
from chainrule.tasks.timing import Times, time_interleaved
from digits_run import write_run

# Of the fixture `runs`, for the cases that measure trained models.
RUNS = {
    "predictive": ["target"],
    "compression": ["plain"],
    "anomaly": ["plain", "plain"],
    "defence": ["plain"],
}


@pytest.fixture
def small(monkeypatch):
    """The same cases on a few variables."""
    monkeypatch.setattr(bench_anomaly, "INSIDE", "digits")
    monkeypatch.setattr(bench_anomaly, "OUTSIDE", "digits")
    monkeypatch.setattr(bench_defence, "DATA", "digits")
    monkeypatch.setattr(bench_defence, "EPOCHS", 1)
    monkeypatch.setattr(bench_made, "SIZE", 12)
    monkeypatch.setattr(bench_made, "HIDDEN", (8, 8))
    monkeypatch.setattr(bench_nade_training, "SIZE", 12)
    monkeypatch.setattr(bench_nade_training, "HIDDEN", 8)
    monkeypatch.setattr(bench_maf, "SIZE", 4)
    monkeypatch.setattr(bench_maf, "HIDDEN", 8)
    monkeypatch.setattr(bench_wavenet, "CYCLE", 2)
    monkeypatch.setattr(bench_wavenet, "CHANNELS", 4)
    monkeypatch.setattr(bench_wavenet, "STEPS", 2)


def test_ways_take_turns():
    calls = []
    times = time_interleaved({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, 2)
    assert calls == ["a", "b"] * 3  # one round to warm up
    assert {way: len(seconds) for way, seconds in times.rounds.items()} == {"a": 2, "b": 2}


def test_ratios_are_medians_of_rounds():
    times = Times({"a": [1.0, 10.0, 6.0], "b": [1.0, 2.0, 3.0]})
    assert times.medians() == {"a": 6.0, "b": 2.0}
    assert times.ratio("a", "b") == 2.0  # of 1, 5 and 2; of the medians it would be 3


@pytest.mark.parametrize("domain", [cr.Domain.binary(10), cr.Domain.vector(6)], ids=str)
def test_premasked_is_the_same_pass(domain):
    torch.manual_seed(0)
    model = cr.create_model("made", domain, hidden=(9, 7), residual=False, components=1).eval()
    torch.nn.init.normal_(model.network.direct.weight)
    x = model.sample(5, generator=torch.Generator().manual_seed(0))
    codes = model.network.code(model.to_sites(x)).flatten(1)
    torch.testing.assert_close(premasked(model)(codes), model(x).flatten(1))


def test_the_loops_train_the_same_model():
    model, ways = bench_nade_training.losses(9, 5)
    x = torch.randint(2, (4, 9), generator=torch.Generator().manual_seed(0))
    gradients = {}
    for name, loss in ways.items():
        model.zero_grad()
        loss(x).sum().backward()
        gradients[name] = [parameter.grad.clone() for parameter in model.parameters()]
    for name in ("loop", "unbound"):
        torch.testing.assert_close(ways[name](x), ways["ours"](x).float())
        torch.testing.assert_close(gradients[name], gradients["ours"])


def test_memory_kept_for_the_backward_pass():
    layer = torch.nn.Linear(10, 6)
    x = torch.randn(5, 10)
    kept = bench_nade_training.saved_bytes(lambda: torch.sigmoid(layer(x)), layer)
    assert kept == 4 * (5 * 10 + 5 * 6)  # the input, the output; the weights are there anyway


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Run folders of a target, of a draft for it, and of what is none for it."""
    folder = tmp_path_factory.mktemp("runs")
    write_run(folder / "target", "pixelcnn", channels=8, depth=1, last=8, classes=3)
    write_run(folder / "draft", "finite-memory", memory=2)
    write_run(folder / "plain", "independent")
    write_run(folder / "other", "independent", domain=cr.Domain.binary(4))
    return folder


@pytest.mark.parametrize("name", CASES)
def test_records(name, small, runs):
    models = ["count-table"] if name == "sampling" else None
    own = [runs / folder for folder in RUNS.get(name, ())] or None
    threads = torch.get_num_threads()
    record = run_case(name, batch=2, repeats=1, threads=1, models=models, runs=own)
    assert torch.get_num_threads() == threads
    assert record["command"].startswith(f"chainrule bench {name} --batch 2 --repeats 1 --threads 1")
    assert (record["case"], record["threads"]) == (name, 1)
    assert {"hardware", "torch", "date", "commit", "load_average"} <= set(record)
    columns, rows = table_of(record)
    assert rows and all(len(row) == len(columns) for row in rows)


def test_flops_of_a_sample_are_those_of_a_pass(small):
    assert run_case("made", batch=2, repeats=1)["flops"] == pytest.approx(1.0)
    assert run_case("maf", batch=2, repeats=1)["flops"] == pytest.approx(1.0)


def test_a_forward_of_wavenet_is_over_what_a_step_reads(small):
    record = run_case("wavenet", batch=2, repeats=1)
    model = cr.create_model("wavenet", cr.Domain.sequence(100, 256), channels=4, depth=30, cycle=2)
    assert model.connectivity()[-1].sum() == record["sites"]
    assert record["flops"] == pytest.approx(1.0)
    assert list(record["batches"]) == ["1", "2"]


def test_maf_without_the_other_libraries(small, monkeypatch):
    monkeypatch.setitem(sys.modules, "zuko.flows", None)
    monkeypatch.setitem(sys.modules, "nflows.flows", None)
    record = run_case("maf", batch=2, repeats=1)
    assert set(record["seconds"]) == {"ours", "naive"}
    assert set(record["absent"]) == {"zuko", "nflows"}
    assert len(table_of(record)[1]) == 2


def test_maf_beside_a_library_that_breaks(small, monkeypatch):
    def broken():
        raise AttributeError("module 'numpy' has no attribute 'float'")

    monkeypatch.setattr(bench_maf, "PEERS", {"nflows": broken})
    record = run_case("maf", batch=2, repeats=1)
    assert record["absent"] == {"nflows": "AttributeError: module 'numpy' has no attribute 'float'"}


def test_calls_of_the_runs(runs):
    """What is recorded of a run is what its sampler counts; only a draft that fits is tried."""
    target = runs / "target"
    record = run_case(
        "predictive", batch=2, repeats=1, runs=[target], drafts=[runs / "draft", runs / "other"]
    )
    assert f" --run {target} --draft {runs / 'draft'} --draft {runs / 'other'}" in record["command"]
    measured = record["runs"][str(target)]["batches"]["2"]
    assert set(measured["speedup"]) >= {"a pass per site", "eager steps"}
    for gains in measured["speedup"].values():
        assert set(gains) == {"fixed-point", "blocks", f"draft {runs / 'draft'}"}
    assert measured["block"] == 16  # two rows of eight, a quarter
    runner = FixedPoint()
    for seed in (0, 1):  # the warm-up and the one round
        cr.load(target).sample(
            2, torch.tensor([0, 1]), generator=torch.Generator().manual_seed(seed), runner=runner
        )
    assert measured["calls_percent"]["fixed-point"] == pytest.approx(100 * runner.calls.double().mean() / 64)
    assert measured["passes"]["fixed-point"] == runner.passes / 2


def test_refusals(runs):
    with pytest.raises(ChainruleError, match="expected run folders of trained models, --run RUN, got none"):
        run_case("predictive")
    with pytest.raises(ChainruleError, match="only predictive, compression, anomaly, defence take runs"):
        run_case("maf", runs=[runs / "target"])
    with pytest.raises(ChainruleError, match="expected two runs, --run RUN --run BACKGROUND, got 1"):
        run_case("anomaly", runs=[runs / "plain"])
    with pytest.raises(ChainruleError, match="did you mean 'made'"):
        find_case("mad")
    with pytest.raises(ChainruleError, match="only sampling and images take others"):
        run_case("maf", models=["lstm"])
