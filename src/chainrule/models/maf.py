"""MAF and IAF: MADEs with a normal for each variable, one on top of the other, read either way."""

from __future__ import annotations

from types import MappingProxyType

from chainrule.domain import Domain
from chainrule.flows import ActNorm, Autoregressive, Bijection, Chain, Flatten, Inverse, Normal, Reverse
from chainrule.layers import Condition, Real
from chainrule.models.base.flow import Dequantisation, Flow
from chainrule.models.base.model import VECTOR_TRAINING
from chainrule.models.nice import check_widths
from chainrule.networks.masked_perceptron import MaskedPerceptron


class MAF(Flow):
    """z_d = (y_d - μ(y_<d)) / σ(y_<d) from a MADE, `transforms` times, the order reversed in between.

    A density is one pass of each MADE; a sample is one rollout of each, which takes the arithmetic of a pass.
    Deviation: activation normalisation, in place of batch normalisation.

    Args:
        hidden: widths of each MADE.
        transforms: how many.
        dequantisation: of levels; see `Flow`.

    References:
        Papamakarios, Pavlakou, Murray (2017), "Masked autoregressive flow for density estimation",
        https://arxiv.org/abs/1705.07057
    """

    training_defaults = MappingProxyType({**VECTOR_TRAINING, "lr": 1e-3})
    smallest = MappingProxyType({"hidden": [16, 16], "transforms": 3})

    def __init__(
        self,
        domain: Domain,
        *,
        hidden: list[int] | tuple[int, ...] = (128, 128),
        transforms: int = 5,
        dequantisation: Dequantisation = "uniform",
    ) -> None:
        check_widths(hidden)
        parts: list[Bijection] = [Flatten(domain.event_shape)]
        for i in range(transforms):
            parts += [
                *([Reverse()] if i else []),
                ActNorm((domain.size,)),
                self.transform(domain.size, hidden),
            ]
        super().__init__(domain, Chain(*parts), Normal(), dequantisation=dequantisation, hidden=hidden[0])

    @staticmethod
    def transform(size: int, hidden: list[int] | tuple[int, ...]) -> Bijection:
        """One MADE: y to z in a pass."""
        network = MaskedPerceptron(
            Real(), 1, size, hidden, [2] * size, len(set(hidden)) == 1, 0.0, 0.0, Condition(0)
        )
        return Autoregressive(network, size)


class IAF(MAF):
    """y_d = μ(z_<d) + σ(z_<d) z_d: MAF the other way round. A sample is one pass of each MADE, a density a rollout.

    Training follows the gradient of the rollout, which costs a pass for each variable at worst; see
    `flows.Autoregressive.inverse`.

    References:
        Kingma et al. (2016), "Improved variational inference with inverse autoregressive flow",
        https://arxiv.org/abs/1606.04934
    """

    smallest = MappingProxyType({"hidden": [16, 16], "transforms": 2})

    @staticmethod
    def transform(size: int, hidden: list[int] | tuple[int, ...]) -> Bijection:
        """One MADE: z to y in a pass."""
        return Inverse(MAF.transform(size, hidden))
