"""Benches: the peers compute what ours does, the records say what was measured. No test looks at a time."""

import dataclasses
import sys

import pandas as pd
import pytest
import torch

import chainrule as cr
from chainrule.bench import anomaly as bench_anomaly
from chainrule.bench import ceilings, fresh_process, roofline
from chainrule.bench import defence as bench_defence
from chainrule.bench import generate as bench_generate
from chainrule.bench import nade_training as bench_nade_training
from chainrule.bench import nets as bench_nets
from chainrule.bench import reversible as bench_reversible
from chainrule.bench import sampling as bench_sampling
from chainrule.bench import timing as bench_timing
from chainrule.bench import training as bench_training
from chainrule.bench.cases import CASES, find_case, notes_of, run_case, table_of
from chainrule.bench.plus_port import mixture_loss
from chainrule.bench.premasked import premasked
from chainrule.bench.tables import case as bench_tables
from chainrule.bench.timing import Times, time_interleaved
from chainrule.bench.training_peers import PEERS
from chainrule.engine import FixedPoint
from chainrule.engine import auto as automatic
from chainrule.errors import ChainruleError
from digits_run import write_run

SMALL = {
    "made": {
        "domain": cr.Domain.binary(12),
        "hyperparameters": {"hidden": (8, 8), "residual": False},
        "batches": (1, 2),
    },
    "maf": {"domain": cr.Domain.vector(4), "batches": (3,)},
    "transformer": {
        "domain": cr.Domain.sequence(6, levels=5),
        "hyperparameters": {"channels": 8, "depth": 1, "heads": 2, "positions": "learned"},
        "batches": (1, 2),
    },
}

SMALL_FLOW = {"domain": cr.Domain.vector(4), "hyperparameters": {"hidden": (8, 8), "transforms": 2}}

# Of the fixture `runs`, for the cases that measure trained models.
RUNS = {
    "predictive": ["target"],
    "rounding": ["draft"],
    "compression": ["plain"],
    "anomaly": ["plain", "plain"],
    "defence": ["plain"],
}


def answer(task, peer, tables, **_):
    """A table, or the answer of a detector of anomalies."""
    if task == "table":
        return {"table": pd.DataFrame({"x": range(20), "y": range(20)})}
    return {"seconds": 1.0, "scores": pd.DataFrame({"score": range(len(tables["test"]))})}


@pytest.fixture
def small(monkeypatch, tmp_path):
    """A few nets of a few variables, short looks at the machine, and no process of their own."""
    nets = {name: dataclasses.replace(bench_nets.NETS[name], **changes) for name, changes in SMALL.items()}
    monkeypatch.setattr(bench_sampling, "NETS", nets)
    trained = {
        **bench_nets.TRAINED,
        **nets,
        "maf": dataclasses.replace(bench_nets.TRAINED["maf"], **SMALL_FLOW),
    }
    monkeypatch.setattr(bench_training, "TRAINED", trained)
    monkeypatch.setattr(bench_training, "BATCHES", {"made": 5, "transformer": 2, "maf": 3})
    monkeypatch.setattr(bench_training, "ROUND", 0.0)
    monkeypatch.setattr(bench_training, "measure_compiled", lambda *_: {"absent": "not tried"})
    fresh = {"imports": 2.0, "first": 3.0, "second": 1.0, "held": 5e6}
    monkeypatch.setattr(bench_sampling, "measure_fresh", lambda *_: fresh)
    monkeypatch.setattr(ceilings, "SECONDS", 1e-4)
    monkeypatch.setattr(ceilings, "SIDES", (8,))
    monkeypatch.setattr(bench_anomaly, "INSIDE", "digits")
    monkeypatch.setattr(bench_anomaly, "OUTSIDE", "digits")
    monkeypatch.setattr(bench_defence, "DATA", "digits")
    monkeypatch.setattr(bench_defence, "EPOCHS", 1)
    monkeypatch.setattr(bench_reversible, "DOMAIN", cr.Domain.sequence(6, 3))
    monkeypatch.setattr(bench_reversible, "CHANNELS", 8)
    monkeypatch.setattr(bench_reversible, "DEPTHS", (2, 3))
    monkeypatch.setattr(bench_generate, "LEVELS", 7)
    monkeypatch.setattr(bench_generate, "TOKENS", 6)
    monkeypatch.setattr(bench_generate, "SIZES", {"n_embd": 8, "n_layer": 1, "n_head": 2})
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(bench_tables, "TABLES", {"boston": bench_tables.TABLES["boston"]})
    monkeypatch.setattr(bench_tables, "TASKS", {"anomaly-cells": ("anomaly", "cells")})
    monkeypatch.setattr(bench_tables, "run_peer", answer)
    monkeypatch.setattr(bench_nade_training, "SIZE", 12)
    monkeypatch.setattr(bench_nade_training, "HIDDEN", 8)


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
    own = [runs / folder for folder in RUNS.get(name, ())] or None
    threads = torch.get_num_threads()
    record = run_case(name, batch=2, repeats=1, threads=1, runs=own)
    assert torch.get_num_threads() == threads
    assert record["command"].startswith(f"chainrule bench {name} --batch 2 --repeats 1 --threads 1")
    assert (record["case"], record["batch"], record["threads"]) == (name, 2, 1)
    assert {"hardware", "torch", "date", "commit", "load_average"} <= set(record)
    columns, rows = table_of(record)
    assert rows and all(len(row) == len(columns) for row in rows)


