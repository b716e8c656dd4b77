"""The loop that runs a program, site after site: one compiled function for every model.

A row is an instruction's code; `row[UNARY.kind]` is its field `kind`, by the layout that `instructions` gives.
"""

from __future__ import annotations

from typing import Any

import numba as nb

from chainrule.engine.native import instructions, portable_instructions
from chainrule.engine.native.kernels import elementwise, external, matmul, portable, reductions, scalar
from chainrule.engine.native.kernels.attention import attend_f32, attend_f64
from chainrule.engine.native.kernels.intrinsics import FAR, f32, f64, i64
from chainrule.engine.native.kernels.matmul import FAST
from chainrule.engine.native.opcodes import REDUCTIONS, Kind, Opcode

# Where the fields of each instruction lie.
UNARY, CAST, BINARY, WHERE = (
    instructions.Unary.at,
    instructions.Cast.at,
    instructions.Binary.at,
    instructions.Where.at,
)
DIVIDE, COPY, COPY_AT = instructions.DivideInt.at, instructions.Copy.at, instructions.CopyAt.at
PACKED, MATMUL, ATTENTION = (
    instructions.MatmulPacked.at,
    instructions.Matmul.at,
    instructions.Attention.at,
)
SOFTMAX, REDUCE, SEARCH = instructions.Softmax.at, instructions.Reduce.at, instructions.Search.at
ON_GRID, TOTAL = portable_instructions.OnGrid.at, portable_instructions.Total.at
LAYER_NORM, GATHER = instructions.LayerNorm.at, instructions.Gather.at
ARGMAX = REDUCTIONS.index("argmax")
LENGTH = 1  # of the row, after its opcode
INLINE: dict[str, Any] = {**FAST, "forceinline": True}  # each is called from one place


@nb.njit(**INLINE)
def _size(kind):
    return 4 if kind == Kind.FLOAT32 else 8


@nb.njit(**INLINE)
def _result(row, sizes, i, j, k):
    """Elements before row i, j, k of a contiguous result."""
    return ((i * row[sizes + 1] + j) * row[sizes + 2] + k) * row[sizes + 3]


@nb.njit(**INLINE)
def _strided(row, steps, i, j, k):
    """Elements before row i, j, k of an operand."""
    return i * row[steps] + j * row[steps + 1] + k * row[steps + 2]


@nb.njit(**FAST)
def _unary(row):
    kind, function, n, step = (
        row[UNARY.kind],
        row[UNARY.function],
        row[UNARY.sizes + 3],
        row[UNARY.a_steps + 3],
    )
    size = _size(kind)
    for i in range(row[UNARY.sizes]):
        for j in range(row[UNARY.sizes + 1]):
            for k in range(row[UNARY.sizes + 2]):
                out = row[UNARY.out] + _result(row, UNARY.sizes, i, j, k) * size
                a = row[UNARY.a] + _strided(row, UNARY.a_steps, i, j, k) * size
                if row[0] == Opcode.UNARY_SCALAR:
                    if kind == Kind.FLOAT32:
                        scalar.unary(function, f32(out, n), f32(a, FAR), n, step)
                    else:
                        scalar.unary(function, f64(out, n), f64(a, FAR), n, step)
                elif kind == Kind.FLOAT32:
                    elementwise.unary_f32(function, out, n, a, step)
                else:
                    elementwise.unary_f64(function, out, n, a, step)


@nb.njit(**portable.STRICT)
def _unary_portable(row):
    kind, function, n, step = (
        row[UNARY.kind],
        row[UNARY.function],
        row[UNARY.sizes + 3],
        row[UNARY.a_steps + 3],
    )
    size = _size(kind)
    for i in range(row[UNARY.sizes]):
        for j in range(row[UNARY.sizes + 1]):
            for k in range(row[UNARY.sizes + 2]):
                out = row[UNARY.out] + _result(row, UNARY.sizes, i, j, k) * size
                a = row[UNARY.a] + _strided(row, UNARY.a_steps, i, j, k) * size
                if kind == Kind.FLOAT32:
                    portable.unary_f32(function, out, n, a, step)
                else:
                    portable.unary_f64(function, out, n, a, step)


