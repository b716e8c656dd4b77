"""MADE under a pool of orderings and masks, mixed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chainrule.domain import Domain
from chainrule.models.ensemble import SeparateEnsemble, SharedEnsemble
from chainrule.models.made import MADE


class MADEEnsemble(SharedEnsemble):
    """Order- and connectivity-agnostic MADE: each training step uses one of K sets of masks, the test all of them.

    Probabilities of joints are averaged, not logits of conditionals, which would be no distribution.

    Args:
        masks: K.
        orderings: how many different orderings the masks are for; 1 keeps the natural one, and terms of variables.
        hidden, residual, dropout, input_dropout, classes, embedding, encoding, components, kernel: of the `MADE`.

    References:
        Germain et al. (2015), https://arxiv.org/abs/1502.03509, §4.2-4.4
    """

    training_defaults = MADE.training_defaults

    def __init__(
        self,
        domain: Domain,
        *,
        masks: int = 16,
        orderings: int = 16,
        hidden: list[int] | tuple[int, ...] | None = None,
        residual: bool = True,
        dropout: float | None = None,
        input_dropout: float = 0.0,
        classes: int | None = None,
        embedding: int | None = None,
        encoding: str | None = None,
        components: int = 10,
        kernel: str = "logistic",
    ) -> None:
        template = MADE(
            domain,
            hidden=hidden,
            residual=residual,
            dropout=dropout,
            input_dropout=input_dropout,
            classes=classes,
            embedding=embedding,
            encoding=encoding,
            components=components,
            kernel=kernel,
        )
        super().__init__(template, members=masks, orderings=orderings)

    def trials(self, items: int) -> Sequence[dict]:
        """Those of the MADE."""
        return self.template.trials(items)

    def retune(self, **hyperparameters: Any) -> None:
        """That of the MADE."""
        self.template.retune(**hyperparameters)
        self.hyperparameters |= hyperparameters


class MADECommittee(SeparateEnsemble):
    """MADEs with parameters of their own, each of another ordering, mixed: K times the cost, and the best likelihood.

    Args:
        members: K.
        orderings: how many different ones.
        hidden, residual, dropout, input_dropout, classes, embedding, encoding, components, kernel: of each `MADE`.
    """

    training_defaults = MADE.training_defaults

    def __init__(
        self,
        domain: Domain,
        *,
        members: int = 8,
        orderings: int = 8,
        hidden: list[int] | tuple[int, ...] | None = None,
        residual: bool = True,
        dropout: float | None = None,
        input_dropout: float = 0.0,
        classes: int | None = None,
        embedding: int | None = None,
        encoding: str | None = None,
        components: int = 10,
        kernel: str = "logistic",
    ) -> None:
        def build(ordering: list[int]) -> MADE:
            return MADE(
                domain,
                hidden=hidden,
                residual=residual,
                dropout=dropout,
                input_dropout=input_dropout,
                classes=classes,
                embedding=embedding,
                encoding=encoding,
                components=components,
                kernel=kernel,
                ordering=ordering,
            )

        super().__init__(build, domain, members=members, orderings=orderings)

    def trials(self, items: int) -> Sequence[dict]:
        """Those of one MADE."""
        return self.factorisation.trials(items)

    def retune(self, **hyperparameters: Any) -> None:
        """That of each MADE."""
        for model in self.models:
            model.retune(**hyperparameters)
        self.hyperparameters |= hyperparameters
