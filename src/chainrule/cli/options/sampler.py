"""`--sampler` and `--draft`: how a sample is drawn, not which."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from chainrule.cli.opening import open_run
from chainrule.cli.options.there import run_there
from chainrule.errors import ChainruleError

if TYPE_CHECKING:
    from chainrule.engine import Predictive, Runner


class Sampler(StrEnum):
    """The ways to draw the same sample."""

    STEPS = "steps"
    EAGER = "eager"
    NATIVE = "native"
    NATIVE_BF16 = "native-bf16"
    NATIVE_INT8 = "native-int8"
    CAPTURED = "captured"
    CAPTURED_FUSED = "captured-fused"
    FIXED_POINT = "fixed-point"
    SPECULATIVE = "speculative"


SamplerOption = Annotated[
    Sampler,
    typer.Option(
        "--sampler",
        help="Runner; each draws the same sample. steps: native or captured where it pays, else torch; eager: "
        "torch; native: compiled steps of a CPU; native-bf16, native-int8: rounded weights, nearly the same sample; "
        "captured: CUDA graphs of a GPU; captured-fused: with kernels in Triton; fixed-point: predictive "
        "sampling; speculative: --draft proposes, the model verifies.",
    ),
]
Draft = Annotated[
    str | None,
    typer.Option(
        metavar="RUN", callback=run_there, help="Cheaper model of the same data, for --sampler speculative."
    ),
]


def open_sampler(sampler: Sampler, draft: str | None, device: str) -> Runner | None:
    """The runner of a choice; None for steps, of which kind they may be.

    Raises:
        ChainruleError: if there is a draft and no use for it, or the reverse.
        RunError: if the draft is no run folder.
    """
    from chainrule.engine import FixedPoint, Speculative

    if (draft is not None) != (sampler is Sampler.SPECULATIVE):
        raise ChainruleError(
            f"--draft: expected with --sampler speculative and only then, got --sampler {sampler}"
            + ("" if draft is None else f" --draft {draft}")
        )
    if draft is not None:
        return Speculative(open_run(draft, device).model)
    if sampler is Sampler.FIXED_POINT:
        return FixedPoint()
    by_name: dict[Sampler, Runner] = {
        Sampler.EAGER: "eager",
        Sampler.NATIVE: "native",
        Sampler.CAPTURED: "captured",
        Sampler.CAPTURED_FUSED: "captured-fused",
        Sampler.NATIVE_BF16: "native-bf16",
        Sampler.NATIVE_INT8: "native-int8",
    }
    return by_name.get(sampler)


def calls_of(runner: Predictive, sites: int) -> dict:
    """For JSON: passes an item took, in percent of the steps it has."""
    percent = 100 * runner.calls.double() / sites
    return {
        "sites": sites,
        "calls_percent": percent.mean().item(),
        "calls_percent_range": [percent.min().item(), percent.max().item()],
        "passes": runner.passes,
    }


def calls_in_words(runner: Predictive, sites: int) -> str:
    """The same for people."""
    calls = calls_of(runner, sites)
    least, most = calls["calls_percent_range"]
    return (
        f"model calls: {calls['calls_percent']:.1f} % of {sites} steps a sample "
        f"({least:.1f} to {most:.1f} %), {calls['passes']} passes over the batch"
    )
