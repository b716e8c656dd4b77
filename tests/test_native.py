"""The native machine does what torch does, operation by operation; the runner notices what changes."""

from __future__ import annotations

import dataclasses
import logging
import multiprocessing

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

import chainrule as cr
from chainrule.engine import auto as automatic
from chainrule.engine import exact_arithmetic
from chainrule.engine.native import NativeRunner, Unsupported, machine
from chainrule.engine.native.assembler import Builder
from chainrule.engine.native.constants import Weights
from chainrule.engine.native.instruction import INSTRUCTIONS
from chainrule.engine.native.instructions import Unary
from chainrule.engine.native.lower.lower import lower
from chainrule.engine.native.machine import run
from chainrule.engine.native.opcodes import Kind, Opcode
from chainrule.engine.native.shard import Share
from chainrule.engine.native.trace import Recording, record
from chainrule.engine.native.views import View
from chainrule.errors import ChainruleError


def native(function, *inputs: Tensor) -> list[Tensor]:
    """What the machine makes of a function's results, which are written into tensors of their own."""
    with torch.no_grad():
        shapes = function(*inputs)
    results = [torch.zeros_like(r, memory_format=torch.contiguous_format) for r in shapes]

    def step(clock: Tensor, *given: Tensor) -> list[Tensor]:
        found = function(*given[: len(inputs)])
        for target, value in zip(given[len(inputs) :], found, strict=True):
            target.copy_(value)
        return []

    tried = [torch.zeros((), dtype=torch.int64), *(x.clone() for x in inputs), *(r.clone() for r in results)]
    recording, _ = record(step, tried)
    program = lower(recording, [], [], Weights())
    share = Share([torch.zeros((), dtype=torch.int64), *inputs, *results])
    share.run_site(program, 0)
    return share.inputs[1 + len(inputs) :]


def agree(function, *inputs: Tensor) -> None:
    with torch.no_grad():
        expected = function(*(x.clone() for x in inputs))
    for ours, theirs in zip(native(function, *inputs), expected, strict=True):
        tolerance = 2e-5 if theirs.dtype == torch.float32 else 1e-12
        theirs = theirs.to(ours.dtype)
        assert torch.allclose(ours, theirs, rtol=tolerance, atol=tolerance, equal_nan=True), (
            (ours - theirs).abs().max()
        )


