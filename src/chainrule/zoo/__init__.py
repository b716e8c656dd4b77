"""Small trained models that come with the library: one file each, as `chainrule pack` writes it."""

from __future__ import annotations

from pathlib import Path

from chainrule.errors import RunError, nearest
from chainrule.portable import SUFFIX

PREFIX = "zoo:"


def list_zoo() -> list[str]:
    """The names of the trained models that come with the library; `load("zoo:NAME")` loads one."""
    return sorted(file.stem for file in Path(__file__).parent.glob(f"*{SUFFIX}"))


def file_of(name: str) -> Path:
    """The file of a trained model.

    Raises:
        RunError: on an unknown name, with the nearest one.
    """
    if name not in list_zoo():
        raise RunError(f"{PREFIX}{name}: no such trained model; {nearest(name, list_zoo())}")
    return Path(__file__).parent / f"{name}{SUFFIX}"
