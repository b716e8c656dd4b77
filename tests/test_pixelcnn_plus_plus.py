"""PixelCNN++ is the network of its paper, at every size of image and with every option."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import chainrule as cr
from chainrule.engine import exact_arithmetic
from chainrule.errors import ChainruleError, DomainError
from chainrule.heads import Bernoulli, Categorical, DiscretisedLogistic
from chainrule.layers.grid.weight_norm_conv2d import WeightNormConv2d, WeightNormDeconv2d
from chainrule.testing import check_model
from chainrule.testing.subject import randomise

SMALL = {"channels": 4, "depth": 1, "components": 2}


def build(*shape, levels=3, **options):
    torch.manual_seed(0)
    domain = cr.Domain.image(*shape, levels=levels)
    return cr.create_model("pixelcnn-plus-plus", domain, **{**SMALL, **options})


def randomised(model):
    randomise(model, torch.Generator().manual_seed(0))
    return model.double().eval()


@pytest.mark.parametrize("law", ["causal", "connected", "step_is_forward", "prefix_is_steps", "one_pass"])
@pytest.mark.parametrize(
    "shape, options",
    [
        ((1, 5, 6), {"scales": 3}),
        ((3, 4, 3), {"scales": 2, "depth": 2, "levels": 2}),
        ((1, 3, 5), {"scales": 3, "shortcuts": False}),
        ((1, 3, 4), {"scales": 1}),
        ((1, 3, 1), {"scales": 4}),
        ((1, 5, 3), {"scales": 3, "classes": 2}),
    ],
)
def test_sizes_that_do_not_halve(shape, options, law):
    assert check_model(lambda: build(*shape, **options), laws=[law])[law] == "holds"


def test_its_phases_compile():
    assert check_model(lambda: build(1, 1, 5, scales=3), laws=["compiles"])["compiles"] == "holds"


def test_its_schedule():
    phases = build(1, 8, 8, scales=3).schedule()
    grid = [phases[8 * row : 8 * row + 8] for row in range(8)]
    assert [row[0].rows for row in grid] == [2, 0, 1, 0, 2, 0, 1, 0]
    assert [place.pixels for place in grid[4]] == [2, 0, 1, 0, 2, 0, 1, 0]
    assert [place.pixels for place in grid[2]] == [1, 0, 1, 0, 1, 0, 1, 0]
    assert {place.pixels for place in grid[1]} == {0}
    assert [place.first for place in grid[3]] == [True] + 7 * [False]
    assert len(set(phases)) == 9


def test_every_pixel_before_is_read():
    reads = build(1, 8, 8, scales=3, depth=2).connectivity()
    assert torch.equal(reads, torch.ones(64, 64, dtype=torch.bool).tril(-1))


def test_the_papers_size():
    model = build(3, 32, 32, levels=256, channels=160, depth=5, scales=3, components=10)
    assert sum(p.numel() for p in model.parameters()) == pytest.approx(53.7e6, rel=0.002)


# --- the paper's network, as its authors' code has it --------------------------------------------------------


def celu(x):
    return F.elu(torch.cat([x, -x], dim=1))


def conv(x, layer):
    """Padded above, and to both sides (three columns) or to the left (two)."""
    v = layer.weight.permute(0, 3, 1, 2)
    w = layer.gain[:, None, None, None] * v / v.flatten(1).norm(dim=1)[:, None, None, None]
    rows, columns = w.shape[2:]
    right = 1 if columns == 3 else 0
    return F.conv2d(F.pad(x, (columns - 1 - right, right, rows - 1, 0)), w, layer.bias, layer.stride)


def deconv(x, layer, columns):
    v = layer.weight.permute(3, 2, 0, 1)
    w = layer.gain[:, None, None] * v / v.transpose(0, 1).flatten(1).norm(dim=1)[:, None, None]
    y = F.conv_transpose2d(x, w, layer.bias, stride=2, output_padding=1)
    left = (columns - 1) // 2
    return y[:, :, : 2 * x.shape[2], left : left + 2 * x.shape[3]]


def gated(x, layer, *auxiliary):
    c1 = conv(celu(x), layer.first)
    if auxiliary:
        c1 = c1 + conv(torch.cat([celu(a) for a in auxiliary], dim=1), layer.nin)
    a, b = conv(celu(c1), layer.second).chunk(2, dim=1)
    return x + a * torch.sigmoid(b)


def paper(network, codes):
    x = torch.cat([codes, torch.ones_like(codes[:, :1])], dim=1)
    # Shifted before the first convolutions, not after: the first row and column have their biases.
    down, right = F.pad(x, (0, 0, 1, -1)), F.pad(x, (1, -1))
    levels = [network.level, network.level.inner, network.level.inner.inner]
    u = [conv(down, network.first_u)]
    ul = [conv(down, network.first_above) + conv(right, network.first_left)]
    for i, level in enumerate(levels):
        for block in level.blocks[: level.depth]:
            u.append(gated(u[-1], block.u))
            ul.append(gated(ul[-1], block.ul, u[-1]))
        if i < 2:
            u.append(conv(u[-1], level.down_u))
            ul.append(conv(ul[-1], level.down_ul))
    y, z = u.pop(), ul.pop()
    for i, level in reversed(list(enumerate(levels))):
        for block in level.blocks[level.depth :]:
            y = gated(y, block.u, u.pop())
            z = gated(z, block.ul, y, ul.pop())
        if i:
            y, z = deconv(y, levels[i - 1].up_u, 3), deconv(z, levels[i - 1].up_ul, 2)
    assert not u and not ul
    return conv(F.elu(z), network.last)


def test_it_is_the_network_of_the_paper():
    model = randomised(build(3, 8, 12, levels=256, channels=5, depth=2, scales=3))
    x = torch.randint(256, (2, 3, 8, 12), generator=torch.Generator().manual_seed(0))
    with exact_arithmetic(model):
        expected = paper(model.network, 2 * x.double() / 255 - 1)
        torch.testing.assert_close(model(x), expected.flatten(2).transpose(1, 2))


# --- options -------------------------------------------------------------------------------------------------


def test_the_norm_of_a_weight_does_not_matter():
    model = randomised(build(1, 4, 5, scales=3))
    x = torch.randint(3, (4, 1, 4, 5), generator=torch.Generator().manual_seed(0))
    before = model.log_prob(x)
    with torch.no_grad():
        for layer in model.modules():
            if isinstance(layer, WeightNormConv2d | WeightNormDeconv2d):
                layer.weight.mul_(3)
    torch.testing.assert_close(model.log_prob(x), before)


def test_without_shortcuts_only_the_way_up_changes():
    shapes = [
        {name: p.shape for name, p in build(1, 4, 4, shortcuts=s).named_parameters()} for s in (True, False)
    ]
    gone = {name for name in shapes[0] if shapes[1].get(name) != shapes[0][name]}
    up = [f"level.blocks.{i}" for i in (1, 2)] + ["level.inner.blocks.1"]
    own = {f"network.{block}.u.nin.{part}" for block in up for part in ("weight", "gain", "bias")}
    assert gone == own | {f"network.{block}.ul.nin.weight" for block in up}
    assert not set(shapes[1]) - set(shapes[0])


def test_outputs():
    assert isinstance(build(1, 4, 4).head, DiscretisedLogistic)
    assert isinstance(build(3, 4, 4, levels=2).head, DiscretisedLogistic)
    assert isinstance(build(1, 4, 4, levels=2).head, Bernoulli)
    assert isinstance(build(1, 4, 4, output="softmax").head, Categorical)
    with pytest.raises(DomainError, match="one colour for a softmax, got image:3x4x4"):
        build(3, 4, 4, output="softmax")
    with pytest.raises(ChainruleError, match="expected 'logistic' or 'softmax', got 'sofmax'"):
        build(1, 4, 4, output="sofmax")
    with pytest.raises(DomainError, match="images of levels"):
        cr.create_model("pixelcnn-plus-plus", cr.Domain.vector(3))


def test_features_begin_with_unit_variance():
    torch.manual_seed(0)
    layer = WeightNormConv2d(128, 64, rows=2, columns=3, left=1)
    with torch.no_grad():
        assert layer(torch.randn(4, 128, 8, 8))[..., 1:, 1:-1].var().item() == pytest.approx(1, abs=0.1)


def test_dropout_is_for_training():
    model = build(1, 6, 6, dropout=0.5)
    x = torch.randint(3, (2, 1, 6, 6), generator=torch.Generator().manual_seed(0))
    assert any(isinstance(layer, nn.Dropout) and layer.p == 0.5 for layer in model.modules())
    model.train()
    assert not torch.equal(model.loss(x), model.loss(x))
    model.eval()
    assert torch.equal(model.loss(x), model.loss(x))
