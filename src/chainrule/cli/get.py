"""`chainrule data get`: named sets from their public sources."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from chainrule.cli.options.common import DataDir
from chainrule.cli.output import console, say
from chainrule.errors import DataError


def get(
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME…", help="Names of the sets.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Get all sets that are missing.")] = False,
    mirror: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Mirror, asked for URL/HOST/PATH instead of https://HOST/PATH; or a folder with the files. Default: "
            "$CHAINRULE_MIRROR.",
        ),
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Download named data sets from their public sources, check their digests, store them in the data folder.

    Interrupted downloads are resumed. Proxies are taken from $https_proxy.

    Examples:

    `chainrule data get mnist`

    `chainrule data get nltcs plants --data-dir ~/data`
    """
    from chainrule.data import data_folder, get_data, list_data
    from chainrule.data.limits import shown
    from chainrule.data.sets.sources.catalogue import SOURCES

    if bool(names) == every:
        raise DataError(f"data get: expected names of sets or --all; known: {', '.join(SOURCES)}")
    folder, licences = data_folder(data_dir), {known.name: known.licence for known in list_data(data_dir)}
    for name in names or SOURCES:
        size = SOURCES[name].bytes if name in SOURCES else None
        with Progress(
            TextColumn("{task.description}"),
            *(BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn()),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        ) as progress:
            bar = progress.add_task(name, total=size)
            tell = partial(_advance, progress, bar)
            got = get_data(name, data_dir=data_dir, mirror=mirror, tell=tell)
        if size is None:
            say(f"{name}: comes with a package, nothing to get")
        elif not got:
            say(f"{name}: is in {folder}, its digest is right")
        else:
            say(f"{name}: {shown(size)} made into {folder}; licence: {licences[name]}")


def _advance(progress: Progress, bar: TaskID, done: int) -> None:
    progress.update(bar, completed=done)