FLOATS = {
    "exp": torch.exp,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "gelu": F.gelu,
    "gelu by tanh": lambda x: F.gelu(x, approximate="tanh"),
    "silu": F.silu,
    "norm without a bias": lambda x: F.layer_norm(
        x, x.shape[-1:], weight=torch.linspace(1, 2, x.shape[-1]).to(x)
    ),
    "norm without weights": lambda x: F.layer_norm(x, x.shape[-1:]),
    "relu": F.relu,
    "elu": F.elu,
    "leaky_relu": lambda x: F.leaky_relu(x, 0.1),
    "softplus": F.softplus,
    "log_sigmoid": F.logsigmoid,
    "log": lambda x: x.abs().log(),
    "sqrt": lambda x: x.abs().sqrt(),
    "rsqrt": lambda x: x.abs().rsqrt(),
    "asinh": torch.asinh,
    "expm1": torch.expm1,
    "log1p": lambda x: x.abs().log1p(),
    "square": torch.square,
    "round": torch.round,
    "floor": torch.floor,
    "clamp": lambda x: x.clamp(-0.5, 0.7),
    "negative": torch.neg,
    "minus": lambda x: 1 - x,
    "scaled": lambda x: torch.add(x, x, alpha=0.3),
    "addcmul": lambda x: torch.addcmul(x, x, x),
    "logit": lambda x: torch.logit(torch.sigmoid(x)),
    "ndtri": lambda x: torch.special.ndtri(torch.sigmoid(3 * x)),
    "isnan": lambda x: x.isnan(),
    "nan_to_num": lambda x: torch.where(x > 0, torch.nan, x).nan_to_num(),
    "masked_fill": lambda x: x.masked_fill(x < 0, -torch.inf),
    "softmax": lambda x: x.softmax(-1),
    "log_softmax": lambda x: x.log_softmax(-1),
    "logsumexp": lambda x: x.logsumexp(1),
    "cumsum": lambda x: x.cumsum(-1),
    "sum": lambda x: x.sum((0, 2)),
    "mean": lambda x: x.mean(1),
    "amax": lambda x: x.amax(-1),
    "argmax": lambda x: x.argmax(-1),
    "double": lambda x: x.double().exp(),
    "long": lambda x: (10 * x).long(),
    "bool": lambda x: (x > 0.1) & ~(x > 0.8),
    "flip": lambda x: x.flip(1),
    "pad": lambda x: F.pad(x, (1, 2, 0, 1), value=0.5),
    "cat": lambda x: torch.cat([x, 2 * x[:, :1]], dim=1),
    "stack": lambda x: torch.stack([x, -x], dim=1),
    "expand": lambda x: x[:, :1].expand(-1, 4, -1) + x[:, :, :1].mean(1, keepdim=True),
    "layer_norm": lambda x: F.layer_norm(
        x, x.shape[-1:], torch.arange(37.0).to(x), torch.ones(37, dtype=x.dtype)
    ),
    "select": lambda x: x.index_select(1, torch.tensor([2, 0, 2])),
    "gather": lambda x: x.gather(-1, (x[..., :3].abs() * 5).long()),
    "transposed": lambda x: x.transpose(0, 2).exp() * x.transpose(0, 2),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", FLOATS)
def test_operation(name, dtype):
    x = torch.randn(3, 4, 37, generator=torch.Generator().manual_seed(0), dtype=torch.float64).to(dtype)
    agree(lambda x: [FLOATS[name](x)], x)
    # Of every other element, and in another order of dimensions.
    agree(lambda x: [FLOATS[name](x[:, :, ::2])], F.pad(x, (0, 36)).contiguous())
    wide = x.permute(2, 0, 1).contiguous().permute(1, 2, 0)
    agree(lambda x: [FLOATS[name](x)], wide)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    ("rows", "inner", "outer"), [(1, 5, 3), (1, 70, 130), (2, 33, 64), (7, 33, 65), (13, 1, 40)]
)
def test_product(rows, inner, outer, dtype):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(rows, inner, generator=generator, dtype=torch.float64).to(dtype)
    weight, bias = (torch.randn(*s, generator=generator, dtype=dtype) for s in ((outer, inner), (outer,)))
    agree(lambda x: [F.linear(x, weight, bias), x @ weight.t()], x)
    agree(lambda x, w: [F.linear(x, w), x @ w.t().contiguous()], x, weight)


@pytest.mark.parametrize("stride", [1, 2])
def test_convolutions(stride):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 3, 6, 5, generator=generator)
    weight, bias = torch.randn(7, 3, 2, 3, generator=generator), torch.randn(7, generator=generator)
    agree(lambda x: [F.conv2d(x, weight, bias, stride=stride, padding=1, dilation=(1, 2))], x)
    back = torch.randn(3, 4, 2, 3, generator=generator)
    agree(
        lambda x: [F.conv_transpose2d(x, back, stride=stride, padding=(0, 1), output_padding=stride - 1)], x
    )


def test_attention_sees_what_the_mask_allows():
    q, k, v = torch.randn(3, 2, 4, 9, 20, generator=torch.Generator().manual_seed(0))
    seen = torch.where(torch.arange(9) < 5, 0.0, -torch.inf)[None]
    agree(lambda q, k, v: [F.scaled_dot_product_attention(q[:, :, :1], k, v, attn_mask=seen)], q, k, v)


def test_writing_at_an_index_leaves_the_rest():
    state, index, value = torch.randn(3, 5, 2), torch.tensor([4, 1]), torch.randn(3, 2, 2)
    agree(lambda s, i, v: [s.index_copy_(1, i, v)], state, index, value)


