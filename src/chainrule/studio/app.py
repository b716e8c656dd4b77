"""The page: a choice of runs, and below it the panels that suit the chosen one."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # read when Gradio is imported: nothing leaves this machine

import gradio as gr

from chainrule.studio import compare, draw, listen, nets, score, table, train, watch
from chainrule.studio.parts import EVENT, shown
from chainrule.studio.runs import Runs
from chainrule.training import Run

PANELS: tuple[Any, ...] = (draw, table, watch, listen, score, compare, nets, train)
MOST_BYTES = 32 * 1024**2  # of an uploaded file
MOST_WAITING = 32  # events of all users together


def studio(names: Sequence[str], data: Sequence[str] = ()) -> gr.Blocks:
    """The page that offers runs.

    Args:
        names: of runs, at least one; the page opens no others.
        data: files and folders to train on besides the named sets.
    """
    runs = Runs(names, data)
    with gr.Blocks(title="chainrule studio", analytics_enabled=False) as page:
        gr.Markdown("# chainrule studio")
        chosen = gr.Dropdown(runs.names, value=runs.names[0], label="Run", elem_id="run")
        # First nothing, then the new panels: the browser would keep what fields and results of the last run hold. The
        # browser sends which; a state would be read when its turn comes, and the new panels might be built twice.
        opened = gr.Textbox(runs.names[0], visible="hidden")
        chosen.input(lambda: "", None, opened, **EVENT).then(lambda name: name, chosen, opened, **EVENT)

        @gr.render(inputs=opened)
        def panels(name: str) -> None:
            if not name:
                return
            run = shown(runs.open)(name)
            gr.Markdown(_card(run), elem_classes="note", elem_id="card")
            with gr.Tabs(overflow_behavior="wrap"):
                for panel in PANELS:
                    if panel.suits(run):
                        with gr.Tab(panel.LABEL):
                            panel.build(run, runs)

    return page.queue(max_size=MOST_WAITING)


def launch(page: gr.Blocks, *, host: str, port: int, browser: bool) -> str:
    """Serve the page in threads of its own; the address.

    Args:
        page: of `studio`.
        host: whose connections are accepted: 127.0.0.1 for those of this machine.
        port: of it; 0 for a free one.
        browser: whether to open it.

    Raises:
        OSError: if the port is taken.
    """
    how: dict[str, Any] = {
        "theme": _theme(),
        "css_paths": Path(__file__).parent / "studio.css",
        "footer_links": [],
        "max_file_size": MOST_BYTES,
        "allowed_paths": [],
        "share": False,
        "ssr_mode": False,
        "quiet": True,
    }
    where: dict[str, Any] = {
        "server_name": host,
        "server_port": port or _free_port(host),
        "inbrowser": browser,
    }
    _, address, _ = page.launch(**where, prevent_thread_lock=True, **how)
    return address


def serve(
    names: Sequence[str],
    data: Sequence[str] = (),
    *,
    host: str,
    port: int,
    browser: bool,
    ready: Callable[[str], None],
) -> None:
    """Serve the page of runs until Ctrl-C.

    Args:
        names, data: see `studio`.
        host, port, browser: see `launch`.
        ready: called with the address.
    """
    page = studio(names, data)
    ready(launch(page, host=host, port=port, browser=browser))
    page.block_thread()


def _free_port(host: str) -> int:
    """One that no other page gets: two that start at once would find the same by Gradio's search from 7860 on."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as server:
        return int(server.getsockname()[1])


def _theme() -> gr.themes.Base:
    """Quiet, with the blue of the charts and the fonts of the system: none is fetched."""
    fonts: dict[str, Any] = {"font": ["system-ui", "sans-serif"], "font_mono": ["ui-monospace", "monospace"]}
    return gr.themes.Base(primary_hue="blue", neutral_hue="slate", **fonts)


def _card(run: Run) -> str:
    model = run.model
    parameters = sum(p.numel() for p in model.parameters())
    columns = model.domain.columns
    domain = f"table of {len(columns)} columns" if columns else str(model.domain)
    return f"{model.name}, {parameters:,} parameters, {domain}"
