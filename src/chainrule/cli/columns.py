"""The columns of a table, as commands show them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.cli.output import print_table, say, say_notes

if TYPE_CHECKING:
    from chainrule.data import Data


def describe_columns(data: Data) -> list[dict]:
    """Name, kind, why, number of levels and share of missing cells of each column; empty if it is no table."""
    import torch

    from chainrule.data.dataset import SPLITS
    from chainrule.data.large.stored import in_memory

    if not data.domain.columns:
        return []
    splits = [in_memory(getattr(data, split)) for split in SPLITS]
    missing = torch.cat(splits).isnan().double().mean(0).tolist()
    return [
        {
            "name": column.name,
            "kind": column.kind,
            "levels": column.levels,
            "missing": share,
            "why": data.notes.columns.get(column.name, str(column).removeprefix(f"{column.name}: ")),
        }
        for column, share in zip(data.domain.columns, missing, strict=True)
    ]


def print_columns(data: Data, *, remark: bool = False) -> None:
    """A table of them, or nothing if there are none; as a result, or as a remark on the way to one."""
    rows = [
        [c["name"], c["why"], f"{c['missing']:.1%}" if c["missing"] else ""] for c in describe_columns(data)
    ]
    if rows:
        print_table("Columns", ["name", "kind", "missing"], rows, words=True, remark=remark)


def say_data(data: Data) -> None:
    """What was found in a source, as remarks."""
    say(data.describe())
    say_notes(data.notes)
    print_columns(data, remark=True)
