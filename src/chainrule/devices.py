"""What differs between kinds of devices, and when the host may look at a device's numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache

import torch
from torch.nn import functional as F

WITHOUT_DOUBLE = ("mps",)  # kinds of devices that have no float64

_unseen: ContextVar[bool] = ContextVar("unseen", default=False)


def generators(device: torch.device) -> list[torch.Generator]:
    """torch's global generators that operations on a device may draw from: the CPU's, and the device's own."""
    if device.type in ("cpu", "meta"):
        return [torch.default_generator]
    if device.type == "mps":
        return [torch.default_generator, torch.mps._get_default_mps_generator()]
    module = torch.get_device_module(device)
    number = module.current_device() if device.index is None else device.index
    return [torch.default_generator, module.default_generators[number]]


def without_autocast(device: torch.device) -> torch.autocast:
    """A block whose products are of the types of their factors; devices that know no autocast are left alone."""
    known = device.type != "meta" and torch.amp.is_autocast_available(device.type)
    return torch.autocast(device.type if known else "cpu", enabled=False)


def computes_in_bf16(device: torch.device) -> bool:
    """Whether the hardware multiplies bf16 matrices natively."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    capabilities = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return device.type == "cpu" and any(capabilities.get(name) for name in ("avx512_bf16", "amx_bf16"))


def widest(device: torch.device) -> torch.dtype:
    """The widest floating-point type of a device: that in which log-likelihoods are summed."""
    return torch.float32 if device.type in WITHOUT_DOUBLE else torch.float64


def widened(x: torch.Tensor) -> torch.Tensor:
    """x in the widest type of its device."""
    return x.to(widest(x.device))


def at_least_float32(x: torch.Tensor) -> torch.Tensor:
    """x, in float32 where it has fewer bits: sums of exponentials lose what autocast on a CPU leaves of them."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def wide_sum(terms: torch.Tensor, dim: int) -> torch.Tensor:
    """Σ along a dimension in float64: (…, n, …) → (…).

    On a device without float64 neighbours are added in float32, then neighbours of these sums, and so on. The error is
    then at most ⌈log₂ n⌉ · 2^-24 · Σ |term|, to first order, where one after another would have n in place of ⌈log₂ n⌉.
    """
    if widest(terms.device) == torch.float64:
        return terms.double().sum(dim)
    sums = terms.float().movedim(dim, -1)
    while sums.shape[-1] > 1:
        sums = F.pad(sums, (0, sums.shape[-1] % 2))
        sums = sums[..., ::2] + sums[..., 1::2]
    return sums.sum(-1)


@contextmanager
def unseen() -> Iterator[None]:
    """A block that does not look at numbers on a device, for which the host would wait.

    It is for training: its items were checked before, and the validation finds weights that are not finite.
    """
    before = _unseen.set(True)
    try:
        yield
    finally:
        _unseen.reset(before)


def may_look(device: torch.device) -> bool:
    """Whether the host may look at numbers there: not where there are none, nor in a compiled function."""
    if device.type == "meta" or torch.compiler.is_compiling():
        return False
    return device.type == "cpu" or not _unseen.get()


def index_on(device: torch.device, numbers: torch.Tensor | Sequence[int]) -> torch.Tensor:
    """Whole numbers (n,) of the host as an index on a device, which gets them once: to send them is to wait for it."""
    if device.type in ("cpu", "meta"):
        return torch.as_tensor(numbers, dtype=torch.int64, device=device)
    return _sent(device, tuple(numbers.tolist() if isinstance(numbers, torch.Tensor) else numbers))


@lru_cache(maxsize=256)
def _sent(device: torch.device, numbers: tuple[int, ...]) -> torch.Tensor:
    with torch.inference_mode(False):
        return torch.tensor(numbers, dtype=torch.int64, device=device)
