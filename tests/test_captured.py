"""Captured steps: a recording does again what was done, to whatever lies in the same memory now."""

from __future__ import annotations

import copy
import gc
import logging
import pickle
import weakref
from functools import partial
from itertools import islice

import pytest
import torch

import chainrule as cr
from chainrule.engine import auto as automatic
from chainrule.engine.captured import CapturedRunner, Unsupported
from chainrule.engine.captured.capture import CAPTURES, as_it_is
from chainrule.engine.captured.plan import LONGEST, cut
from chainrule.engine.captured.program import put
from chainrule.engine.captured.runner import KEPT
from chainrule.engine.captured.trace import record
from chainrule.errors import ChainruleError
from chainrule.models import tiny_model
from chainrule.testing.models import served_domains


@pytest.fixture
def graphs(monkeypatch):
    """A CPU whose recordings count as graphs, and so are what draws by default."""
    captured = []

    def counted(function, device):
        captured.append(function)
        return function

    monkeypatch.setitem(CAPTURES, "cpu", counted)
    monkeypatch.setattr(automatic, "CAPTURING", 0)
    return captured


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def net(length=24, **options):
    torch.manual_seed(0)
    return cr.create_model("causal-conv1d", cr.Domain.binary(length), channels=4, **options).eval()


# --- recordings ------------------------------------------------------------------------------------


def test_a_recording_is_done_again_to_what_is_there_now():
    weight, mask, x, y = torch.rand(3, 3), torch.eye(3), torch.rand(2, 3), torch.zeros(2, 3)

    def function():
        y.copy_(torch.addmm(y, x[:, [0, 1, 2]], weight * mask).relu_() + torch.zeros(3).add_(x[0, 0]))

    trace = record(function, [x, y])
    x.copy_(torch.rand(2, 3))
    y.fill_(0.5)
    expected = (0.5 + x @ (weight * mask)).relu() + x[0, 0]
    trace.replay()
    assert torch.equal(y, expected)
    trace.replay()  # nothing is left of the time before
    assert torch.allclose(y, (expected + x @ (weight * mask)).relu() + x[0, 0])


def test_what_never_changes_is_done_once():
    weight, mask, x, y = torch.rand(3, 3), torch.eye(3), torch.rand(3), torch.zeros(3)
    trace = record(lambda: y.copy_((weight * mask).exp().T @ x), [x, y])
    names = [call.operation._overloadpacket.__name__ for call in trace.calls]
    assert names == ["mv", "copy_"]


def test_memory_that_is_made_and_then_written_is_made_again():
    x, y = torch.ones(()), torch.zeros(2)

    def function():
        counts = torch.zeros(2)
        counts[0] += x
        counts[1] += 1
        y.copy_(counts)

    trace = record(function, [x, y])
    for _ in range(2):
        trace.replay()
        assert y.tolist() == [1, 1]


@pytest.mark.parametrize(
    "look, name",
    [
        (lambda x: x * x.sum().item(), "_local_scalar_dense"),
        (lambda x: x * bool(x[0] > 0), "_local_scalar_dense"),
        (lambda x: x[x > 0].sum(), "index"),
        (lambda x: x.nonzero().sum(), "nonzero"),
        (lambda x: x.unique().sum(), "_unique2"),
        (lambda x: x + torch.rand(2), "rand"),
    ],
)
def test_what_would_be_frozen_is_refused(look, name):
    x, y = torch.ones(2), torch.zeros(2)
    with pytest.raises(Unsupported, match=rf"captured runner: its step .* \({name}\)"):
        record(lambda: y.copy_(look(x)), [x, y])


def test_a_look_at_what_never_changes_is_none():
    x, y, weight = torch.ones(2), torch.zeros(2), torch.full((2,), 3.0)
    record(lambda: y.copy_(x * weight[weight > 1].sum().item()), [x, y]).replay()
    assert y.tolist() == [6, 6]


def test_a_state_made_of_pieces_of_the_old_one():
    a, b = torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0])
    put([a, b], [b, a])
    assert (a.tolist(), b.tolist()) == ([3, 4], [1, 2])
    whole = torch.arange(4.0)
    put([whole], [whole.flip(0)])
    assert whole.tolist() == [3, 2, 1, 0]
    put([whole], [torch.as_strided(whole, (4,), (1,))])
    assert whole.tolist() == [3, 2, 1, 0]


