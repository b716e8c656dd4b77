"""YAML as people and strangers write it: numbers of version 1.2, and no more of it than a configuration needs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from chainrule.files import read_text

MOST_BYTES, MOST_VALUES, DEEPEST = 2**22, 200_000, 40


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
        return yaml.load(text, Loader=_Yaml)
    except (ValueError, OverflowError, RecursionError) as error:  # what PyYAML's own readers of values raise
        raise yaml.YAMLError(str(error)) from error


class _Yaml(yaml.SafeLoader):
    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.values, self.depth = 0, 0
        self.sizes: dict[int, int] = {}

    def compose_node(self, parent: Any, index: Any) -> Any:
        before, alias = self.values, self.check_event(yaml.AliasEvent)
        self.values, self.depth = self.values + 1, self.depth + 1
        node = super().compose_node(parent, index)
        if alias:  # what is not whole yet holds itself
            self.values += self.sizes.get(id(node), MOST_VALUES)
        else:
            self.sizes[id(node)] = self.values - before
        if self.values > MOST_VALUES or self.depth > DEEPEST:
            limit = f"{MOST_VALUES} values" if self.values > MOST_VALUES else f"{DEEPEST} levels"
            raise yaml.YAMLError(f"expected at most {limit} in one file")
        self.depth -= 1
        return node


_EXPONENT = re.compile(r"[-+]?(\d+\.?|\d*\.\d+)[eE][-+]?\d+$")
_Yaml.add_implicit_resolver("tag:yaml.org,2002:float", _EXPONENT, list("-+.0123456789"))
