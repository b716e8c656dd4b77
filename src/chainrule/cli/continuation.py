"""`chainrule continue`: draw sequences that continue a prompt, of any length."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.cli.options.drawing import DrawingOptions, Length, Prompt
from chainrule.run_files import SAMPLES

if TYPE_CHECKING:
    from chainrule.cli.drawing import Drawing


def continue_(*, prompt: Prompt = None, length: Length = None, drawing: DrawingOptions) -> None:
    """Continue a prompt, or draw sequences longer than the window that the model was trained on.

    Examples:

    `chainrule continue runs/tinyshakespeare-gru -n 1 --prompt "ROMEO:" --length 2000`

    `chainrule continue runs/spoken -n 1 --label digit=7 --length 80000 -o long.wav`
    """
    from chainrule.cli.drawing import Drawing

    prolong(Drawing(drawing, SAMPLES), prompt, length)


def prolong(opened: Drawing, prompt: str | None, length: int | None) -> None:
    """Draw the sequences and print or write them; one text is printed character by character."""
    from chainrule.tasks import continuation

    n, how = opened.count(64), dict(opened.how)
    if opened.live:
        how["part"] = 1
    drawn = continuation(opened.run, prompt, length=length, n=n, cond=opened.cond, **how)
    opened.finish(drawn, n)
