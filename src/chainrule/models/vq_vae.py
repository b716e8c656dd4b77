"""VQ-VAE: images as small maps of codes, and an autoregressive model of these."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from chainrule.domain import Domain
from chainrule.engine import Runner, Sample, branch, exact_arithmetic
from chainrule.errors import ChainruleError, DomainError
from chainrule.models.base.capabilities import Bounded, ClosedForm, Exact, Reconstructs, Samples
from chainrule.models.base.factorised import Factorised
from chainrule.models.base.model import Model
from chainrule.models.parts.image import image_parts
from chainrule.models.registry import create_model
from chainrule.networks.codebook import Codebook
from chainrule.networks.image_encoder import downward, halved, upward

STARTED_ON = 1024  # training images that the first codebook is taken from


class VQVAE(Bounded, Samples, Reconstructs):
    """x → a map of codes c(x) → p(x | c), with any registered model as P(c): log p(x) ≥ log p(x | c(x)) + log P(c(x)).

    p(x) = Σ_c P(c) p(x | c) has a term for every map of codes, the bound that of c(x) alone: no chance is in it, and
    more draws tighten nothing. All is trained at once: the encoder and the decoder on log p(x | c(x)), whose
    gradient passes straight through the codebook, with β |h - e|² to keep what is coded near its code; the codebook by
    running means; the prior on the codes as they are, which sends no gradient back.

    Args:
        domain: images of levels.
        codes: K of the codebook.
        size: E numbers of a vector.
        halvings: how often both sides are halved to those of the map.
        encoder_channels: of the convolutions at the image's own size; each halving doubles them.
        prior: a model of the map as an image, or where it takes none as a sequence, with an exact likelihood.
        prior_options: its hyperparameters.
        channels, depth, dropout: of a Gated PixelCNN as the decoder; without a depth, pixels are independent given the
            codes.
        commitment: β.

    References:
        van den Oord, Vinyals, Kavukcuoglu (2017), "Neural discrete representation learning",
        https://arxiv.org/abs/1711.00937. There the prior is trained when the rest is done; the convolutions are ours.

    Example:
        >>> import torch, chainrule as cr
        >>> sizes = {"codes": 8, "encoder_channels": 4, "prior": "nade", "prior_options": {"hidden": 16}}
        >>> model = cr.create_model("vq-vae", cr.Domain.image(1, 8, 8, levels=2), **sizes)
        >>> x = torch.randint(2, (2, 1, 8, 8))
        >>> model.encode(x).shape, model.log_prob_bound(x).shape
        (torch.Size([2, 1, 4, 4]), torch.Size([2]))
    """

    training_defaults = MappingProxyType({"lr": 2e-3, "weight_decay": 0.01})
    smallest = MappingProxyType(
        {"codes": 3, "encoder_channels": 4, "size": 4, "prior": "nade", "prior_options": {"hidden": 8}}
    )

    def __init__(
        self,
        domain: Domain,
        *,
        codes: int = 64,
        size: int = 32,
        halvings: int = 1,
        encoder_channels: int = 32,
        prior: str = "gated-pixelcnn",
        prior_options: dict | None = None,
        channels: int = 32,
        depth: int | None = None,
        dropout: float = 0.0,
        commitment: float = 0.25,
    ) -> None:
        super().__init__(domain)
        height, width, colours, *_ = image_parts(domain)
        sizes = halved(height, width, halvings)
        top = encoder_channels << halvings
        self.commitment = commitment
        self.encoder = nn.Sequential(*downward(colours, encoder_channels, halvings), nn.Conv2d(top, size, 1))
        self.codebook = Codebook(codes, size)
        self.upward = nn.Sequential(nn.Conv2d(size, top, 3, padding=1), *upward(encoder_channels, sizes))
        self.map_size = sizes[-1]
        self.prior = prior_of(prior, sizes[-1], codes, prior_options or {})
        net: Any = {"channels": channels, "depth": depth, "maps": encoder_channels, "dropout": dropout}
        self.decoder: Any = (
            Factorised(domain, features=encoder_channels)
            if depth is None
            else create_model("gated-pixelcnn", domain, **net)
        )

    # --- codes -----------------------------------------------------------------------------------

    def features(self, x: Tensor) -> Tensor:
        """What is to be coded: (B, C, H, W) → h (B, E, H', W')."""
        levels = self.domain.check(x).to(self.device, self.dtype)
        return self.encoder(2 * levels / max(self.domain.max_levels - 1, 1) - 1).to(self.dtype)

    def encode(self, x: Tensor) -> Tensor:
        """The codes c(x): (B, C, H, W) → (B, 1, H', W') in [0, K).

        Raises:
            DomainError: if x does not lie in the domain.
        """
        return self.codebook.nearest(self.features(x))

    def decode(self, codes: Tensor, generator: torch.Generator | None = None, **options: Any) -> Tensor:
        """Draw an image for each map (B, 1, H', W'); options are those of `AutoregressiveModel.sample`."""
        with exact_arithmetic(self):
            cond = self.upward(self.codebook(codes))
            return self.decoder.sample(len(codes), cond, generator=generator, **options)

    def given(self, x: Tensor, h: Tensor, codes: Tensor) -> Tensor:
        """log p(x | c), (B,) nats, whose gradient passes straight through to h."""
        return self.decoder.log_prob(x, self.upward(self.codebook(codes) + (h - h.detach())))

    def as_item(self, codes: Tensor) -> Tensor:
        """(B, 1, H', W') as the prior has it."""
        return codes.reshape(len(codes), *self.prior.domain.event_shape)

    # --- the bound -------------------------------------------------------------------------------

    def log_weight(self, x: Tensor, cond: Tensor | None, generator: torch.Generator | None) -> Tensor:
        """log p(x | c(x)) + log P(c(x)): (B,) nats."""
        h = self.features(x)
        codes = self.codebook.nearest(h)
        return self.given(x, h, codes) + self.prior.log_prob(self.as_item(codes))

    def loss(self, x: Tensor, cond: Tensor | None = None) -> Tensor:
        """-log p(x | c(x)) + β |h - e|² + the prior's loss, (B,) nats; in training the codebook moves along."""
        self.check_cond(cond)
        h = self.features(x)
        codes = self.codebook.nearest(h)
        away = (h - self.codebook(codes)).square().flatten(1).sum(1)
        loss = self.commitment * away - self.given(x, h, codes) + self.prior.loss(self.as_item(codes))
        if self.training:
            self.codebook.follow(h.detach(), codes)
        return loss

    def prepare(self, x: Tensor) -> None:
        """Put the codebook's vectors at what the encoder makes of the first training images."""
        with exact_arithmetic(self):
            self.codebook.start(
                self.features(x[:STARTED_ON].to(self.device)), torch.Generator().manual_seed(0)
            )

    # --- the verbs -------------------------------------------------------------------------------

    def _draw(
        self,
        n: int,
        cond: Tensor | None,
        rule: Sample,
        generator: torch.Generator | None,
        runner: Runner | None,
    ) -> Tensor:
        """Codes from the prior, then their images; temperature, top_k and top_p are of both."""
        choice: Any = {"temperature": rule.temperature, "top_k": rule.top_k, "top_p": rule.top_p}
        codes = self.prior.sample(n, generator=branch(generator), runner=runner, **choice)
        return self.decode(codes.reshape(n, 1, *self.map_size), generator, runner=runner, **choice)

    def _reconstruct(self, x: Tensor, n: int, generator: torch.Generator | None) -> Tensor:
        """From p(· | c(x))."""
        with exact_arithmetic(self):
            codes = self.encode(x).repeat_interleave(n, 0)
        return self.decode(codes, generator)


def prior_of(name: str, size: tuple[int, int], codes: int, options: dict) -> Model:
    """A model of maps of codes: as images, or where it takes none as sequences.

    Raises:
        ChainruleError: if there is none of that name and these hyperparameters, or it has no likelihood that gradients
            can train.
    """
    height, width = size
    try:
        prior = create_model(name, Domain.image(1, height, width, levels=codes), **options)
    except DomainError:
        prior = create_model(name, Domain.sequence(height * width, codes), **options)
    if not isinstance(prior, Exact) or isinstance(prior, ClosedForm) or prior.conditional:
        raise ChainruleError(
            f"prior: expected a model with an exact likelihood, trained by gradient descent and without a condition, "
            f"got {name}"
        )
    return prior
