"""A run that is stopped within an epoch goes on at its next batch, and ends as one that was not stopped."""

import csv
import inspect
import itertools
import signal
import sys
import time

import lightning.pytorch as pl
import numpy as np
import pytest
import torch

import chainrule as cr
from chainrule.cli import main
from chainrule.cli.options.training import CourseOptions
from chainrule.errors import ChainruleError, RunError
from chainrule.training.batches import CropOrder, EpochOrder, Picked
from chainrule.training.checkpoint import SafetensorsIO
from chainrule.training.interrupts import Interrupts
from chainrule.training.keeper import LOOKS, Keeper
from chainrule.training.position import KEY
from chainrule.training.ranks import Ranks
from chainrule.training.session import Session
from children import appears, child, outcome
from ranks_script import Halt, Stopped

NEVER, ALWAYS = 0, 1e-9
STEPS = 14  # of an epoch
QUICK = {"epochs": 3, "batch_size": 8, "lr": 1e-2, "ema": 0.9, "precision": "float32", "progress": False,
         "device": "cpu"}  # fmt: skip


@pytest.fixture(scope="module")
def digits():
    return cr.load_data("digits").first(STEPS * 8 - 3)


def fitted(data, out, **options):
    torch.manual_seed(0)
    model = cr.create_model("causal-conv1d", data.domain, channels=4, depth=2, dropout=0.3)
    return cr.fit(model, data, out=out, **{**QUICK, **options})


def halted(data, out, step, **options):
    with pytest.raises(Stopped):
        fitted(data, out, callbacks=[Halt(step)], checkpoint_minutes=ALWAYS, **options)


def position(folder):
    """Epoch and steps of a run's checkpoint."""
    return SafetensorsIO().load_checkpoint(folder / "checkpoints" / "last.safetensors")[KEY][:2]


def curve(folder):
    with (folder / "metrics.csv").open() as file:
        return [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]


def check_same(folder, other):
    """The same curve to the last digit, and the same bytes."""
    assert curve(folder) == curve(other)
    assert (folder / "model.safetensors").read_bytes() == (other / "model.safetensors").read_bytes()
    ours, theirs = (
        SafetensorsIO().load_checkpoint(path / "checkpoints" / "last.safetensors") for path in (folder, other)
    )
    for part in ("state_dict", "optimizer_states", "lr_schedulers", KEY):
        check_equal(ours[part], theirs[part])
    check_equal(ours["callbacks"]["WeightEMA"], theirs["callbacks"]["WeightEMA"])


def check_equal(one, other):
    if isinstance(one, torch.Tensor):
        assert torch.equal(one, other)
    elif isinstance(one, dict):
        assert one.keys() == other.keys()
        for key, value in one.items():
            check_equal(value, other[key])
    elif isinstance(one, list | tuple):
        for value, another in zip(one, other, strict=True):
            check_equal(value, another)
    else:
        assert one == other


@pytest.fixture(scope="module")
def whole(digits, tmp_path_factory):
    """Runs that nothing interrupted, by the number of passes a step."""
    folder = tmp_path_factory.mktemp("whole")
    for accumulate in (1, 2):
        fitted(digits, folder / str(accumulate), accumulate=accumulate, checkpoint_minutes=NEVER)
    return folder


