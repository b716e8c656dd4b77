"""Which operations of torch portable arithmetic has, by their names in `torch.ops.aten`, and which need nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

from chainrule.engine.interfaces import Unsupported
from chainrule.engine.portable.sums import Grid

Kept = Callable[[Tensor], Grid]
OPERATIONS: dict[str, Callable[..., Any]] = {}
# Whose result is the same on every machine: they move numbers, compare them, count in whole numbers, or round once.
UNCHANGED = frozenset(
    [
        "_to_copy",
        "_unsafe_view",
        "abs",
        "alias",
        "all",
        "amax",
        "amin",
        "any",
        "arange",
        "argmax",
        "argmin",
        "argsort",
        "as_strided",
        "bitwise_and",
        "bitwise_not",
        "bitwise_or",
        "cat",
        "ceil",
        "clamp",
        "clamp_max",
        "clamp_min",
        "clone",
        "constant_pad_nd",
        "copy",
        "detach",
        "diff",
        "div",
        "embedding",
        "empty",
        "empty_like",
        "empty_strided",
        "eq",
        "expand",
        "fill",
        "flip",
        "floor",
        "floor_divide",
        "full",
        "full_like",
        "gather",
        "ge",
        "gt",
        "index",
        "index_copy",
        "index_put",
        "index_select",
        "is_pinned",
        "isfinite",
        "isinf",
        "isnan",
        "le",
        "leaky_relu",
        "lift_fresh",
        "lift_fresh_copy",
        "logical_and",
        "logical_not",
        "logical_or",
        "lt",
        "masked_fill",
        "masked_scatter",
        "max",
        "maximum",
        "min",
        "minimum",
        "mul",
        "nan_to_num",
        "narrow",
        "ne",
        "neg",
        "new_empty",
        "new_full",
        "new_ones",
        "new_zeros",
        "nonzero",
        "ones",
        "ones_like",
        "permute",
        "promote_types",
        "relu",
        "remainder",
        "repeat",
        "reshape",
        "roll",
        "round",
        "scalar_tensor",
        "scatter",
        "searchsorted",
        "select",
        "select_scatter",
        "sign",
        "slice",
        "slice_scatter",
        "sort",
        "split",
        "split_with_sizes",
        "squeeze",
        "stack",
        "t",
        "topk",
        "transpose",
        "tril",
        "triu",
        "unbind",
        "unfold",
        "unsqueeze",
        "view",
        "view_as",
        "where",
        "zero",
        "zeros",
        "zeros_like",
        "_local_scalar_dense",
        "square",
        "_reshape_alias",
        "unsafe_split",
        "_assert_async",
        "equal",
        "sub_int",
        "pixel_shuffle",
        "channel_shuffle",
        "bitwise_left_shift",
        "bitwise_right_shift",
        "__lshift__",
        "__rshift__",
        "bitwise_xor",
        "threshold",
        "hardtanh",
    ]
)


class NotPortable(Unsupported):
    """What a model's steps do that portable arithmetic does not have."""


def lacking(what: str) -> NotPortable:
    """The error that names what a step does that has no portable form."""
    return NotPortable(f"a step {what}, which has no portable form")


def operation(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a function (kept, *args, **kwargs) for operations of these names."""

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        OPERATIONS.update(dict.fromkeys(names, function))
        return function

    return register
