"""Elementary functions from + - × ÷ √ and powers of two alone, in float64: the same bits on every processor.

Each is written once, for anything that has the operators of `Numbers`: arrays of NumPy for eager steps, vectors of LLVM
for native ones. IEEE 754 says what every one of these operations gives, as long as none is joined to another (a fused
multiply-add rounds once where two operations round twice). docs/reference/format.md
gives the formulas as the format's own.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Protocol, Self


class Numbers(Protocol):
    """float64 numbers with the operations that formulas are made of."""

    def __add__(self, other: Any) -> Self: ...
    def __sub__(self, other: Any) -> Self: ...
    def __mul__(self, other: Any) -> Self: ...
    def __truediv__(self, other: Any) -> Self: ...
    def __neg__(self) -> Self: ...

    def like(self, number: float) -> Self:
        """The same number everywhere."""

    def compare(self, sign: str, other: Any) -> Any:
        """Where it holds; with a NaN only != does. The result has `choose(a, b)`: a where it holds, else b."""

    def floor(self) -> Self:
        """The greatest whole number that is not above."""

    def sqrt(self) -> Self:
        """The root, rounded correctly."""

    def size(self) -> Self:
        """Without the sign."""

    def power_of_two(self) -> Self:
        """2^n of whole numbers n in -1022 … 1023."""

    def exponent(self) -> Self:
        """⌊log₂ x⌋ of x ≥ 2^-1022."""

    def fraction(self) -> Self:
        """x / 2^exponent, in [1, 2)."""


Function = Callable[[Any], Any]

LOG2_E, LN_2 = 1.4426950408889634, 0.6931471805599453
FAR = 1e8  # for asinh
# ln 2 and π/2 in parts, of which the first ones times a whole number below 2^20 are exact.
LN2 = 6.93145751953125e-1, 1.42860682030941723212e-6
HALF_PI = 1.57079632673412561417e00, 6.07710050630396597660e-11, 2.02226624879595063154e-21
EXP_TERMS = tuple(1 / math.factorial(k) for k in range(13, 1, -1))
SIN_TERMS = tuple((-1) ** k / math.factorial(2 * k + 1) for k in range(8, 0, -1))
COS_TERMS = tuple((-1) ** k / math.factorial(2 * k) for k in range(8, 0, -1))
# fdlibm's e_log.c: the coefficients of log((1 + s) / (1 - s)) - 2s in s², times s.
LOG_TERMS = (
    1.479819860511658591e-01,
    1.531383769920937332e-01,
    1.818357216161805012e-01,
    2.222219843214978396e-01,
    2.857142874366239149e-01,
    3.999999999940941908e-01,
    6.666666666666735130e-01,
)
LOG_LN2 = 6.93147180369123816490e-01, 1.90821492927058770002e-10
# Abramowitz and Stegun, 7.1.26: within 1.5e-7, which is what float32 can tell apart.
ERF_TERMS, ERF_SLOPE = (1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592), 0.3275911

# Cody (1969), "Rational Chebyshev approximations for the error function": of erf, of erfc up to 4 and beyond it.
ERF_LOW = (
    (1.85777706184603153e-1, 3.16112374387056560e0, 1.13864154151050156e2, 3.77485237685302021e2,
     3.20937758913846947e3),
    (1.0, 2.36012909523441209e1, 2.44024637934444173e2, 1.28261652607737228e3, 2.84423683343917062e3),
)  # fmt: skip
ERFC_MIDDLE = (
    (2.15311535474403846e-8, 5.64188496988670089e-1, 8.88314979438837594e0, 6.61191906371416295e1,
     2.98635138197400131e2, 8.81952221241769090e2, 1.71204761263407058e3, 2.05107837782607147e3,
     1.23033935479799725e3),
    (1.0, 1.57449261107098347e1, 1.17693950891312499e2, 5.37181101862009858e2, 1.62138957456669019e3,
     3.29079923573345963e3, 4.36261909014324716e3, 3.43936767414372164e3, 1.23033935480374942e3),
)  # fmt: skip
ERFC_HIGH = (
    (1.63153871373020978e-2, 3.05326634961232344e-1, 3.60344899949804439e-1, 1.25781726111229246e-1,
     1.60837851487422766e-2, 6.58749161529837803e-4),
    (1.0, 2.56852019228982242e0, 1.87295284992346725e0, 5.27905102951428412e-1, 6.05183413124413191e-2,
     2.33520497626869185e-3),
)  # fmt: skip


def polynomial(x: Any, terms: tuple[float, ...]) -> Any:
    """Horner's rule, the highest power first."""
    p = x.like(terms[0])
    for term in terms[1:]:
        p = p * x + term
    return p


