"""The shapes of a model, before any memory is taken for it: a card from elsewhere may ask for all there is."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from chainrule.domain import Domain
from chainrule.errors import ChainruleError

MOST_VARIABLES = 2**25  # of an item: 256 MiB as integers
SMALL = 2**22  # numbers that any model may take besides its weights, and any hyperparameter may be below
FILLED = (torch.empty, torch.zeros, torch.ones, torch.randn, torch.rand, torch.full, torch.eye)
COUNTED = (torch.arange, torch.linspace)
REPEATED = (torch.repeat_interleave, Tensor.repeat_interleave)


class TooLarge(ChainruleError):
    """A model is larger than it may be."""


def sketch(build: Callable[[], nn.Module], most: int) -> nn.Module:
    """A model whose weights have shapes and no memory.

    Args:
        build: makes the model.
        most: numbers that it may be made of.

    Raises:
        TooLarge: as soon as it is seen to need more than these.
    """
    with torch.random.fork_rng(devices=[]), _Sketch(most):
        return build()


def check_sizes(domain: Domain, hyperparameters: Mapping[str, Any], weights: int) -> None:
    """Refuse sizes that no model with this number of weights can have.

    Raises:
        ChainruleError: if one is too large.
    """
    if domain.size > MOST_VARIABLES:
        raise ChainruleError(f"expected items of at most {MOST_VARIABLES} variables, got {domain.size}")
    most = weights + SMALL
    for key, value in hyperparameters.items():
        for number in value if isinstance(value, list) else (value,):
            if isinstance(number, int | float) and abs(number) > most:
                raise ChainruleError(f"{key}: expected at most {most}, for {weights} weights, got {value}")


class _Sketch(TorchFunctionMode):
    """Floats are made without memory; what else is made is counted before it is."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most, self.taken = most, 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        asked = _asked(func, args, kwargs)
        if func in FILLED and (kwargs.get("dtype") or torch.float32).is_floating_point:
            kwargs = {key: value for key, value in kwargs.items() if key != "generator"} | {"device": "meta"}
            asked = self.taken = self.taken + asked + 1  # a million empty layers are too many too
        if asked > self.most:
            raise TooLarge(f"it needs over {self.most} numbers")
        return func(*args, **kwargs)


def _asked(func: Any, args: Any, kwargs: Any) -> int:
    """How many numbers a call is about to make, as far as calls of models go."""
    if func in FILLED:
        size = kwargs.get("size", args[0] if args else ())
        sizes = size if isinstance(size, Sequence) else (size,) if func is torch.full else args
        square = 2 if func is torch.eye and len(sizes) == 1 else 1
        return math.prod(sizes) ** square
    if func is Tensor.__setitem__:
        return 0  # it writes into what is there
    if func in COUNTED:
        return int(max((abs(number) for number in args if isinstance(number, int | float)), default=0))
    tensors = [value for value in args if isinstance(value, Tensor)]
    if func in REPEATED:
        times = kwargs.get("repeats", args[1] if len(args) > 1 else 1)
        often = times if isinstance(times, int) else int(times.sum()) // max(times.numel(), 1) + 1
        return tensors[0].numel() * often
    try:  # spread against each other
        return math.prod(torch.broadcast_shapes(*(tensor.shape for tensor in tensors))) if tensors else 0
    except RuntimeError:
        return 0
