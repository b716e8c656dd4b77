"""The instructions of the machine, and what each of their numbers means."""

from __future__ import annotations

from enum import IntEnum


class Opcode(IntEnum):
    """Every instruction begins with its code and its length; kinds are 0 float32, 1 float64, 2 int64.

    Operands are addresses. Elementwise results are contiguous, operands have up to four dimensions and a step in
    elements for each; 0 repeats.
    """

    END = 0
    UNARY = 1  # kind, operation, out, a, 4 sizes, 4 steps
    BINARY = 2  # kind, operation, out, a, b, 4 sizes, 4 + 4 steps
    WHOLE = 3  # as BINARY, of int64
    COMPARE = 4  # as BINARY, into int64
    WHERE = 5  # kind, out, mask, a, b, 4 sizes, 4 + 4 + 4 steps
    COPY = 6  # kind, out, a, 6 sizes, 6 steps of out, 6 of a
    COPY_AT = (
        7  # kind, out, a, index, its size, places, whether out has them, steps of out and a by place, as COPY
    )
    PRODUCT = (
        8  # kind (2: float32, the weight bfloat16), y, x, step of its rows, packed weight, R, K, N, spare
    )
    DOTS = 9  # kind, y, x, step of its rows, weight, step of its rows, R, K, N
    SOFTMAX = 10  # kind, out, a, rows, n, whether of logarithms
    REDUCE = 11  # kind, which of `REDUCTIONS`, out, a, rows, n
    SEARCH = 12  # kind, out, sorted, values, rows, n, m, whether after equal ones
    NORM = 13  # kind, out, a, weight, bias, rows, n, ε
    GATHER = 14  # kind, out, a, index, rows, n, m
    SLOW = 16  # as UNARY
    CAST = 17  # kind of out, kind of a, out, a, 4 sizes, 4 steps
    DIVIDE = 18  # kind, whether the remainder, out, a, divisor, n
    ATTEND = 15  # kind, out, q, k, v, mask, spare, scale, B H M L d, 16 steps


KINDS = ("float32", "float64", "int64")
REDUCTIONS = ("sum", "cumsum", "amax", "argmax")
