"""The spatial LSTM: a recurrent net in two dimensions, with a memory of both neighbours."""

from __future__ import annotations

from types import MappingProxyType

from chainrule.domain import Domain
from chainrule.errors import DomainError
from chainrule.heads import MCGSM, Head
from chainrule.layers import Condition, Encoding, GridSerial, PixelConv, Real, SpatialLSTM, StrictConv2d
from chainrule.models.base.autoregressive import AutoregressiveModel
from chainrule.models.parts.image import check_sizes, image_condition, image_parts, in_groups
from chainrule.networks import RasterStack


class SpatialLSTMNet(AutoregressiveModel):
    """The neighbourhood of a pixel → spatial LSTMs, each on the h of the one before → 1×1 → the head.

    Reals get the paper's mixture of conditional Gaussian scale mixtures, levels a softmax. The neighbourhood, k//2 rows
    above and as many pixels to the left, enters the first gates through a linear map to h features; with h of at least
    its size that is no restriction. Colours are generated one by one, features come in one group per colour; the
    paper's are generated at once.

    Args:
        channels: h of each layer.
        depth: layers.
        first_size: k, odd.
        components, scales, features: of the head for reals; see `heads.MCGSM`.
        classes, embedding, maps: of the condition, which is added to the neighbourhood; see `image_condition`.

    References:
        Theis, Bethge (2015), "Generative image modeling using spatial LSTMs", https://arxiv.org/abs/1506.03478
    """

    training_defaults = MappingProxyType({"lr": 2e-3, "weight_decay": 0.01})
    smallest = MappingProxyType({"channels": 12})

    def __init__(
        self,
        domain: Domain,
        *,
        channels: int = 32,
        depth: int = 2,
        first_size: int = 5,
        components: int = 8,
        scales: int = 4,
        features: int = 16,
        classes: int | list[int] | None = None,
        embedding: int | None = None,
        maps: int | None = None,
    ) -> None:
        check_sizes(first_size=first_size, channels=channels)
        code: Encoding
        head: Head
        if domain.discrete:
            height, width, groups, code, head, _ = image_parts(domain)
        elif domain.layout == "image":
            (groups, height, width), code = domain.event_shape, Real()
            head = MCGSM(components, scales, features)
        else:
            raise DomainError(f"expected images such as image:1x28x28:256 or image:1x8x8:real, got {domain}")
        h = in_groups(channels, groups)
        first = StrictConv2d((1 + 1) * groups, h, kernel_size=first_size, groups=groups)
        body = GridSerial(
            *(SpatialLSTM(h, h, groups=groups) for _ in range(depth)),
            PixelConv(h, groups * head.size, groups=groups),
        )
        condition = Condition(h, **image_condition(domain, classes, embedding, maps))
        network = RasterStack(code, 1, first, body, height=height, width=width, condition=condition)
        super().__init__(network, domain, head)
