"""The head a domain gets when nobody chooses one."""

from __future__ import annotations

from collections.abc import Sequence

from chainrule.domain import Domain
from chainrule.domain.column import Column
from chainrule.heads.bernoulli import Bernoulli
from chainrule.heads.categorical import Categorical
from chainrule.heads.columns import ColumnHeads, MaybeMissing
from chainrule.heads.factored import FactoredCategorical
from chainrule.heads.head import Head
from chainrule.heads.mixture import BinnedMixture, Mixture
from chainrule.heads.number import NumberHead
from chainrule.layers.numbers.numbers import Numbers


def default_head(domain: Domain, variables: int = 1) -> Head:
    """Bernoulli for bits, else Categorical over the most levels any variable takes.

    Raises:
        DomainError: if the domain has numbers in it; `vector_head` is for those.
    """
    levels = domain.max_levels
    return Bernoulli(variables) if levels == 2 else Categorical(levels, variables)


def vector_head(
    domain: Domain, permutation: Sequence[int], *, components: int = 10, kernel: str = "logistic"
) -> Head:
    """The head of any domain, a variable a site: mixtures for reals, one head per column for tables.

    Logistic components by default: their tails fall as e^-|z|, so that a value far from all training data costs tens
    of nats where a Gaussian takes thousands.

    Args:
        domain: of any kind.
        permutation: the variables in generation order.
        components, kernel: of each mixture.
    """
    if domain.discrete:
        return default_head(domain)
    if not domain.columns:
        return Mixture(components, kernel=kernel)
    columns = [domain.columns[d] for d in permutation]
    real = Mixture(components, kernel=kernel)
    gappy = MaybeMissing(Mixture(components, kernel=kernel))
    tables: dict[tuple[int, bool], Categorical] = {}
    own = iter(_number_heads(columns, components))
    return ColumnHeads(
        [
            next(own) if c.kind == "number" else _column_head(c, real, gappy, tables, components)
            for c in columns
        ]
    )


def _number_heads(columns: Sequence[Column], components: int) -> list[NumberHead]:
    """One for each number column, all of one table."""
    own = [column for column in columns if column.kind == "number"]
    numbers = Numbers(own) if own else None
    return [NumberHead(numbers, i, components) for i in range(len(own))] if numbers else []


def _column_head(
    column: Column, real: Head, gappy: Head, tables: dict[tuple[int, bool], Categorical], components: int
) -> Head:
    """Columns with equally many categories share a head, as do reals; a missing category is one more level."""
    if column.factored:
        return FactoredCategorical(len(column.categories), other=column.other, gap=column.missing)
    if column.categories:
        levels = column.levels + column.missing
        if column.other:
            return Categorical(levels, gap=column.missing, other=len(column.categories))
        return tables.setdefault((levels, column.missing), Categorical(levels, gap=column.missing))
    if column.kind == "real":
        return gappy if column.missing else real
    whole = BinnedMixture(components)
    return MaybeMissing(whole) if column.missing else whole
