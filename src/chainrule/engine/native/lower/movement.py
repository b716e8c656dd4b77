"""Operations that move numbers: copies, joins, padding, and what indices select."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch

from chainrule.engine.native.assembler import COPIED, Builder, collapsed, contiguous, natural
from chainrule.engine.native.lower.registry import lowers
from chainrule.engine.native.opcodes import Opcode
from chainrule.engine.native.trace import Call, Unsupported, View


def narrow(view: View, dim: int, start: int, size: int) -> View:
    """Places start … start + size - 1 of one dimension."""
    shape = (*view.shape[:dim], size, *view.shape[dim + 1 :])
    return replace(view, offset=view.offset + start * view.strides[dim], shape=shape)


def permuted(view: View, dims: Sequence[int]) -> View:
    """Dimensions in another order."""
    shape, strides = (tuple(of[d] for d in dims) for of in (view.shape, view.strides))
    return replace(view, shape=shape, strides=strides)


@lowers("clone", "_to_copy", "contiguous", "detach_copy")
def _clone(builder: Builder, call: Call) -> None:
    builder.convert(call.out, call.args[0])


@lowers("copy_")
def _copy(builder: Builder, call: Call) -> None:
    builder.convert(call.out, call.args[1])


@lowers("fill_")
def _fill(builder: Builder, call: Call) -> None:
    if isinstance(call.args[1], View):
        builder.convert(call.out, call.args[1])
    else:
        builder.fill(call.out, call.args[1])


@lowers("zero_")
def _zero(builder: Builder, call: Call) -> None:
    builder.fill(call.out, 0)


@lowers("cat")
def _cat(builder: Builder, call: Call) -> None:
    dim = (call.args[1] if len(call.args) > 1 else call.kwargs.get("dim", 0)) % len(call.out.shape)
    start = 0
    for part in call.args[0]:
        if len(part.shape) != len(call.out.shape):
            continue  # an empty one, which torch leaves out
        builder.convert(narrow(call.out, dim, start, part.shape[dim]), part)
        start += part.shape[dim]


@lowers("stack")
def _stack(builder: Builder, call: Call) -> None:
    dim = (call.args[1] if len(call.args) > 1 else call.kwargs.get("dim", 0)) % len(call.out.shape)
    for i, part in enumerate(call.args[0]):
        place = narrow(call.out, dim, i, 1)
        shape, strides = (of[:dim] + of[dim + 1 :] for of in (place.shape, place.strides))
        builder.convert(replace(place, shape=shape, strides=strides), part)


@lowers("constant_pad_nd")
def _pad(builder: Builder, call: Call) -> None:
    source, pads = call.args[0], list(call.args[1])
    builder.fill(call.out, call.args[2] if len(call.args) > 2 else call.kwargs.get("value", 0))
    inside = call.out
    for i in range(len(pads) // 2):
        dim, (before, after) = len(source.shape) - 1 - i, pads[2 * i : 2 * i + 2]
        source = narrow(source, dim, max(0, -before), source.shape[dim] - max(0, -before) - max(0, -after))
        inside = narrow(inside, dim, max(0, before), source.shape[dim])
    builder.copy(inside, source)


@lowers("flip")
def _flip(builder: Builder, call: Call) -> None:
    source = call.args[0]
    for dim in call.args[1]:
        strides = list(source.strides)
        offset = source.offset + (source.shape[dim] - 1) * strides[dim]
        strides[dim] = -strides[dim]
        source = replace(source, offset=offset, strides=tuple(strides))
    builder.copy(call.out, source)


def at_places(builder: Builder, out: View, source: View, dim: int, index: View, *, write: bool) -> None:
    """out[…, i, …] = source[…, index[i], …], or to write, out[…, index[i], …] = source[…, i, …]."""
    index = builder.dense(builder.operand(index, torch.int64))
    rest = [d for d in range(len(out.shape)) if d != dim]
    shape = [out.shape[d] for d in rest]
    steps = [[view.strides[d] for d in rest] for view in (out, source)]
    loops = collapsed(shape, steps, COPIED)
    if loops is None:
        raise Unsupported("it selects from too many dimensions")
    if 0 in (*shape, index.size):
        return
    sizes, (to_steps, of_steps) = loops
    places = (out if write else source).shape[dim]
    moved = (out.strides[dim], source.strides[dim])
    loops_ = (*sizes, *to_steps, *of_steps)
    builder.emit(
        Opcode.COPY_AT, builder.kind(out), out, source, index, index.size, places, write, *moved, *loops_
    )


@lowers("index_select", "embedding", "index")
def _select(builder: Builder, call: Call) -> None:
    if call.name == "index_select":
        source, dim, index = call.args
        out = call.out
    else:
        source, index = call.args[:2]
        dim, out = 0, call.out
        if call.name == "index":
            given = [(d, i) for d, i in enumerate(index) if i is not None]
            if len(given) != 1 or given[0][1].dtype == torch.bool:
                raise Unsupported("its step selects by several indices, or by a mask")
            dim, index = given[0]
        index = builder.dense(index)
        if not contiguous(out):
            raise Unsupported("its step selects into a strided tensor")
        kept = (out.shape[:dim], out.shape[dim + len(index.shape) :])
        shape = (*kept[0], index.size, *kept[1])
        out = replace(out, shape=shape, strides=natural(shape))
        index = replace(index, shape=(index.size,), strides=(1,))
    dim %= len(source.shape)
    at_places(builder, out, _rows_together(builder, source, dim), dim, index, write=False)


def _rows_together(builder: Builder, source: View, dim: int) -> View:
    """A constant laid out so that what an index selects of it lies together."""
    tensor = builder.tensor_of(source)
    if tensor is None or tensor.ndim < 2 or dim == 0 or tensor.dtype not in (torch.float32, torch.float64):
        return source
    moved = builder.weights.get(("rows", dim), tensor, lambda: tensor.movedim(dim, 0).contiguous())
    view = builder.constant(moved)
    order = [*range(1, tensor.ndim)]
    order.insert(dim, 0)
    return permuted(view, order)


@lowers("index_copy_", "index_copy")
def _index_copy(builder: Builder, call: Call) -> None:
    target, dim, index, source = call.args
    if call.name == "index_copy":
        builder.copy(call.out, target)
    at_places(builder, call.out, source, dim % len(target.shape), index, write=True)


@lowers("gather")
def _gather(builder: Builder, call: Call) -> None:
    source, dim, index = call.args[:3]
    last = len(source.shape) - 1
    if dim % (last + 1) != last or source.shape[:last] != index.shape[:last] or not contiguous(call.out):
        raise Unsupported("its step gathers along a dimension other than the last")
    source, index = builder.dense(source), builder.dense(index)
    n, m = source.shape[last], index.shape[last]
    builder.emit(Opcode.GATHER, builder.kind(source), call.out, source, index, index.size // max(1, m), n, m)


@lowers("searchsorted")
def _search(builder: Builder, call: Call) -> None:
    options: dict[str, Any] = dict(call.kwargs)
    right = options.get("right", False) or options.get("side") == "right"
    a, values = (builder.dense(view) for view in call.args[:2])
    if a.dtype != values.dtype or builder.kind(a) == 2 or a.shape[:-1] != values.shape[:-1]:
        raise Unsupported("its step searches in numbers of another type")
    n, m = a.shape[-1], values.shape[-1]
    builder.emit(Opcode.SEARCH, builder.kind(a), call.out, a, values, values.size // max(1, m), n, m, right)
