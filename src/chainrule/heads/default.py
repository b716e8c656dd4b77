"""The head a discrete domain gets when nobody chooses one."""

from __future__ import annotations

from chainrule.domain import Domain
from chainrule.heads.bernoulli import Bernoulli
from chainrule.heads.categorical import Categorical
from chainrule.heads.head import Head


def default_head(domain: Domain, variables: int = 1) -> Head:
    """Bernoulli for bits, else Categorical over the most levels any variable takes.

    Raises:
        DomainError: if the domain is real-valued.
    """
    levels = domain.max_levels
    return Bernoulli(variables) if levels == 2 else Categorical(levels, variables)
