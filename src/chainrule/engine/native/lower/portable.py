"""Operations in portable arithmetic: programs that give the bits of `chainrule.engine.portable.operations`."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor

from chainrule.engine.native.assembler import Builder
from chainrule.engine.native.instructions import PANELS, Matmul, MatmulPacked, Reduce
from chainrule.engine.native.kernels.formulas import PORTABLE as PORTABLE_F32
from chainrule.engine.native.kernels.formulas import PORTABLE_F64
from chainrule.engine.native.lower.elementwise import binary, choose, compare
from chainrule.engine.native.lower.matmul import FEW, convolve, packed
from chainrule.engine.native.lower.registry import RULES, Rule
from chainrule.engine.native.opcodes import Kind
from chainrule.engine.native.portable_instructions import OnGrid, Total, UnaryPortable
from chainrule.engine.native.trace import Call, Unsupported
from chainrule.engine.native.views import View
from chainrule.engine.portable.formulas import FUNCTIONS
from chainrule.engine.portable.registry import UNCHANGED
from chainrule.engine.portable.sums import TERMS, on_grid

DOUBLE = torch.float64
# Sums of two numbers, whose rules are made of instructions that round once.
SHARED = frozenset(("add", "sub", "rsub", "addcmul"))
PORTABLE: dict[str, Rule] = {}


def portable_rule(name: str) -> Rule | None:
    """The rule of an operation; None if it has none."""
    plain = name.removesuffix("_")
    if plain in UNCHANGED or plain in SHARED:
        return RULES.get(name)
    return PORTABLE.get(plain)


def _lowers(*names: str) -> Callable[[Rule], Rule]:
    def register(rule: Rule) -> Rule:
        PORTABLE.update(dict.fromkeys(names, rule))
        return rule

    return register


# --- functions -------------------------------------------------------------------------------------------


def _apply(builder: Builder, name: str, out: View, a: View) -> None:
    """out = name(a)."""
    a, kind = builder.operand(a, out.dtype), builder.kind(out)
    if name not in PORTABLE_F64:
        raise Unsupported(f"its step uses {name}")
    if kind == Kind.FLOAT32 and name not in PORTABLE_F32:
        wide = builder.cast(a, DOUBLE)
        builder.loop(partial(UnaryPortable, Kind.FLOAT64, name), wide, [wide])
        builder.convert(out, wide)
    else:
        builder.loop(partial(UnaryPortable, kind, name), out, [a])


@_lowers(*(FUNCTIONS.keys() - {"gelu", "gelu_by_tanh", "elu", "softplus", "log_sigmoid_forward"}))
def _function(builder: Builder, call: Call) -> None:
    _apply(builder, call.name.removesuffix("_"), call.out, call.args[0])


@_lowers("gelu")
def _gelu(builder: Builder, call: Call) -> None:
    plain = call.kwargs.get("approximate", "none") == "none"
    _apply(builder, "gelu" if plain else "gelu_by_tanh", call.out, call.args[0])


@_lowers("elu", "softplus")  # the recording has refused scales
def _unscaled(builder: Builder, call: Call) -> None:
    _apply(builder, call.name.removesuffix("_"), call.out, call.args[0])


@_lowers("log_sigmoid_forward")
def _log_sigmoid(builder: Builder, call: Call) -> None:
    _apply(builder, call.name, call.out[0], call.args[0])


@_lowers("pow")
def _power(builder: Builder, call: Call) -> None:
    base, exponent = call.args
    if exponent in (2, 3):
        square = builder.scratch(call.out.shape, call.out.dtype)
        binary(builder, "mul", square if exponent == 3 else call.out, base, base)
        if exponent == 3:
            binary(builder, "mul", call.out, square, base)
    else:
        _apply(builder, {0.5: "sqrt", -0.5: "rsqrt", -1: "reciprocal"}[exponent], call.out, base)


@_lowers("logit")
def _logit(builder: Builder, call: Call) -> None:
    a = call.args[0]
    eps = call.args[1] if len(call.args) > 1 else call.kwargs.get("eps")
    rest = builder.scratch(a.shape, a.dtype)
    if eps is not None:
        bounded = builder.scratch(a.shape, a.dtype)
        binary(builder, "maximum", bounded, a, eps)
        binary(builder, "minimum", bounded, bounded, 1 - eps)
        a = bounded
    binary(builder, "sub", rest, builder.number(1.0, a.dtype), a)
    binary(builder, "div", rest, a, rest)
    _apply(builder, "log", call.out, rest)


# --- products --------------------------------------------------------------------------------------------


def product(builder: Builder, out: View, x: View, weight: View, bias: View | None = None) -> None:
    """out (R, N) = x (R, K) weight (K, N) + bias."""
    (rows, inner), outer = x.shape, weight.shape[1]
    if builder.kind(out) == Kind.INT64:
        raise Unsupported("its step multiplies matrices of integers")
    if 0 in (rows, inner, outer):
        raise Unsupported("its step multiplies empty matrices")
    q, steps = _grid(builder, x)
    tensor = builder.tensor_of(weight)
    if tensor is None:
        columns, scales = _grid(builder, weight.permuted((1, 0)))
        add = partial(_add_dots, columns=columns)
    else:
        whole, scale = (torch.from_numpy(part) for part in on_grid(tensor.t().contiguous().numpy()))
        scales = builder.constant(scale[:, 0].contiguous())
        add = (
            partial(_add_packed, weight=whole.t())
            if outer > FEW
            else partial(_add_dots, columns=builder.constant(whole))
        )
    total = None
    for k in range(0, inner, TERMS):
        part = builder.scratch((rows, outer), DOUBLE)
        builder.fill(part, 0)
        add(builder, part, q, k, min(TERMS, inner - k))
        if total is None:
            total = part
        else:
            binary(builder, "add", total, total, part)
    assert total is not None
    binary(builder, "mul", total, total, steps.reshaped((rows, 1)))
    binary(builder, "mul", total, total, scales)
    if bias is None:
        builder.convert(out, total)
    else:
        binary(builder, "add", out, bias, builder.cast(total, out.dtype))


def _grid(builder: Builder, x: View) -> tuple[View, View]:
    """`on_grid` of rows (R, K)."""
    if x.strides[1] != 1 and x.shape[1] > 1:
        x = builder.dense(x)
    rows, inner = x.shape
    q, steps = builder.scratch((rows, inner), DOUBLE), builder.scratch((rows,), DOUBLE)
    builder.emit(OnGrid(builder.kind(x), q, steps, x, x.strides[0], rows, inner))
    return q, steps


def _add_packed(builder: Builder, out: View, q: View, k: int, terms: int, *, weight: Tensor) -> None:
    """out += q weight, of `terms` terms from k on."""
    own = weight[k : k + terms]
    rows, outer = out.shape
    # 22 bits are exact in float32, half of the bytes to read.
    panels = builder.constant(builder.weights.get(("grid",), own, lambda: packed(own, torch.float32)))
    spare = builder.scratch((rows, PANELS[Kind.FLOAT64]), DOUBLE)
    a = q.narrow(1, k, terms)
    builder.emit(MatmulPacked(Kind.FLOAT64, 4, out, a, q.strides[0], panels, rows, terms, outer, spare))


def _add_dots(builder: Builder, out: View, q: View, k: int, terms: int, *, columns: View) -> None:
    rows, outer = out.shape
    a, w = (view.narrow(1, k, terms) for view in (q, columns))
    builder.emit(Matmul(Kind.FLOAT64, out, a, a.strides[0], w, w.strides[0], rows, terms, outer))


@_lowers("mm")
def _mm(builder: Builder, call: Call) -> None:
    product(builder, call.out, *call.args)


@_lowers("addmm")
def _addmm(builder: Builder, call: Call) -> None:
    bias, x, weight = call.args
    product(builder, call.out, x, weight, bias)


@_lowers("bmm", "baddbmm")
def _bmm(builder: Builder, call: Call) -> None:
    *bias, x, weight = call.args
    for b in range(x.shape[0]):
        own = [view.expanded(call.out.shape).select(0, b) for view in bias]
        product(builder, *(view.select(0, b) for view in (call.out, x, weight)), *own)


@_lowers("convolution")
def _convolution(builder: Builder, call: Call) -> None:
    convolve(builder, call, product)


# --- sums ------------------------------------------------------------------------------------------------


def _rows(builder: Builder, a: View, dims: Sequence[int] | int | None) -> View:
    """A copy in float64 (R, n), of the n numbers summed over in each."""
    rank = len(a.shape)
    given = range(rank) if dims is None or dims == [] else [dims] if isinstance(dims, int) else dims
    own = sorted(d % rank for d in given) if rank else []
    rest = [d for d in range(rank) if d not in own]
    moved = a.permuted((*rest, *own))
    wide = builder.scratch(moved.shape, DOUBLE)
    builder.convert(wide, moved)
    n = math.prod(moved.shape[len(rest) :])
    return wide.reshaped((wide.size // max(1, n), n))


def _total(builder: Builder, a: View) -> View:
    """Σ of each row of float64 numbers (R, n), which are kept: (R, 1)."""
    rows, width = a.shape
    spent, sums = builder.scratch(a.shape, DOUBLE), builder.scratch((rows, 1), DOUBLE)
    builder.copy(spent, a)
    builder.emit(Total(sums, spent, rows, width))
    return sums


def _top(builder: Builder, a: View, finite: bool) -> View:
    """The largest of each row; 0 in place of an infinite one, if `finite`."""
    top = builder.scratch((a.shape[0], 1), DOUBLE)
    builder.emit(Reduce(Kind.FLOAT64, "amax", top, a, *a.shape))
    if finite:
        infinite = builder.scratch(top.shape, torch.bool)
        compare(builder, "eq", infinite, top, -math.inf)
        choose(builder, top, infinite, 0.0, top)
    return top


def _exp(builder: Builder, a: View) -> View:
    out = builder.scratch(a.shape, DOUBLE)
    _apply(builder, "exp", out, a)
    return out


@_lowers("sum", "mean")
def _sum(builder: Builder, call: Call) -> None:
    if builder.kind(call.out) == Kind.INT64:
        RULES["sum"](builder, call)
        return
    a = builder.operand(call.args[0], call.out.dtype)
    rows = _rows(builder, a, call.args[1] if len(call.args) > 1 else call.kwargs.get("dim"))
    if 0 in rows.shape:
        builder.fill(call.out, 0)
        return
    sums = _total(builder, rows)
    if call.name == "mean":
        binary(builder, "div", sums, sums, float(rows.shape[1]))
    builder.convert(call.out, sums.reshaped(call.out.shape))


@_lowers("cumsum")
def _cumsum(builder: Builder, call: Call) -> None:
    if builder.kind(call.out) == Kind.INT64 or call.args[1] % len(call.out.shape) != len(call.out.shape) - 1:
        raise Unsupported("its step takes cumsum of integers, or of other than the last dimension")
    rows = _rows(builder, builder.operand(call.args[0], call.out.dtype), call.args[1])
    sums = builder.scratch(rows.shape, DOUBLE)
    builder.emit(Reduce(Kind.FLOAT64, "cumsum", sums, rows, *rows.shape))
    builder.convert(call.out, sums.reshaped(call.out.shape))


@_lowers("_softmax", "_log_softmax", "_safe_softmax")
def _softmax(builder: Builder, call: Call) -> None:
    shape = call.out.shape
    if call.args[1] % len(shape) != len(shape) - 1:
        raise Unsupported("its step takes a softmax of other than the last dimension")
    safe = call.name == "_safe_softmax"
    rows = _rows(builder, builder.operand(call.args[0], call.out.dtype), call.args[1])
    binary(builder, "sub", rows, rows, _top(builder, rows, safe))
    powers = _exp(builder, rows)
    sums = _total(builder, powers)
    if safe:
        nothing = builder.scratch(sums.shape, torch.bool)
        compare(builder, "eq", nothing, sums, 0.0)
        choose(builder, sums, nothing, 1.0, sums)
    if call.name == "_log_softmax":
        _apply(builder, "log", sums, sums)
        binary(builder, "sub", powers, rows, sums)
    else:
        binary(builder, "div", powers, powers, sums)
    builder.convert(call.out, powers.reshaped(shape))


@_lowers("logsumexp")
def _logsumexp(builder: Builder, call: Call) -> None:
    rows = _rows(builder, call.args[0], call.args[1])
    top = _top(builder, rows, True)
    binary(builder, "sub", rows, rows, top)
    sums = _total(builder, _exp(builder, rows))
    _apply(builder, "log", sums, sums)
    binary(builder, "add", sums, sums, top)
    builder.convert(call.out, sums.reshaped(call.out.shape))


@_lowers("native_layer_norm")
def _layer_norm(builder: Builder, call: Call) -> None:
    x, shape, weight, bias, eps = call.args
    if len(shape) != 1:
        raise Unsupported("its step normalises several dimensions")
    rows = _rows(builder, x, -1)
    mean = _total(builder, rows)
    binary(builder, "div", mean, mean, float(shape[0]))
    binary(builder, "sub", rows, rows, mean)
    squares = builder.scratch(rows.shape, DOUBLE)
    binary(builder, "mul", squares, rows, rows)
    variance = _total(builder, squares)
    binary(builder, "div", variance, variance, float(shape[0]))
    binary(builder, "add", variance, variance, eps)
    _apply(builder, "sqrt", variance, variance)
    binary(builder, "div", rows, rows, variance)
    for name, part in (("mul", weight), ("add", bias)):
        if part is not None:
            binary(builder, name, rows, rows, part)
    builder.convert(call.out[0], rows.reshaped(call.out[0].shape))