def test_the_command_is_in_the_record(small, tmp_path):
    record = run_case("tables", models=["lof"], tables=["boston"], records=tmp_path)
    chosen = f"--model lof --table boston --records {tmp_path}"
    assert record["command"] == f"chainrule bench tables --batch 2000 --repeats 5 {chosen}"
    with pytest.raises(ChainruleError, match="tables are for tables"):
        run_case("rounding", tables=["boston"])


def test_rounding_tells_items_to_native_steps(runs):
    (row,) = run_case("rounding", batch=3, runs=[runs / "draft"])["rows"]
    assert row["native_is_off_by"] < 1e-3  # float32 steps are the model
    for more, _ in row["more_nats"].values():
        assert 0 < abs(more) < 1  # rounded ones nearly
    assert set(row["more_nats"]) == {"bf16", "int8"}


def test_sampling_is_measured_at_each_batch_and_number_of_threads(small, monkeypatch):
    monkeypatch.setattr(bench_sampling.os, "cpu_count", lambda: 2)
    record = run_case("sampling", repeats=1, models=["made"])
    rows = record["rows"]
    assert [(row["threads"], row["batch"]) for row in rows] == [(1, 1), (1, 2), (2, 1), (2, 2)]
    for row in rows:
        rates = row["steps_per_second"]
        assert set(bench_sampling.WAYS) <= set(rates)
        assert row["speedup"]["naive"] == pytest.approx(rates["default"] / rates["naive"])
        assert row["of_roofline"] == pytest.approx(row["roofline"]["seconds"] * rates["default"] / 12)


def test_a_roofline_is_the_slower_of_its_two_ceilings(monkeypatch):
    model = cr.create_model("lstm", cr.Domain.sequence(5, levels=3), width=4).eval()
    monkeypatch.setattr(roofline, "measure_peak", lambda threads: {"torch": 1e3, "native": 2e3})
    for rate, by in ((1e9, "arithmetic"), (1.0, "memory")):
        monkeypatch.setattr(roofline, "measure_bandwidth", lambda size, threads, rate=rate: {"torch": rate})
        found = roofline.roofline(model, 7, 5)
        moved = found["weight_bytes"] + found["state_bytes"]
        expected = found["flops"] / 2e3 if by == "arithmetic" else moved / rate
        assert (found["by"], found["seconds"]) == (by, pytest.approx(expected))


def test_rounds_end_when_time_is_up():
    calls = []
    times = time_interleaved({"a": lambda: calls.append("a")}, 1000, seconds=0)
    assert len(times.rounds["a"]) == 1 and len(calls) == 2


def test_items_of_training_take_three_passes(small):
    (row,) = run_case("training", repeats=1, models=["made"])["rows"]
    model = bench_training.build("made")
    dense = sum(p.numel() for p in model.parameters() if p.ndim > 1)
    assert row["flops_per_item"] == 3 * 2 * dense  # each weight of a perceptron is used once


