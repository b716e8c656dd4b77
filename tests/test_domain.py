"""Domains and orderings."""

import json

import pytest
import torch

from chainrule import Domain, Ordering
from chainrule.domain.domain import CHECKED
from chainrule.errors import DomainError


@pytest.mark.parametrize(
    "domain, shape, levels, text",
    [
        (Domain.vector(6), (6,), None, "vector:6:real"),
        (Domain.binary(784), (784,), 2, "vector:784:2"),
        (Domain.categorical(64, levels=16), (64,), 16, "vector:64:16"),
        (Domain.categorical(2, levels=(3, 5)), (2,), (3, 5), "vector:2:3,5"),
        (Domain.image(3, 32, 32, levels=256), (3, 32, 32), 256, "image:3x32x32:256"),
        (Domain.sequence(16000, levels=256), (16000,), 256, "sequence:16000:256"),
    ],
)
def test_domain(domain, shape, levels, text):
    assert domain.event_shape == shape and domain.levels == levels and str(domain) == text
    assert Domain.parse(text) == domain
    assert Domain.from_json(json.loads(json.dumps(domain.to_json()))) == domain


@pytest.mark.parametrize(
    "text",
    [
        "",
        "image",
        "image:28x28:256",
        "vector:0:2",
        "vector:3:0",
        "vector:x:2",
        "video:3:2",
        "vector:3:2,2",
        "vector:3:-1",
    ],
)
def test_no_domain(text):
    with pytest.raises(DomainError):
        Domain.parse(text)


def test_equal_levels_are_one_number():
    assert Domain.categorical(3, levels=(4, 4, 4)) == Domain.categorical(3, levels=4)


@pytest.mark.parametrize(
    "x, words",
    [
        (torch.zeros(2, 4, dtype=int), r"expected shape \(B, 3\), got \(2, 4\)"),
        (torch.zeros(3, dtype=int), r"got \(3,\)"),
        (torch.zeros(2, 3), "expected integers in .0, 5., got torch.float32"),
        (torch.tensor([[0, 1, 5]]), r"got 5 at index \(0, 2\)"),
        (torch.tensor([[0, -1, 4]]), r"got -1 at index \(0, 1\)"),
        ([[0, 1, 2]], "expected a torch.Tensor, got list"),
    ],
)
def test_check_of_levels(x, words):
    with pytest.raises(DomainError, match=words):
        Domain.categorical(3, 5).check(x)


def test_many_items_are_checked_in_parts():
    """The message names the item all the same."""
    x = torch.zeros(3 * CHECKED // 8, 8, dtype=torch.uint8)
    x[-1, 3] = 2
    with pytest.raises(DomainError, match=rf"got 2 at index \({len(x) - 1}, 3\)"):
        Domain.binary(8).check(x)
    reals = torch.zeros(CHECKED // 4, 8)
    reals[-2, 0] = torch.inf
    with pytest.raises(DomainError, match=rf"got inf at index \({len(reals) - 2}, 0\)"):
        Domain.vector(8).validate(reals)
    assert Domain.binary(8).check(x[:-1]).dtype == torch.int64


def test_check_of_columns_and_reals():
    with pytest.raises(DomainError, match=r"its column's levels.*got 2 at index \(0, 0\)"):
        Domain.categorical(2, (2, 3)).check(torch.tensor([[2, 2]]))
    with pytest.raises(DomainError, match="expected finite values, got nan at index"):
        Domain.vector(2).check(torch.tensor([[0.0, torch.nan]]))
    with pytest.raises(DomainError, match="expected floats"):
        Domain.vector(2).check(torch.tensor([[0, 1]]))
    assert Domain.binary(2).check(torch.tensor([[True, False]])).dtype == torch.int64
    assert Domain.binary(2).check(torch.zeros(0, 2, dtype=torch.uint8)).shape == (0, 2)


def test_natural_ordering_of_colours_is_pixel_by_pixel():
    x = torch.arange(12).reshape(1, 3, 2, 2)
    assert Ordering(Domain.image(3, 2, 2)).flatten(x)[0].tolist() == [0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11]


@pytest.mark.parametrize("spec", ["natural", "reversed", "random-7", [2, 0, 1, 3, 5, 4]])
@pytest.mark.parametrize("domain", [Domain.binary(6), Domain.image(3, 2, 1)])
def test_ordering_round_trip(spec, domain):
    x = torch.arange(12).reshape(2, *domain.event_shape)
    order = Ordering(domain, spec)
    assert torch.equal(order.unflatten(order.flatten(x)), x)
    assert sorted(order.permutation.tolist()) == list(range(6))


@pytest.mark.parametrize("spec", ["shuffled", "random-x", [0, 1], [0, 0, 1], [0.0, 1.0, 2.0]])
def test_no_ordering(spec):
    with pytest.raises(DomainError, match="ordering"):
        Ordering(Domain.binary(3), spec)
