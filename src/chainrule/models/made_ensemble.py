"""MADE under a pool of orderings and masks, trained and mixed."""

from __future__ import annotations

from chainrule.domain import Domain
from chainrule.models.ensemble import Ensemble
from chainrule.models.made import MADE


class MADEEnsemble(Ensemble):
    """Order- and connectivity-agnostic MADE: each training step uses one of K sets of masks, the test all of them.

    Probabilities of joints are averaged, not logits of conditionals, which would be no distribution.

    Args:
        masks: K.
        orderings: how many different orderings the masks are for; 1 keeps the natural one, and terms of variables.
        hidden, residual, dropout, classes, embedding, encoding, components: of the `MADE`.

    References:
        Germain et al. (2015), https://arxiv.org/abs/1502.03509, §4.2-4.4
    """

    def __init__(
        self,
        domain: Domain,
        *,
        masks: int = 16,
        orderings: int = 16,
        hidden: list[int] | tuple[int, ...] = (512, 512),
        residual: bool = True,
        dropout: float = 0.2,
        classes: int | None = None,
        embedding: int | None = None,
        encoding: str | None = None,
        components: int = 10,
    ) -> None:
        template = MADE(
            domain,
            hidden=hidden,
            residual=residual,
            dropout=dropout,
            classes=classes,
            embedding=embedding,
            encoding=encoding,
            components=components,
        )
        super().__init__(template, members=masks, orderings=orderings)
