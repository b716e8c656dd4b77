"""The fully visible sigmoid belief net: each variable is a logistic regression on those before it."""

from __future__ import annotations

from types import MappingProxyType

from chainrule.domain import Domain
from chainrule.domain.ordering import Ordering
from chainrule.heads import vector_head
from chainrule.layers import Condition
from chainrule.models.base.autoregressive import AutoregressiveModel
from chainrule.models.base.model import VECTOR_TRAINING
from chainrule.models.parts.encoders import EncodingName, vector_encoder
from chainrule.networks.logistic_regressions import LogisticRegressions


class FVSBN(AutoregressiveModel):
    """x̂_d = σ(α_d0 + Σ_{j<d} α_dj x_j); with more than two levels, softmax over codes of the values before.

    Args:
        classes, embedding: of the condition; see `layers.Condition`.
        encoding: see `models.encoding`.
        components, kernel: of the mixtures, for reals; see `heads.Mixture`.
        ordering: of the variables.

    References:
        Frey (1998), "Graphical models for machine learning and digital communication"; Neal (1992).
    """

    training_defaults = MappingProxyType(
        {**VECTOR_TRAINING, "lr": 1e-2, "weight_decay": 0.05, "decay_biases": False}
    )

    def __init__(
        self,
        domain: Domain,
        *,
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
        condition = Condition(domain.size * head.size, classes=classes, embedding=embedding)
        network = LogisticRegressions(code, channels, domain.size, head.size, condition)
        super().__init__(network, domain, head, ordering=order)
