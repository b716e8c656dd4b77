"""Published likelihoods, as recipes and records hold them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from chainrule.errors import ChainruleError

SPLITS = ("valid", "test")


class Published(NamedTuple):
    """A value that somebody printed.

    Attributes:
        nats: per item, negative log-likelihood: lower is better.
        split: "test", or "valid".
        source: where it was read.
        model: whose it is, where that is not the recipe's own model; else "".
        se: its standard error, if printed.
        without_first_step: whether the first step of each sequence, which has nothing before it, was left out.
    """

    nats: float
    split: str = "test"
    source: str = ""
    model: str = ""
    se: float | None = None
    without_first_step: bool = False

    def __str__(self) -> str:
        """Such as "test 88.33 ± 0.05" or "EoNADE: test 85.10"."""
        error = "" if self.se is None else f" ± {self.se}"
        steps = " without first steps" if self.without_first_step else ""
        return f"{self.model + ': ' if self.model else ''}{self.split} {self.nats}{error}{steps}"


def compared(scores: dict, published: Sequence[Published] = ()) -> tuple[float, float]:
    """What published values are about, and its standard error: nats a step of long sequences, else nats an item.

    Where one of the values leaves the first step of each sequence out, so does this; unless a record does not say it.
    """
    ours = scores.get("per_step", scores)
    if any(value.without_first_step for value in published) and ours.get("nats_after_first"):
        return ours["nats_after_first"], ours["nats_after_first_se"]
    return ours["nats"], ours["nats_se"]


def beside(record: dict) -> str:
    """The published values of a record in words; where first steps are left out, with ours that compares."""
    words = []
    for value in read_published(record["published"]):
        words.append(str(value))
        if value.without_first_step:
            words[-1] += " (ours {:.3f} ± {:.3f})".format(*compared(record[value.split], [value]))
    return ", ".join(words)


def read_published(entry: dict | list | None) -> list[Published]:
    """One value or several: {test_nats or valid_nats or value, source, model, se, without_first_step}, or a list of
    such.

    Raises:
        ChainruleError: if there is no number in it.
    """
    if isinstance(entry, list):
        return [value for part in entry for value in read_published(part)]
    if not entry:
        return []
    about = {key: str(entry.get(key, "")) for key in ("source", "model")}
    named = {"value": "test", **{f"{split}_nats": split for split in SPLITS}}
    found = [
        Published(
            entry[key],
            split,
            se=entry.get("se"),
            without_first_step=entry.get("without_first_step") is True,
            **about,
        )
        for key, split in named.items()
        if isinstance(entry.get(key), int | float)
    ]
    if not found:
        raise ChainruleError(f"published: expected test_nats, valid_nats or value, got {entry}")
    return found
