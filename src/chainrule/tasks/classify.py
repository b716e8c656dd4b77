"""Which class an item is of, by Bayes' rule."""

from __future__ import annotations

import torch
from torch import Tensor

from chainrule.engine import exact_arithmetic
from chainrule.errors import ChainruleError
from chainrule.models import Model


def classify(model: Model, x: Tensor, prior: Tensor | None = None, *, batch_size: int = 256) -> Tensor:
    """log p(y | x) = log p(x | y) + log p(y) - log Σ_y' p(x | y') p(y'), of every class.

    Args:
        model: conditional on classes.
        x: (B, *event_shape).
        prior: p(y) or counts of each class (classes,), here made to sum to 1; uniform by default.
        batch_size: items at once; each costs one pass a class.

    Returns:
        (B, classes) float64 nats, on the CPU.

    Raises:
        ChainruleError: if the model takes no class, or several labels, or the prior is none.
        DomainError: if x does not lie in the domain.

    Example:
        >>> import chainrule as cr
        >>> model = cr.create_model("made", cr.Domain.binary(4), classes=3)
        >>> posterior = classify(model, torch.zeros(2, 4, dtype=torch.int64))
        >>> posterior.shape, posterior.exp().sum(1).round(decimals=6)
        (torch.Size([2, 3]), tensor([1., 1.], dtype=torch.float64))
    """
    classes = model.condition.classes
    if classes is None:
        given = model.condition.expected or "none"
        raise ChainruleError(f"classify: expected a model conditional on classes, its condition is {given}")
    if not isinstance(classes, int):
        raise ChainruleError(
            f"classify: expected a model of one label, its condition is {model.condition.expected}"
        )
    log_prior = _log_prior(prior, classes)
    joint = torch.empty(len(x), classes, dtype=torch.float64)
    with exact_arithmetic(model):
        for rows in torch.arange(len(x)).split(batch_size):
            part = x[rows.to(x.device)].to(model.device)
            for label in range(classes):
                cond = torch.full((len(part),), label, device=model.device)
                joint[rows, label] = model.log_prob(part, cond).double().cpu()
    return (joint + log_prior).log_softmax(1)


def accuracy(posterior: Tensor, labels: Tensor) -> float:
    """The share of items whose most probable class, of posteriors (B, classes), is their label (B,)."""
    return (posterior.argmax(1) == labels.cpu()).double().mean().item()


def _log_prior(prior: Tensor | None, classes: int) -> Tensor:
    if prior is None:
        return torch.zeros(classes, dtype=torch.float64)
    prior = torch.as_tensor(prior).double().cpu()
    if prior.shape != (classes,):
        raise ChainruleError(f"prior: expected one number a class, ({classes},), got {tuple(prior.shape)}")
    if not prior.isfinite().all() or (prior < 0).any() or not prior.any():
        raise ChainruleError(f"prior: expected numbers from 0, not all of them 0, got {prior.tolist()}")
    return (prior / prior.sum()).log()
