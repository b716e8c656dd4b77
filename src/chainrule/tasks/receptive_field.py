"""What a conditional, and each layer on the way to it, looks at, measured by gradients."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from chainrule.errors import ChainruleError
from chainrule.models import AutoregressiveModel

OUTPUT = "output"  # the name of the parameters among the layers


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
    with _tracked(model, site) as codes:
        params = model(x, cond)[:, site]
        return sum((_strength(params[:, p].sum(), codes) for p in range(params.shape[1])), torch.zeros(()))


def receptive_field(
    model: AutoregressiveModel, x: Tensor, site: int | None = None, cond: Tensor | None = None
) -> Tensor:
    """The influence on one site (the middle one by default), laid out as an item: (*event_shape)."""
    return _as_item(model, influence(model, x, model.sites // 2 if site is None else site, cond))


def receptive_fields(
    model: AutoregressiveModel, x: Tensor, site: int | None = None, cond: Tensor | None = None
) -> dict[str, Tensor]:
    """What the features of each layer at one site read, and last the "output", the site's parameters.

    Of a layer's features a random projection is differentiated, another one around each item, and the absolute
    gradients are averaged: so nothing cancels, and 0 means that nothing is read. Layers are those of the network's
    `depths` whose outputs, or the first entries of them, are sequences (B, T, C) or maps (B, C, H, W) of the image's
    size; others are left out, and the layer whose features are the parameters.

    Args:
        model: whose network has an input encoder.
        x: (B, *event_shape) items around which gradients are taken.
        site: where; the middle one by default. Of a map, its pixel.
        cond: of the items.

    Returns:
        Layer → (*event_shape), averaged over x; of each layer on its own scale.

    Raises:
        ChainruleError: as `influence`.
    """
    site = model.sites // 2 if site is None else site
    outputs: dict[str, list[Any]] = {name: [] for name in model.network.depths}
    with _tracked(model, site) as codes, ExitStack() as hooks:
        for name, layer in model.network.depths.items():
            keep = partial(_keep, outputs[name])
            hooks.callback(layer.register_forward_hook(keep).remove)
        params = model(x, cond)
        # A layer that runs several times a pass has no one output to speak of.
        features = {
            name: _features(model, site, calls[0]) for name, calls in outputs.items() if len(calls) == 1
        }
        found = {name: f for name, f in features.items() if f is not None and _new(f, params[:, site])}
        found[OUTPUT] = params[:, site]
        generator = torch.Generator().manual_seed(0)
        fields = {}
        for name, f in found.items():
            weights = torch.randn(f.shape, generator=generator).to(f)
            fields[name] = _as_item(model, _strength((f * weights).sum(), codes))
    return fields


@contextmanager
def _tracked(model: AutoregressiveModel, site: int) -> Iterator[list[Tensor]]:
    """In the block, what the encoder gives is put into a list, and takes gradients; the model is in evaluation mode."""
    if not 0 <= site < model.sites:
        raise ChainruleError(f"site: expected one of 0 … {model.sites - 1}, got {site}")
    encoder = model.network.encoder
    if encoder is None:
        raise ChainruleError(
            f"{type(model.network).__name__}: has no input encoder to take gradients through"
        )
    codes: list[Tensor] = []

    def track(module: nn.Module, args: object, output: Tensor) -> Tensor:
        codes.append(output.detach().requires_grad_())
        return codes[0]

    hook, training = encoder.register_forward_hook(track), model.training
    try:
        model.eval()
        with torch.enable_grad():
            yield codes
    finally:
        hook.remove()
        model.train(training)


def _keep(calls: list[Any], module: nn.Module, args: object, output: Any) -> None:
    calls.append(output)


def _strength(value: Tensor, codes: list[Tensor]) -> Tensor:
    """|∂ value / ∂ code|, summed over a code's channels and averaged over items: (T,)."""
    (gradient,) = torch.autograd.grad(value, codes[0], retain_graph=True, materialize_grads=True)
    return gradient.abs().sum(-1).mean(0).detach().cpu()


def _features(model: AutoregressiveModel, site: int, output: Any) -> Tensor | None:
    """A layer's features at a site (B, F), of the leading entries of its output that have a known layout."""
    parts = list(output) if isinstance(output, tuple | list) else [output]
    pixel = int(
        model.ordering.variables[site * model.head.variables]
    )  # a variable of it, in the flattened item
    at = []
    for part in parts:
        if isinstance(part, Tensor) and part.ndim == 3 and part.shape[1] == model.sites:
            at.append(part[:, site])
        elif isinstance(part, Tensor) and part.ndim == 4 and part.shape[2:] == model.domain.event_shape[1:]:
            at.append(part.flatten(2)[:, :, pixel % part[0, 0].numel()])
        else:
            break
    return torch.cat(at, dim=1) if at else None


def _new(features: Tensor, params: Tensor) -> bool:
    """Whether a layer's features (B, F) are of the same items as the parameters (B, P), and not these themselves."""
    return len(features) == len(params) and not torch.equal(features, params)


def _as_item(model: AutoregressiveModel, strength: Tensor) -> Tensor:
    """A number of each site (T,) at all of its variables: (*event_shape)."""
    return model.ordering.unflatten(strength.repeat_interleave(model.head.variables)[None])[0]
