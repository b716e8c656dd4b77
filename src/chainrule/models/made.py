"""MADE: a masked perceptron that gives all conditionals in one pass."""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType

from chainrule.domain import Domain
from chainrule.domain.ordering import Ordering
from chainrule.errors import ChainruleError
from chainrule.heads import vector_head
from chainrule.layers import Condition
from chainrule.models.base.autoregressive import AutoregressiveModel
from chainrule.models.base.model import VECTOR_TRAINING
from chainrule.models.parts.encoders import EncodingName, vector_encoder
from chainrule.networks.masked_perceptron import MaskedPerceptron

# Of a hidden layer; wide enough for every variable to have a unit that reads just up to it.
LEAST_WIDTH = 512
DROPOUT = 0.2
# These are tried on at most this number of training items: which is best differs from table to table.
FEW = 12_000
TRIALS = (
    {"dropout": 0.2, "input_dropout": 0.0},
    {"dropout": 0.5, "input_dropout": 0.0},
    {"dropout": 0.5, "input_dropout": 0.2},
)


class MADE(AutoregressiveModel):
    """p(x_d | x_<d) from a masked perceptron, with direct connections from input to output.

    Deviations: degrees are spread evenly instead of drawn at random, ReLU, and an option of residual layers.

    Args:
        hidden: widths of the hidden layers; two of 512 by default, or of D where that is more.
        residual: whether layers after the first add their input; their widths must then be equal.
        dropout: after each hidden layer; None lets `fit` try several on small data, 0.2 on large.
        input_dropout: of whole variables, where `dropout` is given.
        classes, embedding: of the condition; see `layers.Condition`.
        encoding: see `models.encoding`.
        components, kernel: of the mixtures, for reals; see `heads.Mixture`.
        ordering: of the variables.

    References:
        Germain, Gregor, Murray, Larochelle (2015), "MADE: masked autoencoder for distribution estimation",
        https://arxiv.org/abs/1502.03509
    """

    training_defaults = MappingProxyType({**VECTOR_TRAINING, "lr": 5e-3})
    smallest = MappingProxyType({"hidden": [64, 64]})

    def __init__(
        self,
        domain: Domain,
        *,
        hidden: list[int] | tuple[int, ...] | None = None,
        residual: bool = True,
        dropout: float | None = None,
        input_dropout: float = 0.0,
        classes: int | list[int] | None = None,
        embedding: int | None = None,
        encoding: EncodingName | None = None,
        components: int = 10,
        kernel: str = "logistic",
        ordering: str | list[int] = "natural",
    ) -> None:
        hidden = (max(LEAST_WIDTH, domain.size),) * 2 if hidden is None else hidden
        if not hidden or any(type(width) is not int or width < 1 for width in hidden):
            raise ChainruleError(f"hidden: expected widths of layers such as [512, 512], got {list(hidden)}")
        if residual and len(set(hidden)) > 1:
            raise ChainruleError(f"hidden: expected equal widths for residual layers, got {list(hidden)}")
        order = Ordering(domain, ordering)
        code, channels = vector_encoder(domain, order.variables.tolist(), encoding)
        head = vector_head(domain, order.variables.tolist(), components=components, kernel=kernel)
        condition = Condition(hidden[0], classes=classes, embedding=embedding)
        network = MaskedPerceptron(
            code,
            channels,
            domain.size,
            hidden,
            [head.at(site).size for site in range(domain.size)],
            residual,
            DROPOUT if dropout is None else dropout,
            input_dropout,
            condition,
        )
        self.tuned = dropout is None
        super().__init__(network, domain, head, ordering=order)

    def trials(self, items: int) -> Sequence[dict]:
        """Little and much noise, where data are few and `dropout` was not given."""
        return TRIALS if self.tuned and items <= FEW else ()

    def retune(self, **hyperparameters: float) -> None:
        """Change `dropout` and `input_dropout`."""
        self.network.dropout.p = hyperparameters["dropout"]
        self.network.input_dropout.p = hyperparameters["input_dropout"]
        self.hyperparameters |= hyperparameters
