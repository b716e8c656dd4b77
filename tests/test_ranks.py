"""Several processes train one model: what they reach is what one process reaches."""

import os
import signal
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import chainrule as cr
from chainrule.errors import ChainruleError
from chainrule.training.batches import EpochOrder, InOrder
from chainrule.training.checkpoint import SafetensorsIO
from chainrule.training.position import KEY
from chainrule.training.ranks import Ranks
from children import SCRIPT, appears, child, ended, offspring, outcome
from ranks_script import FAMILIES, HALT, Stop, train

NOISY = {"made-dropout", "vae"}  # they draw as they train
RANKS = Path(__file__).with_name("ranks_script.py")


# --- what each of them does of a batch -----------------------------------------------------------


def test_a_pass_is_validated_in_parts():
    """Epochs that are a third of a pass: each item once a pass, and the same batches for one process or several."""
    order = EpochOrder(70, 7, seed=1, parts=3)  # ten batches a pass, four an epoch
    epochs = []
    for epoch in range(5):
        order.set_epoch(epoch)
        epochs.append(list(order))
        assert len(epochs[-1]) == len(order) == 4
    batches = [batch for epoch in epochs for batch in epoch]
    for own in (batches[:10], batches[10:]):
        assert sorted(place for batch in own for place in batch) == list(range(70))
    order.go_on(3, 2)
    assert list(order) == epochs[3][2:]
    order = EpochOrder(
        68, 7, seed=1, parts=3, ranks=Ranks(devices=2, rank=1)
    )  # the last batch of a pass has five
    order.set_epoch(2)
    parts = list(order)
    assert [len(part) for part in parts] == [3, 2, 3, 3]
    assert [order.weight(k) for k in range(4)] == [6 / 7, 4 / 5, 6 / 7, 6 / 7]


@pytest.mark.parametrize("devices, accumulate", [(1, 1), (2, 1), (1, 2), (2, 3), (4, 2), (16, 1)])
def test_parts_are_the_batches(devices, accumulate):
    """All parts of all ranks, in order, are the items of each batch; their weighted mean is the mean of the batch."""
    plain = list(EpochOrder(22, 5, seed=1, passes=2))
    orders = [
        EpochOrder(22, 5, 1, 2, Ranks(devices, accumulate=accumulate).as_rank(rank))
        for rank in range(devices)
    ]
    drawn = [list(order) for order in orders]
    assert {len(own) for own in drawn} == {len(order) for order in orders} == {10 * accumulate}
    for step, batch in enumerate(plain):
        found, mean = [], 0.0
        for index in range(step * accumulate, (step + 1) * accumulate):
            for order, own in zip(orders, drawn, strict=True):
                weight = order.weight(index)
                found += own[index] if weight else []
                mean += weight * sum(own[index]) / len(own[index]) / (devices * accumulate)
        assert found == batch
        assert mean == pytest.approx(sum(batch) / len(batch))


def test_each_batch_of_the_validation_is_one_ranks():
    plain = list(InOrder(22, 5, Ranks()))
    orders = [InOrder(22, 5, Ranks(4).as_rank(rank)) for rank in range(4)]
    found = {order.nth(k): batch for order in orders for k, batch in enumerate(order)}
    assert [found[nth] for nth in range(5)] == plain and {len(order) for order in orders} == {2}


@pytest.mark.parametrize(
    "asked, message",
    [
        ({"devices": 0}, "devices: expected an integer ≥ 1, got 0"),
        ({"accumulate": 0}, "accumulate: expected an integer ≥ 1, got 0"),
        ({"strategy": "dpp"}, "strategy: unknown 'dpp'; did you mean 'ddp'"),
        ({"nodes": 2}, "torchrun --nnodes 2 --nproc-per-node 1"),
    ],
)
def test_refusals(asked, message):
    with pytest.raises(ChainruleError, match=message):
        Ranks.of(**{"devices": None, "nodes": None, "strategy": "auto", "accumulate": 1, **asked})


TORCHRUN = {"TORCHELASTIC_RUN_ID": "x", "WORLD_SIZE": "6", "LOCAL_WORLD_SIZE": "3", "RANK": "4"}
SLURM = {"SLURM_STEP_NUM_TASKS": "6", "SLURM_STEP_NUM_NODES": "2", "SLURM_PROCID": "4"}


@pytest.mark.parametrize("variables, asked", [(TORCHRUN, None), (TORCHRUN, 3), (SLURM, 3)])
def test_launchers_say_who_there_is(variables, asked, monkeypatch):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    found = Ranks.of(asked, asked and 2, "auto", 1)
    assert (found.devices, found.nodes, found.rank, found.running) == (3, 2, 4, True)
    assert not Ranks.of(1, None, "auto", 1).running
    with pytest.raises(ChainruleError, match="has started 3 on each of 2, got 2 and 1"):
        Ranks.of(2, 1, "auto", 1)


# --- laws, run for real --------------------------------------------------------------------------


def launched(processes, *arguments):
    """The script under torchrun."""
    command = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", processes, RANKS]
    status, _, said = ended(*command, *arguments, program=SCRIPT)
    assert status == 0, said[-2000:]


