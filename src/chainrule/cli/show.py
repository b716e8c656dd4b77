"""`chainrule show`: what a model is made of, what it looks at, in which order it draws, and where the bits are."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from chainrule.cli.options.common import DataDir, Json, Label
from chainrule.cli.options.showing import Names, Picture, UntrainedOptions, What
from chainrule.cli.options.there import run_there, source_there
from chainrule.errors import ChainruleError, RunError
from chainrule.run_files import BITS, SIDE_BY_SIDE
from chainrule.where import beside


def show(
    run: Names,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="Output .png. Default: structure.png, bits.png or the like, in RUN."
        ),
    ] = None,
    what: What = Picture.STRUCTURE,
    bits: Annotated[
        str | None,
        typer.Option(
            metavar="INPUT",
            callback=source_there,
            help="Images whose bits per pixel to draw instead: a named set, an image, an array or a folder.",
        ),
    ] = None,
    items: Annotated[int, typer.Option(min=1, help="Number of images of --bits, the first of INPUT.")] = 8,
    label: Label = None,
    *,
    untrained: UntrainedOptions,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Draw connections, masks and measured receptive fields; or, with --bits, the bits of images.

    Models of images also get a picture of each layer's receptive field, receptive-field.png.

    Examples:

    `chainrule show runs/digits-causal-conv1d`

    `chainrule show runs/digits-causal-conv1d --bits digits -o bits.png`

    `chainrule show pixelcnn gated-pixelcnn --domain image:1x15x15:2 -o blind-spot.png`

    `chainrule show wavenet --domain sequence:64:256 --set depth=5 --what dilation`

    `chainrule show zoo:digits --what temperatures --label 3`
    """
    _check_there(run, untrained)
    if len(run) > 1 and (bits is not None or what is not Picture.STRUCTURE):
        raise ChainruleError(f"--bits, --what: expected one run or model beside them, got {len(run)}")
    if bits is not None and what is not Picture.STRUCTURE:
        raise ChainruleError("expected --bits or --what, got both")
    from chainrule.cli.show_bits import show_bits
    from chainrule.cli.show_pictures import show_picture, show_side_by_side
    from chainrule.cli.untrained import open_or_build
    from chainrule.report.export import check_ending

    name = SIDE_BY_SIDE if len(run) > 1 else BITS if bits is not None else f"{what}.png"
    out = out or beside(run[0]) / name
    check_ending(out, (".png",))
    opened = [open_or_build(one, untrained, data_dir) for one in run]
    if len(opened) > 1:
        show_side_by_side(opened, out, label, json)
    elif bits is not None:
        show_bits(opened[0], bits, out, items, label, data_dir, json)
    else:
        show_picture(opened[0], what, out, label, json)


def _check_there(names: list[str], untrained: UntrainedOptions) -> None:
    for name in names if untrained.data is None and untrained.domain is None else ():
        try:
            run_there(name)
        except RunError as error:
            raise RunError(f"{error}; or the name of a model, with --data or --domain") from None
