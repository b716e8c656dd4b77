"""`chainrule zoo`: the trained models that come with the library."""

from __future__ import annotations

import json as encoding
from typing import Annotated, Any

import typer

from chainrule.cli.options.common import Json
from chainrule.cli.output import print_json, print_table, put
from chainrule.portable import read_package
from chainrule.run_files import ABOUT, CARD, NUMBERS
from chainrule.zoo import PREFIX, file_of, list_zoo


def zoo(
    name: Annotated[
        str | None, typer.Argument(help="Model whose card to print. Default: list them all.")
    ] = None,
    json: Json = False,
) -> None:
    """List the trained models that come with the library, or print the card of one.

    Every command takes zoo:NAME in place of RUN, and needs no network for it.

    Examples:

    `chainrule zoo names`

    `chainrule sample zoo:names -n 10`
    """
    if name is not None:
        name = name.removeprefix(PREFIX)
        found, card = _entry(name)
        print_json(found) if json else put(card)
        return
    entries = [_entry(name) for name in list_zoo()]
    if json:
        print_json([found for found, _ in entries])
        return
    rows = [
        [
            found["run"],
            card.partition("\n")[0],
            found["model"],
            f"{found['bytes'] / 1e3:,.0f} kB",
            _number(found),
        ]
        for found, card in entries
    ]
    print_table("Trained models", ["RUN", "", "model", "size", "test"], rows, words=True)


def _entry(name: str) -> tuple[dict[str, Any], str]:
    """What is known of a model, and its card."""
    file = file_of(name)
    parts = read_package(file, (CARD, NUMBERS, ABOUT))
    about = {"run": PREFIX + name, "model": encoding.loads(parts[CARD])["name"], "bytes": file.stat().st_size}
    return {**about, "numbers": encoding.loads(parts[NUMBERS])}, parts[ABOUT].decode()


def _number(found: dict[str, Any]) -> str:
    """The measured number in the unit that suits: nats a step of long sequences, bits/dim of levels, else nats."""
    numbers = found["numbers"]
    for unit, value, error in (
        ("nats/step", *_of(numbers.get("per_step"), "nats")),
        ("bits/dim", *_of(numbers, "bits_per_dim")),
        ("nats", *_of(numbers, "nats")),
    ):
        if value is not None:
            return f"{'≤ ' * numbers['bound']}{value:.3f} ± {error:.3f} {unit}"
    return ""


def _of(numbers: dict[str, Any] | None, name: str) -> tuple[float | None, float]:
    return (None, 0.0) if numbers is None else (numbers.get(name), numbers.get(f"{name}_se") or 0.0)
