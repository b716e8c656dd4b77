"""`compare_tables`: whether one may believe drawn rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from chainrule.errors import DataError, nearest
from chainrule.tasks.auroc import AUROC
from chainrule.tasks.comparison.cells import Cells, read_cells
from chainrule.tasks.comparison.marginals import Marginal, marginal
from chainrule.tasks.comparison.pairs import Pairs, compare_pairs
from chainrule.tasks.comparison.privacy import Privacy, privacy
from chainrule.tasks.comparison.two_sample import two_sample
from chainrule.tasks.comparison.usefulness import Usefulness, usefulness

MOST_ROWS = 10_000  # of each table
WIDEST = 30  # columns of which pairs are compared
TARGETS = 8  # columns that are predicted, unless they are named


@dataclass(frozen=True, eq=False)
class TableComparison:
    """Drawn rows beside real ones.

    Attributes:
        rows: numbers of rows compared, by table: "real", "synthetic", and "train" where it was given.
        marginals: of each column.
        pairs: None for a single column.
        two_sample: AUROC of a classifier that separates drawn rows from real ones; None for few rows.
        usefulness: of each column that was predicted.
        privacy: copies and distances.
        left_out: columns that are not compared → why.
        columns: their cells, for pictures: real, synthetic.
    """

    rows: dict[str, int]
    marginals: tuple[Marginal, ...]
    pairs: Pairs | None
    two_sample: AUROC | None
    usefulness: tuple[Usefulness, ...]
    privacy: Privacy
    left_out: dict[str, str]
    columns: tuple[Cells, ...]

    def figures(self) -> dict[str, float]:
        """The comparison in a few numbers: means over columns, NaN where there is nothing to average.

        distance_ratio: of `Marginal.ratio`; outside: of `Marginal.outside`; frequent_gap: the largest difference of the
        shares of a column's most frequent value; pair_difference and pair_difference_among_real: of associations;
        two_sample: AUROC; usefulness: of `Usefulness.ratio`; copies, copies_held, close: of `Privacy`.
        """
        gaps = [abs(each.frequent_real - each.frequent_drawn) for each in self.marginals]
        return {
            "distance_ratio": _mean([each.ratio for each in self.marginals]),
            "outside": _mean([each.outside for each in self.marginals]),
            "frequent_gap": max((gap for gap in gaps if not math.isnan(gap)), default=math.nan),
            "pair_difference": self.pairs.difference if self.pairs else math.nan,
            "pair_difference_among_real": self.pairs.among_real if self.pairs else math.nan,
            "two_sample": self.two_sample.area if self.two_sample else math.nan,
            "usefulness": _mean([each.ratio for each in self.usefulness]),
            "copies": self.privacy.copies,
            "copies_held": self.privacy.copies_held,
            "close": self.privacy.close,
        }

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain values, for JSON; of distances their medians."""
        private, pairs = self.privacy, self.pairs
        return {
            "rows": self.rows,
            "figures": self.figures(),
            "marginals": [{**asdict(each), "ratio": each.ratio} for each in self.marginals],
            "pairs": pairs
            and {
                "names": pairs.names,
                "real": pairs.real.tolist(),
                "drawn": pairs.drawn.tolist(),
                "difference": pairs.difference,
                "among_real": pairs.among_real,
            },
            "two_sample": self.two_sample and self.two_sample._asdict(),
            "usefulness": [{**asdict(each), "ratio": each.ratio} for each in self.usefulness],
            "privacy": {
                "copies": private.copies,
                "copies_held": private.copies_held,
                "distance": float(np.median(private.nearest)),
                "distance_held": float(np.median(private.nearest_held)),
                "close": private.close,
                "closer": private.closer,
            },
            "left_out": self.left_out,
        }


def compare_tables(
    real: Any,
    synthetic: Any,
    train: Any = None,
    *,
    targets: Sequence[str] | int = TARGETS,
    seed: int = 0,
) -> TableComparison:
    """Compare drawn rows of a table with real ones: columns, pairs, a classifier's test, use, copies.

    Args:
        real: a file (.csv, .tsv, .parquet, …), a DataFrame or a pyarrow Table: rows that the generator has not seen,
            if there are any.
        synthetic: likewise, the drawn rows. Columns are found by name.
        train: likewise, the rows that the generator was trained on. Without them classifiers are trained on a random
            half of the real rows and tested on the other, copies are searched among all real rows, and it is not known
            whether the generator saw them.
        targets: columns to predict, in `usefulness`: their names, or the number of the first ones.
        seed: of the choice of rows, where a table has more than 10,000, and of all splits.

    Raises:
        DataError: if a table cannot be read or has too few rows, if they have no columns in common, if one holds
            text where the real rows have numbers; on an unknown target.

    Example:
        >>> import pandas as pd
        >>> rows = pd.DataFrame({"age": [31, 44, 58, 23] * 25, "sex": ["a", "b", "b", "a"] * 25})
        >>> compare_tables(rows[:50], rows[50:]).marginals[0].outside
        0.0
    """
    tables = {"the real table": real, "the synthetic table": synthetic}
    if train is not None:
        tables["the training table"] = train
    columns, left_out = read_cells(tables)
    least = 2 if train is None else 1
    for where, values in zip(tables, columns[0].parts, strict=True):
        if len(values) < least:
            raise DataError(f"{where}: expected at least {least} rows, got {len(values)}")
    columns = _chosen(columns, seed)
    names = [cells.name for cells in columns]
    chosen = names[:targets] if isinstance(targets, int) else targets
    for target in chosen:
        if target not in names:
            raise DataError(f"target {target!r}: expected a column compared; {nearest(target, names)}")
    parts = columns if train is not None else [_halved(cells) for cells in columns]
    whole = columns if train is None else [_pooled(cells) for cells in columns]
    useful = (usefulness(parts, names.index(target), seed) for target in chosen)
    words = ("real", "synthetic", "train")
    return TableComparison(
        {word: len(part) for word, part in zip(words, columns[0].parts, strict=False)},
        tuple(marginal(cells, seed) for cells in whole),
        compare_pairs(whole[:WIDEST], seed),
        two_sample(columns, seed=seed),
        tuple(each for each in useful if each is not None),
        privacy(columns),
        left_out,
        tuple(whole),
    )


def _chosen(columns: list[Cells], seed: int) -> list[Cells]:
    """At most 10,000 rows of each table, in random order."""
    rng = np.random.default_rng(seed)
    chosen = [rng.permutation(len(part))[:MOST_ROWS] for part in columns[0].parts]
    return [
        Cells(cells.name, cells.kind, tuple(map(np.take, cells.parts, chosen)), cells.levels)
        for cells in columns
    ]


def _halved(cells: Cells) -> Cells:
    """The real rows, in random order already, cut in two: to test on, and to train on."""
    real, drawn = cells.parts
    half = len(real) // 2
    return Cells(cells.name, cells.kind, (real[half:], drawn, real[:half]), cells.levels)


def _pooled(cells: Cells) -> Cells:
    """All real rows in one part."""
    real, drawn, train = cells.parts
    return Cells(cells.name, cells.kind, (np.concatenate([real, train]), drawn), cells.levels)


def _mean(values: Sequence[float]) -> float:
    there = [value for value in values if not math.isnan(value)]
    return sum(there) / len(there) if there else math.nan
