"""`chainrule decompress`: a compressed file → what was compressed."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from chainrule.cli.coding_bar import coding_bar
from chainrule.cli.opening import open_coder
from chainrule.cli.options.common import Json, RunName
from chainrule.cli.options.engine import EngineOptions
from chainrule.cli.output import print_json, say
from chainrule.cli.over_parts import over_parts
from chainrule.cli.verb import arrived
from chainrule.errors import ChainruleError

Source = Annotated[
    Path,
    typer.Argument(
        metavar="INPUT", help="File written by `chainrule compress`; or the folder, by its --engine."
    ),
]
Out = Annotated[
    Path,
    typer.Option(
        "--out",
        "-o",
        help="Output: a file, or a new folder, of the kind that was compressed; pictures as .png. Items also as .npy, "
        "or .npz with their labels.",
    ),
]
Anyway = Annotated[
    bool,
    typer.Option("--anyway", help="Try other versions, or another processor, than the file was made with."),
]


def decompress(
    run: RunName,
    source: Source,
    out: Out,
    anyway: Anyway = False,
    *,
    over: EngineOptions,
    json: Json = False,
) -> None:
    """Restore exactly what was compressed, or refuse.

    Examples:

    `chainrule decompress runs/bytes-gru book.chr -o book.txt`

    `chainrule decompress contexts book.chr -o book.txt`

    `chainrule decompress runs/people packed/ --workers 4 -o many-again/`
    """
    from chainrule.tasks.decompress import decompress_file

    if source.is_dir():
        over_parts(run, "decompress", str(source), out, over, json=json, anyway=anyway)
        return
    source = Path(arrived(str(source)))
    if not source.is_file():
        raise ChainruleError(f"{source}: no such file")
    opened, start = open_coder(run), time.perf_counter()
    with coding_bar(json) as progress:
        result = decompress_file(opened, source, out, anyway=anyway, progress=progress)
    result |= {"seconds": time.perf_counter() - start, "file": str(out)}
    if json:
        print_json(result)
        return
    count = next(f"{result[key]} {key}" for key in ("items", "files", "bytes") if key in result)
    say(f"{count}, {result['seconds']:.1f} s: {out}")
