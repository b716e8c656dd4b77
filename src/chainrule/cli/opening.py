"""What options name: a run, a device, a class."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.errors import ChainruleError, ConditionError

if TYPE_CHECKING:
    import torch

    from chainrule.training import Run


def open_run(name: str, device: str = "auto") -> Run:
    """A run with its model on the device."""
    from chainrule.training import Run, find_device

    find_device(device)  # refused before the run is read
    run = Run.open(name)
    run.model.to(find_device(device, run.model.domain))
    return run


def open_coder(name: str) -> Run:
    """A run on the CPU, or what `contexts` stands for: no model."""
    from chainrule.training import Run
    from chainrule.where import CONTEXTS

    return Run.contexts() if name == CONTEXTS else open_run(name, "cpu")


def candidates(run: Run, particles: int | None, temperature: float = 1.0) -> int:
    """The particles asked for, or what suits: in tables any cell may be known, in other items mostly the first.

    What is latent needs many anyway.
    """
    from chainrule.models.base.capabilities import Exact, Factorises

    if temperature == 0 and isinstance(run.model, Factorises):
        return 1  # those that one factorisation gives for the most probable completion are all the same
    return particles or (64 if run.model.domain.columns else 1 if isinstance(run.model, Exact) else 16)


def check_label(run: Run, given: list[str] | None, option: str = "--label") -> int | torch.Tensor | None:
    """The classes that the run's model takes: of one label a number, of several a tensor (k,); or none.

    Args:
        run: of a model.
        given: "7" or "theo"; "speaker=theo", where labels have names. A class goes by its name or its number.
        option: by which it was.

    Raises:
        ConditionError: if they are not what the model takes.
    """
    from chainrule.training.classes import class_codes, each, label_names

    condition, known = run.model.condition, run.labels
    if not condition.counts:
        if given:
            raise ConditionError(
                f"{option}: expected none, {run.name} is not conditioned on a class; got {' '.join(given)}"
            )
        return None
    names = label_names(condition, known)
    if len(names) == 1 and len(given or []) != 1:
        raise ConditionError(
            f"{option}: expected a class in {condition.ranges}, got {' '.join(given or []) or 'none'}"
        )
    chosen: dict[str, str] = {}
    for text in given or []:
        name, equals, value = text.rpartition("=")
        if not equals and len(names) == 1:
            name = names[0]
        if name not in names or name in chosen:
            raise ConditionError(f"{option}: expected {each(names)}, got {' '.join(given or [])}")
        chosen[name] = value
    return class_codes(condition, known, chosen, option)


def check_features(run: Run, given: bool) -> None:
    """See that --like is given where the run's model needs features of recordings, and only there.

    Raises:
        ChainruleError: otherwise.
    """
    if run.features is not None and not given:
        raise ChainruleError(f"expected --like, a recording whose features {run.name} is given; got none")
    if run.features is None and given:
        raise ChainruleError(f"--like: expected a run that was trained with --features, got {run.name}")
