"""NADE: one hidden layer shared by all conditionals."""

from __future__ import annotations

from types import MappingProxyType

from chainrule.domain import Domain
from chainrule.domain.ordering import Ordering
from chainrule.heads import vector_head
from chainrule.layers import Condition
from chainrule.models.base.autoregressive import AutoregressiveModel
from chainrule.models.base.model import VECTOR_TRAINING
from chainrule.models.parts.encoders import EncodingName, vector_encoder
from chainrule.networks import RunningHidden


class NADE(AutoregressiveModel):
    """p(x_d | x_<d) = σ(V_d h_d + b_d), h_d = σ(c + W_{<d} x_{<d}); with more levels, softmax over one-hot inputs.

    Args:
        hidden: H.
        classes, embedding: of the condition; see `layers.Condition`.
        encoding: see `models.encoding`.
        components, kernel: of the mixtures, for reals; see `heads.Mixture`.
        ordering: of the variables.

    References:
        Larochelle, Murray (2011), "The neural autoregressive distribution estimator"; Uria et al. (2016),
        "Neural autoregressive distribution estimation", https://arxiv.org/abs/1605.02226
    """

    training_defaults = MappingProxyType(VECTOR_TRAINING)
    smallest = MappingProxyType({"hidden": 64})

    def __init__(
        self,
        domain: Domain,
        *,
        hidden: int = 500,
        classes: int | list[int] | None = None,
        embedding: int | None = None,
        encoding: EncodingName | None = None,
        components: int = 10,
        kernel: str = "logistic",
        ordering: str | list[int] = "natural",
    ) -> None:
        order = Ordering(domain, ordering)
        code, channels = vector_encoder(domain, order.variables.tolist(), encoding)
        head = vector_head(domain, order.variables.tolist(), components=components, kernel=kernel)
        condition = Condition(hidden, classes=classes, embedding=embedding)
        network = RunningHidden(code, channels, domain.size, hidden, head.size, condition)
        super().__init__(network, domain, head, ordering=order)