@nb.njit(**portable.STRICT)
def _on_grid(row):
    out, steps, a, a_row = row[ON_GRID.out], row[ON_GRID.steps], row[ON_GRID.a], row[ON_GRID.a_row]
    rows, inner = row[ON_GRID.rows], row[ON_GRID.inner]
    if row[ON_GRID.kind] == Kind.FLOAT32:
        portable.on_grid_f32(out, steps, a, a_row, rows, inner)
    else:
        portable.on_grid_f64(out, steps, a, a_row, rows, inner)


@nb.njit(**FAST)
def _cast(row):
    kind, a_kind, n, step = row[CAST.kind], row[CAST.a_kind], row[CAST.sizes + 3], row[CAST.a_steps + 3]
    for i in range(row[CAST.sizes]):
        for j in range(row[CAST.sizes + 1]):
            for k in range(row[CAST.sizes + 2]):
                out = row[CAST.out] + _result(row, CAST.sizes, i, j, k) * _size(kind)
                a = row[CAST.a] + _strided(row, CAST.a_steps, i, j, k) * _size(a_kind)
                if kind == Kind.FLOAT32:
                    if a_kind == Kind.FLOAT64:
                        elementwise.cast_f64_f32(0, out, n, a, step)
                    else:
                        elementwise.cast_i64_f32(0, out, n, a, step)
                elif kind == Kind.FLOAT64:
                    if a_kind == Kind.FLOAT32:
                        elementwise.cast_f32_f64(0, out, n, a, step)
                    else:
                        elementwise.cast_i64_f64(0, out, n, a, step)
                elif a_kind == Kind.FLOAT32:
                    elementwise.cast_f32_i64(0, out, n, a, step)
                else:
                    elementwise.cast_f64_i64(0, out, n, a, step)


@nb.njit(**FAST)
def _binary(row):
    opcode, kind, function = row[0], row[BINARY.kind], row[BINARY.function]
    n, a_step, b_step = row[BINARY.sizes + 3], row[BINARY.a_steps + 3], row[BINARY.b_steps + 3]
    size = _size(kind)
    out_size = 8 if opcode == Opcode.COMPARE else size
    for i in range(row[BINARY.sizes]):
        for j in range(row[BINARY.sizes + 1]):
            for k in range(row[BINARY.sizes + 2]):
                out = row[BINARY.out] + _result(row, BINARY.sizes, i, j, k) * out_size
                a = row[BINARY.a] + _strided(row, BINARY.a_steps, i, j, k) * size
                b = row[BINARY.b] + _strided(row, BINARY.b_steps, i, j, k) * size
                if opcode == Opcode.COMPARE:
                    if kind == Kind.FLOAT32:
                        elementwise.compare_f32(function, out, n, a, a_step, b, b_step)
                    elif kind == Kind.FLOAT64:
                        elementwise.compare_f64(function, out, n, a, a_step, b, b_step)
                    else:
                        elementwise.compare_i64(function, out, n, a, a_step, b, b_step)
                elif opcode == Opcode.EXTERNAL:
                    external.call(function, out, n, a, a_step, b, b_step)
                elif kind == Kind.FLOAT32:
                    elementwise.binary_f32(function, out, n, a, a_step, b, b_step)
                elif kind == Kind.FLOAT64:
                    elementwise.binary_f64(function, out, n, a, a_step, b, b_step)
                else:
                    elementwise.binary_i64(function, out, n, a, a_step, b, b_step)


@nb.njit(**FAST)
def _divide(row):
    n = row[DIVIDE.size]
    a, out, divisor = i64(row[DIVIDE.a], FAR), i64(row[DIVIDE.out], FAR), i64(row[DIVIDE.divisor], 1)[0]
    for i in range(n):
        out[i] = a[i] % divisor if row[DIVIDE.remainder] else a[i] // divisor


