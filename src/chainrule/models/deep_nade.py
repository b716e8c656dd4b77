"""DeepNADE: one deep net for all orderings; EoNADE: several of its orderings, mixed."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

from torch import Tensor

from chainrule.domain import Domain
from chainrule.domain.ordering import Ordering
from chainrule.errors import ChainruleError
from chainrule.heads import vector_head
from chainrule.layers import Condition
from chainrule.models.base.capabilities import Marginalises
from chainrule.models.base.ensemble import SharedEnsemble
from chainrule.models.base.model import VECTOR_TRAINING
from chainrule.models.base.orderless import OrderlessModel
from chainrule.models.parts.encoders import EncodingName, vector_encoder
from chainrule.models.parts.standardise import Units
from chainrule.networks.orderless import OrderlessHidden, Seen, linear_residual_layers, residual_layers


class DeepNADE(OrderlessModel):
    """p(x_i | any subset) from one deep net on (x ⊙ m, m); exact along any ordering, at D evaluations of its top.

    Deviations: hidden layers after the first are residual, or all are.

    Args:
        hidden: widths of the hidden layers, equal ones.
        dropout: after each hidden layer.
        linear: whether each layer is a ← a + W · ReLU(a) + b, so that there are logistic regressions as well.
        classes, embedding: of the condition; see `layers.Condition`.
        encoding: see `models.encoding`.
        components, kernel: of the mixtures, for reals; see `heads.Mixture`.
        ordering: the one that `log_prob` and `sample` follow; training is for all.

    References:
        Uria, Murray, Larochelle (2014), "A deep and tractable density estimator", https://arxiv.org/abs/1310.1757
    """

    training_defaults = MappingProxyType(VECTOR_TRAINING)
    smallest = MappingProxyType({"hidden": [64, 64]})

    def __init__(
        self,
        domain: Domain,
        *,
        hidden: list[int] | tuple[int, ...] = (512, 512),
        dropout: float = 0.1,
        linear: bool = False,
        classes: int | list[int] | None = None,
        embedding: int | None = None,
        encoding: EncodingName | None = None,
        components: int = 10,
        kernel: str = "logistic",
        ordering: str | list[int] = "natural",
    ) -> None:
        if not hidden or any(type(width) is not int or width < 1 for width in hidden) or len(set(hidden)) > 1:
            raise ChainruleError(
                f"hidden: expected equal widths of layers such as [512, 512], got {list(hidden)}"
            )
        order = Ordering(domain, ordering)
        full = domain.without_gaps()
        code, channels = vector_encoder(full, order.variables.tolist(), encoding)
        head = vector_head(full, order.variables.tolist(), components=components, kernel=kernel)
        network = OrderlessHidden(
            Seen(code),
            channels + 1,
            domain.size,
            hidden[0],
            head.size,
            Condition(hidden[0], classes=classes, embedding=embedding),
            activation=(linear_residual_layers if linear else residual_layers)(hidden, dropout),
        )
        super().__init__(network, domain, head, ordering=order)
        self.units = None if domain.discrete else Units(full)


class EoNADE(Marginalises, SharedEnsemble):
    """A mixture of one DeepNADE along several orderings: p(x) = 1/K Σ_k p_k(x).

    Args:
        orderings: K; the first is natural, the others random.
        **net: hyperparameters of the `DeepNADE`.

    References:
        Uria, Murray, Larochelle (2014), "A deep and tractable density estimator", https://arxiv.org/abs/1310.1757, §4
    """

    training_defaults = DeepNADE.training_defaults
    smallest = MappingProxyType({"hidden": [32, 32], "orderings": 3})
    of = DeepNADE

    def __init__(self, domain: Domain, *, orderings: int = 8, **net: Any) -> None:
        super().__init__(DeepNADE(domain, **net), members=orderings, orderings=orderings)

    def loss(self, x: Tensor, cond: Tensor | None = None) -> Tensor:
        """The loss of the net, which is trained for all orderings: (B,) nats."""
        return self.template.loss(x, cond)

    def valid_loss(self, x: Tensor, cond: Tensor | None = None) -> Tensor:
        """The validation loss of the net: (B,) nats."""
        return self.template.valid_loss(x, cond)

    def followed(self, first: Tensor) -> list[Any]:
        """The net, under one ordering."""
        return self.template.followed(first)

    def _complete(self, x: Tensor, known: Tensor, n: int, **options: Any) -> Tensor:
        """Complete with the net, under the ordering that puts the known variables first."""
        return self.template._complete(x, known, n, **options)
