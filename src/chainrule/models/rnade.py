"""RNADE: NADE for reals, each conditional a mixture of densities."""

from __future__ import annotations

from types import MappingProxyType

from torch import nn

from chainrule.domain import Domain
from chainrule.domain.ordering import Ordering
from chainrule.errors import DomainError
from chainrule.heads import Mixture
from chainrule.layers import Condition
from chainrule.layers.dropout import Dropout
from chainrule.models.base.autoregressive import AutoregressiveModel
from chainrule.models.base.model import VECTOR_TRAINING
from chainrule.models.parts.encoders import vector_encoder
from chainrule.networks import RunningHidden


class RNADE(AutoregressiveModel):
    """p(x_d | x_<d) = Σ_k π_dk N(x_d; μ_dk, σ_dk²), all from h_d = relu(ρ_d a_d), a_{d+1} = a_d + W_d x_d.

    Deviation: x enters as asinh x, so that a value a million scales out does no harm.

    Args:
        hidden: H.
        components: K.
        kernel: "gaussian" or "laplace" (or "logistic") components.
        uniform: whether all weights are 1/K instead of learned.
        dropout: of the hidden units.
        classes, embedding: of the condition; see `layers.Condition`.
        ordering: of the variables.

    References:
        Uria, Murray, Larochelle (2013), "RNADE: the real-valued neural autoregressive density-estimator",
        https://arxiv.org/abs/1306.0186
    """

    training_defaults = MappingProxyType(VECTOR_TRAINING)

    def __init__(
        self,
        domain: Domain,
        *,
        hidden: int = 50,
        components: int = 10,
        kernel: str = "gaussian",
        uniform: bool = False,
        dropout: float = 0.0,
        classes: int | list[int] | None = None,
        embedding: int | None = None,
        ordering: str | list[int] = "natural",
    ) -> None:
        if domain.levels is not None:
            raise DomainError(f"rnade: expected reals, got {domain}; nade serves levels and tables")
        order = Ordering(domain, ordering)
        code, channels = vector_encoder(domain, order.variables.tolist())
        head = Mixture(components, kernel=kernel, uniform=uniform)
        condition = Condition(hidden, classes=classes, embedding=embedding)
        network = RunningHidden(
            code,
            channels,
            domain.size,
            hidden,
            head.size,
            condition,
            activation=nn.Sequential(nn.ReLU(), Dropout(dropout)),
            rescale=True,
        )
        super().__init__(network, domain, head, ordering=order)