@nb.njit(**FAST)
def _where(row):
    kind, n = row[WHERE.kind], row[WHERE.sizes + 3]
    mask_step, a_step, b_step = row[WHERE.mask_steps + 3], row[WHERE.a_steps + 3], row[WHERE.b_steps + 3]
    size = _size(kind)
    for i in range(row[WHERE.sizes]):
        for j in range(row[WHERE.sizes + 1]):
            for k in range(row[WHERE.sizes + 2]):
                out = row[WHERE.out] + _result(row, WHERE.sizes, i, j, k) * size
                mask = row[WHERE.mask] + _strided(row, WHERE.mask_steps, i, j, k) * 8
                a = row[WHERE.a] + _strided(row, WHERE.a_steps, i, j, k) * size
                b = row[WHERE.b] + _strided(row, WHERE.b_steps, i, j, k) * size
                if kind == Kind.FLOAT32:
                    elementwise.where_f32(0, out, n, mask, mask_step, a, a_step, b, b_step)
                else:  # the bits of a float64 or an int64
                    elementwise.where_i64(0, out, n, mask, mask_step, a, a_step, b, b_step)


@nb.njit(**FAST)
def _copy_last(out, a, n, out_step, a_step):
    if out_step == 1 and a_step == 1:
        for i in range(n):
            out[i] = a[i]
    else:
        for i in range(n):
            out[i * out_step] = a[i * a_step]


@nb.njit(**FAST)
def _copy(kind, out, a, row, n, s, u):
    """Six dimensions: sizes from row[n], the result's steps from row[s], the source's from row[u]."""
    size = _size(kind)
    for i in range(row[n]):
        for j in range(row[n + 1]):
            for k in range(row[n + 2]):
                for m in range(row[n + 3]):
                    to = i * row[s] + j * row[s + 1] + k * row[s + 2] + m * row[s + 3]
                    of = i * row[u] + j * row[u + 1] + k * row[u + 2] + m * row[u + 3]
                    for h in range(row[n + 4]):
                        p = out + (to + h * row[s + 4]) * size
                        q = a + (of + h * row[u + 4]) * size
                        if kind == Kind.FLOAT32:
                            _copy_last(f32(p, FAR), f32(q, FAR), row[n + 5], row[s + 5], row[u + 5])
                        else:
                            _copy_last(i64(p, FAR), i64(q, FAR), row[n + 5], row[s + 5], row[u + 5])


@nb.njit(**FAST)
def _copy_at(row):
    """Slices from or to the indices; whether all of them exist."""
    kind, number = row[COPY_AT.kind], row[COPY_AT.number]
    size = _size(kind)
    indices = i64(row[COPY_AT.indices], number)
    for j in range(number):
        index = indices[j]
        if index < 0 or index >= row[COPY_AT.limit]:
            return False
        to, of = (index, j) if row[COPY_AT.scatter] else (j, index)
        out = row[COPY_AT.out] + to * row[COPY_AT.out_stride] * size
        a = row[COPY_AT.a] + of * row[COPY_AT.a_stride] * size
        _copy(kind, out, a, row, COPY_AT.sizes, COPY_AT.out_steps, COPY_AT.a_steps)
    return True


@nb.njit(**INLINE)
def _packed(row):
    kind, out, a, a_row = row[PACKED.kind], row[PACKED.out], row[PACKED.a], row[PACKED.a_row]
    weight, spare = row[PACKED.weight], row[PACKED.spare]
    rows, inner, outer = row[PACKED.rows], row[PACKED.inner], row[PACKED.outer]
    if row[PACKED.bytes] == 1:
        matmul.product_i8(out, a, a_row, weight, rows, inner, outer, spare)
    elif row[PACKED.bytes] == 2:
        matmul.product_bf16(out, a, a_row, weight, rows, inner, outer, spare)
    elif row[PACKED.bytes] == 4 and kind == Kind.FLOAT64:
        matmul.product_f64_f32(out, a, a_row, weight, rows, inner, outer, spare)
    elif kind == Kind.FLOAT32:
        matmul.product_f32(out, a, a_row, weight, rows, inner, outer, spare)
    else:
        matmul.product_f64(out, a, a_row, weight, rows, inner, outer, spare)


