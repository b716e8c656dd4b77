"""torch's global generators, in turn: what is drawn from them after a seed is that seed's, whatever other threads do.

Dropout and initial weights can be drawn from no other ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from threading import RLock

import torch

from chainrule.devices import generators

TURN = RLock()  # held by who draws from them


@contextmanager
def seeded(seed: int, device: torch.device | None = None) -> Iterator[None]:
    """Seed them for a block; afterwards they are as before. Other threads of the library wait; no backward pass in it.

    Args:
        seed: of the CPU's, and the device's.
        device: on which the block draws, if on another one.
    """
    own = [torch.default_generator] if device is None else generators(device)
    with kept(own):
        for generator in own:
            generator.manual_seed(seed)  # in 5 µs; torch.manual_seed asks every kind of device
        yield


@contextmanager
def kept(own: Sequence[torch.Generator]) -> Iterator[None]:
    """A block after which global generators are as before; other threads of the library wait."""
    with TURN:
        states = [generator.get_state() for generator in own]
        try:
            yield
        finally:
            for generator, state in zip(own, states, strict=True):
                generator.set_state(state)


def turn(generator: torch.Generator | None) -> AbstractContextManager:
    """To draw within: from a generator at once, from the global one in turn."""
    return TURN if generator is None else nullcontext()
