"""The runs of `chainrule train`: one, or one for each of several seeds."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chainrule.cli.output import say
from chainrule.errors import ChainruleError

if TYPE_CHECKING:
    from chainrule.cli.options.training import CourseOptions, RanksOptions
    from chainrule.data import Data
    from chainrule.training import Recipe, Run


def fit_all(
    recipe: Recipe, data: Data, out: Path, course: CourseOptions, ranks: RanksOptions, first: bool
) -> list[Run]:
    """Train in `out`, or with several seeds in folders 0, 1, … of it.

    Args:
        recipe: what to train.
        data: what with.
        out: where to.
        course, ranks: as typed.
        first: whether this process speaks for all.
    """
    options = asdict(course) | asdict(ranks)
    seeds = options.pop("seeds")
    if seeds is None:
        return [_fit(recipe, data, out, options, first)]
    _check_likelihood(recipe, data)
    return [_fit(own, data, out / str(k), options, first) for k, own in enumerate(_seeded(recipe, seeds))]


def _check_likelihood(recipe: Recipe, data: Data) -> None:
    """Refuse a model whose runs could not be compared, before they are trained."""
    from chainrule.models.base.capabilities import Bounded, Exact

    if not isinstance(recipe.build(data), Exact | Bounded):
        raise ChainruleError(f"--seeds: expected a model with a likelihood, got {recipe.model}")


def _seeded(recipe: Recipe, seeds: int) -> list[Recipe]:
    """The recipe with several seeds."""
    start = recipe.training.get("seed", 0)
    return [replace(recipe, training={**recipe.training, "seed": start + k}) for k in range(seeds)]


def _fit(recipe: Recipe, data: Data, out: Path, options: dict[str, Any], first: bool) -> Run:
    from chainrule.data.limits import shown
    from chainrule.training import fit
    from chainrule.training.needs import BYTES, parameters_of

    built = recipe.build(data)
    parameters = parameters_of(built)
    if parameters and first:
        kept = shown(BYTES * parameters)
        say(f"{recipe.model}: {parameters:,} parameters, {kept} with what training keeps of them")
    try:
        return fit(built, data, out=out, **options, **recipe.training)
    except KeyboardInterrupt:
        _say_stopped(out, options["overwrite"])
        raise


def _say_stopped(out: Path, overwrite: bool) -> None:
    from chainrule.training.replacement import replacing

    if overwrite and replacing(out):
        say(f"stopped; the run in {out} is the old one, --overwrite --resume continues the new one")
    else:
        say(f"stopped; the run in {out} can be used as it is, or resumed with --resume")
