"""`chainrule sample`: draw items."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import torch
import typer

from chainrule.cli.columns import SafeCsv
from chainrule.cli.continuation import continued
from chainrule.cli.like import drawn_like
from chainrule.cli.options import (
    DataDir,
    Device,
    Json,
    Label,
    Particles,
    RunFolder,
    Seed,
    candidates,
    check_label,
    items_of,
    open_run,
    parse_given,
)
from chainrule.cli.output import print_json, put, say, span
from chainrule.cli.sampler import Draft, Sampler, SamplerOption, calls_of, open_sampler, told
from chainrule.cli.verb import arrived, named
from chainrule.engine import Predictive
from chainrule.errors import ChainruleError
from chainrule.training.folder import INTERPOLATION, SAMPLES

PART = 4096  # steps of a sequence that are handed out together


def sample(
    run: RunFolder,
    n: Annotated[
        int | None,
        typer.Option(
            "-n",
            min=1,
            help="How many; 64 by default, of music into .mid 1, with --to or --between 8 rows of --steps each. One "
            "text is written to the terminal as it is drawn.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "-o",
            help=".png, .npy, .csv or .txt; of piano rolls also .mid, of sounds .wav or .flac, several as x-0.wav, …; "
            "of a table .csv, .parquet or .npy; - or -.npy is standard output. RUN/samples.png or the terminal by "
            "default.",
        ),
    ] = None,
    label: Label = None,
    to: Annotated[
        int | None,
        typer.Option(
            help="Another class: each row goes there from --label, and nothing else changes along it."
        ),
    ] = None,
    between: Annotated[
        str | None,
        typer.Option(
            metavar="INPUT",
            help="For a model with latent numbers: rows from an item to the next of an image, an array, a folder or a "
            "named set, two items a row; both ends are drawn again.",
        ),
    ] = None,
    steps: Annotated[
        int | None, typer.Option(min=2, help="Of --to or --between, both ends included; 10 by default.")
    ] = None,
    prompt: Annotated[
        str | None,
        typer.Option(
            help="Text to go on from, for a model of text or of bytes. Some models read the last part of a long "
            "one only."
        ),
    ] = None,
    length: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Characters or bytes of a text or steps of a sequence, the prompt's counted; the window by default, "
            "or more.",
        ),
    ] = None,
    like: Annotated[
        str | None,
        typer.Option(
            metavar="SOURCE",
            help="For a model of features: the recording whose features the samples are given, or a set, a "
            "sample for each of its first recordings.",
        ),
    ] = None,
    tempo: Annotated[float, typer.Option(min=1, help="Quarter notes a minute, of a .mid.")] = 120,
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
    sampler: SamplerOption = Sampler.STEPS,
    draft: Draft = None,
    seed: Seed = 0,
    safe_csv: SafeCsv = False,
    data_dir: DataDir = None,
    device: Device = "auto",
    json: Json = False,
) -> None:
    """Draw samples, each variable once.

    Examples:

    `chainrule sample runs/digits-causal-conv1d -n 100 -o samples.png`

    `chainrule sample runs/digits-by-class --label 3 --to 8 -o from-3-to-8.png`

    `chainrule sample runs/digits-pixel-vae --between digits -n 4 -o between.png`

    `chainrule sample runs/mnist-pixelcnn -n 1 --sampler fixed-point`

    `chainrule sample runs/spoken --label digit=7 --label speaker=jackson -n 4 -o seven.wav`

    `chainrule sample runs/vocoder --like hello.wav -n 2 -o hello-again.wav`

    `chainrule sample runs/people -n 1000 --given job=clerk --given age=40 -o clerks.csv`

    `chainrule sample runs/tinyshakespeare-gru -n 1 --prompt "ROMEO:" --length 2000`
    """
    from chainrule.data import decode
    from chainrule.report.export import SOUNDS, as_csv, check_output, export_items, export_sounds
    from chainrule.report.midi import check_tempo
    from chainrule.report.text import as_text, text_as_drawn
    from chainrule.tasks import given_part, interpolate, interpolate_latent

    opened = open_run(run, device)
    model, vocabulary = opened.model, opened.vocabulary
    if out is None and model.domain.layout == "image" and model.domain.discrete and not json:
        out = run / (SAMPLES if to is between is None else INTERPOLATION)
    if out is not None:
        out = named(out, opened)
        check_output(out, model.domain, opened.rate)
    cond: Any = check_label(opened, label)
    if opened.features is not None and like is None:
        raise ChainruleError(f"expected --like, a recording whose features {run} is given; got none")
    generator = torch.Generator().manual_seed(seed)
    like = like and arrived(like, opened)
    choice: Any = {"temperature": temperature, "top_k": top_k, "top_p": top_p}
    music = out is not None and out.suffix.lower() == ".mid"
    if music:
        check_tempo(tempo)
    n = n or (1 if music else 64 if to is between is None else 8)
    domain, files = model.domain, list[Path]()
    runner = open_sampler(sampler, draft, device)
    if runner and any(asked is not None for asked in (to, between, given or None, prompt, length, like)):
        raise ChainruleError(
            f"--sampler {sampler}: expected none of --to, --between, --given, --prompt, --length, --like"
        )
    sites = (
        model.factorisation.sites if isinstance(runner, Predictive) else 0
    )  # refused before anything is drawn
    live = n == 1 and vocabulary is not None and out is None and not json and runner is None
    if between is not None:
        if any(asked is not None for asked in (to, given or None, prompt, length, like)):
            raise ChainruleError("--between: expected none of --to, --given, --prompt, --length, --like")
        steps = steps or 10
        x = model.domain.check(
            items_of(opened, between, None, data_dir, labels=False, held_out=True).x[: 2 * n]
        ).to(model.device)
        if len(x) < 2 * n:
            raise ChainruleError(f"--between {between}: expected {2 * n} items, two a row, got {len(x)}")
        drawn = interpolate_latent(model, x[::2], x[1::2], steps, generator, **choice).flatten(0, 1)
    elif to is not None or steps is not None:
        if len(model.condition.counts) > 1:
            raise ChainruleError(f"--to: expected a model of one label, got {model.condition.expected}")
        end = check_label(opened, None if to is None else [str(to)], "--to")
        if prompt is not None or length is not None or given or cond is None or end is None:
            raise ChainruleError("--to, --steps: expected --label and --to, and neither --prompt nor --given")
        steps = steps or 10
        drawn = interpolate(model, cond, end, steps, n, generator, **choice).flatten(0, 1)
    elif given:
        if prompt is not None or length is not None:
            raise ChainruleError("expected --given, or --prompt and --length, got both")
        x, known = given_part(domain, parse_given(given))
        particles = candidates(opened, particles)
        drawn = model.complete(
            x.to(model.device), known, n, generator, cond=cond, particles=particles, **choice
        )[0]
    elif like is not None or prompt is not None or length is not None or live:
        most = 1 if live else PART
        if like is None:
            domain, parts = continued(opened, prompt, length, n, cond, generator, most=most, **choice)
        elif prompt is None and length is None:
            domain, n, parts = drawn_like(opened, like, n, generator, most=most, data_dir=data_dir, **choice)
        else:
            raise ChainruleError("expected --like, or --prompt and --length, got both")
        if live:
            for text in text_as_drawn(parts, vocabulary, domain):
                put(text, end="")
            put("")
            return
        if out is not None and out.suffix.lower() in SOUNDS and opened.rate is not None:
            files = export_sounds(parts, n, domain, out, opened.rate)
        else:
            drawn = torch.cat(list(parts), dim=1)
    else:
        drawn = model.sample(n, cond, generator=generator, **choice, **({"runner": runner} if runner else {}))
    if out is not None and not files:
        about: Any = {"vocabulary": vocabulary, "columns": steps, "rate": opened.rate, "safe_csv": safe_csv}
        about |= {"tempo": tempo, "resolution": opened.reading.resolution or 1}
        files = export_items(drawn, domain, out, **about)
    if json:
        if model.domain.columns:
            frame = decode(drawn, model.domain.columns)
            items = frame.astype(object).where(frame.notna(), None).to_dict("records")
        elif vocabulary is None:
            items = drawn.tolist()
        else:
            items = [as_text(item[None], vocabulary, domain)[:-1] for item in drawn]
        along: dict[str, Any] = {} if steps is None else {"steps": steps}
        if len(files) > 1:
            along["files"] = files
        if isinstance(runner, Predictive):
            along |= calls_of(runner, sites)
        print_json({"n": n, **along, "file": out, "items": items if out is None else None})
    elif out is not None:
        say(f"{n} samples{'' if steps is None else f', {steps} steps each'}: {span(files)}")
    elif model.domain.columns:
        put(as_csv(decode(drawn, model.domain.columns), safe=safe_csv), end="")
    else:
        put(as_text(drawn, vocabulary, domain), end="")
    if isinstance(runner, Predictive) and not json:
        say(told(runner, sites))
