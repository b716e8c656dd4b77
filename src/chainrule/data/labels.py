"""Labels that have names, such as digit and speaker: texts → codes, and those that are asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.data.raw import Raw
from chainrule.errors import DataError, nearest


def label_codes(columns: Mapping[str, Sequence[str]]) -> tuple[np.ndarray, tuple[tuple[str, ...], ...]]:
    """The texts of each label → their places among those that occur, sorted; as numbers if all are whole ones.

    Args:
        columns: name of a label → the text of each item, n of them.

    Returns:
        Codes (n, k), and the texts of each label's codes.
    """
    classes = tuple(_sorted(set(texts)) for texts in columns.values())
    codes = [
        [names.index(text) for text in texts] for names, texts in zip(classes, columns.values(), strict=True)
    ]
    return np.array(codes, np.int64).T, classes


def pick_labels(raw: Raw, names: Sequence[str] | None) -> None:
    """Keep the labels of these names, in this order; None keeps all. A single one is (N,) instead of (N, 1).

    Raises:
        DataError: on a name that no label has.
    """
    classes: Any = raw.class_names
    if names is not None:
        if isinstance(names, str) or not names or len(set(names)) < len(names):
            raise DataError(f"labels: expected a list of different names, got {names!r}")
        for name in names:
            if name not in raw.label_names:
                raise DataError(f"{raw.where}: has no label {name!r}; {nearest(name, raw.label_names)}")
        chosen = [raw.label_names.index(name) for name in names]
        raw.labels = {split: codes[:, chosen] for split, codes in raw.labels.items()}
        classes = tuple(classes[i] for i in chosen)
        raw.label_names, raw.class_names = tuple(names), classes
    if len(raw.label_names) == 1:
        raw.labels = {split: codes[:, 0] for split, codes in raw.labels.items()}
        raw.class_names = classes[0]


def _sorted(texts: set[str]) -> tuple[str, ...]:
    whole = all(text.isdecimal() for text in texts)
    return tuple(sorted(texts, key=lambda text: (int(text) if whole else 0, text)))
