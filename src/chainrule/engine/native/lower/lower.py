"""From a recording to a program."""

from __future__ import annotations

from chainrule.engine.native.assembler import Builder
from chainrule.engine.native.constants import Weights
from chainrule.engine.native.lower import (  # noqa: F401 - they register their rules
    elementwise,
    matmul,
    movement,
    reductions,
)
from chainrule.engine.native.lower.portable import portable_rule
from chainrule.engine.native.lower.registry import RULES
from chainrule.engine.native.program import Program
from chainrule.engine.native.trace import Call, Recording, Unsupported
from chainrule.engine.native.views import View
from chainrule.engine.nested import leaves


def lower(
    recording: Recording, results: list[View], targets: list[View], weights: Weights, portable: bool = False
) -> Program:
    """The program of a recording, which ends by putting `results` where `targets` are.

    Args:
        recording: of a step.
        results, targets: views.
        weights: where constants are kept.
        portable: whether it computes in portable arithmetic, in which it was recorded.

    Raises:
        Unsupported: if the machine lacks one of its operations.
    """
    builder = Builder(recording, weights)
    for call in _needed(recording.calls, results, recording.inputs):
        rule = portable_rule(call.name) if portable else RULES.get(call.name)
        if rule is None:
            raise Unsupported(f"its step uses {call.name}")
        rule(builder, call)
    moved = [(of, to) for of, to in zip(results, targets, strict=True) if of != to]
    # A result may lie in a buffer that another one overwrites: all of those are taken first.
    overwritten = {to.buffer for _, to in moved}
    taken = []
    for of, to in moved:
        if of.buffer in overwritten:
            held = builder.scratch(of.shape, of.dtype)
            builder.copy(held, of)
            of = held
        taken.append((of, to))
    for of, to in taken:
        builder.copy(to, of)
    return builder.finish()


def _needed(calls: list[Call], results: list[View], inputs: list[View]) -> list[Call]:
    """The calls that a result or an input comes from."""
    wanted = {view.buffer for view in (*results, *inputs)}
    kept = []
    for call in reversed(calls):
        if wanted & {view.buffer for view in leaves(call.out, View)}:
            kept.append(call)
            wanted |= {view.buffer for view in leaves((call.args, call.kwargs), View)}
    return kept[::-1]
