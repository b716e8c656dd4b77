"""`chainrule push` and `pull`: runs on the Hugging Face hub."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from chainrule.cli.opening import open_run
from chainrule.cli.options.common import DataDir, Device, Json, RunName
from chainrule.cli.options.sharing import About, Licence, Samples, TrainedOn, about_text, data_to_measure
from chainrule.cli.output import print_json, say


def push(
    run: RunName,
    repo: Annotated[str, typer.Argument(metavar="USER/NAME", help="Repository, made if there is none.")],
    data: TrainedOn = None,
    private: Annotated[bool, typer.Option("--private", help="Hide a repository that is made.")] = False,
    samples: Samples = 1,
    about: About = None,
    licence: Licence = None,
    data_dir: DataDir = None,
    device: Device = "auto",
    json: Json = False,
) -> None:
    """Upload a run to the Hugging Face hub: weights, configuration, measured numbers and a card; no data, no code.

    Log in first with `hf auth login`, or set HF_TOKEN.

    Example: `chainrule push runs/people ada/people --licence mit`
    """
    from chainrule.tasks.sharing import push_to_hub

    opened, words = open_run(run, device), about_text(about)
    own = data_to_measure(opened, data, data_dir)
    address = push_to_hub(opened, repo, own, private=private, samples=samples, about=words, licence=licence)
    if json:
        print_json({"run": address})
    else:
        say(f"run: {address}")


def pull(
    address: Annotated[
        str, typer.Argument(metavar="hf://USER/NAME", help="Run on the hub; @REVISION at its end pins one.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Run folder to make.")],
) -> None:
    """Fetch a run from the Hugging Face hub into a folder. Commands also take hf://USER/NAME in place of RUN.

    Example: `chainrule pull hf://ada/people@v1 -o runs/people`
    """
    from chainrule.files import atomic_folder
    from chainrule.hub import pull as task
    from chainrule.portable import PARTS

    fetched = task(address)
    with atomic_folder(out) as folder:
        for name in PARTS:
            if (fetched / name).is_file():
                (folder / name).write_bytes((fetched / name).read_bytes())
    say(f"run: {out}")
