"""`chainrule studio`: a page in the browser that opens runs."""

from __future__ import annotations

from typing import Annotated

import typer

from chainrule.cli.options.common import RUNS
from chainrule.cli.options.there import runs_there, sources_there
from chainrule.cli.output import say
from chainrule.errors import optional_import
from chainrule.zoo import PREFIX, list_zoo

LOOPBACK = "127.0.0.1"


def studio(
    runs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[RUN]...",
            callback=runs_there,
            help=f"Runs to offer: each {RUNS}. Default: the models of `chainrule zoo`.",
        ),
    ] = None,
    data: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SOURCE",
            callback=sources_there,
            help="File, folder or set to train on in the page; may be repeated. Default: the named sets that are here.",
        ),
    ] = None,
    host: Annotated[
        str, typer.Option(help="Address whose connections are accepted. Default: those of this machine only.")
    ] = LOOPBACK,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 for a free one.")] = 7860,
    browser: Annotated[bool, typer.Option(help="Open the page in the browser.")] = True,
) -> None:
    """Serve a page in the browser that draws, completes, scores and explains with any run, until Ctrl-C.

    It needs no network, and opens no runs or files other than those that are named here.

    Examples:

    `chainrule studio`

    `chainrule studio zoo:digits runs/mnist-pixelcnn --port 8000 --no-browser`

    `chainrule studio --data people.csv`
    """
    optional_import("gradio", "studio")
    from chainrule.studio.app import serve

    names = runs or [PREFIX + name for name in list_zoo()]
    if host != LOOPBACK:
        say(f"note: whoever reaches {host} can use this page; there is no password")
    serve(
        names,
        data or [],
        host=host,
        port=port,
        browser=browser,
        ready=lambda address: say(f"{address} (Ctrl-C ends)"),
    )