# --- stretches -------------------------------------------------------------------------------------


def test_rows_of_an_image_are_stretches():
    row = (1, *[2] * 27)
    assert cut([*row] * 28, 0) == [row] * 28
    assert cut([0, *row[1:], *[*row] * 27], 0) == [(0,), *[(2,)] * 27, *[row] * 27]


def test_a_sequence_is_cut_into_long_stretches():
    plan = cut([0] * 1000, 0)
    assert len(plan) < 100 and max(map(len, plan)) > 8


@pytest.mark.parametrize("first", [0, 3, 16, 29])
def test_stretches_are_all_sites_in_order(first):
    kinds = [0, *([1] * 7 + [2]) * 12][first:]
    plan = cut(kinds, first)
    assert [kind for stretch in plan for kind in stretch] == kinds


def test_a_rollout_from_elsewhere_finds_the_same_stretches():
    kinds = ([1] * 7 + [2]) * 12
    whole, late = cut(kinds, 0), cut(kinds[13:], 13)
    assert set(late) - {(1,), (2,)} <= set(whole)


def test_what_is_captured_is_used_again():
    """Sites of a stream come in parts: once a stretch is captured, others of its length are."""
    have = set(cut([0] * 64, 0))
    assert set(cut([0] * 20, 64, have)) <= have | {(0,)}
    assert cut([0] * 5, 70, {(0,) * 5}) == [(0,) * 5]


def test_few_sites_are_not_worth_a_stretch():
    assert cut([], 0) == [] and cut([3], 5) == [(3,)]
    assert all(len(stretch) <= LONGEST for stretch in cut([0] * 100_000, 0))


# --- the runner ------------------------------------------------------------------------------------


def test_it_draws_by_default_where_there_are_graphs(graphs, caplog):
    model = net()
    expected = model.sample(5, generator=generator(), runner="eager")
    assert not graphs
    with caplog.at_level(logging.INFO, "chainrule"):
        assert torch.equal(model.sample(5, generator=generator()), expected)
    assert graphs and "causal-conv1d: captured steps" in caplog.text
    for seed in (1, 2, 3):  # from the first site on now, which the call before drew eagerly
        other = model.sample(5, generator=generator(seed))
        assert torch.equal(other, model.sample(5, generator=generator(seed), runner="eager"))
        before, graphs[:] = len(graphs), []
    assert before == 0


def test_too_few_sites_are_drawn_eagerly(graphs, monkeypatch, caplog):
    monkeypatch.setattr(automatic, "CAPTURING", 1000)
    with caplog.at_level(logging.INFO, "chainrule"):
        net().sample(2, generator=generator())
    assert not graphs and "eager steps: too few to be worth capturing" in caplog.text


def test_by_name(graphs):
    model = net()
    x = model.sample(3, generator=generator(), runner="captured")
    assert graphs and torch.equal(x, model.sample(3, generator=generator(), runner="eager"))


def test_a_cpu_has_none():
    for name in ("captured", "captured-fused"):
        with pytest.raises(ChainruleError, match="captured runner: it is for cuda, the model is on cpu"):
            net().sample(2, runner=name)


def test_changed_weights_are_captured_anew(graphs):
    model = net()
    model.sample(3, generator=generator())
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.data.mul_(-2)  # unseen by autograd
    x = model.sample(3, generator=generator())
    assert torch.equal(x, model.sample(3, generator=generator(), runner="eager"))


def test_a_step_that_looks_is_eager_and_says_why(graphs, caplog):
    model = net()
    step = model.network.step
    model.network.step = lambda prev, state, t, *, phase: step(prev, state, t + int(t) * 0, phase=phase)
    with caplog.at_level(logging.INFO, "chainrule"):
        x = model.sample(3, generator=generator())
    assert "eager steps: captured runner: its step reads a number from a tensor that changes" in caplog.text
    assert torch.equal(x, model.sample(3, generator=generator(), runner="eager"))


