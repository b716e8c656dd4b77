"""`chainrule pack`, `unpack` and `verify`: a run in one file, a folder again, its numbers measured again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from chainrule.cli.opening import open_run
from chainrule.cli.options.common import DataDir, Device, Json, RunName
from chainrule.cli.options.sharing import About, Licence, Samples, TrainedOn, about_text, data_to_measure
from chainrule.cli.output import print_json, print_table, say
from chainrule.errors import ChainruleError, RunError
from chainrule.portable import SUFFIX


def pack(
    run: RunName,
    out: Annotated[Path, typer.Option("--out", "-o", help=f"File, NAME{SUFFIX}.")],
    data: TrainedOn = None,
    half: Annotated[bool, typer.Option("--half", help="Round weights to bfloat16: half the size.")] = False,
    samples: Samples = 1,
    about: About = None,
    licence: Licence = None,
    data_dir: DataDir = None,
    device: Device = "auto",
    json: Json = False,
) -> None:
    """Pack a run into one file, which every command takes in place of RUN, in any folder, of any user.

    It holds the weights, the numbers of the test split, and scores of held-out items, so that `score` has p-values
    without the data. The training data themselves are not in it; of a table, the categories of its columns are.

    Examples:

    `chainrule pack runs/people -o people.chainrule`

    `chainrule score people.chainrule new.csv`
    """
    from chainrule.tasks.sharing import pack as task

    if out.suffix != SUFFIX:
        raise ChainruleError(f"-o {out}: expected a file that ends in {SUFFIX}")
    opened, words = open_run(run, device), about_text(about)
    own = data_to_measure(opened, data, data_dir)
    numbers = task(opened, out, own, half=half, samples=samples, about=words, licence=licence)
    size = out.stat().st_size
    if json:
        print_json({"file": str(out), "bytes": size, "numbers": numbers})
        return
    if numbers is not None:
        sign = "≤ " if numbers["bound"] else ""
        nats = f"{sign}{numbers['nats']:.3f} ± {numbers['nats_se']:.3f} nats"
        say(f"{nats} on {numbers['n']:,} items of {numbers['split']}")
    say(f"{size:,} bytes: {out}")


def unpack(
    file: Annotated[str, typer.Argument(metavar="RUN", help=f"Packed run: a {SUFFIX} file or zoo:NAME.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Run folder to make.")],
) -> None:
    """Unpack a packed run into a run folder.

    Example: `chainrule unpack people.chainrule -o runs/people`
    """
    from chainrule.portable import unpack as task
    from chainrule.where import packed_file

    task(packed_file(file), out)
    say(f"run: {out}")


def verify(
    run: RunName,
    data: TrainedOn = None,
    data_dir: DataDir = None,
    device: Device = "auto",
    json: Json = False,
) -> None:
    """Measure the recorded number of a run again, and say whether it holds; exit status 1 if it does not.

    The number of a packed run is that of its test split; of a run folder it is the lowest validation.

    Example: `chainrule verify zoo:digits`
    """
    from chainrule.tasks.sharing import verify as task

    opened = open_run(run, device)
    result = task(opened, opened.load_data(data_dir, data))
    if json:
        print_json(result.to_dict())
    else:
        rows = []
        for name, numbers in (("recorded", result.recorded), ("measured", result.measured)):
            error = f" ± {numbers['nats_se']:.4f}" if "nats_se" in numbers else ""
            rows.append(
                [name, f"{numbers['nats']:.4f}{error}", numbers.get("date", ""), numbers.get("hardware", "")]
            )
        print_table(
            f"{run}, {result.measured['split']}, {result.measured['n']:,} items",
            ["", "nats", "date", "machine"],
            rows,
        )
        if result.holds:
            say(f"holds: {abs(result.difference):.1e} nats apart, {result.allowed:.1e} are allowed")
    if not result.holds:
        raise RunError(
            f"{run}: does not hold: recorded {result.recorded['nats']:.4f} nats, measured "
            f"{result.measured['nats']:.4f} on {result.measured['n']:,} items"
        )
