"""`chainrule import`: a published model as a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from chainrule.cli.options.common import Json
from chainrule.cli.output import print_json, say
from chainrule.errors import ChainruleError


def import_(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="Folder of the Hugging Face hub on this machine (config.json, model.safetensors), or hf://USER/NAME; "
            "a checkpoint of nanoGPT, ckpt.pt, or its folder; weights of PixelCNN++, .pth, .safetensors or .npz.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="RUN", help="Run folder to write, a new one.")],
    length: Annotated[
        int | None,
        typer.Option(min=1, help="Tokens of the window. Default: as many as the model has positions."),
    ] = None,
    start: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Number of the token that stands before the first one. Default: the begin-of-text token that the "
            "model's configuration names.",
        ),
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(
            metavar="HxW", help="Size of the images of a PixelCNN++. Default: 32x32, or 28x28 in grey."
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Import a published model, as a run that every command takes.

    GPT-2, Llama and ImageGPT as the package transformers keeps them, checkpoints of nanoGPT, and weights of PixelCNN++.
    Where a byte-level tokenizer.json lies beside the model, the run takes texts.

    Examples:

    `chainrule import ~/models/gpt2 --out runs/gpt2`

    `chainrule import out-shakespeare/ckpt.pt --start 0 --out runs/nano`
    """
    from chainrule.tasks.pretrained import import_pretrained

    run, tokens, why = import_pretrained(source, out, length=length, start=start, size=_size(size))
    model = run.model
    weights = sum(parameter.numel() for parameter in model.parameters())
    if why:
        say(f"note: texts are not read: {why}")
    if json:
        known = None if tokens is None else tokens.size
        about = {"model": model.name, "domain": str(model.domain), "weights": weights, "tokens": known}
        print_json({**about, "run": out})
        return
    texts = "" if tokens is None else f", texts as {tokens.size:,} tokens"
    say(f"{model.name} on {model.domain}, {weights:,} weights{texts}: {out}")


def _size(text: str | None) -> tuple[int, int] | None:
    """Height and width."""
    if text is None:
        return None
    height, _, width = text.partition("x")
    if not (height.isdecimal() and width.isdecimal()):
        raise ChainruleError(f"--size: expected a height and a width such as 32x32, got {text!r}")
    return int(height), int(width)