# --- the law ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("accumulate", [1, 2])
@pytest.mark.parametrize("step", [1, STEPS - 1, STEPS + 1, 2 * STEPS + 5])
def test_stopped_anywhere_and_resumed_is_uninterrupted(step, accumulate, whole, digits, tmp_path):
    halted(digits, tmp_path / "run", step, accumulate=accumulate)
    assert position(tmp_path / "run") == [step // STEPS, step % STEPS]
    fitted(digits, tmp_path / "run", accumulate=accumulate, resume=True)
    check_same(tmp_path / "run", whole / str(accumulate))


def test_a_step_is_done_or_not(whole, digits, tmp_path):
    """Between its passes there is no checkpoint."""
    with pytest.raises(Stopped):
        fitted(digits, tmp_path / "run", accumulate=2, callbacks=[Halt(5, nth=1)], checkpoint_minutes=ALWAYS)
    assert position(tmp_path / "run") == [0, 5]
    fitted(digits, tmp_path / "run", accumulate=2, resume=True)
    check_same(tmp_path / "run", whole / "2")


def test_stopped_again_and_again(whole, digits, tmp_path):
    for step in (3, 5, STEPS, STEPS + 2, 2 * STEPS - 1):
        halted(digits, tmp_path / "run", step, resume=True)
    fitted(digits, tmp_path / "run", resume=True)
    check_same(tmp_path / "run", whole / "1")


def test_seconds_go_on(digits, tmp_path):
    class Slow(pl.Callback):
        def on_train_batch_end(self, *args):
            time.sleep(0.05)

    with pytest.raises(Stopped):
        fitted(digits, tmp_path, callbacks=[Slow(), Halt(10)], checkpoint_minutes=ALWAYS)
    assert fitted(digits, tmp_path, resume=True).metrics[0]["seconds"] > 0.5


def test_no_batch_is_read_twice(digits, tmp_path, monkeypatch):
    halted(digits, tmp_path, 5, epochs=1)
    read = []
    get = Picked.__getitem__
    monkeypatch.setattr(Picked, "__getitem__", lambda self, i: (read.append(i), get(self, i))[1])
    fitted(digits, tmp_path, resume=True, epochs=1)
    order = list(EpochOrder(len(digits.train), 8, seed=0))
    assert [rows for rows in read if len(rows) <= 8][: STEPS - 5] == order[5:]


def test_windows_go_on_too(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("".join(chr(97 + i * i % 26) for i in range(2000)))
    data = cr.load_data(path, domain="sequence:10:26")
    for out, options in (("whole", {}), ("run", {"callbacks": [Halt(7)], "checkpoint_minutes": ALWAYS})):
        torch.manual_seed(0)
        model = cr.create_model("gru", data.domain, width=8)
        try:
            cr.fit(model, data, out=tmp_path / out, **{**QUICK, **options})
        except Stopped:
            torch.manual_seed(0)
            model = cr.create_model("gru", data.domain, width=8)
            cr.fit(model, data, out=tmp_path / out, resume=True, **QUICK)
    check_same(tmp_path / "run", tmp_path / "whole")


def test_items_in_files_go_on_too(digits, tmp_path, monkeypatch):
    """Blocks are read by a thread ahead of the training: what it had read beyond the last step is read again."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("chainrule.data.large.arrays.BLOCK", 64 * 10)
    monkeypatch.setattr("chainrule.data.large.stored.WINDOW", 64 * 35)
    np.save(tmp_path / "x.npy", digits.train[:100].numpy())
    data = cr.load_data(tmp_path / "x.npy", in_parts=True)
    for out, options in (("whole", {}), ("run", {"callbacks": [Halt(7)], "checkpoint_minutes": ALWAYS})):
        try:
            torch.manual_seed(0)
            cr.fit(
                cr.create_model("causal-conv1d", data.domain, channels=4, depth=2),
                data,
                out=tmp_path / out,
                **{**QUICK, **options},
            )
        except Stopped:
            torch.manual_seed(0)
            model = cr.create_model("causal-conv1d", data.domain, channels=4, depth=2)
            cr.fit(model, data, out=tmp_path / out, resume=True, **QUICK)
    check_same(tmp_path / "run", tmp_path / "whole")


@pytest.mark.parametrize("make", [
    lambda: EpochOrder(22, 5, seed=1, passes=2, ranks=Ranks(2, accumulate=2).as_rank(1)),
    lambda: CropOrder(22, 5, seed=1, passes=2, extent=90, ranks=Ranks()),
])  # fmt: skip
def test_an_order_goes_on(make):
    order, again = make(), make()
    passes = order.ranks.accumulate
    order.set_epoch(3)
    again.go_on(3, 7)
    assert list(again) == list(order)[7 * passes :] and len(again) == len(order)
    order.set_epoch(4)
    again.set_epoch(4)
    assert list(again) == list(order)


# --- when it is written ----------------------------------------------------------------------------


def test_minutes_pass_before_it_is_written(digits, tmp_path, monkeypatch):
    now, written = [0.0], []

    class Clock(pl.Callback):
        def on_train_batch_start(self, *args):
            now[0] += 60.0

    save = pl.Trainer.save_checkpoint
    monkeypatch.setattr(
        pl.Trainer, "save_checkpoint",
        lambda self, path: (written.append(self.global_step), save(self, path)),
    )  # fmt: skip
    monkeypatch.setattr("chainrule.training.keeper.time.monotonic", lambda: now[0])
    fitted(digits, tmp_path / "5", epochs=2, callbacks=[Clock()], checkpoint_minutes=5)
    assert written == [5, 10, 14, 19, 24, 28]
    written.clear()
    fitted(digits, tmp_path / "0", epochs=2, callbacks=[Clock()], checkpoint_minutes=0)
    assert written == [14, 28]


def test_several_processes_look_at_the_clock_now_and_then(tmp_path, monkeypatch):
    """Often enough for each checkpoint, far less often than at each step."""
    now, asked = [0.0], []
    monkeypatch.setattr("chainrule.training.keeper.time.monotonic", lambda: now[0])
    monkeypatch.setattr(Ranks, "told", lambda self, value: (asked.append(now[0]), value)[1])
    session = Session(tmp_path, torch.device("cpu"), ranks=Ranks(2), checkpoint_minutes=10)
    keeper, due = Keeper(session, None, Interrupts()), []
    for step in range(1, 200_000):  # two of 10 ms steps first, then such of 20
        now[0] += 0.01 if step < 100_000 else 0.02
        if keeper._due(step):
            due.append(now[0])
            keeper._kept = now[0]
    apart = [later - earlier for earlier, later in itertools.pairwise(due)]
    assert len(due) >= 4 and all(600 <= seconds < 800 for seconds in apart)
    assert len(asked) < 3 * LOOKS * (len(due) + 1)


def test_refusals(digits, tmp_path):
    with pytest.raises(ChainruleError, match="checkpoint_minutes: expected a number ≥ 0, got -1"):
        fitted(digits, tmp_path, checkpoint_minutes=-1)


def test_one_default():
    """The command line declares its options without importing what trains."""
    asked = inspect.signature(cr.fit).parameters["checkpoint_minutes"].default
    assert asked == CourseOptions().checkpoint_minutes == 10.0


@pytest.mark.parametrize("wrong", [[0, STEPS, 0.0, 1], [0, -1, 0.0, 1], [0], "here"])
def test_a_place_that_is_none_is_refused(wrong, digits, tmp_path):
    halted(digits, tmp_path, 3)
    path = tmp_path / "checkpoints" / "last.safetensors"
    tree = SafetensorsIO().load_checkpoint(path)
    SafetensorsIO().save_checkpoint(tree | {KEY: wrong}, path)
    with pytest.raises(RunError, match="not a checkpoint of this run"):
        fitted(digits, tmp_path, resume=True)


# --- signals ---------------------------------------------------------------------------------------

COMMAND = (
    "train", "causal-conv1d", "--data", "digits", "--epochs", "3", "--set", "channels=4", "--set", "batch_size=4",
    "--set", "dropout=0.3", "--set", "ema=0.9", "--set", "precision=float32", "--device", "cpu", "--out",
)  # fmt: skip


@pytest.fixture(scope="module")
def commanded(tmp_path_factory):
    folder = tmp_path_factory.mktemp("commanded") / "run"
    assert main([*map(str, COMMAND), str(folder)]) == 0
    return folder


@pytest.mark.parametrize(
    "number, status", [(signal.SIGKILL, -9), (signal.SIGINT, 130), (signal.SIGTERM, 143)]
)
def test_signals(number, status, commanded, tmp_path):
    """After kill -9 what was kept by time is there, after Ctrl-C and SIGTERM the last step."""
    often = ("--checkpoint-minutes", "0.0001") if number == signal.SIGKILL else ()
    with child(*COMMAND, tmp_path / "run", *often) as process:
        there = "checkpoints/last.safetensors" if often else "model.json"
        assert appears(tmp_path / "run" / there, process)
        if not often:
            assert appears(tmp_path / "run" / "metrics.csv", process)
        process.send_signal(number)
        found, _, said = outcome(process)
    assert found == status, said
    assert [0, 0] < position(tmp_path / "run") < [3, 0]  # it may also fall between two epochs
    assert main([*map(str, COMMAND), str(tmp_path / "run"), "--resume"]) == 0
    check_same(tmp_path / "run", commanded)


@pytest.fixture
def ordinary():
    """SIGINT and SIGTERM as of a command on a terminal, whatever the tests were started by."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    also = signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    yield
    signal.signal(signal.SIGINT, before)
    signal.signal(signal.SIGTERM, also)


class Signal(pl.Callback):
    """Raise a signal in a hook, the first time that a number of steps has been done."""

    def __init__(self, number, hook, steps):
        self.number, self.steps = number, steps
        setattr(self, hook, self._raise)

    def _raise(self, trainer, *args):
        if trainer.global_step == self.steps:
            signal.raise_signal(self.number)


@pytest.mark.usefixtures("ordinary")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("hook, steps, place", [
    ("on_train_batch_start", STEPS + 4, [1, 5]),  # the step is ended
    ("on_validation_epoch_end", STEPS, [1, 0]),  # the curve has the epoch, and so has the checkpoint
])  # fmt: skip
def test_what_was_under_way_at_a_signal_is_kept(hook, steps, place, number, whole, digits, tmp_path):
    """No checkpoint is due by time."""
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        fitted(digits, tmp_path / "run", callbacks=[Signal(number, hook, steps)], checkpoint_minutes=10)
    assert position(tmp_path / "run") == place
    fitted(digits, tmp_path / "run", resume=True)
    check_same(tmp_path / "run", whole / "1")


def test_a_signal_waits_for_its_step_a_second_one_does_not():
    calls, interrupts = [], Interrupts()
    before = signal.signal(signal.SIGINT, lambda *args: calls.append(args))
    try:
        with interrupts.caught(True):
            signal.raise_signal(signal.SIGINT)
            assert len(calls) == 1
            interrupts.held = True
            signal.raise_signal(signal.SIGINT)
            assert len(calls) == 1
            signal.raise_signal(signal.SIGINT)
            assert len(calls) == 2
            signal.raise_signal(signal.SIGINT)
            interrupts.answer()
            assert len(calls) == 3
            signal.raise_signal(signal.SIGINT)
        assert len(calls) == 4  # the step failed
        signal.raise_signal(signal.SIGINT)
        assert len(calls) == 5
    finally:
        signal.signal(signal.SIGINT, before)
