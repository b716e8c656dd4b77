"""Heads obey `check_head`; the conditionals they give are what they say."""

import math

import pytest
import scipy.stats
import torch
from torch.distributions import Normal as TorchNormal

from chainrule.domain import Domain
from chainrule.errors import ChainruleError, DomainError
from chainrule.heads import (
    COUNTS,
    POSITIVE,
    UNIT,
    Bernoulli,
    BinnedGaussian,
    BinnedMixture,
    Categorical,
    CategoricalConditional,
    ColumnHeads,
    Conditional,
    Gaussian,
    Head,
    Joint,
    MaybeMissing,
    Mixture,
    Normal,
    default_head,
    interval,
)
from chainrule.testing import LawNotTried, LawViolation, check_head

HEADS = {
    "bernoulli": Bernoulli,
    "bernoulli, 3 variables": lambda: Bernoulli(3),
    "categorical": lambda: Categorical(5),
    "categorical, 1 level": lambda: Categorical(1),
    "categorical, 256 levels": lambda: Categorical(256),
    "categorical, 3 variables": lambda: Categorical(4, variables=3),
    "joint of 4 bits": lambda: Joint(2, 4),
    "joint of 2 variables of 3 levels": lambda: Joint(3, 2),
    "gaussian": Gaussian,
    "binned gaussian": lambda: BinnedGaussian(17),
    "binned gaussian, 2 levels": lambda: BinnedGaussian(2),
    "binned gaussian, 256 levels": lambda: BinnedGaussian(256),
    "mixture of gaussians": lambda: Mixture(5),
    "mixture of laplace": lambda: Mixture(5, kernel="laplace"),
    "mixture of logistics": lambda: Mixture(5, kernel="logistic"),
    "uniform mixture": lambda: Mixture(3, uniform=True),
    "one component": lambda: Mixture(1),
    "whole numbers": lambda: BinnedMixture(4),
    "a real that may be missing": lambda: MaybeMissing(Mixture(3)),
    "a whole number that may be missing": lambda: MaybeMissing(BinnedMixture(3)),
}


@pytest.mark.parametrize("name", HEADS)
def test_head(name):
    check_head(HEADS[name]())


class Of(Conditional):
    """A conditional that has what each needs, and no more."""

    log_prob = draw = None

    def __init__(self, log_prob, draw):
        self.log_prob, self.draw = log_prob, draw


class LogNormal(Head):
    variables, size, support = 1, 2, POSITIVE

    def log_prob(self, params, x):
        return self.conditional(params).log_prob(x[..., 0])[..., None]

    def step(self, prev, state, v):
        return self.conditional(state), state

    def conditional(self, params):
        mean, scale = params[..., 0].clamp(-5, 5), params[..., 1].clamp(-3, 3).exp()
        p = torch.distributions.LogNormal(mean, scale)
        return Of(p.log_prob, lambda u: p.icdf(u.clamp(1e-300)))


class Beta(LogNormal):
    support = UNIT

    def conditional(self, params):
        a, b = params.clamp(-2, 2).exp().unbind(-1)
        numbers = [part.detach().double().numpy() for part in (a, b)]
        p = torch.distributions.Beta(a, b)
        return Of(p.log_prob, lambda u: torch.from_numpy(scipy.stats.beta.ppf(u.numpy(), *numbers)))


class Angle(LogNormal):
    """Triangular on (-2, 1), its peak where the parameter says."""

    support = interval(-2.0, 1.0)

    def conditional(self, params):
        peak = 3 * torch.sigmoid(params[..., 0].clamp(-3, 3)) - 2
        left, right = 2 / 3 / (peak + 2), 2 / 3 / (1 - peak)

        def draw(u):
            cut = (peak + 2) / 3
            return torch.where(
                u < cut, -2 + (3 * u * (peak + 2)).sqrt(), 1 - (3 * (1 - u) * (1 - peak)).sqrt()
            )

        return Of(lambda x: torch.where(x < peak, left * (x + 2), right * (1 - x)).log(), draw)


class Rain(LogNormal):
    """None with probability 1/4, else log-normal: a point and a density."""

    support = POSITIVE.with_points(0.0)
    none = 0.25

    def conditional(self, params):
        rain, dry = super().conditional(params), math.log(self.none)
        wet = math.log(1 - self.none)

        def log_prob(x):
            return torch.where(x == 0, dry, wet + rain.log_prob(torch.where(x == 0, 1.0, x)))

        return Of(log_prob, lambda u: torch.where(u < 0.25, 0.0, rain.draw(((u - 0.25) / 0.75).clamp(0))))


@pytest.mark.parametrize("head", [LogNormal, Beta, Angle, Rain])
def test_a_head_is_proved_on_the_support_it_states(head):
    check_head(head())


