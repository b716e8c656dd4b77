"""Matrix products, and the sums they are made of; operands are addresses."""

from __future__ import annotations

from typing import Any

import numba as nb

from chainrule.engine.native.kernels import intrinsics as ir
from chainrule.engine.native.kernels.simd import DOUBLE, FLOAT, PANEL

# Compiled functions that only compiled ones call need no doors to Python.
FAST: dict[str, Any] = {
    "fastmath": {"contract"},
    "error_model": "numpy",
    "no_cpython_wrapper": True,
    "no_cfunc_wrapper": True,
}
PANEL_F32, PANEL_F64 = PANEL[FLOAT], PANEL[DOUBLE]


def _product(view: Any, blocks: tuple[Any, Any, Any, Any], width: int, size: int, weight_size: int) -> Any:
    eight, four, one, one_wide = blocks

    @nb.njit(**FAST)
    def columns(y, y_row, x, x_row, w, panel, rows, inner):
        r = 0
        while r + 8 <= rows:
            eight(y + r * y_row * size, y_row, x + r * x_row * size, x_row, w, panel, inner)
            r += 8
        while r + 4 <= rows:
            four(y + r * y_row * size, y_row, x + r * x_row * size, x_row, w, panel, inner)
            r += 4
        while r < rows:
            one(y + r * y_row * size, y_row, x + r * x_row * size, x_row, w, panel, inner)
            r += 1

    @nb.njit(**FAST)
    def product(y, x, x_row, w, rows, inner, outer, spare):
        """y (R, N) += x (R, K) w, of a weight packed in panels of columns; all are addresses.

        Args:
            y: contiguous.
            x: rows are x_row elements apart.
            w: ⌈N / width⌉ panels (K, width), zero after column N.
            rows, inner, outer: R, K, N.
            spare: room for R · width elements, for the columns that fill no panel.
        """
        full = outer // width
        panel = inner * width
        p = 0
        if rows == 1:  # two panels at a time keep enough sums under way
            while p + 2 <= full:
                one_wide(y + p * width * size, outer, x, x_row, w + p * panel * weight_size, panel, inner)
                p += 2
        while p < full:
            place = w + p * panel * weight_size
            columns(y + p * width * size, outer, x, x_row, place, panel, rows, inner)
            p += 1
        column = full * width
        rest = outer - column
        if rest > 0:
            block, out = view(spare, rows * width), view(y, rows * outer)
            for r in range(rows):
                for i in range(width):
                    block[r * width + i] = out[r * outer + column + i] if i < rest else 0
            columns(spare, width, x, x_row, w + full * panel * weight_size, panel, rows, inner)
            for r in range(rows):
                for i in range(rest):
                    out[r * outer + column + i] = block[r * width + i]

    return product


product_f32 = _product(ir.f32, ir.BLOCKS_F32, PANEL_F32, 4, 4)
product_f64 = _product(ir.f64, ir.BLOCKS_F64, PANEL_F64, 8, 8)
# Weights alone are of a shorter type.
product_bf16 = _product(ir.f32, ir.BLOCKS_BF16, PANEL_F32, 4, 2)
product_f64_f32 = _product(ir.f64, ir.BLOCKS_F64_F32, PANEL_F64, 8, 4)
product_i8 = _product(ir.f32, ir.BLOCKS_I8, PANEL_F32, 4, 1)


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
