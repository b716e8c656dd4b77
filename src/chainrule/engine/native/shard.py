"""The rows of one thread: the memory that programs read and write, and the call that runs them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from threading import Event

import numpy as np
import torch
from torch import Tensor

from chainrule.engine.native.machine import run
from chainrule.engine.native.program import ALIGNMENT, Program

BETWEEN = 64  # sites between two looks at whether to stop


class Share:
    """The rows of one thread, and what of them programs read and write."""

    def __init__(self, inputs: Sequence[Tensor]) -> None:
        # The loop reads whole numbers in place of booleans.
        self.inputs = [
            copied(tensor, torch.int64) if tensor.dtype == torch.bool else tensor for tensor in inputs
        ]

    def run_site(self, program: Program, t: int) -> None:
        """One site."""
        self.run({0: program}, [0], t, t + 1, Event())

    def run(
        self,
        programs: Mapping[int, Program],
        numbers: Sequence[int] | np.ndarray,
        first: int,
        last: int,
        stop: Event,
    ) -> None:
        """Sites first … last-1, each by the program of its number, until `stop` is set.

        Args:
            programs: by number.
            numbers: of the program of each site, from `first` on.
            first, last: what the clock, which is the first input, shows at the sites.
            stop: set when another thread has failed.

        Raises:
            IndexError: if an index points outside its tensor.
        """
        _memory, start = allocate(max(p.size for p in programs.values()))
        addresses = [tensor.data_ptr() for tensor in self.inputs]
        bound = {number: program.bind(addresses, start) for number, program in programs.items()}
        starts = np.zeros(max(bound) + 1, dtype=np.int64)
        starts[list(bound)] = np.cumsum([0, *map(len, bound.values())])[:-1]
        code = np.concatenate(list(bound.values()))
        where = starts[numbers]
        for site in range(first, last, BETWEEN):
            if stop.is_set():
                return
            found = run(code, where[site - first :], addresses[0], site, min(site + BETWEEN, last))
            if found >= 0:
                raise IndexError(f"site {found}: an index points outside its tensor")


def allocate(size: int) -> tuple[np.ndarray, int]:
    """Memory of `size` bytes and its aligned start address."""
    memory = np.zeros(size // 8 + ALIGNMENT, dtype=np.int64)
    return memory, -(-memory.ctypes.data // ALIGNMENT) * ALIGNMENT


def copied(tensor: Tensor, dtype: torch.dtype | None = None) -> Tensor:
    """A copy with the same strides."""
    return torch.empty_strided(tensor.shape, tensor.stride(), dtype=dtype or tensor.dtype).copy_(tensor)
