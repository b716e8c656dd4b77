"""The discretised logistic mixture obeys `check_head`, and is the one of the paper, in every precision."""

import itertools

import pytest
import torch

from chainrule.heads import DiscretisedLogistic
from chainrule.heads.discretised_logistic import RoundedMixtureConditional
from chainrule.testing import check_head


def normals(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def random_levels(head, *shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(head.levels, (*shape, head.variables), generator=generator)


def conditional(head, params, *before):
    """Of the variable after those given, each (B,)."""
    state, prev = head.init_state(params), None
    for v in range(len(before) + 1):
        mixture, state = head.step(prev, state, v)
        prev = before[v] if v < len(before) else None
    return mixture


def definition(head, params, x):
    """P(x_0 … x_v) of one site for every v, from eq. 1-3 as they are written, component by component."""
    k, v, n = head.components, head.variables, head.levels - 1
    x, logits, rest = x.double(), params[:k], params[k:]
    means, log_scales, coefficients = rest.split([k * v, k * v, len(rest) - 2 * k * v])
    pairs = [(source, target) for source in range(v) for target in range(source + 1, v)]
    joint = torch.zeros(v, dtype=torch.float64)
    for i, weight in enumerate(logits.softmax(0)):
        for w in range(v):
            mean = means[w * k + i] + (2 * i + 1) / k - 1
            for pair, (source, target) in enumerate(pairs):
                if target == w:
                    mean = mean + torch.tanh(coefficients[pair * k + i]) * (2 * x[source] / n - 1)
            scale = torch.exp(log_scales[w * k + i] - 2)
            value = 2 * x[w] / n - 1
            high = (value + 1 / n - mean) / scale if x[w] < n else torch.tensor(torch.inf)
            low = (value - 1 / n - mean) / scale if x[w] > 0 else torch.tensor(-torch.inf)
            if value > mean:  # where both sigmoids are near 1, their difference is stable from the other side
                low, high = -high, -low
            weight = weight * (high.sigmoid() - low.sigmoid())
            joint[w] += weight
    return joint


# The law's comb of draws leaves room for two components of one variable.
@pytest.mark.parametrize(
    "levels, variables, components",
    [(1, 1, 2), (1, 3, 2), (2, 1, 2), (5, 1, 2), (256, 1, 2), (256, 1, 1), (2, 3, 10), (4, 3, 10), (3, 2, 1)],
)
def test_head(levels, variables, components):
    check_head(DiscretisedLogistic(levels, variables, components))


@pytest.mark.parametrize("levels", [2, 7, 256])
@pytest.mark.parametrize("variables", [1, 2, 3, 4])
def test_is_the_definition(levels, variables):
    head = DiscretisedLogistic(levels, variables, components=3)
    params, x = normals(20, head.size), random_levels(head, 20)
    x[0], x[1] = 0, levels - 1
    joint = torch.stack([definition(head, *item) for item in zip(params, x, strict=True)]).log()
    torch.testing.assert_close(head.log_prob(params, x).cumsum(-1), joint, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("scale", [0.0, 1.0, 5.0, 50.0, 1e3])
def test_256_levels_sum_to_one_whatever_came_before(scale, dtype):
    head = DiscretisedLogistic(256, 3)
    params = (normals(32, 1, head.size, dtype=dtype) * scale).expand(-1, 256, -1)
    for v in range(3):
        x = random_levels(head, 32, 1).repeat(1, 256, 1)
        x[..., v] = torch.arange(256)
        total = head.log_prob(params, x)[..., v].double().exp().sum(-1)
        tolerance = 2e-6 if dtype == torch.float32 else 1e-12
        torch.testing.assert_close(total, torch.ones_like(total), rtol=0, atol=tolerance)


@pytest.mark.parametrize("scale", [1.0, 50.0, 1e3])
@pytest.mark.parametrize("log_scale", [-1e3, -50.0, 0.0, 50.0, 1e3])
def test_values_and_gradients_are_finite(scale, log_scale):
    head = DiscretisedLogistic(256, 3)
    params = normals(64, head.size, dtype=torch.float32) * scale
    params[:, 40:70] += log_scale
    for x in (random_levels(head, 64), torch.zeros(64, 3).long(), torch.full((64, 3), 255)):
        leaf = params.clone().requires_grad_()
        terms = head.log_prob(leaf, x)
        (gradient,) = torch.autograd.grad(terms.sum(), leaf)
        assert terms.isfinite().all() and gradient.isfinite().all() and (terms <= 1e-5).all()


def test_autocast_leaves_the_head_alone():
    head = DiscretisedLogistic(256, 3)
    params, x = normals(32, head.size, dtype=torch.float32), random_levels(head, 32)
    with torch.autocast("cpu", torch.bfloat16):
        terms = head.log_prob(params, x)
    assert torch.equal(terms, head.log_prob(params, x))


def test_gradients():
    head = DiscretisedLogistic(4, 3, components=2)
    params = normals(3, head.size).requires_grad_()
    x = torch.tensor([[0, 1, 2], [3, 0, 3], [2, 2, 0]])
    assert torch.autograd.gradcheck(lambda p: head.log_prob(p, x), params)


def test_the_outer_levels_hold_the_tails():
    head = DiscretisedLogistic(256, components=1)
    params = torch.tensor([[0.0, -30.0, 2.0], [0.0, 30.0, 2.0]], dtype=torch.float64)  # scale 1
    assert head.log_prob(params, torch.tensor([[0], [255]])).exp().min() > 1 - 1e-12
    far = head.log_prob(params, torch.tensor([[255], [0]]))
    torch.testing.assert_close(far, torch.full_like(far, -31 + 1 / 255), rtol=0, atol=1e-10)


def test_the_next_mean_is_shifted_by_the_rounded_value():
    head = DiscretisedLogistic(5, 3, components=2)
    params = normals(4, head.size)
    plain = head.init_state(params)[1]
    _, _, _, _, _, _, _, green_red, blue_red, blue_green = params.view(4, 10, 2).tanh().unbind(1)
    red = conditional(head, params).draw(torch.tensor([0.1, 0.4, 0.6, 0.9], dtype=torch.float64))
    green = torch.tensor([0, 1, 3, 4])
    r, g = (red / 2 - 1)[:, None], (green / 2 - 1)[:, None]
    torch.testing.assert_close(conditional(head, params, red).means, plain[:, 1] + green_red * r)
    torch.testing.assert_close(
        conditional(head, params, red, green).means, plain[:, 2] + blue_red * r + blue_green * g
    )


def test_red_tells_the_component():
    head = DiscretisedLogistic(256, 2, components=2)
    params = torch.zeros(1, 12)
    params[:, 6:10] = -4.0  # narrow, around -0.5 and 0.5
    for red, green in ((64, 0), (191, 1)):
        assert conditional(head, params, torch.tensor([red])).log_weights[0, green] > -1e-4


@pytest.mark.parametrize("levels, variables", [(256, 1), (16, 1), (5, 2), (3, 3)])
def test_draws_are_as_frequent_as_probable(levels, variables):
    head, n = DiscretisedLogistic(levels, variables), 40_000
    params = normals(1, head.size, seed=1)
    u = torch.rand(n, variables, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    drawn = []
    for v in range(variables):
        drawn.append(conditional(head, params.expand(n, -1), *drawn).draw(u[:, v]))
    sites = torch.tensor(list(itertools.product(range(levels), repeat=variables)))
    expected = n * head.log_prob(params.expand(len(sites), -1), sites).sum(-1).exp()
    place = sum(value * levels ** (variables - 1 - v) for v, value in enumerate(drawn))
    counts = torch.bincount(place, minlength=len(sites))
    freedom = len(sites) - 1
    chi_square = ((counts - expected).square() / expected).sum()
    assert abs(chi_square - freedom) < 4 * (2 * freedom) ** 0.5


def test_a_draw_makes_no_table(monkeypatch):
    head = DiscretisedLogistic(256, 3)
    mixture = conditional(head, normals(4, head.size), torch.tensor([0, 9, 99, 255]))
    monkeypatch.setattr(RoundedMixtureConditional, "logits", property(lambda self: pytest.fail("made")))
    assert mixture.draw(torch.tensor([0.0, 0.2, 0.5, 1 - 2**-53], dtype=torch.float64)).dtype == torch.int64
    assert mixture.log_prob(torch.arange(4)).shape == (4,)


def test_the_table_is_the_mixture():
    head = DiscretisedLogistic(16, 2)
    params, red = normals(6, head.size), torch.arange(6)
    mixture = conditional(head, params, red)
    every = torch.stack([red[:, None].expand(-1, 16), torch.arange(16).expand(6, -1)], dim=-1)
    table = head.log_prob(params[:, None].expand(-1, 16, -1), every)[..., 1]
    torch.testing.assert_close(mixture.logits, table)
    assert torch.equal(mixture.mode(), table.argmax(-1))
    torch.testing.assert_close(mixture.tempered(0.5).logits, 2 * table.double())
    assert (mixture.truncated(3, None).logits.isfinite().sum(-1) == 3).all()


def test_equal_parameters_are_nearly_even_and_no_equal_components():
    head = DiscretisedLogistic(256)
    params = torch.zeros(256, head.size, requires_grad=True)
    loss = -head.log_prob(params, torch.arange(256)[:, None]).mean()
    assert loss < 8.2 * torch.log(torch.tensor(2.0))  # 8 bits are even
    (gradient,) = torch.autograd.grad(loss, params)
    assert len(gradient[30, 10:20].unique()) == 10


@pytest.mark.parametrize("levels", [256, 65536])
def test_a_level_can_be_certain(levels):
    """However many levels there are, the narrowest component has 97% of its mass on the one it is centred on."""
    head, level = DiscretisedLogistic(levels, components=1), levels // 3
    params = torch.tensor([[0.0, 2 * level / (levels - 1) - 1, -100.0]], dtype=torch.float64)
    assert head.log_prob(params, torch.tensor([[level]])).exp().item() == pytest.approx(0.973, abs=1e-3)
