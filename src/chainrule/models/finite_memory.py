"""Finite memory: one shared perceptron on the last k values."""

from __future__ import annotations

from types import MappingProxyType

from torch import nn

from chainrule.domain import Domain
from chainrule.heads import default_head
from chainrule.layers import CausalConv1d, Condition, Pointwise, Serial, StrictInput
from chainrule.models.base.autoregressive import AutoregressiveModel
from chainrule.models.parts.encoders import EncodingName, encoder
from chainrule.networks import Stack


class FiniteMemory(AutoregressiveModel):
    """[x_{d-k} … x_{d-1}] → Linear(k, M) → ReLU → Linear(M, K) → softmax, shared by all d.

    The first layer is a convolution over k inputs, zeros before the start. Tomczak, "Deep generative modeling:
    autoregressive models" (2021).

    Args:
        memory: k.
        width: M.
        classes, embedding: of the condition; see `layers.Condition`.
        encoding: see `models.encoding`.
        ordering: of the variables.
    """

    training_defaults = MappingProxyType({"lr": 1e-2})
    smallest = MappingProxyType({"width": 16})

    def __init__(
        self,
        domain: Domain,
        *,
        memory: int = 2,
        width: int = 300,
        classes: int | list[int] | None = None,
        embedding: int | None = None,
        encoding: EncodingName | None = None,
        ordering: str | list[int] = "natural",
    ) -> None:
        values, channels = encoder(domain, encoding)
        head = default_head(domain)
        first = CausalConv1d(channels, width, kernel_size=memory)
        body = Serial(Pointwise(nn.ReLU()), Pointwise(nn.Linear(width, head.size)))
        condition = Condition(width, classes=classes, embedding=embedding)
        super().__init__(Stack(StrictInput(values), first, body, condition), domain, head, ordering=ordering)
