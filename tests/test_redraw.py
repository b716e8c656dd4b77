"""Tables of conditionals, and items drawn again from the same noise after one variable was changed."""

import pytest
import torch

import chainrule as cr
from chainrule.errors import ChainruleError, DomainError
from chainrule.tasks import conditionals, redraw

MODELS = {
    "image": lambda: cr.create_model("pixelcnn", cr.Domain.image(3, 4, 4, levels=3), channels=12, depth=1),
    "reversed": lambda: cr.create_model("made", cr.Domain.categorical(6, 4), hidden=[9], ordering="reversed"),
    "coupled": lambda: cr.create_model(
        "tcn", cr.Domain.sequence(5, levels=2, width=4), channels=8, kernel_size=2, depth=1
    ),
}


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(params=MODELS)
def model(request):
    torch.manual_seed(1)
    return MODELS[request.param]().eval()


def test_tables_are_the_terms_of_log_prob(model):
    x = model.sample(3, generator=seeded())
    tables = conditionals(model, x)
    assert tables.shape == (*x.shape, model.domain.max_levels)
    assert torch.allclose(tables.sum(-1), torch.ones(x.shape, dtype=torch.float64))
    own = tables.gather(-1, x[..., None])[..., 0].log()
    assert torch.allclose(own, model.log_prob(x, reduce=False).double(), atol=1e-5)


def test_the_same_value_gives_the_same_item(model):
    x = model.sample(2, generator=seeded(3))
    for d in (0, model.domain.size // 2, model.domain.size - 1):
        value = int(model.ordering.flatten(x[:1])[0, d])
        assert torch.equal(redraw(model, x[:1], d, value, generator=seeded(3)), x[:1])


def test_another_value_changes_nothing_before_it(model):
    x = model.sample(1, generator=seeded(3))
    d = model.domain.size // 2
    before = model.ordering.flatten(x)[0]
    value = (int(before[d]) + 1) % model.domain.max_levels
    after = model.ordering.flatten(redraw(model, x, d, value, generator=seeded(3)))[0]
    assert torch.equal(after[:d], before[:d])
    assert after[d] == value


def test_what_cannot_be_is_refused(model):
    x = model.sample(1, generator=seeded())
    with pytest.raises(ChainruleError, match="d: expected a variable in 0"):
        redraw(model, x, model.domain.size, 0)
    with pytest.raises(DomainError):
        redraw(model, x, 0, model.domain.max_levels)


def test_reals_have_no_tables():
    model = cr.create_model("made", cr.Domain.vector(2), hidden=[4])
    for verb in (lambda x: conditionals(model, x), lambda x: redraw(model, x, 0, 0)):
        with pytest.raises(ChainruleError, match="a model of levels with one factorisation"):
            verb(torch.zeros(1, 2))
