"""What panels share: how events are queued and errors shown, pictures, scripts, the choice of classes."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import wraps
from html import escape
from inspect import isgeneratorfunction
from pathlib import Path
from typing import Any

import gradio as gr
import torch
from PIL import Image
from torch import Tensor

from chainrule.errors import ChainruleError
from chainrule.report.pictures import as_source
from chainrule.training import Run
from chainrule.training.classes import label_names

# Verbs run one at a time: some put hooks into a model, and two users share the same cores.
EVENT: dict[str, Any] = {
    "concurrency_id": "verbs",
    "concurrency_limit": 1,
    "show_progress": "minimal",
    "api_visibility": "private",
}
LARGEST_SEED = 2**31 - 1
EACH = "one of each"


def shown(verb: Callable[..., Any]) -> Callable[..., Any]:
    """The same function, whose `ChainruleError` becomes a message on the page."""

    @wraps(verb)
    def whole(*arguments: Any) -> Any:
        try:
            return verb(*arguments)
        except ChainruleError as error:
            raise gr.Error(escape(str(error)), print_exception=False) from error

    @wraps(verb)
    def in_parts(*arguments: Any) -> Iterator[Any]:
        try:
            yield from verb(*arguments)
        except ChainruleError as error:
            raise gr.Error(escape(str(error)), print_exception=False) from error

    return in_parts if isgeneratorfunction(verb) else whole


def script(name: str) -> str:
    """A script of this folder."""
    return (Path(__file__).parent / name).read_text(encoding="utf-8")


def scripted(name: str, elem_id: str, **about: Any) -> gr.HTML:
    """A part of the page that NAME.html lays out and NAME.js drives."""
    how: dict[str, Any] = {"html_template": script(f"{name}.html"), "js_on_load": script(f"{name}.js")}
    return gr.HTML(value=None, elem_id=elem_id, apply_default_css=False, **how, **about)


def picture(content: Image.Image | bytes, text: str, kind: str = "picture") -> str:
    """HTML of a picture, with its text for those who do not see it.

    Args:
        content: a picture, or the bytes of a PNG.
        text: what it shows.
        kind: its class in `studio.css`: "picture", or "pixels", which are enlarged without smoothing.
    """
    return f'<img class="{kind}" alt="{escape(text)}" src="{as_source(content)}">'


def seeded(seed: float) -> torch.Generator:
    """A generator of a seed that was typed into a field.

    Raises:
        ChainruleError: if it is none.
    """
    if not 0 <= (seed or 0) <= LARGEST_SEED:
        raise ChainruleError(f"seed: expected an integer in [0, {LARGEST_SEED}], got {seed}")
    return torch.Generator().manual_seed(int(seed or 0))


def slider(least: float, most: float, value: float, label: str, step: float = 1, **about: Any) -> gr.Slider:
    """A slider that can be moved; without `interactive` Gradio takes a field of a panel for a result."""
    return gr.Slider(least, most, value, step=step, label=label, interactive=True, **about)


def temperature_field(value: float = 1.0, **about: Any) -> gr.Slider:
    """A slider for the temperature."""
    return slider(0, 2, value, "Temperature", 0.05, **about)


def choice(choices: Sequence[Any], value: Any, label: str, **about: Any) -> gr.Dropdown:
    """A choice that can be made."""
    return gr.Dropdown(choices, value=value, label=label, interactive=True, **about)


def seed_field() -> gr.Number:
    """A field for the seed of the noise."""
    return gr.Number(
        0, label="Seed of the noise", precision=0, minimum=0, maximum=LARGEST_SEED, interactive=True
    )


def class_fields(run: Run, each: bool = False) -> list[gr.Dropdown]:
    """A choice for each label that the model is conditioned on.

    Args:
        run: of the model.
        each: whether `EACH` may be chosen, of a model with one label.
    """
    condition, known = run.model.condition, run.labels
    names = label_names(condition, known)
    fields = []
    for name, count in zip(names, condition.counts, strict=True):
        classes = known.get(name) or list(map(str, range(count)))
        classes = [EACH, *classes] if each and len(names) == 1 else classes
        label = "Class" if name.isdigit() else name.capitalize()
        fields.append(choice(classes, classes[0], label))
    return fields


def class_of(run: Run, chosen: tuple[str, ...]) -> int | Tensor | None:
    """The condition of the classes that were chosen in `class_fields`; None of a model without."""
    names = label_names(run.model.condition, run.labels)
    return run.cond(**dict(zip(names, chosen, strict=True))) if names else None


def drawing(draw: Callable[..., None], text: str, *arguments: Any) -> str:
    """HTML of a picture that a function of `report` writes into a file.

    Args:
        draw: called with the arguments and `path`.
        text: what it shows.
        *arguments: of it.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "drawing.png"
        draw(*arguments, path=path)
        return picture(path.read_bytes(), text)
