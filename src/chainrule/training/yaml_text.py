"""YAML, untrusted: numbers of version 1.2, and no more of it than a configuration needs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from chainrule.files import read_text

MOST_BYTES, MOST_VALUES, DEEPEST = 2**22, 100_000, 40


def read_yaml(path: Path) -> Any:
    """The content of a YAML file.

    Raises:
        OSError: if it cannot be read.
        yaml.YAMLError: if it is none.
    """
    try:
        return parse_yaml(read_text(path, MOST_BYTES))
    except UnicodeDecodeError as error:
        raise yaml.YAMLError(str(error)) from error


def parse_yaml(text: str) -> Any:
    """Read YAML with the numbers of version 1.2: PyYAML, which knows 1.1, takes 1e-3 for text.

    Raises:
        yaml.YAMLError: if the text is none, or holds dates or numbers that do not exist, or more than a configuration
            does: an alias counts as all that it stands for.
    """
    try:
        _check_size(text)
        return yaml.load(text, Loader=_Yaml)
    except (ValueError, OverflowError, RecursionError) as error:  # what PyYAML's own readers of values raise
        raise yaml.YAMLError(str(error)) from error


def _check_size(text: str) -> None:
    """Count values and levels before anything is made of them."""
    values, sizes = 0, dict[str, int]()
    open_: list[tuple[str | None, int]] = []  # the anchor of each collection around, and the values before it
    for event in yaml.parse(text, Loader=_Yaml):
        if isinstance(event, yaml.AliasEvent):  # what is not whole yet holds itself
            values += sizes.get(event.anchor, MOST_VALUES + 1)
        elif isinstance(event, yaml.ScalarEvent):
            values += 1
            sizes[event.anchor] = 1
        elif isinstance(event, yaml.CollectionStartEvent):
            open_.append((event.anchor, values))
            values += 1
            sizes.pop(event.anchor, None)
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = open_.pop()
            if anchor is not None:
                sizes[anchor] = values - before
        if values > MOST_VALUES:
            raise yaml.YAMLError(f"expected at most {MOST_VALUES} values")
        if len(open_) > DEEPEST:
            raise yaml.YAMLError(f"expected at most {DEEPEST} levels")


class _Yaml(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """In C where PyYAML was built with it."""


_EXPONENT = re.compile(r"[-+]?(\d+\.?|\d*\.\d+)[eE][-+]?\d+$")
_Yaml.add_implicit_resolver("tag:yaml.org,2002:float", _EXPONENT, list("-+.0123456789"))