@nb.njit(**INLINE)
def _matmul(row):
    out, a, a_row = row[MATMUL.out], row[MATMUL.a], row[MATMUL.a_row]
    weight, weight_row = row[MATMUL.weight], row[MATMUL.weight_row]
    rows, inner, outer = row[MATMUL.rows], row[MATMUL.inner], row[MATMUL.outer]
    if row[MATMUL.kind] == Kind.FLOAT32:
        matmul.dots_f32(out, a, a_row, weight, weight_row, rows, inner, outer)
    else:
        matmul.dots_f64(out, a, a_row, weight, weight_row, rows, inner, outer)


@nb.njit(**INLINE)
def _softmax(row):
    out, a, log = row[SOFTMAX.out], row[SOFTMAX.a], row[SOFTMAX.log]
    rows, width = row[SOFTMAX.rows], row[SOFTMAX.width]
    if row[SOFTMAX.kind] == Kind.FLOAT32:
        reductions.softmax(f32(out, FAR), out, f32(a, FAR), rows, width, log)
    else:
        reductions.softmax(f64(out, FAR), out, f64(a, FAR), rows, width, log)


@nb.njit(**FAST)
def _reduce(row):
    kind, function, out, a = row[REDUCE.kind], row[REDUCE.function], row[REDUCE.out], row[REDUCE.a]
    rows, width = row[REDUCE.rows], row[REDUCE.width]
    if kind == Kind.INT64:  # only sums are taken of integers
        reductions.sums(i64(out, FAR), i64(a, FAR), rows, width)
    elif function == ARGMAX:
        if kind == Kind.FLOAT32:
            reductions.largest(i64(out, FAR), f32(a, FAR), rows, width)
        else:
            reductions.largest(i64(out, FAR), f64(a, FAR), rows, width)
    elif kind == Kind.FLOAT32:
        reductions.reduce(function, f32(out, FAR), f32(a, FAR), rows, width)
    else:
        reductions.reduce(function, f64(out, FAR), f64(a, FAR), rows, width)


@nb.njit(**INLINE)
def _search(row):
    out, a, values = i64(row[SEARCH.out], FAR), row[SEARCH.a], row[SEARCH.values]
    rows, width, number, right = (
        row[SEARCH.rows],
        row[SEARCH.width],
        row[SEARCH.number],
        row[SEARCH.right],
    )
    if row[SEARCH.kind] == Kind.FLOAT32:
        reductions.search(out, f32(a, FAR), f32(values, FAR), rows, width, number, right)
    else:
        reductions.search(out, f64(a, FAR), f64(values, FAR), rows, width, number, right)


@nb.njit(**INLINE)
def _layer_norm(row):
    out, a, weight, bias = (
        row[LAYER_NORM.out],
        row[LAYER_NORM.a],
        row[LAYER_NORM.weight],
        row[LAYER_NORM.bias],
    )
    rows, width, eps = row[LAYER_NORM.rows], row[LAYER_NORM.width], f64(row[LAYER_NORM.eps], 1)[0]
    if row[LAYER_NORM.kind] == Kind.FLOAT32:
        reductions.layer_norm_f32(out, a, weight, bias, rows, width, eps)
    else:
        reductions.layer_norm_f64(out, a, weight, bias, rows, width, eps)


@nb.njit(**FAST)
def _gather(row):
    out, a, indices = row[GATHER.out], row[GATHER.a], i64(row[GATHER.indices], FAR)
    rows, width, number = row[GATHER.rows], row[GATHER.width], row[GATHER.number]
    if row[GATHER.kind] == Kind.FLOAT32:
        return reductions.gather(f32(out, FAR), f32(a, FAR), indices, rows, width, number)
    return reductions.gather(i64(out, FAR), i64(a, FAR), indices, rows, width, number)


@nb.njit(**FAST)
def _vector(row, start, length):
    return row[start : start + length]


