"""Labels that have names, such as digit and speaker: texts → codes, and those that are asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.data.notes import listed
from chainrule.data.raw import Raw
from chainrule.errors import DataError, nearest


def label_codes(columns: Mapping[str, Sequence[str]]) -> tuple[np.ndarray, tuple[tuple[str, ...], ...]]:
    """The texts of each label → their places among those that occur, sorted; as numbers if all are whole ones.

    Args:
        columns: name of a label → the text of each item, n of them.

    Returns:
        Codes (n, k), and the texts of each label's codes.
    """
    classes = tuple(sorted_names(texts) for texts in columns.values())
    codes = [
        [names.index(text) for text in texts] for names, texts in zip(classes, columns.values(), strict=True)
    ]
    return np.array(codes, np.int64).T, classes


def match_classes(raw: Raw, known: Mapping[str, Sequence[str]]) -> None:
    """Number the labels of new data as a run does, by the names of their classes, in place.

    Labels without names are numbers of the run's classes already; those that the run does not know are left out.

    Args:
        raw: the new data.
        known: name of each of the run's labels → names of its classes.

    Raises:
        DataError: naming the classes that the run does not know, or a label that it has and the data have not.
    """
    if not raw.labels or not raw.class_names:
        return
    classes: Any = raw.class_names if len(raw.label_names) > 1 else (raw.class_names,)
    names = raw.label_names if len(raw.label_names) > 1 else raw.label_names or tuple(known)[:1]
    own = dict(zip(names, classes, strict=True))
    if len(known) == len(own) == 1:
        own = dict(zip(known, own.values(), strict=True))  # the only label, whatever it is called
    absent = [name for name in known if name not in own]
    if absent:
        raise DataError(f"{raw.where}: expected the labels {', '.join(known)}; without {', '.join(absent)}")
    tables = []
    for name, wanted in known.items():
        foreign = [text for text in own[name] if text not in wanted]
        if foreign:
            raise DataError(
                f"{raw.where}: {name} {listed(map(repr, foreign))}: the run knows {listed(map(repr, wanted))}; "
                f"leave these items out, or train on them too"
            )
        tables.append(np.array([list(wanted).index(text) for text in own[name]], np.int64))
    places = [list(own).index(name) for name in known]
    raw.labels = {
        split: np.stack(
            [table[codes.reshape(len(codes), -1)[:, d]] for table, d in zip(tables, places, strict=True)],
            axis=1,
        )
        for split, codes in raw.labels.items()
    }
    raw.label_names = tuple(known)
    raw.class_names = tuple(tuple(texts) for texts in known.values())
    if len(known) == 1:
        raw.labels = {split: codes[:, 0] for split, codes in raw.labels.items()}
        raw.class_names = raw.class_names[0]


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
    if len(raw.label_names) == 1 and raw.labels and next(iter(raw.labels.values())).ndim > 1:
        raw.labels = {split: codes[:, 0] for split, codes in raw.labels.items()}
        raw.class_names = classes[0]


def sorted_names(texts: Iterable[str]) -> tuple[str, ...]:
    """Each once, in the order of the numbers they spell if all are whole ones, else of the alphabet."""
    different = set(texts)
    whole = all(text.isdecimal() and text.isascii() for text in different)
    return tuple(sorted(different, key=lambda text: (int(text) if whole else 0, text)))