def exp(x: Any) -> Any:
    """2^n e^r, |r| ≤ ln(2)/2."""
    y = _between(x, -746.0, 710.0)
    n = (y * LOG2_E + 0.5).floor()
    r = (y - n * LN2[0]) - n * LN2[1]
    value = polynomial(r, EXP_TERMS) * (r * r) + r + 1.0
    half = (n * 0.5).floor()  # in two factors: results below 2^-1022 are rounded once
    return value * half.power_of_two() * (n - half).power_of_two()


def log(x: Any) -> Any:
    """k ln 2 + log(1 + f), √½ ≤ 1 + f < √2."""
    small = x.compare("<", 2.0**-1022)
    y = small.choose(x * 2.0**54, x)
    k, m = y.exponent() - small.choose(x.like(54.0), x.like(0.0)), y.fraction()
    high = m.compare(">", math.sqrt(2))
    k, f = high.choose(k + 1.0, k), high.choose(m * 0.5, m) - 1.0
    s = f / (f + 2.0)
    z = s * s
    half = f * f * 0.5
    rest = polynomial(z, LOG_TERMS) * z
    value = k * LOG_LN2[0] - ((half - (s * (half + rest) + k * LOG_LN2[1])) - f)
    value = x.compare(">", 0.0).choose(value, x.like(math.nan))
    value = x.compare("==", 0.0).choose(x.like(-math.inf), value)
    return x.compare("==", math.inf).choose(x, value)


def log1p(x: Any) -> Any:
    """log(u) x / (u - 1) of u = 1 + x rounded."""
    u = x + 1.0
    same = u.compare("==", 1.0)
    value = log(u) * (x / same.choose(x.like(1.0), u - 1.0))
    value = same.choose(x, value)
    return x.compare("==", math.inf).choose(x, value)


def expm1(x: Any) -> Any:
    """(u - 1) x / log(u) of u = e^x rounded."""
    u = exp(x)
    same = u.compare("==", 1.0)
    value = (u - 1.0) * (x / same.choose(x.like(1.0), log(u)))
    value = same.choose(x, value)
    value = x.compare("<", -40.0).choose(x.like(-1.0), value)
    return x.compare(">", 709.0).choose(u, value)


def sigmoid(x: Any) -> Any:
    """1 / (1 + e^-x)."""
    return x.like(1.0) / (exp(-x) + 1.0)


def tanh(x: Any) -> Any:
    """1 - 2 / (e^2|x| + 1), with the sign of x."""
    value = x.like(1.0) - x.like(2.0) / (exp(x.size() * 2.0) + 1.0)
    return x.compare("<", 0.0).choose(-value, value)


def softplus(x: Any) -> Any:
    """max(x, 0) + log(1 + e^-|x|)."""
    return x.compare(">", 0.0).choose(x, x.like(0.0)) + log1p(exp(-x.size()))


def asinh(x: Any) -> Any:
    """log(1 + |x| + x² / (1 + √(x² + 1))), of large ones log |x| + ln 2, with the sign of x."""
    size = x.size()
    y = size.compare(">", FAR).choose(size.like(FAR), size)
    square = y * y
    near = log1p(y + square / ((square + 1.0).sqrt() + 1.0))
    value = size.compare(">", FAR).choose(log(size) + LN_2, near)
    return x.compare("<", 0.0).choose(-value, value)


