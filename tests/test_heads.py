"""Heads obey `check_head`; the conditionals they give are what they say."""

import math

import pytest
import torch
from torch.distributions import Normal as TorchNormal

from chainrule.domain import Domain
from chainrule.errors import ChainruleError, DomainError
from chainrule.heads import Bernoulli, BinnedGaussian, Categorical, Gaussian, Normal, Table, default_head
from chainrule.testing import check_head

HEADS = {
    "bernoulli": Bernoulli,
    "bernoulli, 3 variables": lambda: Bernoulli(3),
    "categorical": lambda: Categorical(5),
    "categorical, 1 level": lambda: Categorical(1),
    "categorical, 256 levels": lambda: Categorical(256),
    "categorical, 3 variables": lambda: Categorical(4, variables=3),
    "gaussian": Gaussian,
    "binned gaussian": lambda: BinnedGaussian(17),
    "binned gaussian, 2 levels": lambda: BinnedGaussian(2),
    "binned gaussian, 256 levels": lambda: BinnedGaussian(256),
}


@pytest.mark.parametrize("name", HEADS)
def test_head(name):
    check_head(HEADS[name]())


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
    table = Table(torch.tensor([[-math.inf, 0.0, -math.inf, 0.0, -math.inf]]).expand(4, -1))
    u = torch.tensor([0.0, 0.4999, 0.5, 1 - 2**-53], dtype=torch.float64)
    assert table.draw(u).tolist() == [1, 1, 3, 3]


def test_truncation_keeps_the_most_probable():
    table = Table(torch.tensor([[0.5, 0.3, 0.15, 0.05]]).log())
    assert table.truncated(2, None).logits.isfinite().tolist() == [[True, True, False, False]]
    assert table.truncated(None, 0.6).logits.isfinite().tolist() == [[True, True, False, False]]
    assert table.truncated(None, 0.5).logits.isfinite().tolist() == [[True, False, False, False]]
    assert table.truncated(None, 1e-9).logits.isfinite().tolist() == [[True, False, False, False]]
    assert table.truncated(9, 1.0).logits.isfinite().all()


def test_temperature():
    table = Table(torch.tensor([[0.0, 1.0]]))
    assert table.tempered(0.5).logits.tolist() == [[0.0, 2.0]]
    normal = Normal(torch.tensor([1.0]), torch.tensor([2.0])).tempered(0.25)
    assert (normal.mean.item(), normal.scale.item()) == (1.0, 1.0)


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
