"""How likely held-out data is, beside the baselines."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from torch import Tensor

from chainrule.data import Data, Items
from chainrule.data.large.stored import in_memory
from chainrule.data.tokens import Tokens
from chainrule.data.writing import Writing
from chainrule.domain.measure import reference_measure
from chainrule.errors import ChainruleError
from chainrule.models import Model, create_model
from chainrule.models.base.capabilities import Bounded, Exact
from chainrule.remarks import LOG
from chainrule.tasks.classify import accuracy, classify
from chainrule.tasks.density_floor import nats_by_floor
from chainrule.tasks.likelihood import Likelihood, StepLikelihood, likelihood, step_bound, step_likelihood

BASELINES = ("uniform", "independent", "gaussian")
LARGEST, FEWEST = 4096, 3  # variables of which a covariance is estimated, and items that it takes
MOST_LOGITS = 2**24  # of an item, of a baseline that has one for each level of each variable


@dataclass(frozen=True)
class Evaluation:
    """A model and the baselines on one split.

    Attributes:
        split: its name.
        model: the model's likelihood.
        baselines: name → likelihood.
        floors: smallest scale of a density, in units of its column's, → nats of the model; see `nats_by_floor`.
        per_step: of long sequences, the likelihood of their steps.
        measure: of a table, which columns nats have as probabilities, and which as densities; see `reference_measure`.
        accuracy: share of items whose most probable class is their label; None if the model takes no label or several.
    """

    split: str
    model: Likelihood
    baselines: dict[str, Likelihood] = field(default_factory=dict)
    floors: dict[str, float] = field(default_factory=dict)
    per_step: StepLikelihood | None = None
    accuracy: float | None = None
    measure: str = ""

    def to_dict(self) -> dict:
        """Flat, for JSON: split, n, nats, nats_se, bits_per_dim, bits_per_dim_se, baselines, and what else there is."""
        baselines = {name: vars(value) for name, value in self.baselines.items()}
        steps = None if self.per_step is None else vars(self.per_step)
        more: dict[str, Any] = {"floors": self.floors or None, "per_step": steps, "accuracy": self.accuracy}
        more["measure"] = self.measure or None
        more = {key: value for key, value in more.items() if value is not None}
        return {"split": self.split, **vars(self.model), "baselines": baselines, **more}


def evaluate(
    model: Model,
    data: Data | Items,
    split: str = "test",
    *,
    baselines: bool = True,
    train: Tensor | None = None,
    context: int | None = None,
    samples: int = 1,
    writing: Writing | None = None,
) -> Evaluation:
    """Likelihood of a split under the model, and under baselines estimated from the training split.

    A model of classes is also asked for the class of each item, which costs a pass a class.

    Args:
        model: unconditional, or conditional on the data's labels, or on the frames of its recordings.
        data: in the model's domain; or items alone.
        split: "train", "valid" or "test" of the data.
        baselines: whether to add uniform, independent and gaussian, where they serve the domain.
        train: what the baselines are estimated from; the training split of the data by default, and none for items.
        context: for long sequences, the number of steps before those scored; half a window by default.
        samples: for a model with a bound only, draws of the latent variables per item; more make it tighter.
        writing: of a run on text, such as `Run.writing`: of tokens, bits per byte of the text are computed too.

    Raises:
        ChainruleError: if the data do not fit the model.
    """
    if isinstance(data, Data):
        items, train = data.items(split), data.train if train is None else train
    else:
        items = data
    x = items.x
    if model.domain != data.domain:
        raise ChainruleError(
            f"{data.name}: expected data in the model's domain {model.domain}, got {data.domain}"
        )
    cond = items.cond if model.conditional else None
    if model.conditional and cond is None:
        what = "features" if model.condition.maps else "labels"
        raise ChainruleError(f"{data.name}: the model is conditional, expected {what}, found none")
    own, floors = likelihood(model, x, cond, samples=samples), nats_by_floor(model, x, cond)
    return Evaluation(
        items.split,
        own,
        _baselines(model, in_memory(train), x) if baselines and train is not None else {},
        floors,
        _per_byte(steps_of(model, items, context, samples), items, writing),
        class_accuracy(model, x, items.labels),
        reference_measure(model.domain.columns),
    )


def steps_of(
    model: Model, items: Items, context: int | None = None, samples: int = 1
) -> StepLikelihood | None:
    """The likelihood of the steps of long sequences, or its bound; None without either."""
    streams = items.streams
    if streams is None:
        return None
    if isinstance(model, Bounded):
        return step_bound(model, streams, samples=samples)
    return step_likelihood(model, streams, context=context) if isinstance(model, Exact) else None


def _per_byte(steps: StepLikelihood | None, items: Items, writing: Writing | None) -> StepLikelihood | None:
    """With the bits of a byte, where steps are tokens."""
    if steps is None or steps.bits is None or items.streams is None or not isinstance(writing, Tokens):
        return steps
    size = int(writing.sizes(items.streams.values.numpy()).sum())
    return replace(steps, bits_per_byte=steps.bits * steps.steps / size)


def class_accuracy(model: Model, x: Tensor, labels: Tensor | None) -> float | None:
    """The share of items (N, *event_shape) put into their class; None without labels, unless one is the condition."""
    if labels is None or not isinstance(model.condition.classes, int):
        return None
    return accuracy(classify(model, x), labels)


def _baselines(model: Model, train: Tensor, x: Tensor) -> dict[str, Likelihood]:
    results = {}
    logits = model.domain.size * model.domain.max_levels if model.domain.discrete else 1
    for name in BASELINES:
        if name == "gaussian" and (model.domain.size > LARGEST or len(train) < FEWEST):
            continue  # its estimate takes D³ operations, and something that varies
        if name != "gaussian" and logits > MOST_LOGITS:
            LOG.warning("baseline %s: left out, it would take %s logits an item", name, f"{logits:,}")
            continue  # such as those of a second of 16-bit sound, 2 GB an item
        try:
            baseline = create_model(name, model.domain)
        except ChainruleError:
            continue  # not for this domain
        baseline.estimate(train)
        results[name] = likelihood(baseline, x, batch_size=min(256, max(1, 4 * MOST_LOGITS // logits)))
    return results
