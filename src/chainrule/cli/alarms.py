"""What `score` prints: the least likely items, and how many lie above the threshold."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor

from chainrule.bits import bits_per_dim
from chainrule.cli.output import print_json, print_table, say
from chainrule.data import Items
from chainrule.data.tokens import Tokens
from chainrule.models import Model
from chainrule.models.base.capabilities import Bounded
from chainrule.tasks import BlamedCell, Scores, alarm_threshold, blamed_cells, hidden_nats
from chainrule.tasks.score import least_reference
from chainrule.training import Run

if TYPE_CHECKING:
    import pandas as pd

SHOWN = 10  # of the least likely items, on the terminal


@dataclass(frozen=True)
class Alarms:
    """The items above the threshold of a rate of false alarms.

    Attributes:
        scores: of the items and the reference.
        rate: of false alarms.
        split: the name of the reference.
    """

    scores: Scores
    rate: float
    split: str

    @property
    def which(self) -> Tensor:
        """Booleans (N,)."""
        return self.scores.alarms(self.rate)

    @property
    def threshold(self) -> float:
        """In nats; inf if the reference is too small for any alarm."""
        return alarm_threshold(self.scores.reference_nats, self.rate)

    def warn(self) -> None:
        """Say that nothing can alarm, if so."""
        if self.threshold == math.inf:
            say(
                f"nothing can alarm: at a rate of {self.rate:.2%} false alarms it takes a reference of at least "
                f"{least_reference(self.rate)} items, there are {len(self.scores.reference_nats)}; raise "
                "--false-alarms, or take a larger one"
            )

    def summary(self) -> dict:
        """For JSON."""
        reference = self.scores.reference_nats
        return {
            "items": len(self.scores.nats),
            "reference": {"items": len(reference), "split": self.split, "nats": reference.mean().item()},
            "false_alarms": self.rate,
            "threshold_nats": self.threshold,
            "alarms": int(self.which.sum()),
        }

    def tell(self, out: Path | None, model: Model) -> None:
        """In a sentence, with the file that was written, and what kind of nats the model has."""
        n, to = len(self.scores.nats), "" if out is None else f": {out}"
        if self.threshold < math.inf:
            say(
                f"{int(self.which.sum())} of {n} items above {self.threshold:.2f} nats, where at most "
                f"{self.rate:.2%} of items like the {len(self.scores.reference_nats)} of {self.split} would be{to}"
            )
        elif out is not None:
            say(f"{n} items{to}")
        if isinstance(model, Bounded):
            say(f"nats are upper bounds: {model.name} ranks items by them")


def frame_of(
    alarms: Alarms,
    run: Run,
    items: Items,
    cond: Tensor | None,
    known: str | None,
    reference: Tensor | None,
) -> pd.DataFrame:
    """A row an item: name, columns that are not modelled, scores, alarm.

    Of texts of tokens also the bits of a byte, with `known` the nats of the rest, with a reference the cell to blame.
    """
    import pandas as pd

    model = run.model
    frame = pd.DataFrame({name: value.numpy() for name, value in alarms.scores.to_dict().items()})
    frame.insert(0, "item", list(items.names) or range(len(items)))
    if isinstance(run.writing, Tokens):
        sizes = run.writing.sizes(items.x.numpy()).sum(1)
        frame.insert(2, "bits_per_byte", bits_per_dim(frame["nats"], sizes))
    frame["alarm"] = alarms.which.numpy()
    if known is not None:
        hidden, place = hidden_nats(model, items.x, known, cond=cond), frame.columns.get_loc("nats") + 1
        if not hidden.exact.all():
            frame.insert(place, "hidden_se", hidden.se.numpy())
        frame.insert(place, "hidden_nats", hidden.nats.numpy())
    if reference is not None:
        cells = blamed_cells(model, items.x[alarms.which], reference)
        numbers = alarms.which.nonzero().flatten().tolist()
        frame = frame.join(pd.DataFrame(cells, index=numbers, columns=BlamedCell._fields))
    for place, name in enumerate(items.beside.column_names if items.beside else (), 1):
        if name not in frame:
            frame.insert(place, name, items.beside.column(name).to_pandas().to_numpy())
    return frame


def print_result(
    alarms: Alarms, frame: pd.DataFrame, model: Model, out: Path | None, *, safe_csv: bool, json: bool
) -> None:
    """Write the rows to a file if one is asked for; print the least likely, or all as JSON."""
    from chainrule.report.frame import export_frame

    alarms.warn()
    if out is not None:
        export_frame(frame, out, safe_csv=safe_csv)
    if json:
        print_json({**alarms.summary(), "file": out} | ({} if out else {"scores": frame.to_dict("records")}))
        return
    print_least_likely(frame)
    alarms.tell(out, model)


def print_least_likely(frame: pd.DataFrame) -> None:
    """The first rows by nats, as a table."""
    least = frame.drop(columns=["bits_per_dim", "atypicality"]).sort_values("nats", ascending=False)
    rows = [[_cell(value) for value in row] for row in least.head(SHOWN).itertuples(index=False)]
    print_table(f"The {len(rows)} least likely of {len(frame)} items", list(least.columns), rows)


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else ""
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.4g}"
    return str(value)
