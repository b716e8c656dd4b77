"""Guessing ahead: how many passes it takes, that whatever is guessed the sample is the same, and what is refused."""

import json

import pytest
import torch
from torch import nn

import chainrule as cr
from chainrule.cli import main
from chainrule.engine import FixedPoint, Greedy, Speculative
from chainrule.errors import ChainruleError, DomainError
from chainrule.heads import Categorical
from digits_run import write_run

GREY = cr.Domain.image(1, 4, 5, levels=6)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def build(name, domain, seed=0, scale=0.6, **options):
    """A model in float64 whose values depend strongly on one another."""
    torch.manual_seed(seed)
    model = cr.create_model(name, domain, **options).double().eval()
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=scale)
    return model


@pytest.fixture(scope="module")
def pixelcnn():
    return build("gated-pixelcnn", GREY, channels=8, depth=2, last=8)


def test_values_that_depend_on_nothing_take_two_passes():
    model = build("independent", cr.Domain.categorical(9, 4))
    runner = FixedPoint()
    x = model.sample(6, generator=seeded(), runner=runner)
    assert torch.equal(x, model.sample(6, generator=seeded()))
    assert runner.calls.max() <= 2  # the second sees that the first was right


class Copy(nn.Module):
    """x_t = x_{t-1} + 1, for certain: each value must wait for the one before it."""

    def forward(self, sites):
        before = torch.cat([torch.zeros_like(sites[:, :1]), sites[:, :-1]], dim=1)[..., 0]
        return 1e4 * nn.functional.one_hot((before + 1) % 20, 20).double()


def test_a_chain_takes_a_pass_for_each_site():
    model = cr.AutoregressiveModel(Copy(), cr.Domain.categorical(12, 20), Categorical(20))
    for forecast in ("zeros", "iterate", "last"):
        runner = FixedPoint(forecast=forecast)
        x = model.sample(3, generator=seeded(), runner=runner)
        assert torch.equal(x, torch.arange(1, 13).expand(3, -1))
        assert runner.calls.tolist() == [12] * 3 and runner.passes == 12


@pytest.mark.parametrize("block", [1, 5, 7, 20, 100])
@pytest.mark.parametrize("forecast", ["iterate", "zeros", "last"])
def test_blocks_and_forecasts_change_the_passes_alone(pixelcnn, block, forecast):
    runner = FixedPoint(block=block, forecast=forecast)
    x = pixelcnn.sample(7, generator=seeded(), runner=runner, temperature=1.3, top_k=5)
    assert torch.equal(x, pixelcnn.sample(7, generator=seeded(), temperature=1.3, top_k=5))
    if block == 1:
        assert runner.calls.tolist() == [20] * 7
    assert runner.calls.max() <= runner.passes


def test_rows_leave_when_they_are_final(pixelcnn):
    runner = FixedPoint()
    pixelcnn.sample(30, generator=seeded(), runner=runner)
    assert runner.passes == runner.calls.max() > runner.calls.min()
    alone = FixedPoint()
    for row in range(3):  # a row takes as many passes alone as among others
        noise = cr.engine.draw_noise(30, 20, seeded())[row : row + 1]
        pixelcnn.draw(cr.engine.Sample(noise), 1, None, runner=alone)
    assert alone.calls.tolist() == runner.calls[:3].tolist()


def test_a_pass_ends_with_its_block(pixelcnn, monkeypatch):
    lengths = []
    prefill = type(pixelcnn).prefill

    def recorded(self, sites, state):
        lengths.append(sites.shape[1])
        return prefill(self, sites, state)

    monkeypatch.setattr(type(pixelcnn), "prefill", recorded)
    pixelcnn.sample(2, generator=seeded(), runner=FixedPoint(block=7))
    assert set(lengths) == {
        10,
        15,
    }  # whole rows of 5 that hold 7 and 14 pixels; the last block is a whole pass


def test_a_perfect_draft_is_kept(pixelcnn):
    runner = Speculative(pixelcnn, ahead=6)
    x = pixelcnn.sample(5, generator=seeded(), runner=runner)
    assert torch.equal(x, pixelcnn.sample(5, generator=seeded()))
    assert runner.calls.tolist() == [4] * 5  # 6 + 6 + 6 + 2 pixels


@pytest.mark.parametrize("ahead", [1, 3, 50])
def test_a_poor_draft_costs_passes_alone(pixelcnn, ahead):
    draft = build("finite-memory", GREY, seed=1, memory=2)
    known = torch.zeros(GREY.event_shape, dtype=torch.bool)
    known[:, :2], known[:, 3, 1] = True, True
    x = torch.randint(6, (3, *GREY.event_shape), generator=seeded())
    options = {"n": 2, "particles": 4}
    completed = pixelcnn.complete(x, known, generator=seeded(), **options)
    runner = Speculative(draft, ahead=ahead)
    assert torch.equal(completed, pixelcnn.complete(x, known, generator=seeded(), runner=runner, **options))
    assert runner.calls.shape == (24,) and 10 // ahead <= runner.calls.min() and runner.calls.max() <= 10


