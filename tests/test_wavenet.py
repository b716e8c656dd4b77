"""WaveNet: the paper's equations, its receptive field, what it takes and what it is conditioned on."""

import copy

import pytest
import torch

import chainrule as cr
from chainrule.errors import ChainruleError, ConditionError, DomainError
from chainrule.heads import Categorical, DiscretisedLogistic
from chainrule.layers import Centred, OneHot, Scalar

SMALL = {"channels": 4, "skip": 6}


def build(domain, **options):
    torch.manual_seed(0)
    return cr.create_model("wavenet", domain, **{**SMALL, **options}).eval()


def causal(conv, x, dilation):
    """(B, T, C) → (B, T, C'), tap by tap."""
    taps = conv.weight.shape[1]
    rows = []
    for t in range(x.shape[1]):
        places = [t - (taps - 1 - j) * dilation for j in range(taps)]
        rows.append(conv.bias + sum(x[:, s] @ conv.weight[:, j].T for j, s in enumerate(places) if s >= 0))
    return torch.stack(rows, dim=1)


@pytest.mark.parametrize("kernel_size", [2, 3])
def test_is_the_papers(kernel_size):
    levels, channels, skip, dilations = 100, 4, 6, (1, 2, 4, 1, 2)
    options = {"depth": 5, "cycle": 3, "kernel_size": kernel_size, "classes": 3}
    model = build(cr.Domain.sequence(11, levels), **options).double()
    items = torch.randint(levels, (2, 11), generator=torch.Generator().manual_seed(1))
    label = torch.tensor([2, 0])
    h = model.condition.features.weight[label].unflatten(1, (5, 2, channels))
    net = model.network

    amplitude = 2 * items / (levels - 1) - 1
    delayed = torch.cat([torch.zeros(2, 1), amplitude[:, :-1]], dim=1).double()[..., None]
    x, skips = causal(net.first, delayed, 1), 0
    for i, (block, dilation) in enumerate(zip(net.blocks, dilations, strict=True)):
        filters, gates = causal(block.conv, x, dilation).chunk(2, dim=-1)
        z = torch.tanh(filters + h[:, i, 0, None]) * torch.sigmoid(gates + h[:, i, 1, None])
        weight, bias = block.out.weight, block.out.bias
        skips = skips + z @ weight[:skip].T + bias[:skip]
        if i < 4:
            x = x + z @ weight[skip:].T + bias[skip:]
    _, inner, _, outer = net.last
    logits = torch.relu(torch.relu(skips) @ inner.weight.T + inner.bias) @ outer.weight.T + outer.bias
    torch.testing.assert_close(model(items, label), logits)


@pytest.mark.parametrize(
    "depth, cycle, kernel_size", [(1, 10, 2), (4, 10, 2), (6, 3, 2), (4, 2, 3), (3, 3, 1)]
)
def test_receptive_field(depth, cycle, kernel_size):
    options = {"depth": depth, "cycle": cycle, "kernel_size": kernel_size}
    model = build(cr.Domain.sequence(40, 3), **options)
    receptive_field = (kernel_size - 1) * (1 + sum(2 ** (i % cycle) for i in range(depth)))
    assert model.connectivity().sum(1).max() == 1 + receptive_field


def test_receptive_field_of_the_papers_cycles():
    model = build(cr.Domain.sequence(3100, 256), channels=1, skip=1, depth=30)
    assert model.connectivity()[-1].sum() == 2 + 3 * 1023


def test_codes_and_heads_by_levels():
    def chosen(domain, **options):
        model = build(domain, depth=1, **options)
        return type(model.network.input.encoder), type(model.head)

    assert chosen(cr.Domain.sequence(8, 27)) == (OneHot, Categorical)
    assert chosen(cr.Domain.sequence(8, 256)) == (Centred, Categorical)
    assert chosen(cr.Domain.sequence(8, 256), encoding="one-hot") == (OneHot, Categorical)
    assert chosen(cr.Domain.sequence(8, 65536)) == (Centred, DiscretisedLogistic)
    assert chosen(cr.Domain.sequence(8, 256), output="logistic") == (Centred, DiscretisedLogistic)
    assert chosen(cr.Domain.image(1, 2, 2, levels=256)) == (Scalar, Categorical)


def test_refusals():
    with pytest.raises(DomainError, match="one variable a step"):
        build(cr.Domain.categorical(3, (2, 4, 3)), output="logistic")
    with pytest.raises(ChainruleError, match="'softmax' or 'logistic' or None, got 'logistics'"):
        build(cr.Domain.sequence(8, 9), output="logistics")
    with pytest.raises(ChainruleError, match="features: expected"):
        build(cr.Domain.sequence(8, 9), features=[3])
    with pytest.raises(ChainruleError, match="at most one"):
        build(cr.Domain.sequence(8, 9), features=[3, 2], classes=4)
    with pytest.raises(DomainError):
        build(cr.Domain.vector(3))


def test_samples_of_sixteen_bits():
    model = build(cr.Domain.sequence(9, 65536), depth=2)
    x = model.sample(3, generator=torch.Generator().manual_seed(0))
    assert x.max() > 255 and torch.isfinite(model.log_prob(x)).all()


def test_a_frame_belongs_to_its_own_sites():
    hop, depth = 3, 2
    model = build(cr.Domain.sequence(8, 5), features=(2, hop), depth=depth).double()
    x = torch.zeros(1, 8, dtype=torch.int64)
    frames = torch.zeros(1, 2, 3, dtype=torch.float64)  # ⌈8 / 3⌉, the last one cut
    receptive_field = sum(
        block.conv.receptive_field for block in model.network.blocks[1:]
    )  # it enters behind a block's convolution
    for j in range(3):
        other = frames.clone()
        other[:, :, j] = 1.0
        moved = (model(x, other) != model(x, frames)).any(-1)[0].nonzero().flatten().tolist()
        assert moved == list(range(hop * j, min(hop * (j + 1) + receptive_field, 8)))


def test_one_frame_set_serves_a_batch():
    model = build(cr.Domain.sequence(6, 5), features=(2, 3), depth=2)
    frames = torch.randn(2, 2)
    generators = [torch.Generator().manual_seed(0) for _ in range(2)]
    one = model.sample(4, frames, generator=generators[0])
    assert torch.equal(one, model.sample(4, frames.expand(4, 2, 2), generator=generators[1]))
    with pytest.raises(ConditionError, match=r"floats \(B, 2, 2\)"):
        model.sample(4, torch.randn(4, 2, 3))


def test_sixteen_bits_are_trained_in_full_precision():
    """bf16 has 8 bits: a net in it cannot tell neighbouring levels apart."""
    model = build(cr.Domain.sequence(6, 65536))
    assert copy.deepcopy(model).training_defaults["precision"] == "float32"  # averaging its weights copies it
    assert "precision" not in build(cr.Domain.sequence(6, 256)).training_defaults


def test_the_state_is_the_receptive_field():
    """It does not grow with the length of the sequence."""
    shapes = []
    for length in (50, 500):
        state = build(cr.Domain.sequence(length, 5), depth=3).init_state(2)
        shapes.append([tuple(ring.shape) for ring in state.blocks])
    assert shapes[0] == shapes[1] == [(2, 2, 4), (2, 3, 4), (2, 5, 4)]