def erf(x: Any) -> Any:
    """By a polynomial in 1 / (1 + p|x|)."""
    size = x.size()
    t = x.like(1.0) / (size * ERF_SLOPE + 1.0)
    value = x.like(1.0) - polynomial(t, ERF_TERMS) * t * exp(-(size * size))
    return x.compare("<", 0.0).choose(-value, value)


def erfcx(y: Any) -> Any:
    """e^(y²) erfc(y) of y ≥ 0."""
    square = y * y
    low = exp(square) * (y.like(1.0) - y * _ratio(_between(square, 0.0, 1.0), ERF_LOW))
    bounded = y.compare("<", 1.0).choose(y.like(1.0), y)
    inverse = y.like(1.0) / (bounded * bounded)
    high = (y.like(1 / math.sqrt(math.pi)) - inverse * _ratio(inverse, ERFC_HIGH)) / bounded
    middle = _ratio(_between(y, 0.0, 8.0), ERFC_MIDDLE)
    value = y.compare("<", 0.46875).choose(low, middle)
    return y.compare(">", 4.0).choose(high, value)


def log_ndtr(x: Any) -> Any:
    """log Φ(x): log(erfcx(y) / 2) - y² below 0, log(1 - erfcx(y) e^(-y²) / 2) above; y = |x| / √2."""
    y = x.size() * math.sqrt(0.5)
    scaled = erfcx(y) * 0.5
    below = log(scaled) - y * y
    above = log1p(-(scaled * exp(-(y * y))))
    return x.compare("<", 0.0).choose(below, above)


def gelu(x: Any) -> Any:
    """x/2 (1 + erf(x / √2))."""
    return x * 0.5 * (erf(x * math.sqrt(0.5)) + 1.0)


def gelu_by_tanh(x: Any) -> Any:
    """x/2 (1 + tanh(√(2/π) (x + 0.044715 x³)))."""
    inner = (x * x * x * 0.044715 + x) * math.sqrt(2 / math.pi)
    return x * 0.5 * (tanh(inner) + 1.0)


def sin(x: Any) -> Any:
    """By quadrants, |x| < 10^6."""
    return _by_quadrant(x, 0.0)


def cos(x: Any) -> Any:
    """As `sin`, a quadrant on."""
    return _by_quadrant(x, 1.0)


def _by_quadrant(x: Any, ahead: float) -> Any:
    n = (x * (2 / math.pi) + 0.5).floor()
    r = ((x - n * HALF_PI[0]) - n * HALF_PI[1]) - n * HALF_PI[2]
    z = r * r
    sine, cosine = polynomial(z, SIN_TERMS) * z * r + r, polynomial(z, COS_TERMS) * z + 1.0
    n = n + ahead
    quadrant = n - (n * 0.25).floor() * 4.0
    odd = (quadrant - (quadrant * 0.5).floor() * 2.0).compare("==", 1.0)
    value = odd.choose(cosine, sine)
    return quadrant.compare(">", 1.5).choose(-value, value)


def _ratio(x: Any, terms: tuple[tuple[float, ...], tuple[float, ...]]) -> Any:
    return polynomial(x, terms[0]) / polynomial(x, terms[1])


def _between(x: Any, low: float, high: float) -> Any:
    y = x.compare("<", low).choose(x.like(low), x)
    return y.compare(">", high).choose(y.like(high), y)


FUNCTIONS: dict[str, Function] = {
    "exp": exp,
    "log": log,
    "log1p": log1p,
    "expm1": expm1,
    "sigmoid": sigmoid,
    "tanh": tanh,
    "softplus": softplus,
    "log_sigmoid_forward": lambda x: -softplus(-x),
    "asinh": asinh,
    "erf": erf,
    "special_log_ndtr": log_ndtr,
    "gelu": gelu,
    "gelu_by_tanh": gelu_by_tanh,
    "silu": lambda x: x / (exp(-x) + 1.0),
    "elu": lambda x: x.compare(">", 0.0).choose(x, expm1(x)),
    "sqrt": lambda x: x.sqrt(),
    "rsqrt": lambda x: x.like(1.0) / x.sqrt(),
    "reciprocal": lambda x: x.like(1.0) / x,
    "sin": sin,
    "cos": cos,
}
