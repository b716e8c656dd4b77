"""PixelDefend's purification: its definition by hand, whatever runs the steps, at the cost of a sample."""

import json

import numpy as np
import pytest
import torch
from torch.nn.functional import avg_pool2d, pad

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
    x, labels = data.test[:200].long(), data.labels["test"][:200]

    def blurred(images):
        return avg_pool2d(pad(images.float(), (1, 1, 1, 1), mode="replicate"), 3, 1).round().long()

    def right(images):
        return (classifier.guess(blurred(images)) == labels).float().mean()

    through = attack_through(classifier, blurred, x, labels, 2)
    past = attack_through(classifier, lambda images: images, x, labels, 2)
    for attacked in (through, past):
        assert (attacked - x).abs().max() == 2 and attacked.min() >= 0 and attacked.max() <= 16
    # 83 % right before any attack, 30 % if it knows of the classifier alone, 12 % if it knows of both.
    assert right(x) > 0.8 and right(through) < right(past) - 0.1