def test_an_index_outside_is_an_error():
    def step(clock, x, index, out):
        out.copy_(x.index_select(1, index))
        return []

    def inputs(index):
        return [
            torch.zeros((), dtype=torch.int64),
            torch.randn(2, 4),
            torch.tensor([index]),
            torch.zeros(2, 1),
        ]

    recording, _ = record(step, inputs(1))
    program = lower(recording, [], [], Weights())
    Share(inputs(3)).run_site(program, 0)
    with pytest.raises(IndexError, match="points outside"):
        Share(inputs(7)).run_site(program, 0)


def test_what_the_machine_lacks_is_named():
    with pytest.raises(Unsupported, match="uses sort"):
        native(lambda x: [x.sort().values], torch.randn(4))
    with pytest.raises(Unsupported, match="reads a number from"):
        native(lambda x: [x * x.sum().item()], torch.randn(4))


def model(seed: int = 0):
    torch.manual_seed(seed)
    return cr.create_model("wavenet", cr.Domain.sequence(40, 8), channels=8, skip=8, depth=3).eval()


def sample(net, **options) -> Tensor:
    return net.sample(5, generator=torch.Generator().manual_seed(1), **options)


def test_runner_by_name():
    net = model()
    assert torch.equal(sample(net, runner="native"), sample(net, runner="eager"))
    with pytest.raises(
        ChainruleError,
        match="expected eager, native, native-bf16, native-int8, captured or captured-fused; got 'fast'",
    ):
        net.sample(1, runner="fast")


def test_no_rows():
    assert model().sample(0, runner="native").shape == (0, 40)


def flip(p: Tensor) -> None:
    """The same numbers at other places, behind autograd's back."""
    p.data.view(-1).copy_(p.data.flatten().flip(0))


def flip_two(p: Tensor) -> None:
    flat = p.data.view(-1)
    flat[[0, -1]] = flat[[-1, 0]]


@pytest.mark.parametrize("write", [lambda p: p.mul_(-1), lambda p: p.data.mul_(-1), flip, flip_two])
def test_changed_parameters_are_noticed(write):
    net = model()
    before = sample(net, runner="native")
    with torch.no_grad():
        for parameter in net.parameters():
            write(parameter)
    after = sample(net, runner="native")
    assert not torch.equal(after, before)
    assert torch.equal(after, sample(net, runner="eager"))


def test_automatic_goes_native_when_many_sites_are_left(monkeypatch):
    net, used = model(), []
    loop = NativeRunner.loop
    monkeypatch.setattr(NativeRunner, "loop", lambda self, *a, **k: used.append(1) or loop(self, *a, **k))
    sample(net)
    assert not used  # a few milliseconds are not worth it
    monkeypatch.setattr(automatic, "RECORDING", -1.0)
    monkeypatch.setattr(automatic, "LOADING", -1.0)
    assert torch.equal(sample(net), sample(net, runner="eager"))
    assert used


def test_automatic_keeps_account_over_calls(monkeypatch, caplog):
    """Calls that are short each, and of other batches, are native once they have been long together."""
    net, used = model(), []
    loop = NativeRunner.loop
    monkeypatch.setattr(NativeRunner, "loop", lambda self, *a, **k: used.append(1) or loop(self, *a, **k))
    machine.load()
    with caplog.at_level(logging.INFO, logger="chainrule"):
        sample(net)  # the first call takes longer than others
        first = automatic.account_of(net).spent
        sample(net)
        spent = automatic.account_of(net).spent
        assert spent > first > 0 and not used
        monkeypatch.setattr(automatic, "RECORDING", spent + 0.5 * (spent - first))
        calls = 0
        while not used:
            assert (calls := calls + 1) < 20
            sample(net)
        sample(net)
        sample(net)
    assert len(used) == 3 and "wavenet: native steps" in caplog.text
    with torch.no_grad():
        next(net.parameters()).add_(0.1)
    sample(net)
    assert len(used) == 3  # other numbers are other programs: these are bought anew