def test_a_draft_of_other_sites():
    """Three colours a site on one side, one on the other."""
    colours = cr.Domain.image(3, 3, 3, levels=5)
    target = build("pixelcnn-plus-plus", colours, scale=0.3, channels=6, depth=1, components=2, scales=1)
    draft = build("independent", colours, seed=1)
    assert (target.head.variables, draft.head.variables) == (3, 1)
    for model, other in ((target, draft), (draft, target)):
        runner = Speculative(other, ahead=4)
        again = model.sample(4, generator=seeded(), runner=runner)
        assert torch.equal(again, model.sample(4, generator=seeded()))


@pytest.mark.parametrize("conditional", [True, False])
def test_drafts_under_a_condition(conditional):
    domain = cr.Domain.sequence(12, levels=5)
    target = build("gru", domain, width=8, classes=3)
    draft = build("gru", domain, seed=1, width=4, classes=3 if conditional else None)
    cond = torch.tensor([0, 2, 1, 2])
    again = target.sample(4, cond, generator=seeded(), runner=Speculative(draft, ahead=5))
    assert torch.equal(again, target.sample(4, cond, generator=seeded()))


def test_the_score_is_that_of_the_values(pixelcnn):
    rule = Greedy()
    plain, ahead = (
        pixelcnn.rollout(rule, 3, None, score=True, runner=runner) for runner in (None, FixedPoint())
    )
    assert torch.equal(plain.values, ahead.values)
    torch.testing.assert_close(ahead.log_prob, plain.log_prob)


def test_ensembles_guess_ahead_in_each_member():
    domain = cr.Domain.binary(10)
    model = build("eonade", domain, hidden=[16, 16], orderings=3)
    runner = FixedPoint()
    assert torch.equal(
        model.sample(9, generator=seeded(), runner=runner), model.sample(9, generator=seeded())
    )
    assert runner.calls.shape == (9,)


def test_refusals(pixelcnn):
    with pytest.raises(ChainruleError, match="block: expected a number of sites ≥ 1, got 0"):
        FixedPoint(block=0)
    with pytest.raises(ChainruleError, match="did you mean 'zeros'"):
        FixedPoint(forecast="zero")
    with pytest.raises(ChainruleError, match="ahead: expected a number of sites ≥ 1, got 0"):
        Speculative(pixelcnn, ahead=0)
    with pytest.raises(DomainError, match=r"expected a model of image:1x4x5:6, got one of vector:3:2"):
        pixelcnn.sample(1, runner=Speculative(build("independent", cr.Domain.binary(3))))
    with pytest.raises(DomainError, match="the ordering of the model"):
        pixelcnn.sample(1, runner=Speculative(build("causal-conv1d", GREY, ordering="reversed")))
    reals = build("made", cr.Domain.vector(3), hidden=[4])
    with pytest.raises(DomainError, match="expected levels"):
        reals.sample(1, runner=Speculative(reals))


# --- the command -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A target and a draft."""
    folder = tmp_path_factory.mktemp("runs")
    write_run(folder / "target", "pixelcnn", channels=8, depth=1, last=8)
    write_run(folder / "draft", "finite-memory", memory=3)
    return folder


def call(capsys, *arguments):
    """What `chainrule sample` ends with, prints and says."""
    status = main(["sample", *map(str, arguments)])
    ended = capsys.readouterr()
    return status, ended.out, ended.err


def test_the_command_draws_the_same_and_tells_the_calls(runs, capsys):
    plain = json.loads(call(capsys, runs / "target", "-n", "3", "--json")[1])
    assert "calls_percent" not in plain
    for options in (["fixed-point"], ["speculative", "--draft", runs / "draft"]):
        out = call(capsys, runs / "target", "-n", "3", "--sampler", *options, "--json")[1]
        ahead = json.loads(out)
        assert ahead["items"] == plain["items"]
        assert ahead["sites"] == 64 and 0 < ahead["calls_percent"] <= 100
        assert ahead["passes"] >= ahead["calls_percent_range"][1] * 0.64
    err = call(capsys, runs / "target", "-n", "3", "--sampler", "fixed-point", "-o", runs / "x.npy")[2]
    assert "% of 64 steps a sample" in err


@pytest.mark.parametrize(
    "options, message",
    [
        (["--sampler", "speculative"], "--draft: expected with --sampler speculative and only then"),
        (["--draft", "draft"], "--draft: expected with --sampler speculative and only then"),
        (
            ["--sampler", "fixed-point", "--given", "3=1"],
            "expected none of --to, --between, --given, --prompt, --length, --like",
        ),
    ],
)
def test_refusals_of_the_command(runs, capsys, options, message):
    there = [runs / option if option == "draft" else option for option in options]
    status, out, err = call(capsys, runs / "target", *there)
    assert status == 1 and out == "" and err.startswith("error: ") and message in err
