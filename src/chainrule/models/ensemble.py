"""An ensemble: several nets side by side, whose conditionals are averaged."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import torch

from chainrule.domain import Domain
from chainrule.errors import ChainruleError
from chainrule.heads import Bernoulli, Categorical, Joint
from chainrule.models.base.autoregressive import AutoregressiveModel
from chainrule.models.registry import create_model
from chainrule.networks.side_by_side import SideBySide

SOFTMAXES = (Bernoulli, Categorical, Joint)
PAIR = ({"model": "causal-conv1d", "channels": 32}, {"model": "gru", "width": 32})


class Ensemble(AutoregressiveModel):
    """p(x_d | x_<d) ∝ (∏_k p_k(x_d | x_<d))^(1/K): the mean of the logits of K nets, which have one ordering.

    The members are usually trained one by one, and put together by `chainrule ensemble`; training the ensemble trains
    them together.

    Args:
        members: of each, its name as `model`, and its hyperparameters.

    Raises:
        ChainruleError: if a member gives no logits, or other ones than the first; or follows another ordering.

    References:
        Hinton (1999), "Products of experts", one variable at a time: the normaliser is a sum over its levels

    Example:
        >>> import chainrule as cr
        >>> pair = [{"model": "fvsbn"}, {"model": "made", "hidden": [8]}]
        >>> cr.create_model("ensemble", cr.Domain.binary(5), members=pair).name
        'ensemble'
    """

    def __init__(self, domain: Domain, *, members: list[dict] | tuple[dict, ...] = PAIR) -> None:
        models: list[Any] = [_member(domain, dict(member)) for member in members]
        if not models:
            raise ChainruleError("members: expected one model or more, got none")
        first = models[0]
        for model in models:
            _check_like(model, first)
        network = SideBySide(model.network for model in models)
        super().__init__(network, domain, first.head, ordering=first.ordering)
        self.training_defaults = MappingProxyType(dict(first.training_defaults))


def _member(domain: Domain, described: dict) -> AutoregressiveModel:
    name = described.pop("model", None)
    if not isinstance(name, str):
        raise ChainruleError(f"members: expected the name of each as `model`, got {described}")
    model = create_model(name, domain, **described)
    head = getattr(model, "head", None)
    if not isinstance(model, AutoregressiveModel) or type(head) not in SOFTMAXES:
        kind = type(model).__name__ if head is None else f"{name} with {type(head).__name__}"
        raise ChainruleError(
            f"members: expected autoregressive models of levels with logits, a softmax, got {kind} on {domain}; "
            "made-committee mixes models of any values"
        )
    return model


def _check_like(model: AutoregressiveModel, first: AutoregressiveModel) -> None:
    """Refuse what has other sites, another ordering, or another condition."""
    here, there = model.head, first.head
    sites = [(type(head).__name__, head.size, head.variables) for head in (here, there)]
    if sites[0] != sites[1]:
        raise ChainruleError(
            "members: expected the same sites and logits, got "
            + " and ".join(f"{n} of {v} variables, {p} numbers" for n, p, v in sites)
        )
    if not torch.equal(model.ordering.variables, first.ordering.variables):
        raise ChainruleError("members: expected one ordering, got several")
    wanted = [m.condition.expected for m in (model, first)]
    if wanted[0] != wanted[1]:
        raise ChainruleError(f"members: expected one condition, got {wanted[0]} and {wanted[1]}")
