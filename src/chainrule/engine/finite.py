"""Conditionals with parameters that are not finite are refused, whatever runs the steps."""

from __future__ import annotations

import math
from typing import Any, NoReturn

import torch
from torch import Tensor, nn

from chainrule.devices import may_look
from chainrule.errors import ChainruleError


class Guard:
    """Watches the parameters of the sites of a rollout.

    A sum is finite where all its terms are, and one number to look at. On a CPU it is looked at before the site is
    drawn; elsewhere, where a look would wait for the device, at the end.

    Args:
        model: gives the head. Where it is `certain` of some values, as of an end after the end, an infinite
            parameter is as it should be, and NaN stands for all that is not.
        device: where the parameters are.
        last: one past the last site.

    Raises:
        ChainruleError: if weights of the head are not finite.
    """

    def __init__(self, model: Any, device: torch.device, last: int) -> None:
        self._model, self._certain = model, getattr(model, "certain", False)
        self._blind = not may_look(device)
        if not self._blind:
            check_weights(model.head, f"{name_of(model)}: head.")
        self._sums = None if device.type == "cpu" else torch.zeros(last, device=device)

    def see(self, params: Tensor, t: int) -> None:
        """The parameters (B, P) of site t.

        Raises:
            ChainruleError: if some are not finite.
        """
        if self._blind:
            return
        total = params.sum(dtype=wide(params.dtype))
        if self._sums is not None:
            self._sums[t] = total
        elif not self._sound(total.item()):
            refuse(self._model, t)

    def close(self) -> None:
        """After the last site.

        Raises:
            ChainruleError: if some were not finite.
        """
        if not (self._blind or self._sums is None):
            self.check(self._sums, 0)

    def check(self, sums: Tensor, first: int) -> None:
        """Sums (…, n) of the parameters of n sites, which begin with `first`.

        Raises:
            ChainruleError: if some are not finite.
        """
        bad = (sums.isnan() if self._certain else ~sums.isfinite()).reshape(-1, sums.shape[-1]).any(0)
        if bad.any():
            refuse(self._model, first + int(bad.long().argmax()))

    def _sound(self, total: float) -> bool:
        return not math.isnan(total) if self._certain else math.isfinite(total)


REMEDY = "the weights are damaged, or training diverged (lower lr)"


def refuse(model: Any, t: int) -> NoReturn:
    """Raise an error that names the site whose parameters are not finite."""
    variable, ordering = t * model.head.variables, getattr(model, "ordering", None)
    if ordering is not None and variable < len(ordering.variables):
        variable = int(ordering.variables[variable])
    raise ChainruleError(
        f"{name_of(model)}: step {t}: the parameters of variable {variable} are not finite: {REMEDY}"
    )


def check_weights(module: nn.Module, whose: str | None = None) -> None:
    """Refuse weights that are not finite.

    Raises:
        ChainruleError: which names the first.
    """
    whose = f"{name_of(module)}: " if whose is None else whose
    named = [*module.named_parameters(), *module.named_buffers()]
    sound = [tensor.isfinite().all() for _, tensor in named]
    if not sound or torch.stack(sound).all():  # one look, at whatever device
        return
    for (name, _), finite in zip(named, sound, strict=True):
        if not finite:
            raise ChainruleError(f"{whose}{name}: weights are not finite: {REMEDY}")


def name_of(model: Any) -> str:
    """The model's name for messages."""
    return getattr(model, "name", None) or type(model).__name__


def wide(dtype: torch.dtype) -> torch.dtype:
    """The type to sum parameters of a type in: half of a half type's range is soon summed up."""
    return dtype if dtype in (torch.float32, torch.float64) else torch.float32


def spoil(params: Tensor) -> Tensor:
    """(…, P) with NaN in all of a site's parameters where one is not finite: what is laid over them cannot hide it."""
    return params + 0 * params.sum(-1, keepdim=True)
