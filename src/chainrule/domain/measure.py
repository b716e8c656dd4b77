"""What likelihoods of a table are measured by: which values have probabilities, and which densities."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from chainrule.domain.column import Column

SHOWN = 8  # columns that a sentence names


def reference_measure(columns: Sequence[Column]) -> str:
    """One or two sentences: columns whose values have probabilities, columns that have densities, and of what unit.

    Example:
        >>> print(reference_measure([Column("age", "number", step=1), Column("size", "number", points=(0,))]))
        Probabilities: age (whole). Densities per unit of the file: size (the value 0 has a probability).
    """
    likely = [f"{column.name} ({_grid(column)})" for column in columns if not column.has_density]
    dense = [f"{column.name}{_apart(column)}" for column in columns if column.has_density]
    found = []
    if likely:
        found.append(f"Probabilities: {_listed(likely)}.")
    if dense:
        found.append(f"Densities per unit of the file: {_listed(dense)}.")
    return " ".join(found)


def _grid(column: Column) -> str:
    """Which values a column has."""
    if column.categories:
        return f"{len(column.categories)} categories{' and others' if column.other else ''}"
    return column.grid or "whole"


def _apart(column: Column) -> str:
    """What has a probability in a column with a density."""
    kinds = []
    if column.points:
        kinds.append(
            f"the value{'s' * (len(column.points) > 1)} {', '.join(map(column.shown, column.points))}"
        )
    kinds += [f"values that {_is(column.lattice_words(*lattice))}" for lattice in column.lattices]
    if column.missing:
        kinds.append("missing cells")
    single = len(kinds) == 1 and len(column.points) == 1
    return (
        f" ({' and '.join(kinds)} {'has a probability' if single else 'have probabilities'})" if kinds else ""
    )


def _is(words: str) -> str:
    return words if words.startswith("end in") else f"are {words}"


def _listed(names: Iterable[str]) -> str:
    every = list(names)
    more = len(every) - SHOWN
    return ", ".join(every[:SHOWN]) + (f" and {more} more" if more > 0 else "")
