"""What is done to whole rows: products, softmax, norms, attention, search."""

from __future__ import annotations

import math
from typing import Any

import numba as nb

from chainrule.engine.native import functions
from chainrule.engine.native import intrinsics as ir
from chainrule.engine.native.vectors import DOUBLE, FLOAT

# Compiled functions that only compiled ones call need no doors to Python.
FAST: dict[str, Any] = {
    "fastmath": {"contract"},
    "error_model": "numpy",
    "no_cpython_wrapper": True,
    "no_cfunc_wrapper": True,
}
PANEL_F32, PANEL_F64 = ir.PANEL[FLOAT], ir.PANEL[DOUBLE]
FLOAT32 = nb.float32
EXP = list(functions.UNARY).index("exp")


@nb.njit(**FAST)
def product_f32(y, x, x_row, w, rows, inner, outer, spare):
    """y (R, N) += x (R, K) w, of a weight packed in panels of columns; all are addresses.

    Args:
        y: contiguous.
        x: rows are x_row elements apart.
        w: ⌈N / PANEL⌉ panels (K, PANEL), zero behind column N.
        rows, inner, outer: R, K, N.
        spare: room for R · PANEL elements, for the columns that fill no panel.
    """
    full = outer // PANEL_F32
    panel = inner * PANEL_F32
    column = 0
    if rows < 4:
        for r in range(rows):
            p = 0
            while p + 2 <= full:
                place = y + (r * outer + p * PANEL_F32) * 4
                ir.block_1x2_f32(place, outer, x + r * x_row * 4, x_row, w + p * panel * 4, panel, inner)
                p += 2
            if p < full:
                place = y + (r * outer + p * PANEL_F32) * 4
                ir.block_1x1_f32(place, outer, x + r * x_row * 4, x_row, w + p * panel * 4, panel, inner)
    else:
        for p in range(full):
            _columns_f32(y + p * PANEL_F32 * 4, outer, x, x_row, w + p * panel * 4, panel, rows, inner)
    column = full * PANEL_F32
    rest = outer - column
    if rest > 0:
        block = ir.f32(spare, rows * PANEL_F32)
        out = ir.f32(y, rows * outer)
        for r in range(rows):
            for i in range(PANEL_F32):
                block[r * PANEL_F32 + i] = out[r * outer + column + i] if i < rest else 0
        _columns_f32(spare, PANEL_F32, x, x_row, w + full * panel * 4, panel, rows, inner)
        for r in range(rows):
            for i in range(rest):
                out[r * outer + column + i] = block[r * PANEL_F32 + i]


@nb.njit(**FAST)
def _columns_f32(y, y_row, x, x_row, w, panel, rows, inner):
    r = 0
    while r + 8 <= rows:
        ir.block_8x1_f32(y + r * y_row * 4, y_row, x + r * x_row * 4, x_row, w, panel, inner)
        r += 8
    while r + 4 <= rows:
        ir.block_4x1_f32(y + r * y_row * 4, y_row, x + r * x_row * 4, x_row, w, panel, inner)
        r += 4
    while r < rows:
        ir.block_1x1_f32(y + r * y_row * 4, y_row, x + r * x_row * 4, x_row, w, panel, inner)
        r += 1


@nb.njit(**FAST)
def product_f64(y, x, x_row, w, rows, inner, outer, spare):
    """`product_f32` in double precision."""
    full = outer // PANEL_F64
    panel = inner * PANEL_F64
    for p in range(full):
        _columns_f64(y + p * PANEL_F64 * 8, outer, x, x_row, w + p * panel * 8, panel, rows, inner)
    column = full * PANEL_F64
    rest = outer - column
    if rest > 0:
        block = ir.f64(spare, rows * PANEL_F64)
        out = ir.f64(y, rows * outer)
        for r in range(rows):
            for i in range(PANEL_F64):
                block[r * PANEL_F64 + i] = out[r * outer + column + i] if i < rest else 0
        _columns_f64(spare, PANEL_F64, x, x_row, w + full * panel * 8, panel, rows, inner)
        for r in range(rows):
            for i in range(rest):
                out[r * outer + column + i] = block[r * PANEL_F64 + i]


