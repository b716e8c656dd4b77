"""Runs trained by version 0.1.0, before its files had their places of today, open and say the same."""

import json
from pathlib import Path

import pytest
import torch

import chainrule as cr

RUNS = Path(__file__).parent / "golden" / "runs"
EXPECTED = json.loads((RUNS / "expected.json").read_text())


def seeded(seed):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("name", EXPECTED)
def test_a_run_of_before_says_the_same(name):
    run = cr.Run.open(RUNS / name)
    model, digits = run.model, cr.load_data("digits")
    x = digits.test[:3, :, ::2, ::2] // 5
    exact = model.likelihood == "exact"
    nats = model.log_prob(x) if exact else model.log_prob_bound(x, generator=seeded(0))
    expected = EXPECTED[name]
    torch.testing.assert_close(
        nats, torch.tensor(expected["log_prob"], dtype=nats.dtype), rtol=1e-5, atol=1e-4
    )
    drawn = model.sample(1, generator=seeded(1))
    if drawn.is_floating_point():  # a flow's
        torch.testing.assert_close(drawn.flatten(), torch.tensor(expected["sample"]), rtol=1e-5, atol=1e-4)
    else:
        assert drawn.flatten().tolist() == expected["sample"]
    assert run.config["model"] == name
