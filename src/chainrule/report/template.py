"""Pages from the templates beside this file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jinja2

from chainrule.printable import printable


def render(name: str, **values: Any) -> str:
    """A page as text; what comes from data is escaped.

    Args:
        name: of the template.
        values: its variables.
    """
    folder = jinja2.FileSystemLoader(Path(__file__).parent)
    return (
        jinja2.Environment(autoescape=True, finalize=_shown, loader=folder)
        .get_template(name)
        .render(**values)
    )


def _shown(value: Any) -> Any:
    """Texts from data turn no line round; autoescape sees to the rest."""
    return printable(value, "\n\t") if type(value) is str else value
