"""Moments of a table: the calendar that nets read beside them, and the weekdays that drawn dates fall on."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

import chainrule as cr
from chainrule.data import encode
from chainrule.data.columns import find_columns
from chainrule.data.lattices import weekdays_of
from chainrule.data.values import Values
from chainrule.domain.column import Column
from chainrule.layers import Cells
from chainrule.layers.numbers.calendar import Calendar, month_and_day

START = pd.Timestamp("2018-01-01")


def draws(n, days=700, seed=0):
    return START + pd.to_timedelta(np.random.default_rng(seed).integers(0, days, n), unit="D")


def trained(domain, x, epochs=1):
    """A small net, its weights and batches seeded, after a few dozen steps."""
    torch.manual_seed(0)
    model = cr.create_model("made", domain, hidden=[32], dropout=0.0, components=2)
    data = cr.Data("sales", x[200:], x[:200], x[:200], domain)
    how = {"progress": False, "device": "cpu", "seed": 0, "batch_size": 32, "lr": 5e-2}
    return cr.fit(model, data, epochs=epochs, **how).model


def test_the_calendar_is_numpys():
    days = torch.arange(-700_000, 200_000, 7, dtype=torch.float64)
    month, day = month_and_day(days)
    dates = days.long().numpy().astype("datetime64[D]")
    months = dates.astype("datetime64[M]")
    assert np.array_equal(month.numpy(), months.astype(int) % 12)
    assert np.array_equal(day.numpy(), (dates - months.astype("datetime64[D]")).astype(int))


@pytest.mark.parametrize("grain", ["hours", "microseconds"])
def test_features_of_a_moment(grain):
    columns = [
        Column("d", "number", step=1.0, spelling="days: %Y-%m-%d", calendar=("weekday", "day")),
        Column("x", "number"),
        Column("t", "number", step=1.0, spelling=f"{grain}: timestamp[us]", calendar=("hour", "month")),
    ]
    calendar = Calendar(columns)
    moment = pd.Timestamp("2021-03-31 23:00") - pd.Timestamp(0)
    unit = pd.Timedelta(1, unit="h" if grain == "hours" else "us")
    x = torch.tensor([[moment.days, 0.0, moment / unit]], dtype=torch.float64)
    weekday, month, hour, day = calendar(x, torch.arange(3))[0].split([7, 12, 24, 2], dim=-1)
    assert weekday[0].tolist() == [0, 0, 1, 0, 0, 0, 0]  # a Wednesday
    assert month[2].argmax() == 2 and month[2].sum() == 1 and hour[2].argmax() == 23 and hour[2].sum() == 1
    torch.testing.assert_close(day[0].tolist(), [np.cos(60 / 31 * np.pi), np.sin(60 / 31 * np.pi)])
    others = (weekday[1:], month[:2], hour[:2], day[1:])
    assert not any(part.any() for part in others)  # parts that a column lacks


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (draws(60), ("weekday", "month", "day")),
        (draws(60, 40), ("weekday", "day")),
        (draws(60, 5), ()),
        (draws(60) + pd.Timedelta("1h"), ("weekday", "month", "hour", "day")),
        (draws(60) - START, ()),  # durations
        ([f"{hour:02}:30" for hour in range(24)] * 3, ("hour",)),
    ],
)
def test_a_column_has_the_parts_that_its_grain_and_span_have(cells, expected):
    found = find_columns(pd.DataFrame({"when": cells}))
    assert set(found.columns[0].calendar) == set(expected)
    assert ("nets also read" in found.reasons["when"]) == bool(expected)


def test_a_net_learns_what_depends_on_the_weekday():
    date = draws(1200)
    noise = np.random.default_rng(1).normal(size=1200)
    frame = pd.DataFrame({"date": date, "sales": 8.0 * (date.day_of_week >= 5) + noise})
    domain = cr.Domain.table(frame)
    x = torch.from_numpy(encode(frame, domain.columns))
    plain = replace(domain, columns=tuple(replace(column, calendar=()) for column in domain.columns))
    nats = [-trained(d, x, 4).log_prob(x[:200]).mean().item() for d in (domain, plain)]
    # Of two days in seven and five, far apart: knowing the weekday saves their entropy of 0.6 nats.
    assert nats[1] - nats[0] > 0.4


def _channels(domain):
    net = cr.create_model("made", domain, hidden=[8]).network
    return next(part.channels for part in net.modules() if isinstance(part, Cells))


def test_runs_without_a_calendar_keep_their_inputs():
    column = Column("d", "number", step=1.0, spelling="days: %Y-%m-%d", calendar=("weekday",))
    domain = cr.Domain.table([column, Column("x", "number")])
    kept = domain.to_json()
    assert cr.Domain.from_json(kept).columns[0].calendar == ("weekday",)
    for fields in kept["columns"]:  # as configurations of before have it
        del fields["calendar"]
    before = cr.Domain.from_json(kept)
    assert before == domain and before.columns[0].calendar == ()
    widths = [_channels(domain) for domain in (before, domain)]
    assert widths == [1, 8]


def test_drawn_dates_are_business_days():
    date = draws(4000)
    date = date[date.day_of_week < 5]
    column = find_columns(pd.DataFrame({"d": date})).columns[0]
    assert len(column.lattices) == 5 and "many Mondays" in str(column)
    domain = cr.Domain.table([column, Column("x", "number")])
    days = torch.from_numpy(((date - pd.Timestamp(0)) // pd.Timedelta("1D")).to_numpy(np.float64))
    x = torch.stack([days, torch.randn(len(days), generator=torch.Generator().manual_seed(0))], 1)
    drawn = trained(domain, x[:800]).sample(5000, generator=torch.Generator().manual_seed(0))[:, 0]
    weekdays = torch.bincount(((drawn + 3) % 7).long(), minlength=7)
    assert weekdays[5:].sum() == 0
    assert weekdays[:5].min() > 800


@pytest.mark.parametrize(
    ("shares", "expected"),
    [
        ((1, 1, 1, 1, 1, 0, 0), [4, 5, 6, 0, 1]),  # business days, from Monday
        ((0, 0, 1, 0, 0, 0, 0), [6]),  # each Wednesday
        ((1, 1, 1, 1, 1, 1, 0.02), [4, 5, 6, 0, 1, 2]),
        ((1, 1, 1, 1, 1, 1, 1), []),
        ((1, 1, 1, 1, 1, 3, 3), [2, 3]),
    ],
)
def test_weekdays_that_stand_out(shares, expected):
    weekday = np.random.default_rng(0).choice(7, 2000, p=np.array(shares) / sum(shares))
    days = 4 + 7 * np.random.default_rng(1).integers(0, 80, 2000) + weekday
    assert [offset for _, offset in weekdays_of(Values.of(days.astype(float)))] == expected
    assert weekdays_of(Values.of(days[days < 39].astype(float))) == []  # five weeks say little
