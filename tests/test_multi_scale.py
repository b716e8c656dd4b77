"""The multi-scale PixelCNN: a strided sub-grid by one net, the other pixels by another that sees all of it."""

import copy
import warnings

import pytest
import torch

import chainrule as cr
from chainrule.engine import Sample, draw_noise
from chainrule.layers import Scalar
from chainrule.models import AutoregressiveModel
from chainrule.testing import check_model

SMALL = {"channels": 12, "depth": 1, "last": 24}
LAWS = ["step_is_forward", "causal", "connected", "one_pass", "prefix_is_steps"]


def build(shape, levels=3, **options):
    torch.manual_seed(0)
    return cr.create_model("multi-scale", cr.Domain.image(*shape, levels=levels), **{**SMALL, **options})


def items(model, n, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(model.domain.max_levels, (n, *model.domain.event_shape), generator=generator)


def coarse(model):
    """The first net as a model of its own, of values instead of codes."""
    network, colours = copy.deepcopy(model.network.small), model.domain.event_shape[0]
    network.code = Scalar(model.domain.max_levels - 1)
    domain = cr.Domain.image(colours, network.height, network.width, levels=model.domain.max_levels)
    return AutoregressiveModel(network, domain, model.head).eval()


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize(
    "shape, options",
    [
        ((1, 5, 7), {}),
        ((3, 4, 4), {}),
        ((1, 5, 7), {"scale": 3, "classes": 3}),
        ((3, 3, 5), {"scale": 4, "embedding": 2, "first_size": 3}),
        ((2, 2, 2), {"scale": 3}),
        ((1, 1, 1), {}),
    ],
)
def test_sizes(shape, options, law):
    assert check_model(lambda: build(shape, **options), laws=[law])[law] == "holds"


@pytest.mark.parametrize("shape, scale", [((1, 5, 7), 2), ((3, 4, 4), 2), ((1, 5, 7), 3), ((1, 2, 2), 3)])
def test_the_sub_grid_comes_first_and_is_strided(shape, scale):
    model = build(shape, scale=scale).double()
    places = torch.arange(model.domain.size).reshape(1, *shape)
    first = places[..., ::scale, ::scale].permute(0, 2, 3, 1).flatten()
    assert torch.equal(model.ordering.variables[: len(first)], first)
    # Nothing but x[::s, ::s] enters its terms: they are those of the first net alone.
    x = items(model, 4)
    terms = model.log_prob(x, reduce=False)[..., ::scale, ::scale]
    sub_grid = x[..., ::scale, ::scale].contiguous()
    assert torch.allclose(terms, coarse(model).double().log_prob(sub_grid, reduce=False))


def test_the_other_pixels_read_the_sub_grid_to_the_right_and_below():
    model = build((1, 9, 9)).double()
    x = items(model, 16)
    before = model.log_prob(x, reduce=False)[:, 0, 3, 3]
    later = []
    for place in range(3 * 9 + 3 + 1, 81):
        other = x.clone()
        other.view(16, 81)[:, place] = (other.view(16, 81)[:, place] + 1) % 3
        if not torch.equal(model.log_prob(other, reduce=False)[:, 0, 3, 3], before):
            later.append(divmod(place, 9))
    # The map at (3, 3) reads x_s around (2, 2), and the vertical stack the maps one to the left and to the right.
    assert later == [(4, 0), (4, 2), (4, 4), (4, 6)]


def test_terms_of_the_sub_grid_are_dropped_from_the_second_net():
    model = build((3, 4, 5)).double()
    x, network = items(model, 4), model.network
    codes = network.code(model.to_sites(x))
    seen = network.enlarge(network.look(network.small.image(codes[:, : network.first])).relu())[..., :4, :5]
    raster = network.code(x.permute(0, 2, 3, 1).flatten(1)[..., None])
    params = network.large(raster, seen)
    terms = model.head.log_prob(params, x.permute(0, 2, 3, 1).flatten(1)[..., None])
    terms = terms.reshape(4, 4, 5, 3).permute(0, 3, 1, 2).clone()
    terms[..., ::2, ::2] = model.log_prob(x, reduce=False)[..., ::2, ::2]
    assert torch.allclose(terms.flatten(1).sum(1), model.log_prob(x))


def test_a_sample_has_the_first_nets_sample_at_its_sub_grid():
    model = build((1, 5, 7)).eval()
    noise = draw_noise(8, model.domain.size, torch.Generator().manual_seed(0))
    x = model.draw(Sample(noise), 8, None)
    alone = coarse(model)
    assert torch.equal(x[..., ::2, ::2], alone.draw(Sample(noise[:, : alone.domain.size]), 8, None))


def test_completing_a_coarse_image_is_exact():
    model = build((1, 6, 6)).eval()
    x, known = items(model, 2), torch.zeros(1, 6, 6, dtype=torch.bool)
    known[:, ::2, ::2] = True
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        drawn = model.complete(x, known, 3, torch.Generator().manual_seed(0))
    assert torch.equal(drawn[..., ::2, ::2], x[:, None, :, ::2, ::2].expand(2, 3, 1, 3, 3))


def test_a_scale_of_one_is_refused():
    with pytest.raises(cr.errors.ChainruleError, match="scale: expected an integer ≥ 2, got 1"):
        build((1, 4, 4), scale=1)