class Halved(LogNormal):
    def log_prob(self, params, x):
        return super().log_prob(params, x) - math.log(2)


class OtherDraws(Beta):
    def conditional(self, params):
        own, other = super().conditional(params), super().conditional(params.flip(-1))
        return Of(own.log_prob, other.draw)


class Forgotten(Rain):
    support = POSITIVE


class Drier(Rain):
    def conditional(self, params):
        own = super().conditional(params)
        return Of(own.log_prob, lambda u: own.draw((u + 0.1).clamp(max=1 - 1e-9)))


@pytest.mark.parametrize(
    "head, message",
    [
        (Halved, "integrates to 0.5"),
        (OtherDraws, "draws are not below"),
        (Forgotten, "integrates to 0.75"),
        (Drier, "draws are not 0.0 as often"),
    ],
)
def test_a_wrong_head_is_caught_on_its_support(head, message):
    with pytest.raises(LawViolation, match=message):
        check_head(head())


def test_a_tail_that_cannot_be_summed_is_said_so():
    class Slow(LogNormal):
        size, support = 1, COUNTS

        def conditional(self, params):
            return Of(lambda n: -0.1 * torch.log(n + 2) + 0 * params[..., 0], lambda u: u)

    with pytest.raises(LawNotTried, match="beyond the values"):
        check_head(Slow())


@pytest.mark.parametrize(
    "mean, log_scale", [(3.3, 0.4), (-50.0, 0.0), (300.0, -3.0), (8.0, 9.0), (8.0, -7.0)]
)
def test_binned_gaussian_is_the_integral(mean, log_scale):
    head = BinnedGaussian(17)
    x = torch.arange(17)[:, None]
    log_prob = head.log_prob(torch.tensor([mean, log_scale]).expand(17, 2), x)[:, 0].double()
    normal = TorchNormal(torch.tensor(mean).double(), torch.tensor(log_scale).double().exp())
    edges = torch.cat([torch.tensor([-math.inf]), torch.arange(16) + 0.5, torch.tensor([math.inf])]).double()
    mass = normal.cdf(edges).diff()
    seen = mass > 1e-12
    torch.testing.assert_close(log_prob[seen].exp(), mass[seen], rtol=1e-4, atol=1e-12)
    assert torch.isfinite(log_prob).all()


def test_categorical_matches_torch():
    params, x = torch.randn(6, 5), torch.randint(5, (6, 1))
    expected = torch.distributions.Categorical(logits=params).log_prob(x[:, 0])
    torch.testing.assert_close(Categorical(5).log_prob(params, x)[:, 0], expected)


def test_quantile_reaches_every_level_and_never_an_impossible_one():
    table = CategoricalConditional(torch.tensor([[-math.inf, 0.0, -math.inf, 0.0, -math.inf]]).expand(4, -1))
    u = torch.tensor([0.0, 0.4999, 0.5, 1 - 2**-53], dtype=torch.float64)
    assert table.draw(u).tolist() == [1, 1, 3, 3]


def test_truncation_keeps_the_most_probable():
    table = CategoricalConditional(torch.tensor([[0.5, 0.3, 0.15, 0.05]]).log())
    assert table.truncated(2, None).logits.isfinite().tolist() == [[True, True, False, False]]
    assert table.truncated(None, 0.6).logits.isfinite().tolist() == [[True, True, False, False]]
    assert table.truncated(None, 0.5).logits.isfinite().tolist() == [[True, False, False, False]]
    assert table.truncated(None, 1e-9).logits.isfinite().tolist() == [[True, False, False, False]]
    assert table.truncated(9, 1.0).logits.isfinite().all()


def test_temperature():
    table = CategoricalConditional(torch.tensor([[0.0, 1.0]]))
    assert table.tempered(0.5).logits.tolist() == [[0.0, 2.0]]
    normal = Normal(torch.tensor([1.0]), torch.tensor([2.0])).tempered(0.25)
    assert (normal.mean.item(), normal.scale.item()) == (1.0, 1.0)


@pytest.mark.parametrize("warmth", [0.3, 3.0])
@pytest.mark.parametrize("kernel", ["gaussian", "laplace"])
def test_a_mixture_of_components_that_lie_apart_is_tempered_exactly(kernel, warmth):
    head = Mixture(2, kernel=kernel)
    params = torch.tensor([[-300.0, 300.0, 0.0, 2.0, 0.4, 1.0]]).double()
    x = torch.linspace(-600, 600, 240_001).double()
    conditional, _ = head.step(None, params.expand(len(x), -1), 0)
    power = conditional.log_prob(x) / warmth
    expected = power - torch.logsumexp(power, 0) - math.log(x[1] - x[0])
    seen = (x.abs() - 300).abs() < 20
    torch.testing.assert_close(
        conditional.tempered(warmth).log_prob(x)[seen], expected[seen], rtol=0, atol=1e-2
    )


