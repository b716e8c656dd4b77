"""MADE under a pool of orderings and masks, mixed."""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType
from typing import Any

from chainrule.domain import Domain
from chainrule.models.base.ensemble import SeparateEnsemble, SharedEnsemble
from chainrule.models.made import MADE


class MADEEnsemble(SharedEnsemble):
    """Order- and connectivity-agnostic MADE: each training step uses one of K sets of masks, the test all of them.

    Probabilities of whole items are averaged. Averaged logits of conditionals would not be a distribution.

    Args:
        masks: K.
        orderings: how many different orderings the masks are for; 1 keeps the natural one, and terms of variables.
        **made: hyperparameters of the `MADE`.

    References:
        Germain et al. (2015), https://arxiv.org/abs/1502.03509, §4.2-4.4
    """

    of = MADE
    training_defaults = MADE.training_defaults
    smallest = MappingProxyType({"hidden": [32, 32], "masks": 3, "orderings": 2})

    def __init__(self, domain: Domain, *, masks: int = 16, orderings: int = 16, **made: Any) -> None:
        super().__init__(MADE(domain, **made), members=masks, orderings=orderings)

    def trials(self, items: int) -> Sequence[dict]:
        """The trials of the MADE."""
        return self.template.trials(items)

    def retune(self, **hyperparameters: Any) -> None:
        """Retune the MADE."""
        self.template.retune(**hyperparameters)
        self.hyperparameters |= hyperparameters


class MADECommittee(SeparateEnsemble):
    """MADEs with parameters of their own, each of another ordering, mixed: K times the cost, and the best likelihood.

    Args:
        members: K.
        orderings: how many different ones.
        **made: hyperparameters of each `MADE`.
    """

    of = MADE
    training_defaults = MADE.training_defaults
    smallest = MappingProxyType({"hidden": [32, 32], "members": 3, "orderings": 2})

    def __init__(self, domain: Domain, *, members: int = 8, orderings: int = 8, **made: Any) -> None:
        def build(ordering: list[int]) -> MADE:
            return MADE(domain, **made, ordering=ordering)

        super().__init__(build, domain, members=members, orderings=orderings)

    def trials(self, items: int) -> Sequence[dict]:
        """The trials of one MADE."""
        return self.factorisation.trials(items)

    def retune(self, **hyperparameters: Any) -> None:
        """Retune each MADE."""
        for model in self.models:
            model.retune(**hyperparameters)
        self.hyperparameters |= hyperparameters
