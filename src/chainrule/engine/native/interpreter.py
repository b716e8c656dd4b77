"""The loop that runs a program of `codes`, site after site: one compiled function for every model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numba as nb

from chainrule.engine.native.kernels import elementwise, matmul, reductions
from chainrule.engine.native.kernels.attention import attend_f32, attend_f64
from chainrule.engine.native.kernels.intrinsics import FAR, f32, f64, i64
from chainrule.engine.native.kernels.matmul import FAST
from chainrule.engine.native.kernels.scalar import slow
from chainrule.engine.native.numba_cache import keep_compiled
from chainrule.engine.native.opcodes import Opcode

UNARY, BINARY, WHOLE, COMPARE = int(Opcode.UNARY), int(Opcode.BINARY), int(Opcode.WHOLE), int(Opcode.COMPARE)
WHERE, COPY, COPY_AT = int(Opcode.WHERE), int(Opcode.COPY), int(Opcode.COPY_AT)
SLOW, CAST, DIVIDE = int(Opcode.SLOW), int(Opcode.CAST), int(Opcode.DIVIDE)
PRODUCT, DOTS, SOFTMAX, REDUCE = (
    int(Opcode.PRODUCT),
    int(Opcode.DOTS),
    int(Opcode.SOFTMAX),
    int(Opcode.REDUCE),
)
SEARCH, NORM, GATHER, ATTEND = int(Opcode.SEARCH), int(Opcode.NORM), int(Opcode.GATHER), int(Opcode.ATTEND)


@nb.njit(**FAST)
def _unary(c):
    kind, fn, out, a = c[2], c[3], c[4], c[5]
    n, size = c[9], 4 if kind == 0 else 8
    for i in range(c[6]):
        for j in range(c[7]):
            for k in range(c[8]):
                to = out + ((i * c[7] + j) * c[8] + k) * n * size
                at = a + (i * c[10] + j * c[11] + k * c[12]) * size
                if c[0] == SLOW:
                    if kind == 0:
                        slow(fn, f32(to, n), f32(at, FAR), n, c[13])
                    else:
                        slow(fn, f64(to, n), f64(at, FAR), n, c[13])
                elif kind == 0:
                    elementwise.unary_f32(fn, to, n, at, c[13])
                else:
                    elementwise.unary_f64(fn, to, n, at, c[13])


@nb.njit(**FAST)
def _cast(c):
    out_size, a_size = 4 if c[2] == 0 else 8, 4 if c[3] == 0 else 8
    which, n = c[2] * 3 + c[3], c[9]
    for i in range(c[6]):
        for j in range(c[7]):
            for k in range(c[8]):
                to = c[4] + ((i * c[7] + j) * c[8] + k) * n * out_size
                at = c[5] + (i * c[10] + j * c[11] + k * c[12]) * a_size
                if which == 1:
                    elementwise.cast_f64_f32(0, to, n, at, c[13])
                elif which == 2:
                    elementwise.cast_i64_f32(0, to, n, at, c[13])
                elif which == 3:
                    elementwise.cast_f32_f64(0, to, n, at, c[13])
                elif which == 5:
                    elementwise.cast_i64_f64(0, to, n, at, c[13])
                elif which == 6:
                    elementwise.cast_f32_i64(0, to, n, at, c[13])
                else:
                    elementwise.cast_f64_i64(0, to, n, at, c[13])


@nb.njit(**FAST)
def _binary(c):
    what, kind, fn, out, a, b = c[0], c[2], c[3], c[4], c[5], c[6]
    n, size = c[10], 4 if kind == 0 else 8
    out_size = 8 if what == COMPARE else size
    for i in range(c[7]):
        for j in range(c[8]):
            for k in range(c[9]):
                to = out + ((i * c[8] + j) * c[9] + k) * n * out_size
                p = a + (i * c[11] + j * c[12] + k * c[13]) * size
                q = b + (i * c[15] + j * c[16] + k * c[17]) * size
                if what == COMPARE:
                    if kind == 0:
                        elementwise.compare_f32(fn, to, n, p, c[14], q, c[18])
                    elif kind == 1:
                        elementwise.compare_f64(fn, to, n, p, c[14], q, c[18])
                    else:
                        elementwise.compare_i64(fn, to, n, p, c[14], q, c[18])
                elif kind == 0:
                    elementwise.binary_f32(fn, to, n, p, c[14], q, c[18])
                elif kind == 1:
                    elementwise.binary_f64(fn, to, n, p, c[14], q, c[18])
                else:
                    elementwise.whole(fn, to, n, p, c[14], q, c[18])


@nb.njit(**FAST)
def _divide(c):
    """⌊a / b⌋, or the remainder, of int64 by one divisor."""
    x, y, n = i64(c[5], FAR), i64(c[4], FAR), c[7]
    divisor = i64(c[6], 1)[0]
    for i in range(n):
        y[i] = x[i] // divisor if c[3] == 0 else x[i] % divisor


@nb.njit(**FAST)
def _where(c):
    kind, out, mask, a, b = c[2], c[3], c[4], c[5], c[6]
    n, size = c[10], 4 if kind == 0 else 8
    for i in range(c[7]):
        for j in range(c[8]):
            for k in range(c[9]):
                to = out + ((i * c[8] + j) * c[9] + k) * n * size
                m = mask + (i * c[11] + j * c[12] + k * c[13]) * 8
                p = a + (i * c[15] + j * c[16] + k * c[17]) * size
                q = b + (i * c[19] + j * c[20] + k * c[21]) * size
                if kind == 0:
                    elementwise.where_f32(0, to, n, m, c[14], p, c[18], q, c[22])
                else:  # the bits of a float64 or an int64
                    elementwise.where_i64(0, to, n, m, c[14], p, c[18], q, c[22])


@nb.njit(**FAST)
def _row(out, a, n, out_step, a_step):
    if out_step == 1 and a_step == 1:
        for i in range(n):
            out[i] = a[i]
    else:
        for i in range(n):
            out[i * out_step] = a[i * a_step]


@nb.njit(**FAST)
def _copy(kind, out, a, c, d):
    """Six dimensions: sizes from c[d], the result's steps from c[d + 6], the source's from c[d + 12]."""
    size = 4 if kind == 0 else 8
    s, u = d + 6, d + 12
    for i in range(c[d]):
        for j in range(c[d + 1]):
            for k in range(c[d + 2]):
                for m in range(c[d + 3]):
                    to = i * c[s] + j * c[s + 1] + k * c[s + 2] + m * c[s + 3]
                    of = i * c[u] + j * c[u + 1] + k * c[u + 2] + m * c[u + 3]
                    for h in range(c[d + 4]):
                        p = out + (to + h * c[s + 4]) * size
                        q = a + (of + h * c[u + 4]) * size
                        if kind == 0:
                            _row(f32(p, FAR), f32(q, FAR), c[d + 5], c[s + 5], c[u + 5])
                        else:
                            _row(i64(p, FAR), i64(q, FAR), c[d + 5], c[s + 5], c[u + 5])


@nb.njit(**FAST)
def _copy_at(c):
    """Slices to (c[8] = 1) or from the places that an index gives; whether all of them exist."""
    kind, out, a, count = c[2], c[3], c[4], c[6]
    size = 4 if kind == 0 else 8
    index = i64(c[5], count)
    for j in range(count):
        place = index[j]
        if place < 0 or place >= c[7]:
            return False
        to, of = (place, j) if c[8] else (j, place)
        _copy(kind, out + to * c[9] * size, a + of * c[10] * size, c, 11)
    return True


@nb.njit(**FAST)
def _rows(c):
    kind, which, out, a, count, n = c[2], c[3], c[4], c[5], c[6], c[7]
    if kind == 2:  # only sums are taken of integers
        reductions.sums(i64(out, FAR), i64(a, FAR), count, n)
    elif which == 3:
        if kind == 0:
            reductions.largest(i64(out, FAR), f32(a, FAR), count, n)
        else:
            reductions.largest(i64(out, FAR), f64(a, FAR), count, n)
    elif kind == 0:
        reductions.reduce(which, f32(out, FAR), f32(a, FAR), count, n)
    else:
        reductions.reduce(which, f64(out, FAR), f64(a, FAR), count, n)


@nb.njit(**FAST)
def _gather(c):
    index = i64(c[5], FAR)
    if c[2] == 0:
        return reductions.gather(f32(c[3], FAR), f32(c[4], FAR), index, c[6], c[7], c[8])
    return reductions.gather(i64(c[3], FAR), i64(c[4], FAR), index, c[6], c[7], c[8])


def _source() -> int:
    """A number that changes with any line of this folder: part of the key under which the compiled loop is kept."""
    import zlib

    value = 0
    for path in sorted(Path(__file__).parent.glob("*.py")):
        value = zlib.crc32(path.read_bytes(), value)
    return value


def _make(source: int) -> Any:
    @nb.njit(nogil=True, fastmath=FAST["fastmath"], error_model="numpy")
    def run(code, starts, clock, first, last):
        """Sites first … last-1: the instructions at `starts[t - first]`, with t at the address `clock`.

        Returns:
            The first site at which an index pointed outside of its tensor; -1 if none did.
        """
        key = source  # numba keeps compiled functions by the values they close over  # noqa: F841
        time = i64(clock, 1)
        for t in range(first, last):
            time[0] = t
            pc = starts[t - first]
            while True:
                c = code[pc:]
                what = c[0]
                if what == PRODUCT:
                    if c[2] == 0:
                        matmul.product_f32(c[3], c[4], c[5], c[6], c[7], c[8], c[9], c[10])
                    elif c[2] == 2:
                        matmul.product_bf16(c[3], c[4], c[5], c[6], c[7], c[8], c[9], c[10])
                    else:
                        matmul.product_f64(c[3], c[4], c[5], c[6], c[7], c[8], c[9], c[10])
                elif what in (UNARY, SLOW):
                    _unary(c)
                elif what == CAST:
                    _cast(c)
                elif what == DIVIDE:
                    _divide(c)
                elif what in (BINARY, WHOLE, COMPARE):
                    _binary(c)
                elif what == COPY:
                    _copy(c[2], c[3], c[4], c, 5)
                elif what == COPY_AT:
                    if not _copy_at(c):
                        return t
                elif what == WHERE:
                    _where(c)
                elif what == DOTS:
                    if c[2] == 0:
                        matmul.dots_f32(c[3], c[4], c[5], c[6], c[7], c[8], c[9], c[10])
                    else:
                        matmul.dots_f64(c[3], c[4], c[5], c[6], c[7], c[8], c[9], c[10])
                elif what == SOFTMAX:
                    if c[2] == 0:
                        reductions.softmax(f32(c[3], FAR), c[3], f32(c[4], FAR), c[5], c[6], c[7])
                    else:
                        reductions.softmax(f64(c[3], FAR), c[3], f64(c[4], FAR), c[5], c[6], c[7])
                elif what == REDUCE:
                    _rows(c)
                elif what == SEARCH:
                    if c[2] == 0:
                        found, values = f32(c[4], FAR), f32(c[5], FAR)
                        reductions.search(i64(c[3], FAR), found, values, c[6], c[7], c[8], c[9])
                    else:
                        sorted_, wanted = f64(c[4], FAR), f64(c[5], FAR)
                        reductions.search(i64(c[3], FAR), sorted_, wanted, c[6], c[7], c[8], c[9])
                elif what == NORM:
                    eps = f64(c[9], 1)[0]
                    if c[2] == 0:
                        reductions.layer_norm_f32(c[3], c[4], c[5], c[6], c[7], c[8], eps)
                    else:
                        reductions.layer_norm_f64(c[3], c[4], c[5], c[6], c[7], c[8], eps)
                elif what == GATHER:
                    if not _gather(c):
                        return t
                elif what == ATTEND:
                    scale = f64(c[9], 1)[0]
                    if c[2] == 0:
                        attend_f32(c[3], c[4], c[5], c[6], c[7], c[8], scale, c[10:15], c[15:31])
                    else:
                        attend_f64(c[3], c[4], c[5], c[6], c[7], c[8], scale, c[10:15], c[15:31])
                else:
                    break
                pc += c[1]
        return -1

    return run


run = _make(_source())
keep_compiled(run)


def compiled() -> bool:
    """Whether the loop is in memory or on disk; its first use ever takes some 12 seconds."""
    folder = run.stats.cache_path  # None where it is kept in memory alone
    return bool(run.signatures or (folder and any(Path(folder).glob("machine.*.nbc"))))