def test_peers_train_beside_ours(small):
    record = run_case("training", repeats=1, models=["maf"])
    (row,), peers = record["rows"], {"zuko", "nflows"}
    assert set(row["speedup"]) == set(row["scoring_speedup"]) == set(record["versions"]) == peers
    assert all(set(ratios) == {"float32", "bf16"} for ratios in row["speedup"].values())
    # Two transforms of 4-8-8-8 with biases; ours also has direct weights and activation normalisation.
    assert row["parameters"] == {"ours": 2 * (40 + 72 + 72 + 32 + 8), "zuko": 2 * 184, "nflows": 2 * 184}


FLOWS = ("maf", "nsf", "nsf-coupling")


@pytest.mark.parametrize(("net", "peer"), [(net, peer) for net in FLOWS for peer in PEERS[net]])
def test_flows_of_peers_have_the_sizes_of_ours(net, peer):
    ours = bench_nets.TRAINED[net]
    sizes = {**ours.hyperparameters, **SMALL_FLOW["hyperparameters"]}
    domain = SMALL_FLOW["domain"]
    module, loss = PEERS[net][peer](domain, sizes)
    x = bench_training.items(domain, 3)
    assert loss(x).shape == (3,)
    model = cr.create_model(ours.name, domain, **sizes)
    extra = 2 * 8 + sum(part.network.direct.weight.numel() for part in made_of(model))
    assert sum(p.numel() for p in module.parameters()) == sum(p.numel() for p in model.parameters()) - extra


# Of the peer, how many parameters more than ours it may have, as a part of ours; and a net of it that is small.
EQUAL = {
    "pixelcnn-plus-plus": (
        0.0,
        cr.Domain.image(3, 8, 8, levels=256),
        {"channels": 6, "depth": 1, "scales": 3},
    ),
    "tcn": (0.0, cr.Domain.sequence(9, levels=5), {"channels": 6, "depth": 2}),
    "wavenet": (0.0, cr.Domain.sequence(9, levels=256), {"channels": 6, "skip": 7, "depth": 3, "cycle": 2}),
    "transformer": (0.01, cr.Domain.sequence(9, levels=5), {"channels": 12, "depth": 2, "heads": 2}),
    "gated-pixelcnn": (0.05, cr.Domain.image(1, 6, 5, levels=2), {"channels": 24, "depth": 2}),
}


@pytest.mark.parametrize("net", EQUAL)
def test_nets_of_peers_have_the_parameters_of_ours(net):
    ours = bench_nets.TRAINED[net]
    allowed, domain, sizes = EQUAL[net]
    (peer,) = PEERS[net].values()
    full, _ = peer(ours.domain, ours.hyperparameters)
    model = cr.create_model(ours.name, ours.domain, **ours.hyperparameters)
    counts = [sum(p.numel() for p in module.parameters()) for module in (full, model)]
    assert counts[0] == pytest.approx(counts[1], rel=allowed)
    if net == "pixelcnn-plus-plus":
        assert counts == [1_519_320, 1_519_320]
    module, loss = peer(domain, sizes)
    x = bench_training.items(domain, 3)
    nats = loss(x)
    nats.mean().backward()
    assert nats.shape == (3,) and nats.isfinite().all()
    assert all(p.grad.isfinite().all() for p in module.parameters() if p.grad is not None)


def test_the_loss_of_the_port_is_that_of_the_head():
    head = cr.heads.DiscretisedLogistic(256, 3, 2)
    params = torch.randn(2, 20, 3, 4, generator=torch.Generator().manual_seed(0))
    x = bench_training.items(cr.Domain.image(3, 3, 4, levels=256), 2)
    # Ours measures means and log-scales from others, and has all of a kind together.
    rows = params.permute(0, 2, 3, 1).unflatten(-1, (10, 2))
    weights, rest = rows[..., :1, :], rows[..., 1:, :].unflatten(-2, (3, 3))
    spread = torch.tensor([-0.5, 0.5])
    ours = torch.cat([weights, rest[..., 0, :] - spread, rest[..., 1, :] + 2.0, rest[..., 2, :]], dim=-2)
    terms = head.log_prob(ours.flatten(-2), x.permute(0, 2, 3, 1))
    torch.testing.assert_close(
        mixture_loss(x / 127.5 - 1, params), -terms.sum((1, 2, 3)), rtol=1e-4, atol=1e-2
    )


