"""Puts one kernel in the place of several of torch's operations while a step is recorded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from chainrule.engine.captured.trace import Unsupported
from chainrule.heads.conditional import draw_level
from chainrule.layers.gate import gate
from chainrule.layers.linear import linear_rows

TYPES = {torch.float32, torch.bfloat16}


class Fused(TorchFunctionMode):
    """While it is entered, products of few rows, attention of one query, gates and draws of a level are kernels.

    Numbers are torch's up to the rounding of sums in another order. What a kernel does not know (other types, more
    rows, recorded gradients, autocast) is left to torch.

    Args:
        anywhere: on every device; by default on CUDA alone. Triton's interpreter runs on a CPU.

    Raises:
        Unsupported: where Triton cannot be loaded.
    """

    def __init__(self, anywhere: bool = False) -> None:
        super().__init__()
        try:
            from chainrule.engine.captured.kernels import attention, draw, product
            from chainrule.engine.captured.kernels import gate as gates
        except ImportError as missing:
            raise Unsupported(f"no fused kernels: Triton cannot be loaded ({missing})") from missing
        self.anywhere = anywhere
        self._limits = {"rows": product.ROWS, "levels": draw.LEVELS}
        self._product, self._attend = product.product, attention.attend
        self._gated, self._draw_level = gates.gated, draw.draw_level
        self._ways: Mapping[Any, Callable[..., Tensor | None]] = {
            F.linear: self._linear,
            linear_rows: self._linear,
            torch.addmm: self._addmm,
            F.scaled_dot_product_attention: self._attention,
            gate: self._gate,
            draw_level: self._draw,
        }

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        way, kwargs = self._ways.get(func), kwargs or {}
        if way is not None and not torch.is_grad_enabled():
            found = way(*args, **kwargs)
            if found is not None:
                return found
        return func(*args, **kwargs)

    # Each gives None where the kernel does not know what it is given.

    def _linear(
        self, input: Tensor, weight: Tensor, bias: Tensor | None = None, index: Tensor | None = None
    ) -> Tensor | None:
        rows = input.numel() // max(input.shape[-1], 1)
        known = weight.dim() == 2 and 0 < rows <= self._limits["rows"] and len(weight) and input.shape[-1]
        if not known or not self._alike(input, weight, bias):
            return None
        return self._product(input.reshape(rows, -1), weight, bias, index).unflatten(0, input.shape[:-1])

    def _addmm(self, input: Tensor, mat1: Tensor, mat2: Tensor, **options: Any) -> Tensor | None:
        whole = input.shape == (len(mat1), mat2.shape[1])
        return self._linear(mat1, mat2.T, input) if whole and not options else None

    def _attention(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attn_mask: Tensor | None = None,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        scale: float | None = None,
        enable_gqa: bool = False,
    ) -> Tensor | None:
        shape = (*query.shape[:-1], key.shape[-2])  # of the mask
        known = (
            query.dim() == 4 and shape[2] == 1 and key.shape == value.shape == (*shape[:2], *key.shape[2:])
        )
        if not known or dropout_p or is_causal or enable_gqa or not self._alike(query, key, value, attn_mask):
            return None
        mask = None if attn_mask is None else attn_mask.expand(shape)
        return self._attend(query, key, value, mask, query.shape[-1] ** -0.5 if scale is None else scale)

    def _gate(self, z: Tensor, added: Tensor | None = None, dim: int = -1) -> Tensor | None:
        """Where the halves of a row lie one after the other: of (B, 2C), or of (B, 2C, …) that is contiguous."""
        flat = z.dim() == 2 or (dim == 1 and added is None and z.is_contiguous())
        if not flat or z.dtype != torch.float32 or not self._alike(z, added):
            return None
        rows = [t.contiguous() if t.stride(-1) != 1 else t for t in (z.flatten(1), added) if t is not None]
        return self._gated(rows[0], rows[1].expand_as(z) if len(rows) > 1 else None).view(
            len(z), -1, *z.shape[2:]
        )

    def _draw(self, logits: Tensor, u: Tensor) -> Tensor | None:
        known = (
            logits.dim() == 2 and u.dtype == torch.float64 and 0 < logits.shape[1] <= self._limits["levels"]
        )
        return self._draw_level(logits, u) if known and self._reaches(logits) and len(logits) else None

    def _alike(self, *tensors: Tensor | None) -> bool:
        """Whether all are here, and of one type that kernels have."""
        given = [t for t in tensors if t is not None]
        return self._reaches(given[0]) and len({t.dtype for t in given}) == 1 and given[0].dtype in TYPES

    def _reaches(self, tensor: Tensor) -> bool:
        return (self.anywhere or tensor.is_cuda) and not torch.is_autocast_enabled(tensor.device.type)
