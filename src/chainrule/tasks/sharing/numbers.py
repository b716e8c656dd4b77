"""The recorded numbers of a run, and whether they come out again."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from chainrule.data import Data
from chainrule.errors import RunError
from chainrule.models.store import read_json
from chainrule.records import circumstances
from chainrule.run_files import NUMBERS
from chainrule.tasks.evaluate import evaluate
from chainrule.training import Run

ITEMS = 10_000  # that are measured at most, the first of the split
TOLERANCE = 1e-4  # of the recorded nats: other processors add in another order


def measure(
    run: Run, data: Data, split: str = "test", samples: int = 1, items: int = ITEMS
) -> dict[str, Any]:
    """Measure a run: mean nats and bits/dim with their standard errors, accuracy, nats a step, where there are any.

    Args:
        run: with its model.
        data: that it was trained on.
        split: of the data.
        samples: of a model that knows a bound only, draws of what is latent in each item.
        items: measured at most.

    Returns:
        What `numbers.json` holds: the numbers, of which items, where and when.

    Raises:
        ChainruleError: if the data do not fit the model.
    """
    chosen = data.items(split).first(items)
    found = evaluate(run.model, chosen, baselines=False, samples=samples, writing=run.writing).to_dict()
    of = {"data": data.name, "samples": samples, "limit": items}
    return {**of, **{key: value for key, value in found.items() if key != "baselines"}, **circumstances()}


def recorded(run: Run) -> dict[str, Any]:
    """The numbers of a run: those it was packed with, or else its lowest validation.

    Raises:
        RunError: if there are none, or the file holds something else.
    """
    assert run.folder is not None
    path = run.folder / NUMBERS
    if path.is_file():
        numbers = read_json(path)
        fine: dict[str, Any] = {
            "nats": (int, float),
            "nats_se": (int, float),
            "n": int,
            "split": str,
            "samples": int,
            "limit": int,
        }
        for name, kind in fine.items():
            if not isinstance(numbers.get(name), kind):
                raise RunError(
                    f"{run.name}: {NUMBERS}: {name}: expected a number or text, got {numbers.get(name)!r}"
                )
        return numbers
    if run.best is None:
        raise RunError(f"{run.name}: no number is recorded of it; `chainrule pack` measures one")
    return {"split": "valid", "nats": run.best["valid_nats"], "samples": 1, "limit": None}


@dataclass(frozen=True)
class Verification:
    """A recorded number beside the same one measured again.

    Attributes:
        recorded, measured: as `measure` returns them.
    """

    recorded: dict[str, Any]
    measured: dict[str, Any]

    @property
    def difference(self) -> float:
        """Nats, measured less recorded."""
        return self.measured["nats"] - self.recorded["nats"]

    @property
    def allowed(self) -> float:
        """Nats by which they may differ, since processors add in different orders."""
        return TOLERANCE * max(1.0, abs(self.recorded["nats"]))

    @property
    def holds(self) -> bool:
        """Whether the number is the recorded one, of the same number of items."""
        same = self.recorded.get("n", self.measured["n"]) == self.measured["n"]
        return same and abs(self.difference) <= self.allowed

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        about = {"holds": self.holds, "difference": self.difference, "allowed": self.allowed}
        return {**about, "recorded": self.recorded, "measured": self.measured}


def verify(run: Run, data: Data) -> Verification:
    """Measure the recorded number of a run again.

    Args:
        run: a run folder, or a packed run.
        data: that it was trained on.

    Raises:
        RunError: if no number is recorded.
        ChainruleError: if the data do not fit the model.
    """
    told = recorded(run)
    limit = told["limit"] or len(data.split(told["split"])[0])
    return Verification(told, measure(run, data, told["split"], told["samples"], limit))


def numbers_text(numbers: dict[str, Any]) -> str:
    """The content of `numbers.json`."""
    return json.dumps(numbers, indent=1, ensure_ascii=False) + "\n"