def made_of(flow):
    return [part for part in flow.bijection.parts if isinstance(part, cr.flows.Autoregressive)]


def test_short_calls_are_repeated_in_a_round(monkeypatch):
    calls, clock = [], [0.0]

    def short():
        calls.append(1)
        clock[0] += 0.25

    monkeypatch.setattr(bench_timing.time, "perf_counter", lambda: clock[0])
    times = time_interleaved({"a": short}, 1, least=1.0)
    assert len(calls) == 1 + 1 + 4  # to warm up, to learn how long it takes, and a round
    assert times.rounds == {"a": [0.25]}


def test_a_new_process_tells_what_it_takes():
    found = fresh_process.measure_fresh("maf", 2, 1, None)
    assert found["first"] > found["second"] > 0
    assert found["held"] >= found["imported"] > 1e6


def test_a_process_that_fails_says_why(monkeypatch):
    monkeypatch.setattr(fresh_process, "CHILD", "import sys; raise KeyError(sys.argv[1])")
    with pytest.raises(ChainruleError, match="bench sampling nonsense: KeyError: 'nonsense'"):
        fresh_process.measure_fresh("nonsense", 2, 1, None)


def test_without_the_other_libraries(small, monkeypatch):
    monkeypatch.setitem(sys.modules, "zuko.flows", None)
    monkeypatch.setitem(sys.modules, "nflows.flows", None)
    record = run_case("sampling", batch=2, repeats=1, threads=1, models=["maf"])
    assert set(record["rows"][0]["steps_per_second"]) == set(bench_sampling.WAYS)
    assert set(record["absent"]) == {"zuko", "nflows"}
    assert "Without zuko: zuko.flows is not installed." in notes_of(record)


def test_beside_a_library_that_breaks(small, monkeypatch):
    def broken(domain, sizes):
        raise AttributeError("module 'numpy' has no attribute 'float'")

    net = dataclasses.replace(bench_sampling.NETS["maf"], peers={"nflows": broken})
    monkeypatch.setitem(bench_sampling.NETS, "maf", net)
    record = run_case("sampling", batch=2, repeats=1, threads=1, models=["maf"])
    assert record["absent"] == {"nflows": "AttributeError: module 'numpy' has no attribute 'float'"}


def test_a_net_that_the_native_runner_lacks_is_measured_without(small, monkeypatch):
    monkeypatch.setattr(automatic, "_make", lambda model, rounding: "numba cannot be loaded: none")
    record = run_case("sampling", batch=2, repeats=1, threads=1, models=["made"])
    assert record["absent"] == {"the native runner of made": "native runner: numba cannot be loaded: none"}
    assert set(record["rows"][0]["steps_per_second"]) == {"naive", "default", "eager"}
    assert len(table_of(record)[1]) == 1


def test_the_naive_pass_of_a_made_is_its_own(small):
    for name in ("made", "maf"):
        net = bench_sampling.NETS[name]
        model = net.build()
        kind = torch.int64 if net.domain.discrete else torch.float32
        x = torch.zeros(3, *net.domain.event_shape, dtype=kind)
        torch.testing.assert_close(net.forward(model, 3)(), model(x).flatten(1))


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
    with pytest.raises(ChainruleError, match="bench training: has its own models; runs are for predictive"):
        run_case("training", runs=[runs / "target"])
    with pytest.raises(ChainruleError, match="did you mean 'training'"):
        find_case("trainin")
    with pytest.raises(ChainruleError, match="models are for sampling and training"):
        run_case("nade-training", models=["lstm"])
    for case in ("sampling", "training"):
        with pytest.raises(ChainruleError, match=f"bench {case}: unknown model 'mad'; did you mean 'mad"):
            run_case(case, models=["mad"])
