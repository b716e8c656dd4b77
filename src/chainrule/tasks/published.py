"""Published likelihoods, as recipes and records hold them."""

from __future__ import annotations

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
    """

    nats: float
    split: str = "test"
    source: str = ""
    model: str = ""
    se: float | None = None

    def __str__(self) -> str:
        """Such as "test 88.33 ± 0.05" or "EoNADE: test 85.10"."""
        error = "" if self.se is None else f" ± {self.se}"
        return f"{self.model + ': ' if self.model else ''}{self.split} {self.nats}{error}"


def compared(scores: dict) -> tuple[float, float]:
    """What published values are about, and its standard error: nats a step of long sequences, else nats an item."""
    told = scores.get("per_step", scores)
    return told["nats"], told["nats_se"]


def read_published(entry: dict | list | None) -> list[Published]:
    """One value or several: {test_nats or valid_nats or value, source, model, se}, or a list of such.

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
        Published(entry[key], split, se=entry.get("se"), **about)
        for key, split in named.items()
        if isinstance(entry.get(key), int | float)
    ]
    if not found:
        raise ChainruleError(f"published: expected test_nats, valid_nats or value, got {entry}")
    return found
