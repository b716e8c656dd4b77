"""Programs of one model's steps: recorded, lowered, and seen to do what was recorded."""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable, Sequence
from contextlib import nullcontext
from threading import Lock
from typing import Any

import torch
from torch import Tensor

from chainrule.engine.advance import Kinds
from chainrule.engine.native.constants import Weights
from chainrule.engine.native.lower.lower import lower
from chainrule.engine.native.program import Program
from chainrule.engine.native.shard import Share, copied
from chainrule.engine.native.trace import Unsupported, record
from chainrule.engine.portable import Portable

Site = Callable[..., list[Tensor]]
TOLERANCE = {torch.float32: 1e-3, torch.float64: 1e-9}  # of a step's results beside the recorded ones
log = logging.getLogger(__name__)


class Programs:
    """Keeps the programs of a model, one for each kind of step and shape of its inputs.

    Args:
        name: of the model.
        dtype: of its parameters.
        rounding: of the weights of float32 that products take: None, "bf16" or "int8".
        arithmetic: in which a step is recorded; its program then gives the same bits.
    """

    def __init__(
        self,
        name: str,
        dtype: torch.dtype,
        rounding: str | None = None,
        arithmetic: Portable | None = None,
    ) -> None:
        self.name, self._arithmetic = name, arithmetic
        self.tolerance = 0.0 if arithmetic else TOLERANCE.get(dtype, 0.0)
        self._weights = Weights()
        self._rounded = None if rounding is None else Weights(rounding)
        self._kept: dict[Hashable, Program | Unsupported] = {}
        self._kinds: Kinds | None = None
        self._lock = Lock()

    def kinds_of(self, model: Any) -> Kinds:
        """The kinds of sites of the model."""
        self._kinds = self._kinds or Kinds(model)
        return self._kinds

    def get(self, kind: Hashable, site: Site, inputs: Sequence[Tensor], leaves: int, t: int) -> Program:
        """The program of a step.

        Args:
            kind: of the step.
            site: does it, puts its results in its inputs, and gives the new leaves of the state.
            inputs: the clock first, `leaves` leaves of a state last.
            leaves: how many.
            t: a site of this kind.

        Raises:
            Unsupported: if the machine lacks one of its operations.
        """
        key = (kind, tuple((tuple(x.shape), x.stride(), x.dtype) for x in inputs))
        with self._lock:  # blocks of a compressed file are coded in several threads
            if key not in self._kept:
                try:
                    self._kept[key] = self._compile(site, inputs, leaves, t)
                except Unsupported as reason:
                    log.info("%s: %s", self.name, reason)
                    self._kept[key] = reason
        program = self._kept[key]
        if isinstance(program, Unsupported):
            raise program
        return program

    def _compile(self, site: Site, inputs: Sequence[Tensor], leaves: int, t: int) -> Program:
        generator = torch.Generator().manual_seed(0)
        tried = [copied(tensor) for tensor in inputs]
        tried[0].fill_(t)
        for leaf in tried[len(tried) - leaves :]:
            if leaf.is_floating_point():  # zeros would hide a wrong place
                leaf.copy_(torch.rand(leaf.shape, generator=generator, dtype=leaf.dtype))
        again = [copied(tensor) for tensor in tried]
        with self._arithmetic() if self._arithmetic else nullcontext():
            recording, results = record(site, tried)
        portable = self._arithmetic is not None
        program = lower(recording, results, recording.inputs[len(inputs) - leaves :], self._weights, portable)
        share = Share(again)
        share.run_site(program, t)
        expected = [*tried[: len(inputs) - leaves], *(recording.tensor(view) for view in results)]
        if not all(_agree(a, b, self.tolerance) for a, b in zip(share.inputs, expected, strict=True)):
            raise Unsupported("a native step differs from the recorded one")
        if self._rounded is not None:
            program = lower(recording, results, recording.inputs[len(inputs) - leaves :], self._rounded)
        return program


def _agree(ours: Tensor, theirs: Tensor, tolerance: float) -> bool:
    if not ours.is_floating_point():
        return torch.equal(ours.long(), theirs.long())
    return torch.allclose(ours, theirs.to(ours.dtype), rtol=tolerance, atol=tolerance, equal_nan=True)
