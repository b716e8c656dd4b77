"""The variational auto-encoder, whose pixels are independent given z: the baseline of PixelVAE."""

from __future__ import annotations

from types import MappingProxyType

from torch import Tensor, nn

from chainrule.domain import Domain
from chainrule.errors import DomainError
from chainrule.models.base.factorised import Factorised
from chainrule.models.base.gaussian_latent import GaussianLatent
from chainrule.models.parts.encoders import encoder
from chainrule.networks.image_encoder import image_decoder, image_encoder


class VAE(GaussianLatent):
    """z ~ N(0, I), p(x | z) = ∏_d p(x_d | z), q(z | x) a diagonal Gaussian; all three by convolutions or perceptrons.

    Bits are Bernoulli, up to 32 levels have a softmax, more a mixture of discretised logistics.

    Args:
        domain: images of levels, or vectors of levels.
        latent: E numbers of z.
        channels: of the convolutions at the image's own size; each halving doubles them.
        hidden: of vectors, units of both perceptrons' hidden layers.

    References:
        Kingma, Welling (2014), "Auto-encoding variational Bayes", https://arxiv.org/abs/1312.6114; Rezende, Mohamed,
        Wierstra (2014), "Stochastic backpropagation and approximate inference in deep generative models",
        https://arxiv.org/abs/1401.4082. The convolutions are ours.

    Example:
        >>> import torch, chainrule as cr
        >>> model = cr.create_model("vae", cr.Domain.image(1, 8, 8, levels=17), latent=4, channels=8)
        >>> x = torch.randint(17, (2, 1, 8, 8))
        >>> model.log_prob_bound(x, samples=10).shape, model.reconstruct(x, n=3).shape
        (torch.Size([2]), torch.Size([2, 3, 1, 8, 8]))
    """

    training_defaults = MappingProxyType({"lr": 2e-3, "weight_decay": 0.01})
    smallest = MappingProxyType({"latent": 2, "channels": 8, "hidden": 16})

    def __init__(self, domain: Domain, *, latent: int = 32, channels: int = 32, hidden: int = 500) -> None:
        if domain.layout not in ("image", "vector") or not domain.discrete:
            raise DomainError(f"expected images of levels, or vectors of levels, got {domain}")
        code = None
        if domain.layout == "image":
            inward = image_encoder(domain.event_shape, channels, 2 * latent)
            upward = image_decoder(latent, channels, domain.event_shape)
            decoder = Factorised(domain, features=channels)
        else:
            code, width = encoder(domain, None)
            inward = nn.Sequential(*hidden_layers(domain.size * width, hidden), nn.Linear(hidden, 2 * latent))
            upward = nn.Sequential(*hidden_layers(latent, hidden))
            decoder = Factorised(domain, features=hidden)
        super().__init__(domain, latent=latent, encoder=inward, upward=upward, decoder=decoder)
        self.code = code

    def codes(self, x: Tensor) -> Tensor:
        """Images on [-1, 1], vectors as the codes of their levels (B, D · C)."""
        return super().codes(x) if self.code is None else self.code(x[..., None]).flatten(1)


def hidden_layers(inputs: int, hidden: int) -> list[nn.Module]:
    """Two of them, with ReLU."""
    return [nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU()]
