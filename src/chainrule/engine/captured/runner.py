"""The runner for accelerators: steps as replays of captured graphs."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from contextlib import AbstractContextManager, nullcontext
from threading import Lock
from typing import Any

from torch import Tensor
from torch.utils._pytree import TreeSpec

from chainrule.engine.advance import Kinds
from chainrule.engine.captured.capture import CAPTURES, Capture
from chainrule.engine.captured.program import Program
from chainrule.engine.captured.session import Session
from chainrule.engine.captured.trace import Unsupported
from chainrule.engine.choice import Choice, tables
from chainrule.engine.interfaces import ModelSteps
from chainrule.layers import State

KEPT = 4  # programs of a model: each has a state and its graphs


class CapturedRunner(ModelSteps):
    """Runs the steps of a model as CUDA graphs: a step's kernels without Python's part of the work.

    A step, the head's draw, the rule, and where the value goes are one function of fixed memory. It is run once and
    recorded; what does not depend on the state is computed then. Sites of one kind share a recording, and stretches of
    sites that come again, such as rows of an image, are one graph. Values come from the noise that the rule has, so
    that the sample is that of eager steps.

    Args:
        model: an `engine.rollout.Stepwise`. If its parameters change, a new runner is needed.
        capture: makes a function of fixed memory into a replay; by default that of the model's device.
        mode: a context that steps are recorded in, such as `Fused`.

    Raises:
        Unsupported: if its device has no graphs.
    """

    def __init__(
        self,
        model: Any,
        capture: Capture | None = None,
        *,
        mode: Callable[[], AbstractContextManager] = nullcontext,
    ) -> None:
        found = capture or CAPTURES.get(model.device.type)
        if found is None:
            raise Unsupported(f"it is for {', '.join(CAPTURES)}, the model is on {model.device}")
        self.model, self.kinds, self._capture, self._mode = model, Kinds(model), found, mode
        self._programs: OrderedDict[Hashable, Program] = OrderedDict()
        self._lock = Lock()

    def loop(
        self, choose: Choice, values: Tensor, state: State, *, first: int, terms: Tensor | None = None
    ) -> None:
        """Draw sites first … n-1 of `values` (B, n, V), and the log-probability of each value into `terms`.

        Raises:
            Unsupported: if the steps cannot be captured; nothing is drawn then.
        """
        self.session(state, len(values)).draw(choose, values, first, values.shape[1], terms=terms)

    def session(self, state: State, batch: int) -> Session:
        """A rollout of this batch that continues from a state, over several calls."""
        return Session(self.model, self.program, state)

    def program(
        self, choose: Choice, values: Tensor, score: bool, leaves: Sequence[Tensor], tree: TreeSpec
    ) -> Program:
        """The program of such rollouts; the last few are kept."""
        if not hasattr(choose, "map"):
            raise Unsupported("the rule keeps what it sees")
        form = repr(choose.map(lambda table: table.new_zeros(0)))  # what the rule is beside its tables
        shapes = [(tuple(x.shape), x.dtype) for x in (values, *tables(choose), *leaves)]
        key = form, score, *shapes
        with self._lock:
            if key not in self._programs:
                made = Program(
                    self.model, self.kinds, choose, values, score, leaves, tree, self._capture, self._mode
                )
                self._programs[key] = made
            self._programs.move_to_end(key)
            while len(self._programs) > KEPT:
                self._programs.popitem(last=False)
            return self._programs[key]