@nb.njit(**FAST)
def _attend(row):
    out, queries, keys = row[ATTENTION.out], row[ATTENTION.queries], row[ATTENTION.keys]
    values, mask, scores = row[ATTENTION.values], row[ATTENTION.mask], row[ATTENTION.scores]
    scale, sizes = f64(row[ATTENTION.scale], 1)[0], _vector(row, ATTENTION.sizes, 5)
    out_steps, query_steps = _vector(row, ATTENTION.out_steps, 3), _vector(row, ATTENTION.query_steps, 3)
    key_steps, value_steps = _vector(row, ATTENTION.key_steps, 3), _vector(row, ATTENTION.value_steps, 3)
    mask_steps = _vector(row, ATTENTION.mask_steps, 4)
    if row[ATTENTION.kind] == Kind.FLOAT32:
        attend_f32(
            out, queries, keys, values, mask, scores, scale,
            sizes, out_steps, query_steps, key_steps, value_steps, mask_steps,
        )  # fmt: skip
    else:
        attend_f64(
            out, queries, keys, values, mask, scores, scale,
            sizes, out_steps, query_steps, key_steps, value_steps, mask_steps,
        )  # fmt: skip


@nb.njit(**INLINE)
def _step(row):
    """One instruction; False if an index pointed outside of its tensor."""
    opcode = row[0]
    if opcode == Opcode.MATMUL_PACKED:
        _packed(row)
    elif opcode in (Opcode.UNARY, Opcode.UNARY_SCALAR):
        _unary(row)
    elif opcode == Opcode.CAST:
        _cast(row)
    elif opcode == Opcode.DIVIDE_INT:
        _divide(row)
    elif opcode in (Opcode.BINARY, Opcode.BINARY_INT, Opcode.COMPARE, Opcode.EXTERNAL):
        _binary(row)
    elif opcode == Opcode.COPY:
        _copy(row[COPY.kind], row[COPY.out], row[COPY.a], row, COPY.sizes, COPY.out_steps, COPY.a_steps)
    elif opcode == Opcode.COPY_AT:
        return _copy_at(row)
    elif opcode == Opcode.WHERE:
        _where(row)
    elif opcode == Opcode.MATMUL:
        _matmul(row)
    elif opcode == Opcode.SOFTMAX:
        _softmax(row)
    elif opcode == Opcode.REDUCE:
        _reduce(row)
    elif opcode == Opcode.SEARCH:
        _search(row)
    elif opcode == Opcode.LAYER_NORM:
        _layer_norm(row)
    elif opcode == Opcode.GATHER:
        return _gather(row)
    elif opcode == Opcode.ATTENTION:
        _attend(row)
    elif opcode == Opcode.UNARY_PORTABLE:
        _unary_portable(row)
    elif opcode == Opcode.ON_GRID:
        _on_grid(row)
    elif opcode == Opcode.TOTAL:
        portable.total(row[TOTAL.out], row[TOTAL.a], row[TOTAL.rows], row[TOTAL.width])
    return True


def _run(code, starts, clock, first, last):
    """Sites first … last-1: the instructions at `starts[t - first]`, with t at the address `clock`.

    Returns:
        The first site at which an index pointed outside of its tensor; -1 if none did.
    """
    code, starts, time = i64(code, FAR), i64(starts, FAR), i64(clock, 1)
    for t in range(first, last):
        time[0] = t
        at = starts[t - first]
        while code[at] != Opcode.END:
            row = code[at:]
            if not _step(row):
                return t
            at += row[LENGTH]
    return -1


def compile_loop() -> tuple[bytes, str]:
    """The loop as an object file for this processor, and the name of its function in it; it takes some 20 seconds.

    numba's calling convention: the address of the result, that of an exception, then the arguments of `_run`.
    """
    from numba.core import compiler, types
    from numba.core.compiler_lock import global_compiler_lock
    from numba.core.registry import cpu_target

    flags = compiler.Flags()
    flags.nrt = flags.no_cpython_wrapper = flags.no_cfunc_wrapper = True
    flags.error_model = "numpy"
    with global_compiler_lock:
        found = compiler.compile_extra(
            cpu_target.typing_context,
            cpu_target.target_context,
            _run,
            (types.int64,) * 5,
            types.int64,
            flags,
            {},
        )
        library = found.library
        code = library.codegen._tm.emit_object(library._final_module)
    return code, found.fndesc.llvm_func_name