@pytest.mark.parametrize("width", [0.01, 1.0, 100.0])
def test_cooled_to_nothing_a_mixture_gives_its_mode(width):
    """Neither the heaviest component nor the narrowest, but the one that is highest at its mean."""
    narrow, whole = Mixture(2, kernel="logistic"), BinnedMixture(2)
    whole.width.fill_(width)
    for head in (narrow, whole):
        params = torch.tensor([[500.0, -500.0, 1.0, -1.0, 1.0, 0.0]]).double().expand(64, -1)
        conditional, _ = head.step(None, params, 0)
        cold = conditional.tempered(0.02).draw((torch.arange(64).double() + 0.5) / 64)
        assert (cold - conditional.mode()).abs().max() < 1 + width / 2


def test_normal_matches_torch():
    ours, theirs = Normal(torch.tensor([1.0]), torch.tensor([2.0])), TorchNormal(1.0, 2.0)
    torch.testing.assert_close(ours.log_prob(torch.tensor([0.3])), theirs.log_prob(torch.tensor([0.3])))
    torch.testing.assert_close(ours.draw(torch.tensor([0.9])), theirs.icdf(torch.tensor([0.9])))
    assert torch.isfinite(ours.draw(torch.tensor([0.0]))).all()
    with pytest.raises(ChainruleError, match="top_k"):
        ours.truncated(3, None)


def test_scale_floor_is_as_documented():
    flat = Gaussian().log_prob(torch.tensor([[0.0, -100.0]]), torch.zeros(1, 1))
    assert flat.item() == pytest.approx(7 - 0.5 * math.log(2 * math.pi))


def test_default_head():
    assert isinstance(default_head(Domain.binary(3)), Bernoulli)
    assert default_head(Domain.categorical(2, (3, 5))).levels == 5
    with pytest.raises(DomainError, match="discrete"):
        default_head(Domain.vector(3))


@pytest.mark.parametrize("kernel", ["gaussian", "laplace"])
def test_mixture_matches_torch(kernel):
    family = {"gaussian": TorchNormal, "laplace": torch.distributions.Laplace}[kernel]
    head, params, x = Mixture(4, kernel=kernel), torch.randn(6, 12), torch.randn(6, 1)
    means, log_scales, logits = params.split(4, dim=1)
    parts = family(means + head.spread, log_scales.exp())
    expected = torch.distributions.MixtureSameFamily(torch.distributions.Categorical(logits=logits), parts)
    torch.testing.assert_close(head.log_prob(params, x)[:, 0], expected.log_prob(x[:, 0]))


def test_uniform_mixture_has_equal_weights():
    head, params = Mixture(3, uniform=True), torch.randn(5, 6)
    weighted = torch.cat([params, torch.zeros(5, 3)], dim=1)
    x = torch.randn(5, 1)
    torch.testing.assert_close(head.log_prob(params, x), Mixture(3).log_prob(weighted, x))


@pytest.mark.parametrize("width", [1.0, 0.25])
def test_whole_numbers_are_the_integral_of_logistics(width):
    head, params = BinnedMixture(2), torch.tensor([0.3, -0.8, 0.4, -0.2, 0.5, 0.1])
    head.width.fill_(width)
    means, scales, weights = params[:2] + head.spread, params[2:4].exp(), params[4:].softmax(0)
    values = torch.arange(-20, 21) * width

    def cdf(x):
        return (weights * torch.sigmoid((x[:, None] - means) / scales)).sum(1)

    expected = cdf(values + width / 2) - cdf(values - width / 2)
    ours = head.log_prob(params.expand(41, -1), values[:, None])[:, 0].exp()
    torch.testing.assert_close(ours, expected, rtol=1e-3, atol=1e-6)


def test_mode_of_a_mixture_is_its_highest_mean():
    head = Mixture(2)
    params = torch.tensor([[3.0, -3.0, 0.0, -2.0, 1.0, 1.0], [3.0, -3.0, -2.0, 0.0, 1.0, 1.0]])
    conditional, _ = head.step(None, head.init_state(params), 0)
    assert conditional.mode().tolist() == [-1.5, 1.5]


def test_each_column_has_its_head():
    heads = [Categorical(3), Mixture(2), Categorical(3)]
    table = ColumnHeads(heads)
    params, x = torch.randn(4, 3, table.size), torch.tensor([[1.0], [0.4], [2.0]]).expand(4, 3, 1)
    terms = table.log_prob(params, x)
    for site, head in enumerate(heads):
        own = head.log_prob(params[:, site, : head.size], x[:, site])
        torch.testing.assert_close(terms[:, site], own)
    assert table.reordered([1, 0, 2]).at(0) is table.at(1)
