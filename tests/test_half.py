"""Models in half precision: each states a likelihood near its own and draws what lies in its domain."""

import pytest
import torch

import chainrule as cr
from chainrule.errors import ChainruleError
from chainrule.heads import Head
from chainrule.models import MODELS
from chainrule.models.base.capabilities import ClosedForm

DOMAINS = (
    cr.Domain.sequence(6, 5),
    cr.Domain.image(1, 4, 4, levels=4),
    cr.Domain.binary(8),
    cr.Domain.vector(4),
    cr.Domain.sequence(8, 3, width=2, lengths="given"),
)


def seeded():
    return torch.Generator().manual_seed(0)


def served(name):
    """A model and items for each kind of domain that it serves."""
    for domain in DOMAINS:
        try:
            model = cr.create_model(name, domain)
        except ChainruleError:
            continue
        shape = (40, *domain.event_shape)
        x = torch.randint(domain.max_levels, shape) if domain.discrete else torch.randn(shape)
        if isinstance(model, ClosedForm):
            model.estimate(domain.canonicalise(x))
        yield model.eval(), domain.canonicalise(x)[:4]


def nats(model, x):
    return model.log_prob(x) if model.likelihood == "exact" else model.log_prob_bound(x, generator=seeded())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("name", [name for name in MODELS if name != "pixelcnn-autoencoder"])
def test_in_half_precision(name, dtype):
    torch.manual_seed(0)
    tried = 0
    for model, x in served(name):
        expected = nats(model, x)
        model.to(dtype)
        x = x if model.domain.discrete else x.to(dtype)
        assert (nats(model, x) - expected).abs().max() < 0.1 * expected.abs().max()
        drawn = model.sample(3, generator=seeded())
        model.domain.check(drawn)
        if not isinstance(model, ClosedForm):
            loss = model.train().loss(x).mean()
            assert loss.isfinite()
            loss.backward()
        tried += 1
    assert tried


@pytest.mark.parametrize("name", [name for name in MODELS if name != "pixelcnn-autoencoder"])
def test_heads_get_float32_under_autocast(name):
    for model, x in served(name):
        seen = []
        for head in (module for module in model.modules() if isinstance(module, Head)):
            head.log_prob = kept(head.log_prob, seen)
        with torch.autocast("cpu", torch.bfloat16):
            if not isinstance(model, ClosedForm):
                assert model.loss(x).dtype in (torch.float32, torch.float64)
        assert set(seen) <= {torch.float32}


def kept(log_prob, seen):
    """The same, and the type of the parameters it was given is put into a list."""

    def of(params, x):
        seen.append(params.dtype)
        return log_prob(params, x)

    return of
