"""Portable arithmetic: in its block, operations of torch on a CPU give the same bits on every machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from inspect import signature
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from chainrule.engine.nested import leaves
from chainrule.engine.portable import reductions  # noqa: F401 - it registers its operations
from chainrule.engine.portable.operations import attend
from chainrule.engine.portable.registry import OPERATIONS, UNCHANGED, lacking
from chainrule.engine.portable.sums import Grid, on_grid

TYPES = (torch.float32, torch.float64)


class Portable:
    """The arithmetic of a model's steps, whose parameters do not change while it is used.

    Args:
        model: what is kept of its parameters is made once.
    """

    def __init__(self, model: nn.Module) -> None:
        tensors = [*model.parameters(), *model.buffers()]
        self._own = {tensor.untyped_storage()._cdata for tensor in tensors}
        self._kept: dict[Any, Grid] = {}

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """A block in which every operation is portable.

        Raises:
            NotPortable: in the block, naming an operation that has no portable form.
        """
        with _Functions(), _Operations(self.kept):
            yield

    def kept(self, columns: Tensor) -> Grid:
        """`on_grid`, once of each part of a parameter."""
        storage = columns.untyped_storage()._cdata
        if storage not in self._own:
            return on_grid(columns.numpy())
        key = storage, columns.storage_offset(), columns.shape, columns.stride()
        if key not in self._kept:
            self._kept[key] = on_grid(columns.detach().numpy())
        return self._kept[key]


class _Functions(TorchFunctionMode):
    """Attention in parts: torch takes one kernel of several for it, by the machine."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is F.scaled_dot_product_attention:
            return _attention(*args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))


def _attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    if dropout_p or is_causal or enable_gqa:
        raise lacking("attends with dropout, a causal mask or shared keys")
    return attend(query, key, value, attn_mask, scale)


class _Operations(TorchDispatchMode):
    def __init__(self, kept: Any) -> None:
        super().__init__()
        self._kept = kept

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # else torch loads its compiler

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name, rule, named, writes, out = _rule(func)
        if rule is None:
            return func(*args, **kwargs)
        for tensor in leaves((args, kwargs), Tensor):
            if tensor.is_floating_point() and tensor.dtype not in TYPES:
                raise lacking(f"computes in {tensor.dtype}")
        target = kwargs.pop("out", None) if out else args[0] if writes else None
        result = rule(self._kept, *args, **kwargs, **({"name": name} if named else {}))
        if target is None:
            return result
        return target.copy_(result)


@cache
def _rule(func: Any) -> tuple[str, Any, bool, bool, bool]:
    """Name, rule (None of an operation that is portable as it is), whether it asks its name, and where it writes."""
    full = func._overloadpacket.__name__
    name = full if full.startswith("__") else full.removesuffix("_")
    rule = OPERATIONS.get(name)
    if rule is None and not func.is_view and name not in UNCHANGED:
        raise lacking(f"uses {full}")
    named = rule is not None and "name" in signature(rule).parameters
    return name, rule, named, full != name, "out" in {argument.name for argument in func._schema.arguments}
