"""A part as a compressed file of the library's own format, and back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from pyarrow import parquet

from chainrule.data import load_items
from chainrule.errors import ChainruleError
from chainrule.files import scratch
from chainrule.scale.parts import Part
from chainrule.tasks.compress import pack_items
from chainrule.tasks.decompress import decompress_file
from chainrule.training import Run


def compress(run: Run, part: Part, options: dict[str, Any], generator: torch.Generator, place: Path) -> None:
    """The rows, as `chainrule compress` packs a Parquet file of them.

    Columns that folders have in their names are left to the folders, unless the model needs them.
    """
    modelled = {column.name for column in run.model.domain.columns}
    table = part.read()
    table = table.drop_columns([name for name in part.common if name not in modelled])
    with scratch() as folder:
        source = folder / "part.parquet"
        parquet.write_table(table, source)
        how: Any = {"verify": options.get("verify", True), "runner": options.get("runner", "eager")}
        how["portable"] = options.get("portable", True)
        try:
            items = load_items(source, run.reading, cut=False)
            pack_items(run, str(source), items, len(items), place, **how)
        except ChainruleError as error:  # only here is there such a file
            raise type(error)(str(error).replace(f"{source}: ", "")) from error


def decompress(
    run: Run, part: Part, options: dict[str, Any], generator: torch.Generator, place: Path
) -> None:
    """The Parquet file that was packed."""
    try:
        decompress_file(run, Path(part.path), place, anyway=options.get("anyway", False))
    except ChainruleError as error:
        raise type(error)(str(error).removeprefix(f"{part.path}: ")) from error
