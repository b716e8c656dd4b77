"""Recurrent nets: unlimited memory in a state of fixed size."""

from __future__ import annotations

from torch import nn

from chainrule.domain import Domain
from chainrule.errors import ChainruleError
from chainrule.heads import default_head
from chainrule.layers import (
    CausalLayer,
    Condition,
    Pointwise,
    Recurrent,
    Serial,
    Stack,
    StrictInput,
)
from chainrule.models.encoding import encoder
from chainrule.models.model import AutoregressiveModel


class RecurrentNet(AutoregressiveModel):
    """p(x_d | x_<d) = softmax(W h_d), h_d = cell(x_{d-1}, h_{d-1}), with h_0 learned.

    Args:
        cell: "rnn", "lstm" or "gru"; the model's name fixes it.
        width: of the input layer and of each hidden state.
        depth: recurrent layers.
        dropout: before each recurrent layer and before the output.
        classes, embedding: of the condition; see `layers.Condition`.
        encoding: see `models.encoding`.
        ordering: of the variables.

    References:
        Sutskever, Martens, Hinton (2011), "Generating text with recurrent neural networks".
    """

    def __init__(
        self,
        domain: Domain,
        *,
        cell: str = "lstm",
        width: int = 128,
        depth: int = 2,
        dropout: float = 0.3,
        classes: int | None = None,
        embedding: int | None = None,
        encoding: str | None = None,
        ordering: str | list[int] = "natural",
    ) -> None:
        if depth < 1:
            raise ChainruleError(f"depth: expected at least 1 recurrent layer, got {depth}")
        values, inputs = encoder(domain, encoding)
        head = default_head(domain)

        first = Pointwise(nn.Linear(inputs, width))
        layers: list[CausalLayer] = []
        for _ in range(depth):
            layers += [Pointwise(nn.Dropout(dropout)), Recurrent(width, width, cell=cell)]
        layers += [Pointwise(nn.Dropout(dropout)), Pointwise(nn.Linear(width, head.size))]

        condition = Condition(width, classes=classes, embedding=embedding)
        network = Stack(StrictInput(values), first, Serial(*layers), condition)
        super().__init__(network, domain, head, ordering=ordering)
