"""The elementary functions of vectors."""

from __future__ import annotations

import math
from collections.abc import Callable

from llvmlite import ir

from chainrule.engine.native.kernels.simd import DOUBLE, FLOAT, I32, I64, Vector
from chainrule.engine.portable.formulas import FUNCTIONS

# Cephes' expf, and the Taylor polynomial of degree 13; the constants of ln 2 in two parts, so that r is exact.
EXP = {
    FLOAT: (
        (
            1.9875691500e-4,
            1.3981999507e-3,
            8.3334519073e-3,
            4.1665795894e-2,
            1.6666665459e-1,
            5.0000001201e-1,
        ),
        (0.693359375, -2.12194440e-4),
        (-87.0, 88.0, 88.7),
    ),
    DOUBLE: (
        tuple(1 / math.factorial(k) for k in range(13, 1, -1)),
        (6.93145751953125e-1, 1.42860682030941723212e-6),
        (-708.0, 709.0, 709.7),
    ),
}
# Abramowitz and Stegun, 7.1.26: within 1.5e-7, which is what float32 can tell apart.
ERF = (1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592)


def exp(x: Vector) -> Vector:
    """e^x within 2 ulp: 2^n · e^r with |r| ≤ ln(2)/2."""
    terms, (coarse, fine), (low, high, overflow) = EXP[x.scalar]
    y = maximum(minimum(x, x.like(high)), x.like(low))
    n = (y * (1 / math.log(2)) + 0.5).intrinsic("floor")
    r = n.fma(-fine, n.fma(-coarse, y))
    p = x.like(terms[0])
    for term in terms[1:]:
        p = p.fma(r, term)
    value = p.fma(r * r, r + 1.0) * _power_of_two(n)
    value = x.compare("<", low).choose(0.0, value)
    value = x.compare(">", overflow).choose(math.inf, value)
    return x.compare("!=", x).choose(x, value)


def _power_of_two(n: Vector) -> Vector:
    # A whole number as the exponent of a float, by its bits.
    builder, lanes = n.builder, n.value.type.count
    bits, bias, shift = (I32, 127, 23) if n.scalar == FLOAT else (I64, 1023, 52)
    whole = Vector(builder, builder.fptosi(n.value, ir.VectorType(bits, lanes)))
    shifted = builder.shl(whole._do("", "add", bias).value, whole.like(shift).value)
    return Vector(builder, builder.bitcast(shifted, n.value.type))


def sigmoid(x: Vector) -> Vector:
    """1 / (1 + e^-x)."""
    return x.like(1.0) / (exp(-x) + 1.0)


def tanh(x: Vector) -> Vector:
    """Within 1e-7, or 2e-16."""
    size = x.intrinsic("fabs")
    value = x.like(1.0) - x.like(2.0) / (exp(size * 2.0) + 1.0)
    return value.intrinsic("copysign", x)


def gelu(x: Vector) -> Vector:
    """x Φ(x), for float32."""
    z = x * math.sqrt(0.5)
    size = z.intrinsic("fabs")
    t = x.like(1.0) / (size * 0.3275911 + 1.0)
    p = x.like(ERF[0])
    for term in ERF[1:]:
        p = p.fma(t, term)
    erf = x.like(1.0) - p * t * exp(-(size * size))
    return x * 0.5 * (erf.intrinsic("copysign", x) + 1.0)


def gelu_by_tanh(x: Vector) -> Vector:
    """x/2 · (1 + tanh(√(2/π) (x + 0.044715 x³)))."""
    inner = (x * x * x * 0.044715 + x) * math.sqrt(2 / math.pi)
    return x * 0.5 * (tanh(inner) + 1.0)


def relu(x: Vector) -> Vector:
    """max(x, 0)."""
    return x.compare("<", 0.0).choose(0.0, x)


def maximum(x: Vector, y: Vector) -> Vector:
    """The larger one; NaN if either is."""
    larger = x.compare(">", y).choose(x, y)
    return x.compare("!=", x).choose(x, larger) if x.floats else larger


def minimum(x: Vector, y: Vector) -> Vector:
    """The smaller one; NaN if either is."""
    smaller = x.compare("<", y).choose(x, y)
    return x.compare("!=", x).choose(x, smaller) if x.floats else smaller


def _bits(name: str) -> Callable[[Vector, Vector], Vector]:
    return lambda x, y: Vector(x.builder, getattr(x.builder, name)(x.value, y.value))


def _sign(sign: str) -> Callable[[Vector, Vector], Vector]:
    def compare(x: Vector, y: Vector) -> Vector:
        bit = x.compare(sign, y)
        return Vector(x.builder, x.builder.zext(bit.value, ir.VectorType(I64, x.value.type.count)))

    return compare


def _rounded(function: Callable[[Vector], Vector]) -> Callable[[Vector], Vector]:
    return lambda x: function(x.to(DOUBLE)).to(x.scalar)


UNARY: dict[str, Callable[[Vector], Vector]] = {
    "exp": exp,
    "sigmoid": sigmoid,
    "tanh": tanh,
    "gelu": gelu,
    "gelu_by_tanh": gelu_by_tanh,
    "silu": lambda x: x / (exp(-x) + 1.0),
    "relu": relu,
    "neg": lambda x: -x,
    "abs": lambda x: x.intrinsic("fabs"),
    "sqrt": lambda x: x.intrinsic("sqrt"),
    "rsqrt": lambda x: x.like(1.0) / x.intrinsic("sqrt"),
    "reciprocal": lambda x: x.like(1.0) / x,
    "square": lambda x: x * x,
    "floor": lambda x: x.intrinsic("floor"),
    "round": lambda x: x.intrinsic("rint"),
    "elu": lambda x: x.compare(">", 0.0).choose(x, exp(minimum(x, x.like(0.0))) - 1.0),
}
UNARY_F64 = {name: function for name, function in UNARY.items() if name != "gelu"}
# Portable arithmetic: in float64, and rounded once; of float32 those that steps are full of, to save a copy.
PORTABLE_F64: dict[str, Callable[[Vector], Vector]] = {
    name: FUNCTIONS[name]
    for name in (
        "exp", "sigmoid", "tanh", "silu", "gelu", "gelu_by_tanh", "log", "log1p", "expm1", "softplus",
        "log_sigmoid_forward", "elu", "asinh", "sqrt", "rsqrt", "reciprocal", "sin", "cos",
    )
}  # fmt: skip
PORTABLE: dict[str, Callable[[Vector], Vector]] = {
    name: _rounded(PORTABLE_F64[name]) for name in ("exp", "sigmoid", "tanh", "silu", "gelu")
}
BINARY: dict[str, Callable[[Vector, Vector], Vector]] = {
    "add": lambda x, y: x + y,
    "sub": lambda x, y: x - y,
    "mul": lambda x, y: x * y,
    "div": lambda x, y: x / y,
    "maximum": maximum,
    "minimum": minimum,
    "leaky_relu": lambda x, y: x.compare(">", 0.0).choose(x, x * y),
}
BINARY_INT: dict[str, Callable[[Vector, Vector], Vector]] = {
    "add": lambda x, y: x + y,
    "sub": lambda x, y: x - y,
    "mul": lambda x, y: x * y,
    "maximum": maximum,
    "minimum": minimum,
    "bitwise_and": _bits("and_"),
    "bitwise_or": _bits("or_"),
}
COMPARE: dict[str, Callable[[Vector, Vector], Vector]] = {
    name: _sign(sign)
    for name, sign in {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}.items()
}