def test_a_step_that_does_something_else_the_next_time(graphs):
    model = net()
    kept = torch.zeros(1)  # memory that is none of the state, and is written at each step
    step = model.network.step

    def wrong(prev, state, t, *, phase):
        params, state = step(prev, state, t, phase=phase)
        return params + kept.add_(1), state

    model.network.step = wrong
    with pytest.raises(Unsupported, match="does something else when it is done again"):
        model.sample(3, generator=generator(), runner="captured")


@pytest.mark.parametrize("name, options", [
    ("made-ensemble", {}), ("maf", {}), ("pixel-vae", {}), ("vq-vae", {}), ("gated-pixelcnn", {"classes": 3}),
    ("realnvp", {}), ("wavenet", {"embedding": 2}), ("vae", {}), ("deep-nade", {}), ("multi-scale", {}),
])  # fmt: skip
def test_whatever_draws_with_steps_draws_the_same(name, options, monkeypatch):
    make = partial(tiny_model, name, **options)
    torch.manual_seed(0)
    model = make(served_domains(make)[0]).double().eval()
    cond = None
    if model.conditional:
        shape = (4, *model.condition.item_shape)
        cond = torch.arange(4) % 3 if model.condition.classes else torch.randn(shape, dtype=torch.float64)
    draw = partial(model.sample, 4, cond=cond)
    expected = draw(generator=generator())
    monkeypatch.setitem(CAPTURES, "cpu", as_it_is)
    monkeypatch.setattr(automatic, "CAPTURING", 0)
    for _ in range(2):
        found = draw(generator=generator())
        assert torch.allclose(found.double(), expected.double(), atol=1e-9)


def test_completions(graphs):
    model = net()
    x = (torch.rand(6, 24, generator=generator()) < 0.5).long()
    known = torch.arange(24) < 9
    options = {"n": 2, "temperature": 0.7}
    found = model.complete(x, known, generator=generator(), **options)
    assert graphs
    assert torch.equal(found, model.complete(x, known, generator=generator(), runner="eager", **options))


def test_streams_that_take_turns(graphs):
    """Both have the same shape, and so the same memory, in turn."""
    model = tiny_model("causal-conv1d", cr.Domain.parse("sequence:16:2")).eval()
    long = [islice(model.stream(batch=2, generator=generator(k)), 60) for k in (0, 1)]
    expected = [torch.cat(list(parts), dim=1) for parts in long]
    assert graphs
    in_turn = zip(*(islice(model.stream(batch=2, generator=generator(k)), 60) for k in (0, 1)), strict=True)
    for found, alone in zip(zip(*in_turn, strict=True), expected, strict=True):
        assert torch.equal(torch.cat(found, dim=1), alone)
    assert torch.equal(expected[1][:, :16], model.sample(2, generator=generator(1), runner="eager"))


def test_sums_of_half_types_do_not_overflow():
    """Parameters that are finite may have a sum that no half type has."""
    model = net(8).to(torch.bfloat16)
    runner = CapturedRunner(model, as_it_is)
    model.sample(3, generator=generator(), runner=runner)
    (program,) = runner._programs.values()
    assert program._sums.dtype == torch.float32


def test_few_programs_are_kept():
    model = net(8)
    runner = CapturedRunner(model, as_it_is)
    for rows in range(1, 2 * KEPT):
        model.sample(rows, generator=generator(), runner=runner)
    assert len(runner._programs) == KEPT


def test_a_copy_has_runners_of_its_own(graphs):
    model = net()
    model.sample(2, generator=generator())
    for other in (copy.deepcopy(model), copy.copy(model), pickle.loads(pickle.dumps(model))):
        assert automatic.Ledger.of(other) is not automatic.Ledger.of(model)
        x = other.sample(3, generator=generator())
        assert torch.equal(x, other.sample(3, generator=generator(), runner="eager"))


def test_damaged_weights_are_named(graphs):
    model = net()
    with torch.no_grad():
        next(model.network.parameters()).fill_(torch.nan)
    with pytest.raises(ChainruleError, match="not finite"):
        model.sample(2, runner="captured")


@pytest.mark.parametrize("runner", ["captured", "native"])
def test_a_model_that_is_gone_is_not_kept(runner, graphs):
    model = net()
    model.sample(2, generator=generator(), runner=runner)
    gone = weakref.ref(model)
    del model
    gc.collect()
    assert gone() is None
