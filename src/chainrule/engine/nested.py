"""Tensors and views among an operation's arguments: torch's own trees take longer than most operations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


def leaves(tree: Any, kind: type[T]) -> list[T]:
    """All of a kind in nested lists, tuples and dictionaries, in order."""
    if isinstance(tree, kind):
        return [tree]
    if isinstance(tree, dict):
        tree = tree.values()
    elif not isinstance(tree, (list, tuple)):
        return []
    return [leaf for part in tree for leaf in leaves(part, kind)]


def replaced(tree: Any, kind: type[T], make: Callable[[T], Any]) -> Any:
    """The same nesting with something else in place of each of a kind."""
    if isinstance(tree, kind):
        return make(tree)
    if isinstance(tree, dict):
        return {key: replaced(part, kind, make) for key, part in tree.items()}
    if isinstance(tree, (list, tuple)):
        return type(tree)([replaced(part, kind, make) for part in tree])
    return tree
