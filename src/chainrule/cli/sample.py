"""`chainrule sample`: draw items."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chainrule.cli.continuation import continue_, prolong
from chainrule.cli.given import draw_given
from chainrule.cli.inputs import items_of
from chainrule.cli.interpolate import interpolate
from chainrule.cli.options.common import Particles
from chainrule.cli.options.drawing import DrawingOptions, Given, Like
from chainrule.cli.options.engine import EngineOptions
from chainrule.cli.options.sampler import (
    Draft,
    Sampler,
    SamplerOption,
    calls_in_words,
    calls_of,
    open_sampler,
)
from chainrule.cli.output import say
from chainrule.cli.over_parts import over_parts
from chainrule.cli.verb import arrived
from chainrule.errors import ChainruleError
from chainrule.run_files import SAMPLES

if TYPE_CHECKING:
    from chainrule.engine import Runner

# Options that have become commands of their own.
Moved = typer.Option(hidden=True)


def sample(
    *,
    like: Like = None,
    given: Given = None,
    particles: Particles = None,
    sampler: SamplerOption = Sampler.STEPS,
    draft: Draft = None,
    drawing: DrawingOptions,
    over: EngineOptions,
    to: Annotated[int | None, Moved] = None,
    between: Annotated[str | None, Moved] = None,
    steps: Annotated[int | None, typer.Option(min=2, hidden=True)] = None,
    prompt: Annotated[str | None, Moved] = None,
    length: Annotated[int | None, typer.Option(min=1, hidden=True)] = None,
) -> None:
    """Draw samples. See also `interpolate`; and `continue`, for prompts and long sequences.

    Examples:

    `chainrule sample runs/digits-causal-conv1d -n 100 -o samples.png`

    `chainrule sample runs/mnist-pixelcnn -n 1 --sampler fixed-point`

    `chainrule sample runs/spoken --label digit=7 --label speaker=jackson -n 4 -o seven.wav`

    `chainrule sample runs/vocoder --like hello.wav -n 2 -o hello-again.wav`

    `chainrule sample runs/people -n 1000 --given "job in clerk,smith" --given "age>=40" -o clerks.csv`
    """
    if over.engine is not None:
        own: dict[str, Any] = {"n": drawing.n, "seed": drawing.seed, "device": drawing.device}
        over_parts(drawing.run, "sample", None, drawing.out, over, json=drawing.json, **own)
        return
    runner = open_sampler(sampler, draft, drawing.device)
    other = {"--to": to, "--between": between, "--given": given or None}
    other |= {"--prompt": prompt, "--length": length, "--like": like}
    asked = [name for name, value in other.items() if value is not None]
    if runner and asked:
        raise ChainruleError(f"--sampler {sampler}: expected none of {', '.join(other)}")
    if between is not None:
        wanted = "--between: expected none of --to, --given, --prompt, --length, --like"
        _moved("interpolate", "--between", asked, wanted)
        interpolate(drawing=drawing, between=between, steps=steps)
    elif to is not None or steps is not None:
        wanted = "--to, --steps: expected --label and --to, and neither --prompt nor --given"
        _moved("interpolate", "--to", asked, wanted)
        interpolate(drawing=drawing, to=to, steps=steps)
    elif prompt is not None or length is not None:
        first = "--given" if given else "--like"
        _moved(
            "continue", "--prompt --length", asked, f"expected {first}, or --prompt and --length, got both"
        )
        continue_(drawing=drawing, prompt=prompt, length=length)
    elif given or like is not None:
        _conditioned(drawing, like, given, particles)
    else:
        _sample(drawing, runner)


def _sample(options: DrawingOptions, runner: Runner | None) -> None:
    from chainrule.cli.drawing import Drawing
    from chainrule.engine import Predictive
    from chainrule.tasks import Parts

    opened = Drawing(options, SAMPLES)
    if opened.live and runner is None:
        prolong(opened, None, None)
        return
    model, n = opened.run.model, opened.count(64)
    how = opened.how if runner is None else {**opened.how, "runner": runner}
    if not isinstance(runner, Predictive):
        opened.finish(Parts(n, model.sample_parts(n, opened.cond, **how)), n)
        return
    sites = model.factorisation.sites  # refused before anything is drawn
    drawn = model.sample(n, opened.cond, **how)
    opened.finish(drawn, n, **calls_of(runner, sites))
    if not options.json:
        say(calls_in_words(runner, sites))


def _conditioned(
    options: DrawingOptions, like: str | None, given: list[str] | None, particles: int | None
) -> None:
    """Given features of recordings, or values of some columns."""
    from chainrule.cli.drawing import Drawing
    from chainrule.tasks import resynthesise
    from chainrule.tasks.continuation import PART

    if given and like is not None:
        raise ChainruleError("expected --given or --like, got both")
    opened = Drawing(options, SAMPLES, features=like is not None)
    run, n = opened.run, opened.count(64)
    if like is None:
        draw_given(opened, given or [], n, particles)
        return
    like = arrived(like, run)
    recordings = items_of(run, like, None, options.data_dir, labels=False, held_out=True)
    # A file serves all draws; of a set, each recording serves one.
    there = 0 if recordings.streams is None else len(recordings.streams.lengths)
    which = [0] * n if Path(like).expanduser().is_file() else range(min(n, there))
    drawn = resynthesise(run, recordings, which, part=1 if opened.live else PART, **opened.how)
    opened.finish(drawn, drawn.n)


def _moved(command: str, options: str, asked: list[str], refusal: str) -> None:
    """Name the command that some options have become; refuse others beside them."""
    if not set(asked) <= set(options.split()):
        raise ChainruleError(refusal)
    say(f"hint: `chainrule {command}` is the command for {' and '.join(options.split())}")
