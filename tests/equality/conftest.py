"""What the tests of equality share: they compare ours with theirs, and keep the largest difference for the record."""

import pytest
import torch


def pytest_configure(config):
    config.addinivalue_line(
        "markers", "proves(library, theirs, ours, compares): a row of the table in docs/results/equality.md"
    )


@pytest.fixture
def equal(record_property):
    """Assert that numbers are equal to 1e-5, of each number or, where that is larger, of its size."""

    def compare(ours, theirs, tolerance=1e-5):
        ours, theirs = ours.detach().double(), theirs.detach().double()
        assert ours.shape == theirs.shape and ours.numel() and ours.isfinite().all()
        difference = ((ours - theirs).abs() / theirs.abs().clamp(min=1)).max().item()
        record_property("difference", difference)
        assert difference <= tolerance

    return compare


@pytest.fixture
def wide():
    """float64 for all that is made, ours and theirs."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)
