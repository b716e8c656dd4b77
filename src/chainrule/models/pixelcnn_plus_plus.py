"""PixelCNN++: whole pixels, mixtures of logistics, several resolutions."""

from __future__ import annotations

from types import MappingProxyType
from typing import Literal

from chainrule.domain import Domain
from chainrule.errors import ChainruleError, DomainError, nearest
from chainrule.heads import DiscretisedLogistic, Head, default_head
from chainrule.layers import Centred, Condition
from chainrule.models.base.autoregressive import AutoregressiveModel
from chainrule.models.parts.image import image_condition, image_parts
from chainrule.networks import PlusLevel, PlusStack

OUTPUTS = ("logistic", "softmax")


class PixelCNNPlusPlus(AutoregressiveModel):
    """Two streams of gated residual blocks down to a quarter of the resolution and up again → a mixture of logistics.

    A site is a pixel with all its colours. Bits of one colour have a Bernoulli head.

    Args:
        channels: of both streams; 160 in the paper.
        depth: blocks at each resolution on the way down; 5 in the paper.
        scales: resolutions; 3 in the paper, 1 is full resolution throughout.
        components: of the mixture.
        dropout: in each block; 0.5 in the paper.
        shortcuts: whether the way up reads the way down.
        output: "logistic", or of one colour also "softmax".
        classes, embedding, maps: of the condition, which is added in every block; see `layers.Condition`.

    Deviations: weights are initialised without data; the image is shifted before the first convolutions, not their
    output, so that the first row and column have biases (where these are 0, and the ones beside the image have them as
    weights instead, the net is the authors': `importers.pixelcnn_plus_plus` reads theirs); a size that 2 does not
    divide is rounded up at each scale.

    References:
        Salimans, Karpathy, Chen, Kingma (2017), "PixelCNN++: improving the PixelCNN with discretized logistic mixture
        likelihood and other modifications", https://arxiv.org/abs/1701.05517
    """

    training_defaults = MappingProxyType({"lr": 2e-3, "weight_decay": 0.0})
    smallest = MappingProxyType({"channels": 6, "depth": 1, "components": 2})

    def __init__(
        self,
        domain: Domain,
        *,
        channels: int = 32,
        depth: int = 2,
        scales: int = 2,
        components: int = 10,
        dropout: float = 0.1,
        shortcuts: bool = True,
        output: Literal["logistic", "softmax"] = "logistic",
        classes: int | list[int] | None = None,
        embedding: int | None = None,
        maps: int | None = None,
    ) -> None:
        height, width, colours, *_ = image_parts(domain)
        head = _head(domain, colours, components, output)
        level = PlusLevel(channels, depth=depth, scales=scales, dropout=dropout, shortcuts=shortcuts)
        condition = Condition(level.features, **image_condition(domain, classes, embedding, maps))
        code = Centred(domain.max_levels)
        network = PlusStack(code, colours, level, head.size, height=height, width=width, condition=condition)
        super().__init__(network, domain, head)


def _head(domain: Domain, colours: int, components: int, output: str) -> Head:
    if output not in OUTPUTS:
        raise ChainruleError(f"output: unknown {output!r}; {nearest(output, OUTPUTS)}")
    if output == "softmax" and colours > 1:
        raise DomainError(f"output: expected an image of one colour for a softmax, got {domain}")
    if output == "softmax" or (domain.max_levels == 2 and colours == 1):
        return default_head(domain)
    return DiscretisedLogistic(domain.max_levels, colours, components)
