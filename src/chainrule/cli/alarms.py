"""What `score` prints: the least likely items, and how many lie above the threshold."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor

from chainrule.cli.output import print_table, say
from chainrule.tasks import Scores, alarm_threshold
from chainrule.tasks.score import least_reference

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

    def tell(self, out: Path | None) -> None:
        """In a sentence, with the file that was written."""
        n, to = len(self.scores.nats), "" if out is None else f": {out}"
        if self.threshold < math.inf:
            say(
                f"{int(self.which.sum())} of {n} items above {self.threshold:.2f} nats, where at most "
                f"{self.rate:.2%} of items like the {len(self.scores.reference_nats)} of {self.split} would be{to}"
            )
        elif out is not None:
            say(f"{n} items{to}")


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
