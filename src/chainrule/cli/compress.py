"""`chainrule compress` and `chainrule decompress`: a file, a folder or a data set ↔ one compressed file."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from chainrule.cli.opening import items_of, open_run
from chainrule.cli.options.common import DataDir, Json, RunFolder, Split
from chainrule.cli.output import console, print_json, say
from chainrule.cli.verb import arrived
from chainrule.errors import ChainruleError

Runner = Annotated[
    str, typer.Option(help="What runs the model's steps: eager, native, or auto for what is faster.")
]


def compress(
    run: RunFolder,
    source: Annotated[
        str,
        typer.Argument(
            metavar="INPUT",
            help="For a model of bytes any file or folder; for others what they are of: a text, arrays, pictures, "
            "recordings, a table, a named set.",
        ),
    ],
    out: Annotated[Path, typer.Option("-o", help="The compressed file.")],
    split: Split = None,
    items: Annotated[
        int | None,
        typer.Option(
            min=1, help="Number of items to pack, from the first; the rest is left out. All by default."
        ),
    ] = None,
    runner: Runner = "auto",
    verify: Annotated[
        bool,
        typer.Option(
            "--verify/--no-verify", help="Decompress what was written, and compare, before it is kept."
        ),
    ] = True,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Compress without loss, by the probabilities of a trained model.

    What could not be given back as it is, is refused. The file is decoded by the same model on the same kind of
    processor with the same versions, or refused.

    Examples:

    `chainrule compress runs/bytes-gru book.txt -o book.chr`

    `chainrule compress runs/mnist-pixelcnn mnist -o mnist.chr --items 1000`

    `chainrule compress runs/people people.csv -o people.chr`
    """
    from chainrule.tasks.compress import pack_items, pack_stream
    from chainrule.tasks.packing import stream_of

    opened = open_run(run, "cpu")
    source, start = arrived(source, opened), time.perf_counter()
    stream = stream_of(opened, source, split, data_dir)
    if stream is not None and items is not None:
        raise ChainruleError(
            f"--items: {source} is packed whole, {stream.unit} after {stream.unit}; leave it out"
        )
    given = items_of(opened, source, split, data_dir, cut=False) if stream is None else None
    with _bar(json) as told:
        options: Any = {"verify": verify, "runner": runner, "progress": told}
        if stream is not None:
            result = pack_stream(opened, stream, out, **options)
        else:
            assert given is not None
            chosen = given.first(items)
            result = pack_items(opened, source, chosen, len(given), out, data_dir=data_dir, **options)
    result |= {"seconds": time.perf_counter() - start, "file": str(out)}
    if "variables" in result:
        result["bits_per_dim"] = 8 * result["compressed"] / max(result["variables"], 1)
        rate = f"{result['bits_per_dim']:.4f} bits/dim"
    else:
        result["bits_per_byte"] = 8 * result["compressed"] / max(result["bytes"], 1)
        rate = f"{result['bits_per_byte']:.4f} bits a byte"
    if json:
        print_json(result)
        return
    checked = ", decompressed and compared" if verify else ", not compared"
    say(
        f"{result['packed']:,} of {result['of']:,} {result['unit']} in {result['compressed']:,} bytes, {rate}, "
        f"{result['seconds']:.1f} s{checked}: {out}"
    )
    if left := result["of"] - result["packed"]:
        say(f"left out: {left:,} {result['unit']}")


def decompress(
    run: RunFolder,
    source: Annotated[Path, typer.Argument(metavar="FILE", help="What `chainrule compress` wrote.")],
    out: Annotated[
        Path,
        typer.Option(
            "-o",
            help="A file, or a new folder, of the kind that was compressed; pictures come back as .png. Items also as "
            ".npy, or .npz with their labels.",
        ),
    ],
    anyway: Annotated[
        bool,
        typer.Option("--anyway", help="Try it with other versions or on another processor than the file's."),
    ] = False,
    json: Json = False,
) -> None:
    """Give back exactly what was compressed, or refuse.

    Example: `chainrule decompress runs/bytes-gru book.chr -o book.txt`
    """
    from chainrule.tasks.decompress import decompress_file

    source = Path(arrived(str(source)))
    if not source.is_file():
        raise ChainruleError(f"{source}: no such file")
    opened, start = open_run(run, "cpu"), time.perf_counter()
    with _bar(json) as told:
        result = decompress_file(opened, source, out, anyway=anyway, progress=told)
    result |= {"seconds": time.perf_counter() - start, "file": str(out)}
    if json:
        print_json(result)
        return
    count = next(f"{result[key]} {key}" for key in ("items", "files", "bytes") if key in result)
    say(f"{count}, {result['seconds']:.1f} s: {out}")


@contextmanager
def _bar(quiet: bool) -> Iterator[Callable[[int], None]]:
    """A line that tells how much has been coded, until all is."""
    columns = (BarColumn(bar_width=24, pulse_style="bar.complete"), TextColumn("{task.completed} coded"))
    with Progress(
        *columns,
        TimeElapsedColumn(),
        console=console,
        disable=quiet or not console.is_terminal,
        transient=True,
    ) as bar:
        task = bar.add_task("", total=None)
        yield lambda done: bar.update(task, completed=done)
