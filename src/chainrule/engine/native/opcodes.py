"""The numbers of instructions, of the functions that they name, and of element types."""

from __future__ import annotations

from enum import IntEnum

import torch


class Opcode(IntEnum):
    """The first number of every instruction; `instructions` says what follows."""

    END = 0
    UNARY = 1
    BINARY = 2
    BINARY_INT = 3
    COMPARE = 4
    WHERE = 5
    COPY = 6
    COPY_AT = 7
    MATMUL_PACKED = 8
    MATMUL = 9
    SOFTMAX = 10
    REDUCE = 11
    SEARCH = 12
    LAYER_NORM = 13
    GATHER = 14
    ATTENTION = 15
    UNARY_SCALAR = 16
    CAST = 17
    DIVIDE_INT = 18
    EXTERNAL = 19
    UNARY_PORTABLE = 20
    ON_GRID = 21
    TOTAL = 22


class Kind(IntEnum):
    """The type of an operand's elements; booleans are kept as int64."""

    FLOAT32 = 0
    FLOAT64 = 1
    INT64 = 2

    @property
    def bytes(self) -> int:
        """The size of an element."""
        return 4 if self == Kind.FLOAT32 else 8


KINDS = {
    torch.float32: Kind.FLOAT32,
    torch.float64: Kind.FLOAT64,
    torch.int64: Kind.INT64,
    torch.bool: Kind.INT64,
}
REDUCTIONS = ("sum", "cumsum", "amax", "argmax")
# Functions that nobody has in vectors; those that are have theirs in `kernels.formulas`.
SCALAR = ("log", "log1p", "expm1", "asinh", "log_sigmoid_forward", "gelu", "special_ndtri")
