"""Law 6: every parameter matters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import torch
from torch import Tensor

from chainrule.domain import Domain
from chainrule.layers import Condition
from chainrule.testing.contract import nats
from chainrule.testing.subject import ANY, LawNotBinding, Subject, require

ITEMS = 24
LOSSES = 3  # of these: a loss may be that of a random member, ordering or mask
SIDE = 6  # of pictures, at least: on smaller ones some kernels see nothing but what lies outside


def parameters_matter(subject: Subject) -> None:
    """Each parameter has a gradient in the loss and changes what items cost, and so has the row of each class."""
    model = replace(subject, domain=_roomy(subject.domain)).build(likelihoods=ANY)
    subject = replace(subject, domain=model.domain)
    named = dict(model.named_parameters())
    if not named:
        raise LawNotBinding("the model has no parameters")
    if model.domain.size == 1:
        raise LawNotBinding("the model is of one variable, which reads no other")
    x, cond = subject.items(ITEMS), subject.cond(model, ITEMS)
    by_class = {
        id(part.features.weight) for part in model.modules() if isinstance(part, Condition) and part.counts
    }

    def loss() -> Tensor:
        return torch.stack([model.loss(x, cond).mean() for _ in range(LOSSES)]).mean()

    def cost() -> Tensor:
        return nats(model, x, cond).mean()

    for what, value in (("the loss", loss), ("what items cost", cost)):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(subject.seed)
            gradients = _gradients(value(), named)
        for name, parameter in named.items():
            if what == "the loss" and not parameter.requires_grad:
                continue
            felt = name in gradients and gradients[name].flatten(1 if id(parameter) in by_class else 0).any(
                -1
            )
            # A frozen one, or one used by a choice, has no gradient in the output, and may still be read.
            alive = bool(torch.as_tensor(felt).all()) or (what != "the loss" and _moves(parameter, value))
            require(alive, f"parameters_matter: {what} does not depend on all of {name}")


def _roomy(domain: Domain) -> Domain:
    """A domain of its kind in which pictures have `SIDE` pixels a side."""
    if domain.layout != "image" or not isinstance(domain.levels, int):
        return domain
    channels, height, width = domain.event_shape
    return Domain.image(channels, max(height, SIDE), max(width, SIDE), levels=domain.levels)


def _gradients(value: Tensor, named: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The gradient of each parameter that has one, by name."""
    leaves = {name: parameter for name, parameter in named.items() if parameter.requires_grad}
    if not leaves or not value.requires_grad:
        return {}
    found = torch.autograd.grad(value, list(leaves.values()), allow_unused=True)
    return {name: gradient for name, gradient in zip(leaves, found, strict=True) if gradient is not None}


@torch.no_grad()
def _moves(parameter: Tensor, value: Callable[[], Tensor]) -> bool:
    """Whether a value without a gradient changes with the parameter."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        kept, before = parameter.clone(), value()
        parameter.add_(torch.linspace(0.5, 1, parameter.numel(), dtype=parameter.dtype).view_as(parameter))
        torch.manual_seed(0)
        after = value()
        parameter.copy_(kept)
    return not torch.equal(before, after)