@nb.njit(**FAST)
def _columns_f64(y, y_row, x, x_row, w, panel, rows, inner):
    r = 0
    while r + 4 <= rows:
        ir.block_4x1_f64(y + r * y_row * 8, y_row, x + r * x_row * 8, x_row, w, panel, inner)
        r += 4
    while r < rows:
        ir.block_1x1_f64(y + r * y_row * 8, y_row, x + r * x_row * 8, x_row, w, panel, inner)
        r += 1


@nb.njit(**FAST)
def dot_f32(a, b, n):
    total = ir.dot_f32(a, b, n)
    done = n // PANEL_F32 * PANEL_F32
    x, y = ir.f32(a, n), ir.f32(b, n)
    for i in range(done, n):
        total += x[i] * y[i]
    return total


@nb.njit(**FAST)
def dot_f64(a, b, n):
    total = ir.dot_f64(a, b, n)
    done = n // PANEL_F64 * PANEL_F64
    x, y = ir.f64(a, n), ir.f64(b, n)
    for i in range(done, n):
        total += x[i] * y[i]
    return total


@nb.njit(**FAST)
def sum_f32(a, n):
    """Σ a[i] of an array at an address."""
    total = ir.sum_f32(a, n)
    x = ir.f32(a, n)
    for i in range(n // PANEL_F32 * PANEL_F32, n):
        total += x[i]
    return total


@nb.njit(**FAST)
def sum_f64(a, n):
    """Σ a[i] of an array at an address."""
    total = ir.sum_f64(a, n)
    x = ir.f64(a, n)
    for i in range(n // PANEL_F64 * PANEL_F64, n):
        total += x[i]
    return total


@nb.njit(**FAST)
def dots_f32(y, x, x_row, w, w_row, rows, inner, outer):
    """y (R, N) += x (R, K) wᵀ, of a weight (N, K) as it lies."""
    out = ir.f32(y, rows * outer)
    for r in range(rows):
        for n in range(outer):
            out[r * outer + n] += dot_f32(x + r * x_row * 4, w + n * w_row * 4, inner)


@nb.njit(**FAST)
def dots_f64(y, x, x_row, w, w_row, rows, inner, outer):
    """`dots_f32` in double precision."""
    out = ir.f64(y, rows * outer)
    for r in range(rows):
        for n in range(outer):
            out[r * outer + n] += dot_f64(x + r * x_row * 8, w + n * w_row * 8, inner)


@nb.njit(**FAST)
def softmax(out, out_at, a, rows, n, log):
    """Of each row; its logarithm if `log`. `out_at` is the address of `out`."""
    for r in range(rows):
        x, y = a[r * n : r * n + n], out[r * n : r * n + n]
        top = x[0]
        for i in range(n):
            top = max(top, x[i])
        for i in range(n):
            y[i] = x[i] - top
        if x.itemsize == 4:
            place = out_at + r * n * 4
            functions.unary_f32(EXP, place, n, place, 1)
            total = sum_f32(place, n)
        else:
            place = out_at + r * n * 8
            functions.unary_f64(EXP, place, n, place, 1)
            total = sum_f64(place, n)
        if log:
            shift = top + x.dtype.type(math.log(total))
            for i in range(n):
                y[i] = x[i] - shift
        else:
            for i in range(n):
                y[i] = y[i] / total


@nb.njit(**FAST)
def ndtri(p):
    """Φ⁻¹(p), within 1e-15: Wichura (1988), algorithm AS 241, PPND16."""
    q = p - 0.5
    if abs(q) <= 0.425:
        r = 0.180625 - q * q
        top = 2.5090809287301226727e3
        for c in (
            3.3430575583588128105e4, 6.7265770927008700853e4, 4.5921953931549871457e4, 1.3731693765509461125e4,
            1.9715909503065514427e3, 1.3314166789178437745e2, 3.3871328727963666080e0,
        ):  # fmt: skip
            top = top * r + c
        bottom = 5.2264952788528545610e3
        for c in (
            2.8729085735721942674e4, 3.9307895800092710610e4, 2.1213794301586595867e4, 5.3941960214247511077e3,
            6.8718700749205790830e2, 4.2313330701600911252e1, 1.0,
        ):  # fmt: skip
            bottom = bottom * r + c
        return q * top / bottom
    if not 0 < p < 1:
        return -math.inf if p == 0 else math.inf if p == 1 else math.nan
    r = math.sqrt(-math.log(min(p, 1 - p)))
    if r <= 5:
        r -= 1.6
        top = 7.7454501427834140764e-4
        for c in (
            2.27238449892691845833e-2, 2.41780725177450611770e-1, 1.27045825245236838258e0, 3.64784832476320460504e0,
            5.76949722146069140550e0, 4.63033784615654529590e0, 1.42343711074968357734e0,
        ):  # fmt: skip
            top = top * r + c
        bottom = 1.05075007164441684324e-9
        for c in (
            5.47593808499534494600e-4, 1.51986665636164571966e-2, 1.48103976427480074590e-1, 6.89767334985100004550e-1,
            1.67638483018380384940e0, 2.05319162663775882187e0, 1.0,
        ):  # fmt: skip
            bottom = bottom * r + c
    else:
        r -= 5.0
        top = 2.01033439929228813265e-7
        for c in (
            2.71155556874348757815e-5, 1.24266094738807843860e-3, 2.65321895265761230930e-2, 2.96560571828504891230e-1,
            1.78482653991729133580e0, 5.46378491116411436990e0, 6.65790464350110377720e0,
        ):  # fmt: skip
            top = top * r + c
        bottom = 2.04426310338993978564e-15
        for c in (
            1.42151175831644588870e-7, 1.84631831751005468180e-5, 7.86869131145613259100e-4, 1.48753612908506148525e-2,
            1.36929880922735805310e-1, 5.99832206555887937690e-1, 1.0,
        ):  # fmt: skip
            bottom = bottom * r + c
    return math.copysign(top / bottom, q)


SLOW = ("log", "log1p", "expm1", "asinh", "log_sigmoid_forward", "gelu", "special_ndtri")


@nb.njit(**FAST)
def slow(fn, out, a, n, a_step):
    """Elementary functions that nobody has in vectors: `SLOW[fn]`."""
    for i in range(n):
        x = float(a[i * a_step])
        if fn == 0:
            y = math.log(x)
        elif fn == 1:
            y = math.log1p(x)
        elif fn == 2:
            y = math.expm1(x)
        elif fn == 3:
            y = math.asinh(x)
        elif fn == 4:
            y = min(x, 0.0) - math.log1p(math.exp(-abs(x)))
        elif fn == 5:
            y = 0.5 * x * (1.0 + math.erf(x * 0.7071067811865476))
        else:
            y = ndtri(x)
        out[i] = y


@nb.njit(**FAST)
def sums(out, a, rows, n):
    """Of each row."""
    for r in range(rows):
        total = a.dtype.type(0)
        for i in range(r * n, r * n + n):
            total += a[i]
        out[r] = total


@nb.njit(**FAST)
def largest(out, a, rows, n):
    """The place of each row's largest element, the first of them."""
    for r in range(rows):
        best = 0
        for i in range(1, n):
            if a[r * n + i] > a[r * n + best]:
                best = i
        out[r] = best


@nb.njit(**FAST)
def reduce(which, out, a, rows, n):
    """`REDUCTIONS[which]` of each row: its sum, its running sums, its largest element."""
    for r in range(rows):
        total = a[r * n]
        if which == 1:
            out[r * n] = total
        for i in range(r * n + 1, r * n + n):
            total = max(total, a[i]) if which == 2 else total + a[i]
            if which == 1:
                out[i] = total
        if which != 1:
            out[r] = total


@nb.njit(**FAST)
def search(out, a, values, rows, n, m, right):
    """Where each of a row's m values belongs among its n sorted ones: behind equal ones if `right`."""
    for r in range(rows):
        for j in range(m):
            value = values[r * m + j]
            low, high = r * n, r * n + n
            while low < high:
                middle = (low + high) // 2
                before = a[middle] <= value if right else a[middle] < value
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
