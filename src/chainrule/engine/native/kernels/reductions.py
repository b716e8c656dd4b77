"""What is done to whole rows: softmax, sums, norms, search."""

from __future__ import annotations

import math

import numba as nb

from chainrule.engine.native.kernels import elementwise
from chainrule.engine.native.kernels import intrinsics as ir
from chainrule.engine.native.kernels.formulas import UNARY
from chainrule.engine.native.kernels.matmul import FAST, dot_f32, dot_f64, sum_f32, sum_f64

FLOAT32 = nb.float32
EXP = list(UNARY).index("exp")


@nb.njit(**FAST)
def softmax(out, out_at, a, rows, n, log):
    """The softmax of each row, or its logarithm if `log`. `out_at` is the address of `out`."""
    for r in range(rows):
        x, y = a[r * n : r * n + n], out[r * n : r * n + n]
        top = x[0]
        for i in range(n):
            top = max(top, x[i])
        for i in range(n):
            y[i] = x[i] - top
        if x.itemsize == 4:
            place = out_at + r * n * 4
            elementwise.unary_f32(EXP, place, n, place, 1)
            total = sum_f32(place, n)
        else:
            place = out_at + r * n * 8
            elementwise.unary_f64(EXP, place, n, place, 1)
            total = sum_f64(place, n)
        if log:
            shift = top + x.dtype.type(math.log(total))
            for i in range(n):
                y[i] = x[i] - shift
        else:
            for i in range(n):
                y[i] = y[i] / total


@nb.njit(**FAST)
def sums(out, a, rows, n):
    """The sum of each row."""
    for r in range(rows):
        total = a.dtype.type(0)
        for i in range(r * n, r * n + n):
            total += a[i]
        out[r] = total


@nb.njit(**FAST)
def largest(out, a, rows, n):
    """The index of each row's largest element, the first of them."""
    for r in range(rows):
        best = 0
        for i in range(1, n):
            if a[r * n + i] > a[r * n + best]:
                best = i
        out[r] = best


@nb.njit(**FAST)
def reduce(function, out, a, rows, n):
    """`REDUCTIONS[function]` of each row: its sum, its running sums, its largest element."""
    for r in range(rows):
        total = a[r * n]
        if function == 1:
            out[r * n] = total
        for i in range(r * n + 1, r * n + n):
            total = max(total, a[i]) if function == 2 else total + a[i]
            if function == 1:
                out[i] = total
        if function != 1:
            out[r] = total


@nb.njit(**FAST)
def search(out, a, values, rows, n, m, right):
    """Where each of a row's m values belongs among its n sorted ones: after equal ones if `right`."""
    for r in range(rows):
        for j in range(m):
            value = values[r * m + j]
            low, high = r * n, r * n + n
            while low < high:
                middle = (low + high) // 2
                # As torch has it: NaN is after all.
                before = not (a[middle] > value) if right else not (a[middle] >= value)
                if before:
                    low = middle + 1
                else:
                    high = middle
            out[r * m + j] = low - r * n


@nb.njit(**FAST)
def layer_norm_f32(out, a, weight, bias, rows, n, eps):
    """(x - mean) / √(variance + eps) · weight + bias, of each row; addresses."""
    w, b = ir.f32(weight, n), ir.f32(bias, n)
    for r in range(rows):
        x, y = ir.f32(a + r * n * 4, n), ir.f32(out + r * n * 4, n)
        mean = sum_f32(a + r * n * 4, n) / FLOAT32(n)
        for i in range(n):
            y[i] = x[i] - mean
        scale = FLOAT32(1.0 / math.sqrt(dot_f32(out + r * n * 4, out + r * n * 4, n) / n + eps))
        for i in range(n):
            y[i] = y[i] * scale * w[i] + b[i]


@nb.njit(**FAST)
def layer_norm_f64(out, a, weight, bias, rows, n, eps):
    """`layer_norm_f32` in double precision."""
    w, b = ir.f64(weight, n), ir.f64(bias, n)
    for r in range(rows):
        x, y = ir.f64(a + r * n * 8, n), ir.f64(out + r * n * 8, n)
        mean = sum_f64(a + r * n * 8, n) / n
        for i in range(n):
            y[i] = x[i] - mean
        scale = 1.0 / math.sqrt(dot_f64(out + r * n * 8, out + r * n * 8, n) / n + eps)
        for i in range(n):
            y[i] = y[i] * scale * w[i] + b[i]


@nb.njit(**FAST)
def gather(out, a, index, rows, n, m):
    """out[r, j] = a[r, index[r, j]]; whether all indices were within n."""
    for r in range(rows):
        for j in range(m):
            i = index[r * m + j]
            if i < 0 or i >= n:
                return False
            out[r * m + j] = a[r * n + i]
    return True
