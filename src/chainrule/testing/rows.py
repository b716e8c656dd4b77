"""Law 4: a row does not depend on the rest of its batch."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import Tensor

from chainrule.errors import ApproximateCompletionWarning
from chainrule.models.base.capabilities import Completes, Reconstructs, Samples
from chainrule.testing.subject import ANY, LawNotBinding, Subject, close, require

MANY, FEW = 7, 4  # rows drawn, and how many of the first of them are drawn alone


def rows_stand_alone(subject: Subject) -> None:
    """The first 4 of 7 rows are the 4 of 4: of samples, of completions, each of another mask, and of reconstructions.

    So are the first of several completions of one item.
    """
    model = subject.build(likelihoods=ANY)
    x, cond = subject.items(MANY), subject.cond(model, MANY)
    tolerance = 0 if model.domain.discrete else 1e-9  # numbers move with the last bits of their parameters

    def same(what: str, many: Tensor, few: Tensor) -> None:
        require(close(many, few, tolerance), f"rows_stand_alone: {what} depends on how many are drawn")

    if isinstance(model, Samples):
        own: Any = (None, None) if cond is None else (cond, cond[:FEW])
        many, few = (
            model.sample(n, given, generator=subject.generator())
            for n, given in zip((MANY, FEW), own, strict=True)
        )
        same("a sample", many[:FEW], few)
    if isinstance(model, Reconstructs):
        many, few = (model.reconstruct(part, 2, subject.generator()) for part in (x, x[:FEW]))
        same("a reconstruction", many[:FEW], few)
    if isinstance(model, Completes):
        _complete(subject, model, x, cond, same)
    elif not isinstance(model, Samples | Reconstructs):
        raise LawNotBinding("the model draws nothing")


def _complete(subject: Subject, model: Any, x: Tensor, cond: Tensor | None, same: Any) -> None:
    for candidates in ({}, {"particles": 3}):
        known = _masks(subject, scattered=bool(candidates))

        def drawn(rows: int, n: int = 2) -> Tensor:
            options = {"cond": None if cond is None else cond[:rows], **candidates}  # noqa: B023
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ApproximateCompletionWarning)
                return model.complete(x[:rows], known[:rows], n, subject.generator(), **options)  # noqa: B023

        same("a completion", drawn(MANY)[:FEW], drawn(FEW))
        same("one of several completions", drawn(1, MANY)[:, :FEW], drawn(1, FEW))


def _masks(subject: Subject, *, scattered: bool) -> Tensor:
    """The masks of 7 items: nothing is known of some, a prefix of others, and, if `scattered`, any part."""
    domain, u = subject.domain, torch.rand(MANY, subject.domain.size, generator=subject.generator())
    leading = torch.arange(domain.size) < torch.arange(MANY)[:, None] % (domain.size + 1)
    known = u < 0.5 if scattered and domain.lengths == "fixed" else leading
    known[0] = False
    return known.reshape(MANY, *domain.event_shape)