@pytest.mark.parametrize("change", ["swap rows", "swap columns", "negate a zero", "add to one"])
def test_other_numbers_are_another_program(change):
    """`.data` changes numbers unseen by autograd."""
    net = model()
    weight = max(net.parameters(), key=lambda p: p.numel())
    weight.data.view(-1)[3] = 0.0
    kept = automatic.find_native(net)
    assert automatic.find_native(net) is kept
    flat = weight.data.flatten(1) if weight.ndim > 1 else weight.data[None]
    if change == "swap rows":
        flat[[0, 1]] = flat[[1, 0]]
    elif change == "swap columns":
        flat[:, [0, 1]] = flat[:, [1, 0]]
    elif change == "negate a zero":
        weight.data.view(-1)[3] = -0.0
    else:
        weight.data.view(-1)[-1] += 1e-6
    assert automatic.find_native(net) is not kept


def test_automatic_waits_for_no_compiler(monkeypatch, caplog):
    net, asked = model(), []
    monkeypatch.setattr(automatic, "RECORDING", -1.0)
    monkeypatch.setattr(automatic, "LOADING", -1.0)
    monkeypatch.setattr(machine, "ready", lambda: False)
    monkeypatch.setattr(machine, "compile_soon", lambda: asked.append(1))
    with caplog.at_level(logging.INFO, logger="chainrule"):
        drawn = sample(net)
    assert asked and "wavenet: eager steps: the native loop is not compiled yet" in caplog.text
    assert torch.equal(drawn, sample(net, runner="eager"))


def test_automatic_says_why_it_stays_eager(monkeypatch, caplog):
    net = model()
    monkeypatch.setattr(automatic, "RECORDING", -1.0)
    monkeypatch.setattr(automatic, "LOADING", -1.0)
    with caplog.at_level(logging.INFO, logger="chainrule"):
        drawn = sample(net, top_p=0.9)
    assert "wavenet: native runner: its step uses sort" in caplog.text
    assert torch.equal(drawn, sample(net, top_p=0.9, runner="eager"))
    with pytest.raises(ChainruleError, match="native runner: its step uses sort"):
        sample(net, top_p=0.9, runner="native")


def _in_child(queue, net) -> None:
    queue.put(sample(net, runner="native").tolist())


@pytest.mark.filterwarnings("ignore:.*fork.*")
def test_works_after_a_fork():
    net = model()
    expected = sample(net, runner="native").tolist()
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=_in_child, args=(queue, net))
    child.start()
    assert queue.get(timeout=60) == expected
    child.join()


def to_int8(weight):
    """Each row at steps of its own."""
    step = weight.abs().amax(1, keepdim=True).clamp(min=1e-30) / 127
    return (weight / step).round() * step


@pytest.mark.parametrize("rounding, rounded", [("bf16", lambda weight: weight.bfloat16()), ("int8", to_int8)])
def test_rounded_weights_are_the_rounded_model(rounding, rounded):
    rows, steps = 5, 6
    net = cr.create_model("lstm", cr.Domain.sequence(steps, 40), width=24, depth=2).eval()
    x = torch.randint(0, 40, (rows, steps, 1), generator=torch.Generator().manual_seed(0))

    def params(runner) -> Tensor:
        state = runner.init_state(rows, cond=None, length=steps, device=net.device, dtype=net.dtype)
        found = []
        for t in range(steps):
            p, state = runner.step(x[:, max(t - 1, 0)], state, torch.tensor(t), phase=None)
            found.append(p)
        return torch.stack(found)

    with exact_arithmetic(net):
        exact, ours = params(NativeRunner(net)), params(NativeRunner(net, rounding=rounding))
        for parameter in net.parameters():
            if parameter.ndim > 1:
                parameter.copy_(rounded(parameter))
        expected = params(NativeRunner(net))
    assert torch.allclose(ours, expected, atol=1e-6)
    assert not torch.allclose(ours, exact, atol=1e-4)


def builder_of(*tensors: Tensor) -> tuple[Builder, list[View]]:
    """A program to be written, and the views of its inputs."""
    views = [View(i, 0, tuple(x.shape), x.stride(), x.dtype) for i, x in enumerate(tensors)]
    return Builder(Recording(inputs=views), Weights()), views


