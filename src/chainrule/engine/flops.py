"""Count the floating-point operations of a call, which may be on tensors that hold no data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from chainrule.errors import ChainruleError

# Beside element-wise operations and views: what moves, compares, reduces or makes values without multiplying
# matrices. An operation that is neither here nor has a formula fails the count.
FREE = {
    "_log_softmax", "_safe_softmax", "_softmax", "_to_copy",
    "_unique2", "_unsafe_view", "all", "amax", "any", "arange", "argmax", "argmin",
    "bernoulli_", "cat", "clone", "constant_pad_nd", "copy_", "cumprod", "cumsum", "detach", "detach_",
    "embedding", "empty", "empty_like", "empty_strided", "fill_", "flip", "floor_divide", "full", "full_like", "gather",
    "index", "index_copy", "index_copy_", "index_put_", "index_select", "lift_fresh", "_local_scalar_dense", "nonzero",
    "log_sigmoid_forward", "log_softmax", "logsumexp", "masked_fill", "max", "mean", "min", "native_layer_norm",
    "new_empty", "new_ones", "new_zeros", "copysign", "ones", "ones_like", "promote_types", "rand", "randn",
    "random", "randperm", "repeat",
    "repeat_interleave", "roll", "scalar_tensor", "scatter", "searchsorted", "sort", "squeeze_", "stack", "sum", "t_",
    "topk", "transpose_", "tril", "triu", "unsafe_split", "unsqueeze_", "where", "zero_", "zeros", "zeros_like",
}  # fmt: skip


class _Counter(TorchDispatchMode):
    total = 0

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # else torch loads its compiler, for a second, and wraps each operation

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        packet = func._overloadpacket
        if packet not in flop_registry:  # what works in place has the formula of what does not
            packet = getattr(torch.ops.aten, packet.__name__.rstrip("_"), packet)
        if packet in flop_registry:
            self.total += flop_registry[packet](*args, **(kwargs or {}), out_val=out)
        elif not self._is_free(func):
            raise ChainruleError(f"{func}: no formula to count its operations")
        return out

    @staticmethod
    def _is_free(func: Any) -> bool:
        name = func._overloadpacket.__name__
        return torch.Tag.pointwise in func.tags or func.is_view or name in FREE or name.rstrip("_") in FREE


def count_flops(call: Callable[[], object]) -> int:
    """Floating-point operations of the matrix products, convolutions and attention in one call.

    A multiplication and an addition count as two; element-wise work is not counted.

    Raises:
        ChainruleError: if the call uses an operation that is neither element-wise nor has a formula.
    """
    # Attention by its products: what a CPU has for the whole of it has no formula.
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), _Counter() as counter:
        call()
    return counter.total
