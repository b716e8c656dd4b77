"""ConvNADE: the order-less net made convolutional, for images."""

from __future__ import annotations

from types import MappingProxyType

from chainrule.domain import Domain
from chainrule.domain.ordering import Ordering
from chainrule.errors import ChainruleError, DomainError
from chainrule.heads import default_head
from chainrule.layers import Condition
from chainrule.models.base.model import VECTOR_TRAINING
from chainrule.models.base.orderless import OrderlessModel
from chainrule.models.parts.encoders import EncodingName, encoder
from chainrule.networks.orderless_conv import ImageGuesser


class ConvNADE(OrderlessModel):
    """p(x_i | any subset of the pixels) from convolutions on (x ⊙ m, m).

    Exact likelihoods and samples cost D evaluations of the net; completion follows what is known.
    Deviations: residual blocks, and a bias of each pixel.

    Args:
        channels: features of the hidden layers.
        depth: residual blocks of two convolutions.
        kernel_size: odd.
        masked: whether the mask m is an input as well.
        classes, embedding: of the condition; see `layers.Condition`.
        encoding: see `models.encoding`.
        ordering: the one that `log_prob` and `sample` follow; training is for all.

    References:
        Uria et al. (2016), "Neural autoregressive distribution estimation", https://arxiv.org/abs/1605.02226, §5
    """

    training_defaults = MappingProxyType(VECTOR_TRAINING)
    smallest = MappingProxyType({"channels": 8, "depth": 1})

    def __init__(
        self,
        domain: Domain,
        *,
        channels: int = 64,
        depth: int = 4,
        kernel_size: int = 3,
        masked: bool = True,
        classes: int | list[int] | None = None,
        embedding: int | None = None,
        encoding: EncodingName | None = None,
        ordering: str | list[int] = "natural",
    ) -> None:
        if domain.layout != "image" or not domain.discrete:
            raise DomainError(f"conv-nade: expected images of levels, got {domain}")
        if kernel_size % 2 == 0:
            raise ChainruleError(f"kernel_size: expected an odd number, got {kernel_size}")
        order, head = Ordering(domain, ordering), default_head(domain)
        code, coded = encoder(domain, encoding)
        colours, height, width = domain.event_shape
        network = ImageGuesser(
            code,
            coded,
            (colours, height, width),
            order.variables,
            width=channels,
            depth=depth,
            kernel_size=kernel_size,
            size=head.size,
            masked=masked,
            condition=Condition(channels, classes=classes, embedding=embedding),
        )
        super().__init__(network, domain, head, ordering=order)