def exponential(**changed) -> dict:
    """The fields of y = exp(x) of two rows, or others."""
    fields = {"kind": Kind.FLOAT32, "function": "exp", "sizes": (1, 1, 2, 3), "a_steps": (0, 0, 3, 1)}
    return fields | changed


def test_a_program_by_hand_runs():
    x, y = torch.randn(2, 3), torch.zeros(2, 3)
    builder, (a, out) = builder_of(x, y)
    builder.emit(Unary(out=out, a=a, **exponential()))
    program = builder.finish()
    code = program.bind([x.data_ptr(), y.data_ptr()], 0)
    assert run(code, np.zeros(1, dtype=np.int64), np.zeros(1, dtype=np.int64).ctypes.data, 0, 1) == -1
    assert torch.allclose(y, x.exp())


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"kind": Kind.INT64}, "Unary: kind: expected float32 or float64, got <Kind.INT64"),
        ({"kind": Kind.FLOAT64}, "Unary: out: expected elements of float64, got torch.float32"),
        ({"function": "sine"}, "Unary: function: expected one of exp, .*, got 'sine'"),
        ({"sizes": (2, 3)}, "Unary: sizes: expected 4 integers, got"),
        ({"a_steps": (0, 0, 1, 2)}, "Unary: a_steps: expected 0 or 1 as the last, got"),
        ({"a": 4096}, "Unary: a: expected a view, got 4096"),
        ({"a_steps": (0, 0, 4, 1)}, "Unary: a: expected bytes 0 to 24 of its buffer, got 'bytes 0 to 28"),
        ({"a_steps": (0, 0, -1, 1)}, "Unary: a: expected bytes 0 to 24 of its buffer, got 'bytes -4 to 12"),
        ({"sizes": (1, 1, 3, 3)}, "Unary: (a|out): expected bytes 0 to 24 of its buffer, got 'bytes 0 to 36"),
        ({"sizes": (1, 1, -2, 3)}, "Unary: .*: expected sizes of 0 or more, got"),
    ],
)
def test_a_malformed_instruction_is_named(changed, words):
    builder, (a, out) = builder_of(torch.randn(2, 3), torch.zeros(2, 3))
    with pytest.raises(Unsupported, match=f"malformed instruction {words}"):
        builder.emit(Unary(**({"out": out, "a": a} | exponential(**changed))))
        builder.finish()


def test_constants_are_not_written():
    builder, (a, _) = builder_of(torch.randn(2, 3), torch.zeros(2, 3))
    builder.emit(Unary(out=builder.constant(torch.zeros(2, 3)), a=a, **exponential()))
    with pytest.raises(Unsupported, match="Unary: out: expected a buffer that may be written, got 'constant"):
        builder.finish()


def test_a_program_is_printed_line_by_line():
    builder, (a, out) = builder_of(torch.randn(2, 3), torch.zeros(3, 2))
    hidden = builder.scratch((2, 3), torch.float32)
    builder.emit(Unary(out=hidden, a=a, **exponential()))
    builder.copy(out, hidden.permuted((1, 0)))
    assert str(builder.finish()).splitlines() == [
        "3 instructions, 88 bytes of scratch memory",
        "   0  unary float32 exp out=temp0[2×3] a=input0[2×3]",
        "   1  copy float32 out=input1[3×2] a=temp0[3×2 step 1,3]",
        "   2  end",
    ]


@pytest.mark.parametrize("kind", INSTRUCTIONS.values(), ids=lambda kind: kind.__name__)
def test_fields_lie_where_the_loop_reads_them(kind):
    """The layout is the order of the fields, without gaps, and every opcode has one."""
    ends = [*kind.at[1:], kind.length] if kind.at else []
    lengths = [own.metadata.get("length", 1) for own in dataclasses.fields(kind)]
    assert [end - at for at, end in zip(kind.at, ends, strict=True)] == lengths
    assert INSTRUCTIONS.keys() == set(Opcode)
