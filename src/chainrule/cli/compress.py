"""`chainrule compress`: a file, a folder or a data set → one compressed file."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from chainrule.cli.coding_bar import coding_bar
from chainrule.cli.inputs import items_of
from chainrule.cli.opening import open_coder
from chainrule.cli.options.common import DataDir, Json, RunName, Split
from chainrule.cli.options.engine import EngineOptions
from chainrule.cli.options.there import source_there
from chainrule.cli.output import print_json, say
from chainrule.cli.over_parts import over_parts
from chainrule.cli.verb import arrived
from chainrule.errors import ChainruleError

Source = Annotated[
    str,
    typer.Argument(
        metavar="INPUT",
        callback=source_there,
        help="Input: any file or folder, for a model of bytes; else text, arrays, pictures, recordings, a table or a "
        "named set, as the model's.",
    ),
]
Out = Annotated[Path, typer.Option("--out", "-o", help="Compressed file; with --engine a folder of them.")]
First = Annotated[
    int | None,
    typer.Option(
        min=1, help="Number of items to pack, the first of INPUT; the rest is left out. Default: all."
    ),
]
Runner = Annotated[str, typer.Option(help="Runner: eager, native, or auto for the faster one.")]
Portable = Annotated[
    bool,
    typer.Option(
        "--portable/--no-portable",
        help="Compute so that any machine can decompress, unless the model's steps have no such form; else this kind "
        "of machine alone, with these versions.",
    ),
]
Verify = Annotated[
    bool, typer.Option("--verify/--no-verify", help="Decompress and compare before the file is kept.")
]


def compress(
    run: RunName,
    source: Source,
    out: Out,
    split: Split = None,
    items: First = None,
    runner: Runner = "auto",
    portable: Portable = True,
    verify: Verify = True,
    *,
    over: EngineOptions,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Compress without loss, by the probabilities of a trained model.

    RUN may be `contexts`: any file or folder then needs no model, and is decompressed by the same name.

    Input that could not be restored exactly is refused. Decompression takes the same model, on any machine.

    Examples:

    `chainrule compress runs/bytes-gru book.txt -o book.chr`

    `chainrule compress contexts book.txt -o book.chr`

    `chainrule compress runs/mnist-pixelcnn mnist -o mnist.chr --items 1000`

    `chainrule compress runs/people many/ --engine local --workers 4 -o packed/`
    """
    if over.engine is not None:
        # What is faster is not the same on all workers, and the bytes shall be: portable ones are anyway.
        steady = "eager" if runner == "auto" and not portable else runner
        own: Any = {"runner": steady, "portable": portable, "verify": verify}
        over_parts(run, "compress", source, out, over, json=json, **own)
        return
    from chainrule.tasks.compress import pack_items, pack_stream
    from chainrule.tasks.packing import stream_of

    opened = open_coder(run)
    source, start = arrived(source, opened), time.perf_counter()
    stream = stream_of(opened, source, split, data_dir)
    if stream is not None and items is not None:
        raise ChainruleError(
            f"--items: {source} is packed whole, {stream.unit} after {stream.unit}; leave it out"
        )
    given = items_of(opened, source, split, data_dir, cut=False) if stream is None else None
    with coding_bar(json) as progress:
        options: Any = {"verify": verify, "runner": runner, "portable": portable, "progress": progress}
        if stream is not None:
            result = pack_stream(opened, stream, out, **options)
        else:
            assert given is not None
            chosen = given.first(items)
            result = pack_items(opened, source, chosen, len(given), out, data_dir=data_dir, **options)
    result |= {"seconds": time.perf_counter() - start, "file": str(out)}
    _print(result, verify, out, json)


def _print(result: dict, verified: bool, out: Path, json: bool) -> None:
    """How small it became, by variable or by byte."""
    if "variables" in result:
        result["bits_per_dim"] = 8 * result["compressed"] / max(result["variables"], 1)
        rate = f"{result['bits_per_dim']:.4f} bits/dim"
    else:
        result["bits_per_byte"] = 8 * result["compressed"] / max(result["bytes"], 1)
        rate = f"{result['bits_per_byte']:.4f} bits a byte"
    if json:
        print_json(result)
        return
    checked = ", decompressed and compared" if verified else ", not compared"
    say(
        f"{result['packed']:,} of {result['of']:,} {result['unit']} in {result['compressed']:,} bytes, {rate}, "
        f"{result['seconds']:.1f} s{checked}: {out}"
    )
    if left := result["of"] - result["packed"]:
        say(f"left out: {left:,} {result['unit']}")
