"""`chainrule sample`: draw items."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import torch
import typer

from chainrule.cli.options import (
    Device,
    Json,
    Label,
    Particles,
    RunFolder,
    Seed,
    candidates,
    check_label,
    open_run,
    parse_given,
)
from chainrule.cli.output import print_json, say
from chainrule.errors import ChainruleError
from chainrule.training import Run


def sample(
    run: RunFolder,
    n: Annotated[
        int | None,
        typer.Option("-n", min=1, help="How many; 64 by default, with --to 8 rows of --steps each."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "-o",
            help=".png, .npy, .csv or .txt; of a table .csv, .parquet or .npy; of sounds also .wav or .flac, a file "
            "each. RUN/samples.png or the terminal by default.",
        ),
    ] = None,
    label: Label = None,
    to: Annotated[
        int | None,
        typer.Option(
            help="Another class: each row goes there from --label, and nothing else changes along it."
        ),
    ] = None,
    steps: Annotated[
        int | None, typer.Option(min=2, help="From --label to --to, both included; 10 by default.")
    ] = None,
    prompt: Annotated[str | None, typer.Option(help="Text to go on from, for a model of text.")] = None,
    given: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN=VALUE", help="A column's value, or that of a variable by its number; repeatable."
        ),
    ] = None,
    particles: Particles = None,
    temperature: Annotated[
        float, typer.Option(min=0, help="1 is the model's own; 0 the most probable.")
    ] = 1.0,
    top_k: Annotated[int | None, typer.Option(min=1, help="Keep the k most probable levels.")] = None,
    top_p: Annotated[float | None, typer.Option(help="Keep the levels that hold probability p.")] = None,
    seed: Seed = 0,
    device: Device = "auto",
    json: Json = False,
) -> None:
    """Draw samples, each variable once.

    Examples:

    `chainrule sample runs/digits-causal-conv1d -n 100 -o samples.png`

    `chainrule sample runs/digits-by-class --label 3 --to 8 -o from-3-to-8.png`

    `chainrule sample runs/spoken --label digit=7 --label speaker=jackson -n 4 -o seven.wav`

    `chainrule sample runs/people -n 1000 --given job=clerk --given age=40 -o clerks.csv`
    """
    from chainrule.data import decode
    from chainrule.report.export import as_text, check_output, export_items
    from chainrule.tasks import given_part, interpolate

    opened = open_run(run, device)
    model, vocabulary = opened.model, opened.vocabulary
    if out is None and model.domain.layout == "image" and model.domain.discrete and not json:
        out = run / ("samples.png" if to is None else "interpolation.png")
    if out is not None:
        check_output(out, model.domain, opened.rate)
    cond: Any = check_label(opened, label)
    generator = torch.Generator().manual_seed(seed)
    choice: Any = {"temperature": temperature, "top_k": top_k, "top_p": top_p}
    n = n or (64 if to is None else 8)
    if to is not None or steps is not None:
        if len(model.condition.counts) > 1:
            raise ChainruleError(f"--to: expected a model of one label, got {model.condition.expected}")
        end = check_label(opened, None if to is None else [str(to)], "--to")
        if prompt is not None or given or cond is None or end is None:
            raise ChainruleError("--to, --steps: expected --label and --to, and neither --prompt nor --given")
        steps = steps or 10
        drawn = interpolate(model, cond, end, steps, n, generator, **choice).flatten(0, 1)
    elif prompt is not None or given:
        if prompt is not None and given:
            raise ChainruleError("expected --prompt or --given, got both")
        if prompt is None:
            x, known = given_part(model.domain, parse_given(given or []))
        else:
            x, known = _prompted(opened, prompt)
        drawn = model.complete(
            x.to(model.device),
            known,
            n,
            generator,
            cond=cond,
            particles=candidates(opened, particles),
            **choice,
        )[0]
    else:
        drawn = model.sample(n, cond, generator=generator, **choice)
    written: list[Path] = []
    if out is not None:
        written = export_items(
            drawn, model.domain, out, vocabulary=vocabulary, columns=steps, rate=opened.rate
        )
    if json:
        if model.domain.columns:
            frame = decode(drawn, model.domain.columns)
            items = frame.astype(object).where(frame.notna(), None).to_dict("records")
        elif vocabulary is None:
            items = drawn.tolist()
        else:
            items = [as_text(item[None], vocabulary, model.domain)[:-1] for item in drawn]
        along: dict[str, Any] = {} if steps is None else {"steps": steps}
        if len(written) > 1:
            along["files"] = list(map(str, written))
        print_json({"n": n, **along, "file": out, "items": items if out is None else None})
    elif out is not None:
        files = " … ".join(str(path) for path in dict.fromkeys((written[0], written[-1])))
        say(f"{n} samples{'' if steps is None else f', {steps} steps each'}: {files}")
    elif model.domain.columns:
        print(decode(drawn, model.domain.columns).to_csv(index=False), end="")
    else:
        print(as_text(drawn, vocabulary, model.domain), end="")


def _prompted(run: Run, prompt: str) -> tuple[torch.Tensor, torch.Tensor]:
    """An item that starts with the prompt, and the mask that keeps it."""
    vocabulary, domain = run.vocabulary, run.model.domain
    if vocabulary is None:
        raise ChainruleError("prompt: expected a model of text, this run has no characters")
    unknown = [character for character in prompt if character not in vocabulary]
    if unknown:
        raise ChainruleError(f"prompt: the run knows no character {unknown[0]!r}")
    if not 0 < len(prompt) < domain.size:
        raise ChainruleError(f"prompt: expected 1 to {domain.size - 1} characters, got {len(prompt)}")
    x = torch.zeros(1, domain.size, dtype=torch.int64)
    x[0, : len(prompt)] = torch.tensor([vocabulary.index(character) for character in prompt])
    return x, torch.arange(domain.size) < len(prompt)
