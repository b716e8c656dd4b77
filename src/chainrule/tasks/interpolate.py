"""Samples on the way from one condition to another, or from one item to another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from chainrule.domain import INTEGERS
from chainrule.engine import exact_arithmetic
from chainrule.errors import ChainruleError, ConditionError, check_count
from chainrule.models import Model
from chainrule.models.base.capabilities import Latent


def interpolate(
    model: Model,
    start: Tensor | int,
    end: Tensor | int,
    steps: int,
    n: int = 1,
    generator: torch.Generator | None = None,
    **options: Any,
) -> Tensor:
    """Draw n items at each of `steps` conditions (1 - w) · start + w · end, w evenly from 0 to 1.

    A row has the same noise at every step, so that only the condition changes along it.

    Args:
        model: conditional on labels, vectors or maps.
        start, end: the condition of one item: a label, or weights of labels (classes,); a vector (E,); a map (M, H, W).
        steps: how many, both ends included.
        n: rows.
        generator: where the randomness comes from; afterwards as if n items had been drawn once.
        **options: of the model's `sample`: temperature, top_k, top_p.

    Returns:
        (n, steps, *event_shape).

    Raises:
        ConditionError: if the model is unconditional or of several labels, or an end is not a condition of it.

    References:
        van den Oord et al. (2016), "Conditional image generation with PixelCNN decoders", §3.3 and figure 5,
        https://arxiv.org/abs/1606.05328

    Example:
        >>> import chainrule as cr
        >>> model = cr.create_model("made", cr.Domain.binary(6), classes=10)
        >>> interpolate(model, 3, 8, steps=5, n=2).shape
        torch.Size([2, 5, 6])
    """
    check_count("steps: expected a number of steps", steps, 2)
    check_count("n: expected a number of rows", n, 1)
    if not model.conditional:
        raise ConditionError(
            f"interpolate: expected a conditional model, {model.name or type(model).__name__} is unconditional"
        )
    first, last = _end("start", model, start), _end("end", model, end)

    def draw(cond: Tensor, generator: torch.Generator) -> Tensor:
        return model.sample(n, cond.expand(n, *cond.shape), generator=generator, **options)

    return _along(draw, first, last, steps, generator)


def interpolate_latent(
    model: Model,
    start: Tensor,
    end: Tensor,
    steps: int,
    generator: torch.Generator | None = None,
    **options: Any,
) -> Tensor:
    """Draw items between two others: from p(x | z), z on the line between the means of q(z | start) and q(z | end).

    For a flow, the items whose z lie on the line between those of the ends, without randomness.

    A row has the same noise at every step, so that only z changes along it.

    Args:
        model: with Gaussian latent numbers, or a flow.
        start, end: items (B, *event_shape) both.
        steps: how many z, both ends included; what is drawn there are reconstructions.
        generator: where the randomness comes from; afterwards as if B items had been drawn once.
        **options: temperature, top_k, top_p.

    Returns:
        (B, steps, *event_shape).

    Raises:
        ChainruleError: if the model has no such numbers.
        DomainError: if the items do not lie in the domain.
    """
    check_count("steps: expected a number of steps", steps, 2)
    if not isinstance(model, Latent):
        raise ChainruleError(
            "interpolate: expected a model with Gaussian latent numbers or a flow, "
            f"got {model.name or type(model).__name__}"
        )
    if len(start) != len(end):
        raise ChainruleError(f"end: expected as many items as start has ({len(start)}), got {len(end)}")

    def draw(z: Tensor, generator: torch.Generator) -> Tensor:
        return model.decode(z, generator, **options)

    with exact_arithmetic(model):
        return _along(draw, model.encode(start), model.encode(end), steps, generator)


def _along(
    draw: Callable[[Tensor, torch.Generator], Tensor],
    first: Tensor,
    last: Tensor,
    steps: int,
    generator: torch.Generator | None,
) -> Tensor:
    """What is drawn at each of `steps` points of the line, with the same noise: (B, steps, *event_shape)."""
    if generator is None:
        generator = torch.Generator().manual_seed(int(torch.randint(2**63 - 1, ())))
    before, drawn = generator.get_state(), []
    for w in torch.linspace(0, 1, steps, dtype=first.dtype, device=first.device):
        generator.set_state(before)
        drawn.append(draw((1 - w) * first + w * last, generator))
    return torch.stack(drawn, dim=1)


def _end(name: str, model: Model, cond: Tensor | int) -> Tensor:
    """One end as floats: weights of labels (classes,), a vector (E,) or a map (M, H, W)."""
    given, classes = torch.as_tensor(cond, device=model.device).detach(), model.condition.classes
    if isinstance(classes, tuple):
        raise ConditionError(f"interpolate: expected a model of one label, got {model.condition.expected}")
    shape = model.condition.item_shape if classes is None else (classes,)
    words = f"{name}: expected floats ({', '.join(map(str, shape))}{',' * (len(shape) == 1)})"
    if classes is not None:
        words += f" or a label in [0, {classes})"
        if given.ndim == 0 and given.dtype in INTEGERS and 0 <= given < classes:
            return F.one_hot(given.long(), classes).to(model.dtype)
    if tuple(given.shape) != shape or not given.is_floating_point():
        got = given.item() if given.ndim == 0 else f"{given.dtype} {tuple(given.shape)}"
        raise ConditionError(f"{words}, got {got}")
    if not given.isfinite().all():
        raise ChainruleError(f"{words}, all finite")
    return given.to(model.dtype)
