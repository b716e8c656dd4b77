"""Neural spline flows: monotone rational-quadratic splines in couplings, or one after the other."""

from __future__ import annotations

from types import MappingProxyType

from chainrule.domain import Domain
from chainrule.errors import ChainruleError
from chainrule.flows import (
    ActNorm,
    Autoregressive,
    Bijection,
    Chain,
    Coupling,
    Flatten,
    Normal,
    Reverse,
    Spline,
    alternate,
    perceptron,
)
from chainrule.layers import Condition, Real
from chainrule.models.base.flow import Dequantisation, Flow
from chainrule.models.base.model import VECTOR_TRAINING
from chainrule.models.nice import check_widths
from chainrule.networks.masked_perceptron import MaskedPerceptron

TRANSFORMS = ("coupling", "autoregressive")


class NSF(Flow):
    """z_d = RQS(y_d; θ_d): a spline of K bins on [-B, B], the identity outside, `transforms` times.

    By couplings (RQ-NSF (C)), θ comes from every second variable, which stays: both ways are one pass. Autoregressive
    (RQ-NSF (AR)), θ_d comes from y_<d by a MADE, the order reversed in between: a sample is a rollout of each.

    Deviations: activation normalisation and fixed orders, in place of linear layers learnt in LU form; plain
    perceptrons, in place of residual ones.

    Args:
        transform: "coupling" or "autoregressive".
        bins, bound: K and B, after standardisation.
        hidden: widths of each net.
        transforms: how many.
        dequantisation: of levels; see `Flow`.

    References:
        Durkan, Bekasov, Murray, Papamakarios (2019), "Neural spline flows", https://arxiv.org/abs/1906.04032
    """

    training_defaults = MappingProxyType({**VECTOR_TRAINING, "lr": 1e-3})
    smallest = MappingProxyType({"hidden": [16, 16], "transforms": 2, "bins": 4})

    def __init__(
        self,
        domain: Domain,
        *,
        transform: str = "coupling",
        bins: int = 8,
        bound: float = 3.0,
        hidden: list[int] | tuple[int, ...] = (128, 128),
        transforms: int = 6,
        dequantisation: Dequantisation = "uniform",
    ) -> None:
        check_widths(hidden)
        if transform not in TRANSFORMS:
            raise ChainruleError(f"transform: expected one of {', '.join(TRANSFORMS)}, got {transform!r}")
        size, spline = domain.size, Spline(bins, bound)

        def layers(i: int) -> list[Bijection]:
            if transform == "coupling":
                net = perceptron(size, hidden, spline.size * size)
                return [ActNorm((size,)), Coupling(alternate(size, bool(i % 2)), net, spline)]
            outputs, residual = [spline.size] * size, len(set(hidden)) == 1
            made = MaskedPerceptron(Real(), 1, size, hidden, outputs, residual, 0.0, 0.0, Condition(0))
            return [*([Reverse()] if i else []), ActNorm((size,)), Autoregressive(made, size, spline)]

        parts = [part for i in range(transforms) for part in layers(i)]
        bijection = Chain(Flatten(domain.event_shape), *parts)
        super().__init__(domain, bijection, Normal(), dequantisation=dequantisation, hidden=hidden[0])
