"""Operations that move numbers: copies, joins, padding, and what indices select."""

from __future__ import annotations

from dataclasses import replace

import torch

from chainrule.engine.native.assembler import Builder
from chainrule.engine.native.instructions import COPIED, CopyAt, Gather
from chainrule.engine.native.lower.registry import lowers
from chainrule.engine.native.trace import Call, Unsupported
from chainrule.engine.native.views import View, collapsed, natural


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
        builder.convert(call.out.narrow(dim, start, part.shape[dim]), part)
        start += part.shape[dim]


@lowers("stack")
def _stack(builder: Builder, call: Call) -> None:
    dim = (call.args[1] if len(call.args) > 1 else call.kwargs.get("dim", 0)) % len(call.out.shape)
    for i, part in enumerate(call.args[0]):
        builder.convert(call.out.select(dim, i), part)


@lowers("constant_pad_nd")
def _pad(builder: Builder, call: Call) -> None:
    source, pads = call.args[0], list(call.args[1])
    builder.fill(call.out, call.args[2] if len(call.args) > 2 else call.kwargs.get("value", 0))
    inside = call.out
    for i in range(len(pads) // 2):
        dim, (before, after) = len(source.shape) - 1 - i, pads[2 * i : 2 * i + 2]
        source = source.narrow(dim, max(0, -before), source.shape[dim] - max(0, -before) - max(0, -after))
        inside = inside.narrow(dim, max(0, before), source.shape[dim])
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


def copy_at(builder: Builder, out: View, source: View, dim: int, index: View, *, write: bool) -> None:
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
    limit = (out if write else source).shape[dim]
    strides = out.strides[dim], source.strides[dim]
    kind = builder.kind(out)
    builder.emit(
        CopyAt(kind, out, source, index, index.size, limit, write, *strides, sizes, to_steps, of_steps)
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
        if not out.contiguous:
            raise Unsupported("its step selects into a strided tensor")
        kept = (out.shape[:dim], out.shape[dim + len(index.shape) :])
        shape = (*kept[0], index.size, *kept[1])
        out = replace(out, shape=shape, strides=natural(shape))
        index = replace(index, shape=(index.size,), strides=(1,))
    dim %= len(source.shape)
    copy_at(builder, out, _slices_together(builder, source, dim), dim, index, write=False)


def _slices_together(builder: Builder, source: View, dim: int) -> View:
    """A constant laid out so that what an index selects of it lies together."""
    tensor = builder.tensor_of(source)
    if tensor is None or tensor.ndim < 2 or dim == 0 or tensor.dtype not in (torch.float32, torch.float64):
        return source
    moved = builder.weights.get(("slices", dim), tensor, lambda: tensor.movedim(dim, 0).contiguous())
    view = builder.constant(moved)
    order = [*range(1, tensor.ndim)]
    order.insert(dim, 0)
    return view.permuted(order)


@lowers("index_copy_", "index_copy")
def _index_copy(builder: Builder, call: Call) -> None:
    target, dim, index, source = call.args
    if call.name == "index_copy":
        builder.copy(call.out, target)
    copy_at(builder, call.out, source, dim % len(target.shape), index, write=True)


@lowers("gather")
def _gather(builder: Builder, call: Call) -> None:
    source, dim, index = call.args[:3]
    last = len(source.shape) - 1
    if dim % (last + 1) != last or source.shape[:last] != index.shape[:last] or not call.out.contiguous:
        raise Unsupported("its step gathers along other than the last dimension")
    source, index = builder.dense(source), builder.dense(index)
    width, number = source.shape[last], index.shape[last]
    rows = index.size // max(1, number)
    builder.emit(Gather(builder.kind(source), call.out, source, index, rows, width, number))
