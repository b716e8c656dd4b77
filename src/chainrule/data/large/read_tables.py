"""Tables that are larger than memory, as readers hand them over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from chainrule.data.carried import Carried
from chainrule.data.large.kept import Found, fingerprint, kept, listing, marks
from chainrule.data.large.stored import Stored
from chainrule.data.large.survey import survey
from chainrule.data.large.tables import FORMATS, Part, TableRows, parts_of
from chainrule.data.limits import in_parts
from chainrule.data.notes import Notes, counted
from chainrule.data.raw import Raw, reading
from chainrule.data.readers.table import raw_of_tables, read_table
from chainrule.data.readers.tree import split_roots
from chainrule.data.reading import Reading
from chainrule.data.split import HELD, held_out
from chainrule.domain import Domain
from chainrule.errors import DataError

SEEN = (
    200_000  # random rows from which columns are found, and what nets take from the training data beforehand
)


def read_tables(path: Path, files: Sequence[Path], how: Reading) -> Raw:
    """Read a Parquet or Arrow file, or a folder of them: whole if it fits, else in parts.

    Subfolders train, valid, test are the split; of names such as year=2020 of other folders columns are made.

    Raises:
        DataError: if there are no rows, columns differ between files, or cells do not suit the domain.
    """
    notes = Notes()
    roots = {"train": path}
    if path.is_dir():
        roots = split_roots(path, [file.relative_to(path) for file in files], notes)
    if not files:
        raise DataError(f"{path}: expected Parquet or Arrow files, found none")
    kind = FORMATS[files[0].suffix.lower()]
    parts = {
        split: parts_of(
            str(root),
            [str(file) for file in files if file.is_relative_to(root)],
            kind,
            root if root.is_dir() else None,
        )
        for split, root in roots.items()
    }
    columns = len(parts["train"][0].schema) if "train" in parts else 1
    rows = sum(part.rows for own in parts.values() for part in own)
    if not in_parts(8 * columns * rows, how.in_parts):
        if not path.is_dir():
            return read_table(path, how)
        with reading(str(path)):
            tables = {
                split: pa.concat_tables([part.read(notes) for part in own]) for split, own in parts.items()
            }
        raw = raw_of_tables(path.resolve().name, str(path), tables, how)
        raw.notes.add(notes)
        return raw
    raw = Raw(path.resolve().name if path.is_dir() else path.stem, str(path), notes=notes)
    read_in_parts(raw, marks(files), parts, how)
    raw.listing = listing(path, files)
    return raw


def read_in_parts(raw: Raw, files: Sequence[str], parts: dict[str, list[Part]], how: Reading) -> None:
    """Fill in what the parts of each split hold.

    Args:
        raw: to fill.
        files: what identifies them as they are now.
        parts: split → its parts.
        how: columns, or a domain of them; the seed of the rows that are held out.

    Raises:
        DataError: as `read_tables`.
    """
    rows = {split: sum(part.rows for part in own) for split, own in parts.items()}
    if how.labels:
        raise DataError(
            f"{raw.where}: labels of a table that is read in parts are not supported; expected none"
        )
    every = [part for own in parts.values() for part in own]
    places = _places(rows, how.seed)
    held = {split: own for split, own in places.items() if split != "seen"}
    asked = dict(how.columns) if how.columns is not None else None
    known = how.domain.columns if how.domain else ()
    if how.domain is not None and not known:
        raise DataError(
            f"{raw.where}: a table in parts has a domain of columns, expected none, got {how.domain}"
        )

    def find() -> Found:
        found, cells = survey(every, asked, raw.where, places["seen"], list(places.values()), known)
        plain: dict[str, Any] = {"domain": Domain.table(tuple(found.columns)).to_json()}
        plain |= {
            "reasons": found.reasons,
            "left": found.left,
            "carried": [asdict(one) for one in found.carried],
        }
        return plain, dict(zip(places, cells, strict=True))

    plain, cells = kept(fingerprint(files, asked, how.seed, known), find)
    raw.domain = Domain.from_json(plain["domain"])
    raw.carried = tuple(Carried(**one) for one in plain["carried"])
    raw.notes.columns.update(plain["reasons"])
    raw.notes.ignored.extend(f"column {name!r}: {reason}" for name, reason in plain["left"].items())
    raw.notes.found.append(
        f"{counted(sum(rows.values()), 'row')} in {counted(len(every), 'part')}, read when they are asked for"
    )
    for split, own in parts.items():
        raw.arrays[split] = TableRows(own, raw.domain.columns)
    if held:
        train: Stored = raw.arrays["train"]
        raw.arrays["train"] = train.without(np.sort(np.concatenate(list(held.values()))))
        raw.arrays |= {split: cells[split].numpy() for split in held}
        most = max(map(len, held.values()))
        raw.split = f"{' and '.join(held)} are {most:,} random rows each, seed {how.seed}"
    if "train" in raw.arrays:
        raw.arrays["train"].seen = cells["seen"]


def _places(rows: dict[str, int], seed: int) -> dict[str, np.ndarray]:
    """Sorted places of random rows, no row twice: of each split that is missing, a tenth of train but at most `HELD`;
    and of those that are seen beforehand.
    """
    total = rows.get("train", 0)
    missing = [split for split in ("valid", "test") if split not in rows] if total else []
    size = min(HELD, held_out(total, len(missing))) if missing else 0
    sizes = [size] * len(missing)
    first = next(iter(rows.values()))  # rows of train, or of the only split
    chosen = np.random.default_rng(seed).choice(first, min(first, sum(sizes) + SEEN), replace=False)
    parts = np.split(chosen, np.cumsum(sizes))
    return {split: np.sort(own) for split, own in zip([*missing, "seen"], parts, strict=True)}
