"""What a step must do: operations as one pass has them, bytes as the weights and the state have them."""

import copy

import pytest
import torch

import chainrule as cr
from chainrule.engine import count_flops
from chainrule.engine.step_cost import count_steps

IMAGE = cr.Domain.image(3, 4, 4, levels=4)
NETS = {
    "made": (cr.Domain.binary(9), {"hidden": (7, 5), "residual": False}),
    "nade": (cr.Domain.binary(9), {"hidden": 5}),
    "lstm": (cr.Domain.sequence(6, levels=3), {"width": 4, "depth": 2}),
    "transformer": (cr.Domain.sequence(6, levels=3), {"channels": 8, "depth": 2, "heads": 2}),
    "wavenet": (cr.Domain.sequence(9, levels=3), {"channels": 4, "skip": 6, "depth": 3}),
    "pixelcnn": (IMAGE, {"channels": 6, "depth": 1}),
    "gated-pixelcnn": (IMAGE, {"channels": 6, "depth": 2}),
    "pixelcnn-plus-plus": (IMAGE, {"channels": 8, "depth": 1}),
    "diagonal-bilstm": (IMAGE, {"channels": 6}),
}


def build(name):
    domain, sizes = NETS[name]
    torch.manual_seed(0)
    return cr.create_model(name, domain, **sizes).factorisation


def total(model, part, length=None):
    return sum(kind.sites * getattr(kind.cost, part) for kind in count_steps(model, length or model.sites))


@pytest.mark.parametrize("name", NETS)
def test_the_kinds_of_steps_are_the_sample(name):
    model = build(name)
    ghost = copy.deepcopy(model).to("meta")
    assert sum(kind.sites for kind in count_steps(model, model.sites)) == model.sites
    assert total(model, "flops") == count_flops(lambda: ghost.sample(1))


@pytest.mark.parametrize("name", NETS)
def test_no_step_reads_more_weights_than_there_are(name):
    model = build(name)
    size = sum(4 * p.numel() for p in model.parameters())
    size += sum(b.numel() * b.element_size() for b in model.buffers())
    for kind in count_steps(model, model.sites):
        assert 0 < kind.cost.weights <= 1.1 * size  # some pieces overlap, or are joined of two


def test_a_step_of_an_lstm_reads_all_its_weights_and_its_state_twice():
    """By hand: W (4H, I + H) and its biases of each layer; h and c of each are read and written."""
    model = cr.create_model("lstm", cr.Domain.sequence(6, levels=3), width=4, depth=2)
    (kind,) = count_steps(model, 6)
    assert kind.cost.state == 2 * 2 * 2 * 4 * 4  # read and written, layers, h and c, units, bytes
    recurrent = sum(p.numel() for name, p in model.named_parameters() if "hh" in name or "ih" in name)
    assert kind.cost.weights >= 4 * recurrent > 0


def test_a_rollout_of_a_made_reads_each_weight_once():
    model = build("made")
    assert total(model, "weights") == pytest.approx(sum(4 * p.numel() for p in model.parameters()), rel=0.05)


def test_a_ring_is_read_where_its_taps_are():
    """A longer memory takes a longer ring, and no step reads more of it."""
    costs = [
        count_steps(
            cr.create_model("wavenet", cr.Domain.sequence(64, levels=3), channels=4, depth=4, cycle=cycle), 64
        )[0].cost
        for cycle in (1, 4)
    ]
    assert costs[0].state == costs[1].state > 0
    assert costs[0].weights == costs[1].weights


def test_the_model_is_left_as_it_is():
    model = build("made").train()
    count_steps(model, 3)
    assert model.training and model.device.type == "cpu"
