"""An LSTM around recursive least squares: sounds, sample by sample."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import Literal

import numpy as np

from chainrule.domain import Domain, mu_law
from chainrule.errors import ChainruleError, DomainError, nearest
from chainrule.heads import Head, LocatedCategorical, LocatedLogistic
from chainrule.layers import Amplitudes, Condition, LeastSquares, LowBits, Recurrent, Serial, StrictInput
from chainrule.models.base.autoregressive import AutoregressiveModel
from chainrule.networks import PredictiveStack

SCALES = ("linear", "mu-law")
OUTPUTS = ("softmax", "logistic")
SOFTMAX = 256  # the most levels that get a softmax


class RLSLSTM(AutoregressiveModel):
    """Linear predictors, refitted after every sample → errors, in units of usual ones → LSTM → logistics around them.

    What changes from voice to voice and from vowel to vowel, the spectrum and the loudness, is followed by recursive
    least squares, as in lossless coders of sound. A net learns the rest, which is the same at any loudness: how the
    next error is distributed, in units of the usual error, and how much each predictor is worth.

    Args:
        orders, memories: of each linear predictor, in samples; the first is the one the head measures from. See
            `layers.LeastSquares`.
        width: of the LSTM.
        depth: LSTM layers.
        components: logistics of the mixture.
        scale: "linear", where level l is the amplitude l - ⌊L/2⌋, or "mu-law", 256 levels; None takes 256 levels for
            the latter.
        output: "logistic", a mixture of logistics rounded to levels, or to multiples of a power of 2 that all samples
            so far were, as of a recording of 8 bits stored with 16; or "softmax", such a mixture with a number added
            to each level's logit. None takes the former for more than 256 levels.
        classes, embedding: of the condition; see `layers.Condition`.

    References:
        MPEG-4 ALS: Huang, Franti, Huang, Rahardja (2013), "Cascaded RLS-LMS prediction in MPEG-4 lossless audio
        coding". That coder adds up predictors in stages and codes an integer by a fixed family of distributions; here
        a net reads them side by side.
    """

    smallest = MappingProxyType({"orders": [2, 1], "memories": [20.0, 10.0], "width": 16})

    def __init__(
        self,
        domain: Domain,
        *,
        orders: list[int] | None = None,
        memories: list[float] | None = None,
        width: int = 64,
        depth: int = 1,
        components: int = 4,
        scale: Literal["linear", "mu-law"] | None = None,
        output: Literal["softmax", "logistic"] | None = None,
        classes: int | list[int] | None = None,
        embedding: int | None = None,
    ) -> None:
        if domain.layout != "sequence" or not isinstance(domain.levels, int) or domain.width != 1:
            raise DomainError(
                f"expected a sequence of levels such as sequence:4096:65536:given, got {domain}"
            )
        levels = domain.levels
        law = _choice("scale", scale, SCALES, "mu-law" if levels == mu_law.LEVELS else "linear")
        kind = _choice("output", output, OUTPUTS, "softmax" if levels <= SOFTMAX else "logistic")
        amplitudes = _amplitudes(levels, law)
        bits, head = _head(levels, law, kind, components, amplitudes)
        predictors = LeastSquares(
            [32, 32, 16, 2] if orders is None else orders,
            [100.0, 500.0, 50.0, 20.0] if memories is None else memories,
            limit=max(1.0, float(np.abs(amplitudes(np.arange(levels))).max())),
        )
        network = PredictiveStack(
            StrictInput(Amplitudes(amplitudes(np.arange(levels)))),
            predictors,
            bits,
            Serial(*(Recurrent(width, width, cell="lstm") for _ in range(depth))),
            width=width,
            size=head.size,
            condition=Condition(width, classes=classes, embedding=embedding),
        )
        super().__init__(network, domain, head)
        if levels > SOFTMAX:
            # In bf16 neighbouring levels would be the same number, read or predicted.
            self.training_defaults = {"precision": "float32"}


def _choice(what: str, given: str | None, known: tuple[str, ...], usual: str) -> str:
    if given is not None and given not in known:
        raise ChainruleError(f"{what}: unknown {given!r}; {nearest(given, known)}")
    return usual if given is None else given


def _amplitudes(levels: int, scale: str) -> Callable[[np.ndarray], np.ndarray]:
    """The amplitudes of levels, and of numbers between them."""
    if scale == "linear":
        return lambda level: level - float(levels // 2)
    if levels != mu_law.LEVELS:
        raise DomainError(f"scale: expected {mu_law.LEVELS} levels for mu-law, got {levels}")
    return lambda level: mu_law.expand(level) * mu_law.FULL


def _head(
    levels: int, scale: str, output: str, components: int, amplitudes: Callable[[np.ndarray], np.ndarray]
) -> tuple[LowBits | None, Head]:
    """The head, and what counts low bits for it."""
    if output == "softmax":
        edges = amplitudes(np.arange(levels + 1) - 0.5)
        return None, LocatedCategorical(edges.tolist(), components=components)
    if scale != "linear":
        raise DomainError("output: expected softmax for the levels of mu-law, got logistic")
    bits = levels.bit_length() // 2
    while levels // 2 % 2**bits or levels % 2**bits:
        bits -= 1
    return LowBits(bits), LocatedLogistic(levels, components=components, bits=bits)
