"""`chainrule complete` of a table: draw its missing cells."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from chainrule.cli.output import say_notes
from chainrule.data import Notes, Reading
from chainrule.errors import ChainruleError
from chainrule.models import Model
from chainrule.tasks.gaps import rows_with_gaps

ROWS = 1 << 15  # drawn at once, all candidates counted
DRAW = "draw"  # the column that numbers the draws of one row


def complete_table(
    model: Model,
    source: str,
    reading: Reading,
    out: Path,
    keep: str | None,
    n: int,
    items: int | None,
    how: dict[str, Any],
    safe_csv: bool,
    given: list[str] | None = None,
) -> dict:
    """Draw the missing cells, and with `keep` all that it does not keep, under conditions; write the rows.

    `reading` is the run's.
    """
    from chainrule.data import decode, encode
    from chainrule.data.carry import carry
    from chainrule.data.categories import text_columns
    from chainrule.data.readers.arrow import as_arrow
    from chainrule.report.export import export_items
    from chainrule.report.frame import export_frame
    from chainrule.tasks import known_mask

    columns = model.domain.columns
    if n > 1 and DRAW in (column.name for column in columns):
        raise ChainruleError(f"-n: expected 1, for the table has a column {DRAW!r} of its own; got {n}")
    notes = Notes()
    table = as_arrow(source, text_columns(columns), reading, notes).slice(0, items)
    cells = encode(table, columns, source, allow_missing=True, notes=notes)
    say_notes(notes)
    x = torch.from_numpy(cells).to(model.device)
    known = ~x.isnan()
    if keep is not None:
        known &= known_mask(model.domain, keep).to(model.device)
    about: dict[str, Any] = {}
    if given:
        drawn, about = _under_conditions(model, x, known, given, n, how)
    else:
        drawn = _draw(model, x, known, n, how)
    if out.suffix.lower() == ".npy":
        export_items(drawn.flatten(0, 1), model.domain, out)
    else:
        there = known.cpu().numpy().T
        kept = {
            column.name: there[d] for d, column in enumerate(columns) if column.name in table.column_names
        }
        frame = carry(decode(drawn.flatten(0, 1), columns), table, kept)
        if n > 1:
            frame.insert(0, DRAW, torch.arange(n).repeat(len(x)).numpy())
        export_frame(frame, out, columns, safe_csv=safe_csv)
    return {"items": len(x), "n": n, "kept": int(known.sum()), "of": known.numel(), **about}


def _draw(model: Model, x: Tensor, known: Tensor, n: int, how: dict[str, Any]) -> Tensor:
    """Rows (N, D) with their unknown cells drawn, (N, n, D); those without any are n times as they are."""
    drawn = x[:, None].repeat(1, n, 1)
    rows = rows_with_gaps(~known)
    for part in rows.split(max(1, ROWS // (n * how["particles"]))) if len(rows) else ():
        drawn[part] = model.complete(x[part], known[part], n, **how).to(drawn.dtype)
    return drawn


def _under_conditions(
    model: Model, x: Tensor, known: Tensor, given: list[str], n: int, how: dict[str, Any]
) -> tuple[Tensor, dict]:
    """The rows (N, n, D), and how good the draws are."""
    from chainrule.tasks import complete_given, parse_conditions

    found = complete_given(model, x, known, parse_conditions(model.domain, given), n, **how)
    worth = found.effective[~found.exact]
    size: dict[str, Any] = {"exact": not len(worth)}
    if len(worth):
        size |= {"candidates": found.candidates, "effective_sample_size": worth.mean().item()}
        size["least_effective_sample_size"] = worth.min().item()
    return found.items, size


def worth_in_words(result: dict[str, Any]) -> str:
    """How good draws under conditions are."""
    if result["exact"]:
        return "exact draws"
    mean, least = result["effective_sample_size"], result["least_effective_sample_size"]
    among = f"chosen among {result['candidates']:,} candidates of each row"
    return f"{among}, worth {mean:,.0f} independent ones on average, {least:,.0f} at least"
