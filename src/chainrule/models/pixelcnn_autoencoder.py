"""PixelCNN auto-encoder: a conditional PixelCNN as the decoder of a convolutional encoder."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

from torch import Tensor

from chainrule.domain import Domain
from chainrule.models.base.autoencoder import Autoencoder
from chainrule.models.gated_pixelcnn import GatedPixelCNN
from chainrule.models.registry import create_model
from chainrule.networks.image_encoder import image_encoder


class PixelCNNAutoencoder(Autoencoder):
    """Strided convolutions → Linear → h; p(x | h) by a Gated PixelCNN with h in every gate; trained end to end.

    A decoder that can draw pixels by itself leaves it to the code to say what the picture is of: reconstructions of one
    image differ in their details, more so the smaller the bottleneck.

    Args:
        bottleneck: E numbers of a code; the paper has 10 and 100.
        encoder_channels: of the encoder's first convolution; each halving of the image doubles them.
        channels, depth, kernel_size, first_size, last, dropout: of the decoder; see `GatedPixelCNN`.

    References:
        van den Oord et al. (2016), "Conditional image generation with PixelCNN decoders", §2.4 and §3.4,
        https://arxiv.org/abs/1606.05328. The encoder is ours.

    Example:
        >>> import torch, chainrule as cr
        >>> from chainrule.tasks import interpolate
        >>> sizes = {"bottleneck": 3, "channels": 8, "depth": 1, "encoder_channels": 4}
        >>> model = cr.create_model("pixelcnn-autoencoder", cr.Domain.image(1, 4, 4, levels=2), **sizes)
        >>> x = torch.randint(2, (2, 1, 4, 4))
        >>> model.reconstruct(x, n=5).shape
        torch.Size([2, 5, 1, 4, 4])
        >>> h = model.encode(x)
        >>> interpolate(model.decoder, h[0], h[1], steps=7).shape  # from one image to the other
        torch.Size([1, 7, 1, 4, 4])
    """

    training_defaults = GatedPixelCNN.training_defaults
    smallest = MappingProxyType({"channels": 8, "depth": 1, "last": 8, "encoder_channels": 4})

    def __init__(
        self,
        domain: Domain,
        *,
        bottleneck: int = 10,
        encoder_channels: int = 32,
        channels: int = 64,
        depth: int = 6,
        kernel_size: int = 3,
        first_size: int = 7,
        last: int = 64,
        dropout: float = 0.0,
    ) -> None:
        super().__init__(domain, bottleneck=bottleneck)
        decoder: Any = create_model(
            "gated-pixelcnn",
            domain,
            channels=channels,
            depth=depth,
            kernel_size=kernel_size,
            first_size=first_size,
            last=last,
            dropout=dropout,
            embedding=bottleneck,
        )
        self.decoder = decoder
        self.encoder = image_encoder(domain.event_shape, encoder_channels, bottleneck)

    def encode(self, x: Tensor) -> Tensor:
        """(B, C, H, W) → (B, E); levels enter as numbers in [-1, 1]."""
        levels = self.domain.check(x).to(self.device, self.dtype)
        return self.encoder(2 * levels / max(self.domain.max_levels - 1, 1) - 1)
