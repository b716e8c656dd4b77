"""How likely held-out data is, beside the baselines."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor

from chainrule.data import Data
from chainrule.errors import ChainruleError
from chainrule.models import Model, create_model
from chainrule.tasks.floor import nats_by_floor
from chainrule.tasks.likelihood import Likelihood, likelihood

BASELINES = ("uniform", "independent", "gaussian")


@dataclass(frozen=True)
class Evaluation:
    """A model and the baselines on one split.

    Attributes:
        split: its name.
        model: the model's likelihood.
        baselines: name → likelihood.
        floors: smallest scale of a density, in units of its column's, → nats of the model; see `nats_by_floor`.
    """

    split: str
    model: Likelihood
    baselines: dict[str, Likelihood] = field(default_factory=dict)
    floors: dict[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict:
        """Flat, for JSON: split, n, nats, nats_se, bits_per_dim, bits_per_dim_se, baselines."""
        baselines = {name: vars(value) for name, value in self.baselines.items()}
        floors = {"floors": self.floors} if self.floors else {}
        return {"split": self.split, **vars(self.model), "baselines": baselines, **floors}


def evaluate(model: Model, data: Data, split: str = "test", *, baselines: bool = True) -> Evaluation:
    """Likelihood of a split under the model, and under baselines estimated from the training split.

    Args:
        model: unconditional, or conditional on the data's labels.
        data: in the model's domain.
        split: "train", "valid" or "test".
        baselines: whether to add uniform, independent and gaussian, where they serve the domain.

    Raises:
        ChainruleError: if the data do not fit the model.
    """
    x, labels = data.split(split)
    if model.domain != data.domain:
        raise ChainruleError(
            f"{data.name}: expected data in the model's domain {model.domain}, got {data.domain}"
        )
    if model.conditional and labels is None:
        raise ChainruleError(f"{data.name}: the model is conditional, expected labels, found none")
    cond = labels if model.conditional else None
    own, floors = likelihood(model, x, cond), nats_by_floor(model, x, cond)
    return Evaluation(split, own, _baselines(data, x) if baselines else {}, floors)


def _baselines(data: Data, x: Tensor) -> dict[str, Likelihood]:
    results = {}
    for name in BASELINES:
        try:
            baseline = create_model(name, data.domain)
        except ChainruleError:
            continue  # not for this domain
        baseline.estimate(data.train)
        results[name] = likelihood(baseline, x)
    return results
