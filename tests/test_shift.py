"""Training items moved by a few places."""

import pytest
import torch

import chainrule as cr
from chainrule.errors import DomainError
from chainrule.training.shift import shifted


def seeded():
    return torch.Generator().manual_seed(0)


def test_an_image_is_moved_both_ways_and_its_edge_repeated():
    image = torch.arange(25, dtype=torch.uint8).reshape(1, 1, 5, 5)
    found = shifted(image.expand(2000, -1, -1, -1), cr.Domain.image(1, 5, 5), 1, seeded())
    padded = torch.nn.functional.pad(image.float(), (1, 1, 1, 1), mode="replicate").to(torch.uint8)
    windows = {
        tuple(padded[0, 0, r : r + 5, c : c + 5].flatten().tolist()) for r in range(3) for c in range(3)
    }
    assert {tuple(row.tolist()) for row in found.flatten(1)} == windows
    middle = (found[:, 0, 2, 2] == image[0, 0, 2, 2]).double().mean().item()
    assert middle == pytest.approx(1 / 9, abs=4 * (8 / 81 / 2000) ** 0.5)


def test_a_roll_is_transposed_and_steps_that_are_not_there_stay_so():
    roll = torch.zeros(300, 4, 7, dtype=torch.int8)
    roll[:, 0, 3] = roll[:, 1, 2] = 1
    roll[:, 3] = -1
    found = shifted(roll, cr.Domain.sequence(4, 2, width=7, lengths="given"), 2, seeded())
    key = found[:, 0].float().argmax(1)
    assert key.unique().tolist() == [1, 2, 3, 4, 5]
    assert torch.equal(found[:, 1].float().argmax(1), key - 1)
    assert (found[:, 3] == -1).all()
    assert (found[:, :3].sum((1, 2)) == 2).all()


def test_of_what_cannot_be_moved():
    domain = cr.Domain.binary(4)
    data = cr.Data("bits", *[torch.zeros(4, 4, dtype=torch.uint8)] * 3, domain)
    with pytest.raises(DomainError, match="shift: expected images, or sequences of several variables a step"):
        cr.fit(cr.create_model("made", domain), data, shift=1)


def test_one_image_is_learnt_at_every_place():
    domain = cr.Domain.image(1, 3, 3, levels=2)
    one = torch.zeros(64, 1, 3, 3, dtype=torch.uint8)
    one[:, 0, 1, 1] = 1
    data = cr.Data("dot", one, one, one, domain)
    moved = shifted(one[:1].expand(512, -1, -1, -1), domain, 1, seeded())
    nats = {}
    for most in (0, 1):
        model = cr.create_model("fvsbn", domain)
        cr.fit(model, data, epochs=60, lr=0.1, shift=most, progress=False)
        nats[most] = -model.log_prob(moved).mean().item()
    assert nats[1] < 0.5 * nats[0]
    assert nats[1] < 3.5  # 2.2 nats are its place
