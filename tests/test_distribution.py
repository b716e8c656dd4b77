"""A model behind torch.distributions' interface, used by code written for that interface."""

import itertools

import pytest
import torch
from torch.distributions import AffineTransform, Distribution, Independent, TransformedDistribution

import chainrule as cr
from chainrule.domain.column import Column
from chainrule.errors import ConditionError

BITS = cr.Domain.binary(5)
TABLE = cr.Domain.table(
    [
        Column("colour", "categorical", ("red", "white"), missing=True),
        Column("age", "integer"),
        Column("size", "real", missing=True),
    ]
)
DOMAINS = {
    "bits": BITS,
    "levels": cr.Domain.categorical(4, (2, 3, 5, 3)),
    "image": cr.Domain.image(1, 2, 3, levels=4),
    "reals": cr.Domain.vector(3),
    "table": TABLE,
}


def model_of(domain, **hyperparameters):
    torch.manual_seed(0)
    model = cr.create_model("made", domain, hidden=[16], **hyperparameters).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return model


@pytest.fixture(params=DOMAINS)
def model(request):
    return model_of(DOMAINS[request.param])


def test_shapes_support_and_values(model):
    p = cr.as_distribution(model)
    assert isinstance(p, Distribution) and not p.has_rsample
    assert p.batch_shape == () and p.event_shape == model.domain.event_shape
    for shape in ((), (4,), (2, 3)):
        x = p.sample(shape)
        assert x.shape == shape + p.event_shape and not x.requires_grad
        assert p.support.check(x).shape == shape and p.support.check(x).all()
        flat = model.log_prob(x.reshape(-1, *p.event_shape))
        torch.testing.assert_close(p.log_prob(x), flat.reshape(shape))
    assert p.support.event_dim == len(p.event_shape)
    assert p.support.is_discrete == all(c.kind != "real" for c in model.domain.columns) * (
        model.domain.levels is not None
    )


def test_global_seed_reproduces(model):
    p = cr.as_distribution(model)
    torch.manual_seed(3)
    first = p.sample((5,))
    torch.manual_seed(3)
    torch.testing.assert_close(p.sample((5,)), first, equal_nan=True)


@pytest.mark.parametrize(
    ("domain", "bad"),
    [
        ("bits", torch.full((5,), 2)),
        ("levels", torch.tensor([2, 0, 0, 0])),
        ("reals", torch.tensor([0.0, torch.nan, 0.0])),
        ("table", torch.tensor([2.0, 3.0, 0.5])),
        ("table", torch.tensor([0.0, 3.5, 0.5])),
        ("table", torch.tensor([0.0, torch.nan, 0.5])),
        ("table", torch.tensor([0.0, 3.0, torch.inf])),
    ],
)
def test_values_outside_the_support(domain, bad):
    for validate in (True, False):
        p = cr.as_distribution(model_of(DOMAINS[domain]), validate_args=validate)
        assert not p.support.check(bad).all()
        with pytest.raises(ValueError):
            p.log_prob(bad)
    assert TABLE.size == 3 and cr.as_distribution(model_of(TABLE)).support.check(
        torch.tensor([torch.nan, -7.0, torch.nan])
    )


def test_each_row_its_own_condition():
    model = model_of(BITS, classes=3)
    labels = torch.tensor([2, 0])
    p = cr.as_distribution(model, labels)
    x = p.sample((7,))
    assert p.batch_shape == (2,) and x.shape == (7, 2, 5)
    for b, label in enumerate(labels):
        one = cr.as_distribution(model, int(label))
        assert one.batch_shape == ()
        torch.testing.assert_close(p.log_prob(x)[:, b], one.log_prob(x[:, b]))
    torch.testing.assert_close(p.log_prob(x[0, 0]), p.log_prob(x[0, 0].expand(2, 5)))
    torch.testing.assert_close(p.expand((4, 2)).log_prob(x[:4]), p.log_prob(x[:4]))
    assert p.expand((4, 2)).sample((3,)).shape == (3, 4, 2, 5)
    with pytest.raises(ConditionError):
        cr.as_distribution(model)
    with pytest.raises(ConditionError):
        cr.as_distribution(model_of(BITS), 0)
    vectors = cr.as_distribution(model_of(BITS, embedding=4), torch.randn(6, 4))
    assert vectors.batch_shape == (6,) and vectors.log_prob(vectors.sample((2,))).shape == (2, 6)
    assert cr.as_distribution(vectors.model, torch.randn(4)).batch_shape == ()


def test_gradient_reaches_the_parameters():
    model = model_of(BITS)
    cr.as_distribution(model).log_prob(torch.zeros(2, 5, dtype=torch.long)).sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_estimate_of_a_divergence():
    p, q = cr.as_distribution(model_of(BITS)), cr.as_distribution(cr.create_model("uniform", BITS))
    torch.manual_seed(0)
    x = p.sample((4000,))
    terms = p.log_prob(x) - q.log_prob(x)
    every = torch.tensor(list(itertools.product((0, 1), repeat=5)))
    exact = (p.log_prob(every).exp() * (p.log_prob(every) - q.log_prob(every))).sum()
    assert abs(terms.mean() - exact) < 4 * terms.std() / len(terms) ** 0.5


def test_wrappers_of_torch():
    model = model_of(cr.Domain.vector(3), classes=2)
    p = cr.as_distribution(model, torch.tensor([0, 1]))
    x = p.sample((4,))
    torch.testing.assert_close(Independent(p, 1).log_prob(x), p.log_prob(x).sum(-1))
    scaled = TransformedDistribution(p, AffineTransform(1.0, 2.0, event_dim=1))
    assert scaled.event_shape == (3,) and scaled.sample((4,)).shape == (4, 2, 3)
    log2 = torch.tensor(2.0, dtype=torch.float64).log()
    torch.testing.assert_close(scaled.log_prob(1 + 2 * x), p.log_prob(x) - 3 * log2, rtol=1e-5, atol=1e-5)
    for absent in ("mean", "variance"):
        with pytest.raises(NotImplementedError):
            getattr(p, absent)