def check_same(found: Path, expected: Path) -> None:
    """The curve and the weights of two runs, up to rounding."""
    ours, theirs = (cr.Run.open(folder) for folder in (found, expected))
    for own, other in zip(ours.metrics, theirs.metrics, strict=True):
        for name in own.keys() - {"seconds"}:
            assert own[name] == pytest.approx(other[name], rel=1e-6, nan_ok=True), name
    weights, others = (load_file(folder / "model.safetensors") for folder in (found, expected))
    for name, tensor in weights.items():
        torch.testing.assert_close(tensor, others[name], rtol=1e-6, atol=1e-6, msg=name)


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """One process, of as many passes a step as there are parts elsewhere."""
    folder = tmp_path_factory.mktemp("alone")
    for parts in (1, 2, 4):
        train(folder / str(parts), parts)
    return folder


def parts_of(family, parts):
    """Noise is drawn part by part; where there is none, parts do not matter at all."""
    return str(parts if family in NOISY else 1)


@pytest.mark.parametrize("processes, accumulate, strategy", [
    (2, 1, "ddp"),
    pytest.param(2, 2, "ddp", marks=pytest.mark.slow),
    pytest.param(4, 1, "ddp", marks=pytest.mark.slow),
    (2, 1, "fsdp"),
])  # fmt: skip
def test_several_ranks_reach_what_one_does(processes, accumulate, strategy, alone, tmp_path):
    launched(processes, tmp_path, accumulate, strategy)
    for family in FAMILIES:
        check_same(tmp_path / family, alone / parts_of(family, processes * accumulate) / family)


@pytest.mark.parametrize("strategy", ["ddp", "fsdp"])
def test_resumed_on_another_number_of_ranks(strategy, alone, tmp_path):
    train(tmp_path, 2, callbacks=[Stop()])
    launched(2, tmp_path, 1, strategy, "resume")
    for family in FAMILIES:
        assert len(cr.Run.open(tmp_path / family).metrics) == 2
        check_same(tmp_path / family, alone / "2" / family)


def check_halted(folder):
    """Within the second epoch, from which the same run comes."""
    for family in FAMILIES:
        tree = SafetensorsIO().load_checkpoint(folder / family / "checkpoints" / "last.safetensors")
        assert tree[KEY][:2] == [1, HALT - 8] and len(cr.Run.open(folder / family).metrics) == 1


@pytest.mark.parametrize("strategy", ["ddp", pytest.param("fsdp", marks=pytest.mark.slow)])
def test_stopped_within_an_epoch_and_resumed_on_more_ranks(strategy, alone, tmp_path):
    train(tmp_path, 2, halt=True)
    check_halted(tmp_path)
    launched(2, tmp_path, 1, strategy, "resume")
    for family in FAMILIES:
        check_same(tmp_path / family, alone / "2" / family)


@pytest.mark.parametrize("strategy", ["ddp", pytest.param("fsdp", marks=pytest.mark.slow)])
def test_ranks_stopped_within_an_epoch_and_resumed_by_one_process(strategy, alone, tmp_path):
    launched(2, tmp_path, 1, strategy, "halt")
    check_halted(tmp_path)
    train(tmp_path, 2, resume=True)
    for family in FAMILIES:
        check_same(tmp_path / family, alone / "2" / family)


@pytest.mark.slow
@pytest.mark.parametrize("accumulate", [1, 2])
def test_ranks_stopped_within_an_epoch_go_on(accumulate, alone, tmp_path):
    launched(2, tmp_path, accumulate, "ddp", "halt")
    launched(2, tmp_path, accumulate, "ddp", "resume")
    for family in FAMILIES:
        check_same(tmp_path / family, alone / parts_of(family, 2 * accumulate) / family)


def test_accumulated_passes_are_one_step(alone):
    for family in FAMILIES.keys() - NOISY:
        check_same(alone / "4" / family, alone / "1" / family)


# --- processes of our own ------------------------------------------------------------------------

COMMAND = (
    "train", "causal-conv1d", "--data", "digits", "--epochs", "4", "--set", "channels=8", "--set", "ema=0.5",
    "--set", "precision=float32", "--device", "cpu",
)  # fmt: skip


@pytest.mark.slow
def test_a_killed_rank_ends_all_and_resume_goes_on(tmp_path):
    status, _, said = ended(*COMMAND, "--devices", "2", "--out", tmp_path / "whole")
    assert status == 0, said
    with child(*COMMAND, "--devices", "2", "--out", tmp_path / "run") as process:
        assert appears(tmp_path / "run" / "checkpoints" / "last.safetensors", process)
        ranks = offspring(process.pid, "spawn_main")
        assert len(ranks) == 2
        os.kill(ranks[1], signal.SIGKILL)
        status, _, said = outcome(process)
    last = said.strip().splitlines()[-1]
    assert status == 1 and last.startswith("error: process 1 of the training was killed by SIGKILL"), said
    assert not any(Path(f"/proc/{pid}").exists() for pid in ranks)
    status, _, said = ended(*COMMAND, "--devices", "2", "--out", tmp_path / "run", "--resume")
    assert status == 0, said
    check_same(tmp_path / "run", tmp_path / "whole")


def test_errors_of_a_rank_are_those_of_fit(tmp_path):
    data = cr.load_data("digits")
    model = cr.create_model("causal-conv1d", data.domain, channels=8)
    with pytest.raises(ChainruleError, match="training diverged"):
        cr.fit(
            model,
            data,
            out=tmp_path / "run",
            device="cpu",
            devices=2,
            epochs=1,
            lr=1e30,
            clip=0.0,
            progress=False,
        )
