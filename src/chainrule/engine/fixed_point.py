"""Predictive sampling by fixed-point iteration: repeat parallel passes until no value changes."""

from __future__ import annotations

from torch import Tensor

from chainrule.engine.predictive import Predictive, Undecided, keep_final
from chainrule.errors import ChainruleError, nearest


def iterate(undecided: Undecided) -> Tensor:
    """What the last pass drew."""
    return undecided.values


def zeros(undecided: Undecided) -> Tensor:
    """Zero, at each pass anew."""
    return keep_final(undecided.values, undecided.final, 0)


def last(undecided: Undecided) -> Tensor:
    """The values of the last final site; zero if there is none."""
    values, final = undecided.values, undecided.final
    site = (final - 1).clamp(min=0)[:, None, None].expand(-1, 1, values.shape[2])
    return keep_final(values, final, values.gather(1, site) * (final > 0)[:, None, None])


FORECASTS = {"iterate": iterate, "zeros": zeros, "last": last}


class FixedPoint(Predictive):
    """Jacobi iteration on x = draw(model(x), noise); with blocks, Gauss–Seidel over the blocks and Jacobi within.

    For the same generator the sample is that of `model.sample`, in few parallel passes where a
    value depends little on those before it, in up to T otherwise. It pays where a pass costs little more than a step.

    Args:
        block: sites that are iterated together until they are final, before the next ones; all by default. A net that
            can do with a prefix makes passes up to the block's end only; of images, blocks are best whole rows.
        forecast: of what is not final: "iterate", what the last pass drew; "zeros"; or "last", the last final value.

    References:
        Wiggers, Hoogeboom (2020), "Predictive sampling with forecasting autoregressive models", §2.3,
        https://arxiv.org/abs/2002.09928
        Song, Meng, Liao, Ermon (2021), "Accelerating feedforward computation via parallel nonlinear equation solving",
        https://arxiv.org/abs/2002.03629

    Raises:
        ChainruleError: on a block below 1 or an unknown forecast.

    Example:
        >>> import torch, chainrule as cr
        >>> from chainrule.engine import FixedPoint
        >>> model = cr.create_model("made", cr.Domain.binary(16), hidden=[32])
        >>> runner = FixedPoint()
        >>> x = model.sample(4, generator=torch.Generator().manual_seed(0), runner=runner)
        >>> torch.equal(x, model.sample(4, generator=torch.Generator().manual_seed(0)))
        True
        >>> runner.calls.shape, bool((runner.calls <= 16).all())
        (torch.Size([4]), True)
    """

    def __init__(self, *, block: int | None = None, forecast: str = "iterate") -> None:
        super().__init__()
        if block is not None and block < 1:
            raise ChainruleError(f"block: expected a number of sites ≥ 1, got {block}")
        if forecast not in FORECASTS:
            raise ChainruleError(f"forecast: unknown {forecast!r}; {nearest(forecast, FORECASTS)}")
        self.block, self.forecast = block, FORECASTS[forecast]

    def stop(self, start: int, length: int) -> int:
        """The end of the block that `start` lies in."""
        return length if self.block is None else (start // self.block + 1) * self.block

    def guess(self, undecided: Undecided) -> Tensor:
        """The forecast."""
        return self.forecast(undecided)
