"""PixelVAE: latent numbers for what an image is of, a shallow PixelCNN for its details."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

from chainrule.domain import Domain
from chainrule.models.base.gaussian_latent import GaussianLatent
from chainrule.models.registry import create_model
from chainrule.networks.image_encoder import image_decoder, image_encoder


class PixelVAE(GaussianLatent):
    """z ~ N(0, I) → features of each pixel → a Gated PixelCNN with these in every gate; q(z | x) a diagonal Gaussian.

    The encoder and what leads up from z are those of `VAE`. What neighbouring pixels share need not go through z, and
    the PixelCNN need not be deep, since z carries what is far away.

    Args:
        domain: images of levels.
        latent: E numbers of z.
        encoder_channels: of the convolutions at the image's own size; each halving doubles them.
        channels, depth, kernel_size, first_size, last, dropout: of the decoder; see `GatedPixelCNN`.

    References:
        Gulrajani et al. (2017), "PixelVAE: a latent variable model for natural images",
        https://arxiv.org/abs/1611.05013, with one level of latent numbers; the convolutions are ours.

    Example:
        >>> import torch, chainrule as cr
        >>> sizes = {"latent": 4, "encoder_channels": 4, "channels": 8, "depth": 1}
        >>> model = cr.create_model("pixel-vae", cr.Domain.image(1, 8, 8, levels=2), **sizes)
        >>> model.log_prob_bound(torch.randint(2, (2, 1, 8, 8))).shape
        torch.Size([2])
    """

    training_defaults = MappingProxyType({"lr": 2e-3, "weight_decay": 0.01})
    smallest = MappingProxyType({"latent": 2, "encoder_channels": 4, "channels": 8, "depth": 1, "last": 8})

    def __init__(
        self,
        domain: Domain,
        *,
        latent: int = 32,
        encoder_channels: int = 32,
        channels: int = 32,
        depth: int = 3,
        kernel_size: int = 3,
        first_size: int = 5,
        last: int = 64,
        dropout: float = 0.0,
    ) -> None:
        decoder: Any = create_model(
            "gated-pixelcnn",
            domain,
            channels=channels,
            depth=depth,
            kernel_size=kernel_size,
            first_size=first_size,
            last=last,
            dropout=dropout,
            maps=encoder_channels,
        )
        super().__init__(
            domain,
            latent=latent,
            encoder=image_encoder(domain.event_shape, encoder_channels, 2 * latent),
            upward=image_decoder(latent, encoder_channels, domain.event_shape),
            decoder=decoder,
        )
