"""torch's global generators, in turn: what is drawn from them after a seed is that seed's, whatever other threads do.

Dropout and initial weights can be drawn from no other ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from threading import RLock

import torch

TURN = RLock()  # held by who draws from them


@contextmanager
def seeded(seed: int, device: torch.device | None = None) -> Iterator[None]:
    """Seed them for a block; afterwards they are as before. Other threads of the library wait; no backward pass in it.

    Args:
        seed: of the CPU's, and the device's.
        device: on which the block draws, if on another one.
    """
    generators = [torch.default_generator]
    if device is not None and device.type == "cuda":
        number = torch.cuda.current_device() if device.index is None else device.index
        generators.append(torch.cuda.default_generators[number])
    with TURN:
        states = [generator.get_state() for generator in generators]
        for generator in generators:
            generator.manual_seed(seed)  # in 5 µs; torch.manual_seed asks every kind of device
        try:
            yield
        finally:
            for generator, state in zip(generators, states, strict=True):
                generator.set_state(state)


def turn(generator: torch.Generator | None) -> AbstractContextManager:
    """To draw within: from a generator at once, from the global one in turn."""
    return TURN if generator is None else nullcontext()
