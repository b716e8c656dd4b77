"""Parts of the calendar that moments lie in, as a net reads them: weekday, month, hour, day of the month."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from chainrule.domain.column import CALENDAR, TICKS, Column
from chainrule.layers.numbers.float64 import Float64

# Ticks of each grain in a day.
IN_A_DAY = dict(zip(TICKS, (1, 24, 1440, 86_400, 86_400_000, 86_400_000_000), strict=True))
DAYS = 3_000_000.0  # before and after 1970, which no calendar leaves
THURSDAY = 3  # the weekday of day 0, Monday being 0
ERA = 146_097  # days of 400 years


class Calendar(Float64):
    """Features of the columns' calendar parts: unit vectors of weekday, month and hour, the phase of the month.

    Args:
        columns: whose `calendar` names their parts; moments are counts since 1970, or since midnight, in UTC.
    """

    ticks: Tensor
    own: Tensor

    def __init__(self, columns: Sequence[Column]) -> None:
        super().__init__()
        self.parts = [part for part in CALENDAR if any(part in column.calendar for column in columns)]
        ticks = [IN_A_DAY.get(column.spelling.partition(": ")[0], 1) for column in columns]
        own = [
            [part in column.calendar for part in self.parts for _ in range(CALENDAR[part])]
            for column in columns
        ]
        self.register_buffer("ticks", torch.tensor(ticks, dtype=torch.float64), persistent=False)
        self.register_buffer("own", torch.tensor(own, dtype=torch.bool), persistent=False)

    @property
    def size(self) -> int:
        """Features of a moment."""
        return self.own.shape[1]

    def forward(self, x: Tensor, columns: Tensor) -> Tensor:
        """Moments x (…, m) of the columns (m,) by number → (…, m, size) float64; zeros of parts that one lacks."""
        ticks = self.ticks.index_select(0, columns)
        x = x.clamp(-DAYS * ticks, DAYS * ticks)
        day = torch.floor(x / ticks)
        features = [_features(part, x, day, ticks) for part in self.parts]
        return torch.where(self.own.index_select(0, columns), torch.cat(features, dim=-1), 0.0)


def _features(part: str, x: Tensor, day: Tensor, ticks: Tensor) -> Tensor:
    """(…, m) → (…, m, size of the part)."""
    if part == "day":
        phase = 2 * math.pi / 31 * month_and_day(day)[1]
        return torch.stack([phase.cos(), phase.sin()], dim=-1)
    if part == "weekday":
        found = torch.remainder(day + THURSDAY, 7)
    elif part == "month":
        found = month_and_day(day)[0]
    else:
        found = torch.floor((x - day * ticks) / ticks * 24)
    units = torch.arange(CALENDAR[part], dtype=found.dtype, device=found.device)
    return (found[..., None] == units).to(found.dtype)


def month_and_day(day: Tensor) -> tuple[Tensor, Tensor]:
    """The month and the day of the month, both from 0, of days since 1970 (float64, whole).

    References:
        Hinnant (2014), "chrono-compatible low-level date algorithms", civil_from_days.
    """
    since = torch.remainder(day + 719_468, ERA)  # the first of March of a year that 400 divides
    year = since - torch.floor(since / 1460) + torch.floor(since / 36_524) - torch.floor(since / (ERA - 1))
    year = torch.floor(year / 365)
    of_year = since - (365 * year + torch.floor(year / 4) - torch.floor(year / 100))
    month = torch.floor((5 * of_year + 2) / 153)  # March being 0
    return torch.remainder(month + 2, 12), of_year - torch.floor((153 * month + 2) / 5)
