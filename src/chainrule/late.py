"""Functions of upper rooms that lower ones call. The package sets them, so that imports run one way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

# A file or a frame, and the kinds of some of its columns → its columns.
infer_columns: Callable[[Any, dict[str, str] | None], Sequence[Any]]

# A run or a model, a repository of the hub, and the arguments of `tasks.sharing.push_to_hub` → its address.
push_to_hub: Callable[..., str]
