"""The page: a choice of runs, and below it the panels that suit the chosen one."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # read when Gradio is imported: nothing leaves this machine

import gradio as gr

from chainrule.studio import draw
from chainrule.studio.parts import shown
from chainrule.studio.runs import Runs
from chainrule.training import Run

PANELS = (draw,)
MOST_BYTES = 32 * 1024**2  # of an uploaded file
MOST_WAITING = 32  # events of all users together


def studio(names: Sequence[str]) -> gr.Blocks:
    """The page that offers runs.

    Args:
        names: of runs, at least one; the page opens no others.
    """
    runs = Runs(names)
    with gr.Blocks(title="chainrule studio", analytics_enabled=False) as page:
        gr.Markdown("# chainrule studio")
        chosen = gr.Dropdown(runs.names, value=runs.names[0], label="Run", elem_id="run")

        @gr.render(inputs=chosen)
        def panels(name: str) -> None:
            run = shown(runs.open)(name)
            gr.Markdown(_card(run), elem_classes="note")
            with gr.Tabs():
                for panel in PANELS:
                    if panel.suits(run):
                        with gr.Tab(panel.LABEL):
                            panel.build(run)

    return page.queue(max_size=MOST_WAITING)


def serve(names: Sequence[str], *, host: str, port: int, browser: bool, wait: bool = True) -> str:
    """Serve the page, until Ctrl-C or, without `wait`, in a thread; where it is served.

    Args:
        names: of runs.
        host: whose connections are taken: 127.0.0.1 for those of this machine.
        port: of it; 0 for a free one.
        browser: whether to open it.
        wait: whether to return only at the end.
    """
    page = studio(names)
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
    _, address, _ = page.launch(
        server_name=host, server_port=port or None, inbrowser=browser, prevent_thread_lock=not wait, **how
    )
    return address


def _theme() -> gr.themes.Base:
    """Quiet, with the blue of the charts and the fonts of the system: none is fetched."""
    fonts = {"font": ["system-ui", "sans-serif"], "font_mono": ["ui-monospace", "monospace"]}
    return gr.themes.Base(primary_hue="blue", neutral_hue="slate", **fonts)


def _card(run: Run) -> str:
    parameters = sum(p.numel() for p in run.model.parameters())
    return f"{run.model.name}, {parameters:,} parameters, of {run.model.domain}"
