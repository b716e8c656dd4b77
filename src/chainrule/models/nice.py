"""NICE: additive couplings, which preserve volume."""

from __future__ import annotations

from types import MappingProxyType

from chainrule.domain import Domain
from chainrule.errors import ChainruleError
from chainrule.flows import Chain, Flatten, Logistic, Scaling, additive, alternate, perceptron
from chainrule.models.base.flow import Dequantisation, Flow
from chainrule.models.base.model import VECTOR_TRAINING


class NICE(Flow):
    """y1, y2 + F(y1); every second variable moves at each coupling; one diagonal scaling at the end; logistic prior.

    Deviation: F sees all variables, those that move as zeros.

    Args:
        hidden: widths of the perceptron F.
        transforms: couplings.
        dequantisation: of levels; see `Flow`.

    References:
        Dinh, Krueger, Bengio (2015), "NICE: non-linear independent components estimation",
        https://arxiv.org/abs/1410.8516
    """

    training_defaults = MappingProxyType({**VECTOR_TRAINING, "lr": 1e-3})
    smallest = MappingProxyType({"hidden": [32, 32]})

    def __init__(
        self,
        domain: Domain,
        *,
        hidden: list[int] | tuple[int, ...] = (256, 256, 256),
        transforms: int = 4,
        dequantisation: Dequantisation = "uniform",
    ) -> None:
        check_widths(hidden)
        couplings = [
            additive(alternate(domain.size, bool(i % 2)), perceptron(domain.size, hidden, domain.size))
            for i in range(transforms)
        ]
        bijection = Chain(Flatten(domain.event_shape), *couplings, Scaling(domain.size))
        super().__init__(
            domain, bijection, Logistic(), logit=False, dequantisation=dequantisation, hidden=hidden[0]
        )


def check_widths(hidden: list[int] | tuple[int, ...]) -> None:
    """Refuse anything but a list of layer widths.

    Raises:
        ChainruleError: which says what was expected.
    """
    if not hidden or any(type(width) is not int or width < 1 for width in hidden):
        raise ChainruleError(f"hidden: expected widths of layers such as [256, 256], got {list(hidden)}")
