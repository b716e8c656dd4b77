"""Matrix products, and the sums they are made of; operands are addresses."""

from __future__ import annotations

from typing import Any

import numba as nb

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
    """Σ a[i] b[i] of arrays at addresses."""
    total = ir.dot_f32(a, b, n)
    done = n // PANEL_F32 * PANEL_F32
    x, y = ir.f32(a, n), ir.f32(b, n)
    for i in range(done, n):
        total += x[i] * y[i]
    return total


@nb.njit(**FAST)
def dot_f64(a, b, n):
    """Σ a[i] b[i] of arrays at addresses."""
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
