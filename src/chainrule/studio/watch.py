"""Watch: an item appears in generation order, and a value that is changed by hand changes what follows."""

from __future__ import annotations

import base64
from functools import lru_cache, partial
from typing import Any

import gradio as gr
import numpy as np
import torch
from torch import Tensor

from chainrule.errors import ChainruleError
from chainrule.models.base.capabilities import Factorises, Samples
from chainrule.networks import Network
from chainrule.report.pictures import is_roll
from chainrule.studio.parts import (
    EVENT,
    class_fields,
    class_of,
    scripted,
    seed_field,
    seeded,
    shown,
    temperature_field,
)
from chainrule.studio.runs import Runs
from chainrule.tasks import conditionals, redraw
from chainrule.training import Run

LABEL = "Watch"
END = "■"  # the end of a text
MOST_NUMBERS = 2**21  # of all conditionals of an item, which are sent to the browser
MOST_SITES = 4096  # of an image, whose connections are sent
HELP = (
    "The item appears variable by variable, in generation order, with p(x_d | x_<d) of the next one below; blue is "
    "what this conditional reads. Click a cell, then a bar: what follows is drawn again with the same noise, and what "
    "comes out otherwise is orange. The bars are the model's own, whatever temperature the values are drawn at."
)


def suits(run: Run) -> bool:
    """Whether items are images or sequences of levels, with one factorisation."""
    model, domain = run.model, run.model.domain
    return (
        isinstance(model, Factorises)
        and isinstance(model, Samples)
        and domain.layout in ("image", "sequence")
        and isinstance(domain.levels, int)
        and domain.size * domain.levels <= MOST_NUMBERS
        and not model.condition.maps
    )


def build(run: Run, runs: Runs) -> None:
    """Lay out the player and what starts it."""
    gr.Markdown(HELP)
    with gr.Row():
        heat = temperature_field(min_width=140, elem_id="watch-temperature")
        fields = [heat, seed_field(), *class_fields(run)]
        start = gr.Button("Draw an item", variant="primary", elem_id="watch-start")
    film = scripted("film", "watch-film")
    start.click(shown(partial(drawn, run)), fields, film, **EVENT)
    film.input(shown(partial(changed, run)), [film, *fields], film, **EVENT)


def drawn(run: Run, temperature: float, seed: float, *classes: str) -> dict[str, Any]:
    """An item, for the player."""
    cond = class_of(run, classes)
    return film(run, run.model.sample(1, cond, temperature, seeded(seed)), cond)


def changed(run: Run, asked: Any, temperature: float, seed: float, *classes: str) -> dict[str, Any]:
    """The item that the same noise gives after one value of it was changed.

    Args:
        run: of the item.
        asked: from the player: its values, and the variable and its new level, both in generation order.
        temperature, seed, classes: that it was drawn with.

    Raises:
        ChainruleError: if the player sent anything else.
    """
    model = run.model
    size = model.domain.size
    if not isinstance(asked, dict) or not {"values", "d", "level"} <= set(asked):
        raise ChainruleError("watch: draw an item first")
    values, d, level = asked["values"], asked["d"], asked["level"]
    if (
        not isinstance(values, list)
        or len(values) != size
        or not all(type(v) is int for v in [*values, d, level])
    ):
        raise ChainruleError(f"watch: expected {size} levels, a variable and its level")
    cond = class_of(run, classes)
    x = model.ordering.unflatten(torch.tensor(values)[None])
    how: dict[str, Any] = {"cond": cond, "temperature": temperature, "generator": seeded(seed)}
    return film(run, redraw(model, x, d, level, **how), cond, d)


def film(run: Run, x: Tensor, cond: Tensor | int | None, changed: int | None = None) -> dict[str, Any]:
    """What the player shows of an item (1, *event_shape), all of it in generation order.

    Args:
        run: whose model drew it.
        x: the item.
        cond: its condition.
        changed: the variable that was changed by hand.
    """
    model, domain = run.model, run.model.domain
    tables = conditionals(model, x, cond)[0].flatten(0, -2)[model.ordering.variables]
    return {
        "kind": "roll" if is_roll(domain) else "image" if domain.layout == "image" else _sequence(run),
        "shape": list(domain.event_shape),
        "levels": domain.levels,
        "names": level_names(run),
        "order": model.ordering.variables.tolist(),
        "values": model.ordering.flatten(x)[0].tolist(),
        "variables": model.head.variables,
        "tables": _packed(tables.numpy().astype("<f4")),
        **_reading(model.network, model.sites, domain.layout),
        "changed": changed,
    }


@lru_cache(maxsize=4)
def _reading(network: Network, sites: int, layout: str) -> dict[str, Any]:
    """What each site reads: of a sequence, how many sites before it; of an image, a row of bits each."""
    if layout == "sequence":
        return {"reach": network.receptive_field or sites, "reads": None}
    if sites > MOST_SITES:
        return {"reach": 0, "reads": None}
    return {
        "reach": 0,
        "reads": _packed(np.packbits(network.connectivity(sites).numpy(), axis=1, bitorder="little")),
    }


def level_names(run: Run) -> list[str] | None:
    """What each level of a text stands for; None where levels are numbers."""
    writing, domain = run.writing, run.model.domain
    if writing is None:
        return None
    end = [] if writing.size == domain.max_levels else [END]
    return [writing.text([level]) for level in range(writing.size)] + end


def _sequence(run: Run) -> str:
    return "sound" if run.rate is not None else "text"


def _packed(numbers: np.ndarray) -> str:
    return base64.b64encode(numbers.tobytes()).decode()
