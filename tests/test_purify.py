"""PixelDefend's purification: its definition by hand, whatever runs the steps, at the cost of a sample."""

import json

import numpy as np
import pytest
import torch

import chainrule as cr
from chainrule.bench.attacks import attack_through, train_classifier
from chainrule.engine import FixedPoint
from chainrule.engine.auto import find_runner
from chainrule.errors import ChainruleError, DomainError
from digits_run import write_run
from test_cli import call

GREY, COLOUR = cr.Domain.image(1, 4, 4, levels=9), cr.Domain.image(3, 4, 4, levels=5)
MODELS = {
    "pixelcnn-plus-plus": (COLOUR, {"channels": 4, "depth": 1, "components": 3}),
    "gated-pixelcnn": (GREY, {"channels": 4, "depth": 2}),
    "made": (cr.Domain.categorical(6, levels=(2, 5, 3, 7, 4, 5)), {"hidden": [16], "ordering": "random-1"}),
    "wavenet": (cr.Domain.sequence(12, levels=6), {}),
}


def build(name, **more):
    """Weights so large that the most probable levels differ from site to site."""
    domain, options = MODELS[name]
    torch.manual_seed(0)
    model = cr.create_model(name, domain, **options, **more).double().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(0.5 * torch.randn(parameter.shape, dtype=parameter.dtype))
    return model


def items(domain, n=4):
    levels = torch.tensor(domain.levels_per_variable).reshape(domain.event_shape)
    generator = torch.Generator().manual_seed(1)
    return (torch.rand(n, *domain.event_shape, generator=generator) * levels).long()


def by_hand(model, x, epsilon):
    """Each variable in generation order: all levels near its own are tried, by the parallel pass."""
    order = model.ordering.variables.tolist()
    purified, levels = x.flatten(1).clone(), model.domain.levels_per_variable
    for d in order:
        best = torch.full((len(x),), -torch.inf, dtype=torch.float64)
        found = purified[:, d].clone()
        for level in range(levels[d]):
            tried = purified.clone()
            tried[:, d] = level
            terms = model.log_prob(tried.reshape(x.shape), reduce=False).flatten(1)[:, d]
            terms = torch.where((x.flatten(1)[:, d] - level).abs() <= epsilon, terms, -torch.inf)
            better = terms > best
            best, found = torch.where(better, terms, best), torch.where(better, level, found)
        purified[:, d] = found
    return purified.reshape(x.shape)


@pytest.mark.parametrize("name", MODELS)
def test_it_is_the_algorithm_of_the_paper(name):
    model = build(name)
    x = items(model.domain)
    with torch.no_grad():
        expected = by_hand(model, x, 2)
    assert 0 < (expected != x).double().mean() < 1
    for runner in (find_runner(model, "eager"), find_runner(model, "native"), FixedPoint()):
        assert torch.equal(cr.purify(model, x, 2, runner=runner), expected)
    assert torch.equal(cr.purify(model, x, 2, batch_size=3), expected)


def test_nothing_changes_within_0_and_the_greedy_item_comes_out_of_a_wide_window():
    model = build("gated-pixelcnn")
    x = items(GREY)
    assert torch.equal(cr.purify(model, x.to(torch.uint8), 0), x)
    greedy = model.sample(1, temperature=0.0).expand_as(x)
    assert torch.equal(cr.purify(model, x, 8), greedy)


def test_it_takes_one_step_a_site(monkeypatch):
    model, steps = build("gated-pixelcnn"), []
    step = type(model).step
    monkeypatch.setattr(type(model), "step", lambda *a, **k: steps.append(1) or step(*a, **k))
    cr.purify(model, items(GREY), 2, runner=find_runner(model, "eager"))
    assert len(steps) == model.sites


def test_the_condition_counts():
    model = build("gated-pixelcnn", classes=2)
    with torch.no_grad():
        model.condition.features.weight.mul_(5)
    x = items(GREY)
    each = [cr.purify(model, x, 3, cond=label) for label in (0, 1)]
    assert not torch.equal(*each)
    assert torch.equal(cr.purify(model, x, 3, cond=torch.tensor([0, 0, 0, 1]))[3], each[1][3])


def test_what_has_no_levels_is_refused():
    with pytest.raises(DomainError, match="purify: expected levels"):
        cr.purify(cr.create_model("made", cr.Domain.vector(3)), torch.zeros(1, 3), 1)
    with pytest.raises(ChainruleError, match="epsilon: expected a number of levels, an integer ≥ 0, got -1"):
        cr.purify(build("made"), items(MODELS["made"][0]), -1)


def test_the_command(tmp_path):
    model = write_run(tmp_path / "run", "gated-pixelcnn", channels=4, depth=1)
    x = cr.load_data("digits").test[:3]
    np.save(tmp_path / "x.npy", x.numpy())
    args = (tmp_path / "run", tmp_path / "x.npy", "--epsilon", 2)
    ended = call("purify", *args, "-o", tmp_path / "y.npy", "--json")
    assert ended.status == 0, ended.err
    y = np.load(tmp_path / "y.npy")
    assert np.array_equal(y, cr.purify(model, x, 2).numpy())
    nats = [-model.log_prob(torch.as_tensor(part).long()).mean().item() for part in (x, y)]
    printed = json.loads(ended.out)
    assert [printed["nats"], printed["purified_nats"]] == pytest.approx(nats, rel=1e-6)
    assert call("purify", *args, "-o", tmp_path / "grid.png").status == 0
    assert (tmp_path / "grid.png").stat().st_size > 0


def test_the_attack_that_knows_of_a_defence_goes_through_it():
    data = cr.load_data("digits")
    classifier = train_classifier(data.domain, data.train, data.labels["train"], epochs=30)
    x, labels = data.test[:100].long(), data.labels["test"][:100]
    # Rounding has no gradient, and undoes changes that do not reach the next multiple of four.
    rounded = lambda images: ((images + 2) // 4 * 4).clamp(0, 16)  # noqa: E731
    attacked = attack_through(classifier, rounded, x, labels, 3)
    assert (attacked - x).abs().max() == 3 and attacked.min() >= 0 and attacked.max() <= 16
    clean = (classifier.guess(rounded(x)) == labels).float().mean()
    noise = torch.randint(0, 2, x.shape, generator=torch.Generator().manual_seed(0)) * 6 - 3
    noisy = (classifier.guess(rounded((x + noise).clamp(0, 16))) == labels).float().mean()
    broken = (classifier.guess(rounded(attacked)) == labels).float().mean()
    assert clean > 0.9 and noisy > 0.7 and broken < 0.3
