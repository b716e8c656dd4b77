"""What a conditional looks at, measured by gradients."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from chainrule.errors import ChainruleError
from chainrule.models import AutoregressiveModel


def influence(model: AutoregressiveModel, x: Tensor, site: int, cond: Tensor | None = None) -> Tensor:
    """How strongly each site moves the parameters of one: Σ |∂ params_site / ∂ code of site s|, averaged over x.

    Args:
        model: whose network has an input encoder.
        x: (B, *event_shape) items around which the gradient is taken.
        site: whose conditional is measured.
        cond: of the items.

    Returns:
        (T,), in generation order; exactly 0 where nothing is read.

    Raises:
        ChainruleError: if the site does not exist, or the network's values do not enter through an encoder.
    """
    if not 0 <= site < model.sites:
        raise ChainruleError(f"site: expected one of 0 … {model.sites - 1}, got {site}")
    encoder = model.network.encoder
    if encoder is None:
        raise ChainruleError(f"{type(model.network).__name__}: has no input encoder to take gradients by")
    codes: list[Tensor] = []

    def track(module: nn.Module, args: object, output: Tensor) -> Tensor:
        codes.append(output.detach().requires_grad_())
        return codes[0]

    hook = encoder.register_forward_hook(track)
    training = model.training
    try:
        model.eval()
        with torch.enable_grad():
            params = model(x, cond)[:, site]
            strength = torch.zeros(model.sites)
            for p in range(params.shape[1]):
                (gradient,) = torch.autograd.grad(params[:, p].sum(), codes[0], retain_graph=True)
                strength += gradient.abs().sum(-1).mean(0).detach().cpu()
    finally:
        hook.remove()
        model.train(training)
    return strength


def receptive_field(
    model: AutoregressiveModel, x: Tensor, site: int | None = None, cond: Tensor | None = None
) -> Tensor:
    """The influence on one site (the middle one by default), laid out as an item: (*event_shape)."""
    strength = influence(model, x, model.sites // 2 if site is None else site, cond)
    v = model.head.variables
    return model.from_sites(strength[None, :, None].expand(1, -1, v))[0]
