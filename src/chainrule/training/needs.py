"""What a model needs to be trained, known before it is built."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from chainrule.data.limits import shown
from chainrule.domain import Domain
from chainrule.errors import ChainruleError
from chainrule.models import Model, create_model
from chainrule.models.choose import choose_models
from chainrule.models.sketch import TooLarge, sketch

# Of a float32 weight: itself, the copy that is trained, its gradient, two moments of the optimiser, its average.
BYTES = 4 * 6
CGROUP = Path("/sys/fs/cgroup")


def parameters_of(model: Model) -> int:
    """How many numbers are trained."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def checked(build: Callable[[], Model], name: str, domain: Domain, items: int) -> Model:
    """Build a model, if what its training keeps of its weights fits into memory.

    Args:
        build: makes it.
        name: of the model.
        domain, items: of the data, for what would fit instead.

    Raises:
        ChainruleError: if it cannot fit; nothing of that size has been made.
    """
    memory = available()
    if memory is None:
        return build()
    try:
        sketch(build, memory // BYTES)
    except TooLarge as error:
        others = [f"{choice.name} ({choice.why})" for choice in _fitting(domain, items, memory, name)]
        instead = f"; what would fit: {', or '.join(others)}" if others else ""
        raise ChainruleError(
            f"{name}: with these hyperparameters {domain} needs over {memory // BYTES:,} weights, more than can be "
            f"trained in {shown(memory)} of memory; take smaller ones{instead}"
        ) from error
    return build()


def available() -> int | None:
    """Bytes of memory that this process may still have; None where the system does not say."""
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            said = dict(line.split(":", 1) for line in file)
        free = int(said["MemAvailable"].split()[0]) * 1024
    except (ValueError, OSError, KeyError):
        return None
    try:  # a container's limit
        most = int((CGROUP / "memory.max").read_text())
        free = min(free, most - int((CGROUP / "memory.current").read_text()))
    except (OSError, ValueError):
        pass
    return max(free, 0)


def _fitting(domain: Domain, items: int, memory: int, but: str) -> list:
    """The models that suit the data and fit."""
    found = []
    for choice in choose_models(domain, items):
        if choice.name == but:
            continue
        try:
            sketch(lambda name=choice.name: create_model(name, domain), memory // BYTES)  # type: ignore[misc]
        except ChainruleError:
            continue
        found.append(choice)
    return found
