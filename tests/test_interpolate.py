"""Interpolation: what is at the ends, what changes along a row, and what is refused."""

import contextlib
import io
import json

import numpy as np
import pytest
import torch
from PIL import Image

import chainrule as cr
from chainrule.cli import main
from chainrule.errors import ChainruleError, ConditionError
from chainrule.tasks import interpolate
from chainrule.testing.subject import randomise

IMAGE = cr.Domain.image(1, 3, 4, levels=3)
MODELS = {
    "vector": ("gated-pixelcnn", {"embedding": 2, "channels": 8, "depth": 1}),
    "map": ("gated-pixelcnn", {"maps": 2, "channels": 8, "depth": 1}),
    "label": ("gated-pixelcnn", {"classes": 4, "channels": 8, "depth": 1}),
    "label, mixed": ("made-ensemble", {"classes": 4, "hidden": [16], "masks": 2, "orderings": 2}),
}


def seed(number=0):
    return torch.Generator().manual_seed(number)


def build(kind):
    name, options = MODELS[kind]
    model = cr.create_model(name, IMAGE, **options).eval()
    randomise(model, seed())
    return model


def ends(kind, model):
    """Two conditions far apart."""
    if kind.startswith("label"):
        return 3, 1
    return 2 * torch.randn(2, *model.condition.item_shape, generator=seed(1))


@pytest.mark.parametrize("kind", MODELS)
def test_the_ends_are_samples_of_the_two_conditions(kind):
    model = build(kind)
    start, end = ends(kind, model)
    generator = seed(7)
    drawn = interpolate(model, start, end, 4, n=20, generator=generator)
    assert drawn.shape == (20, 4, *IMAGE.event_shape) and drawn.dtype == torch.int64
    after = seed(7)
    assert torch.equal(drawn[:, 0], model.sample(20, start, generator=after))
    assert torch.equal(generator.get_state(), after.get_state())  # as if 20 items had been drawn once
    assert torch.equal(drawn[:, -1], model.sample(20, end, generator=seed(7)))
    assert (drawn[:, 0] != drawn[:, -1]).any()


@pytest.mark.parametrize("kind", MODELS)
def test_only_the_condition_changes_along_a_row(kind):
    model = build(kind)
    start, _ = ends(kind, model)
    still = interpolate(model, start, start, 5, n=6, generator=seed())
    assert torch.equal(still, still[:, :1].expand_as(still))
    assert (still[0] != still[1]).any()  # rows have noise of their own
    before = torch.random.get_rng_state()
    interpolate(model, start, start, 2, generator=seed())
    assert torch.equal(before, torch.random.get_rng_state())
    assert (interpolate(model, start, start, 2, n=6) != still[:, :2]).any()  # without a generator, new noise


def test_steps_are_even():
    model = build("label")
    drawn = interpolate(model, 0, 2, 3, n=50, generator=seed(3))
    half = torch.tensor([0.5, 0, 0.5, 0]).expand(50, 4)
    assert torch.equal(drawn[:, 1], model.sample(50, half, generator=seed(3)))
    assert (drawn[:, 1] != drawn[:, 0]).any() and (drawn[:, 1] != drawn[:, 2]).any()
    # Labels are their weights, and weights may be given.
    weights = torch.tensor([1.0, 0, 0, 0])
    assert torch.equal(drawn, interpolate(model, weights, torch.tensor(2), 3, n=50, generator=seed(3)))


def test_options_of_sample():
    model = build("vector")
    start, end = ends("vector", model)
    cold = interpolate(model, start, end, 3, n=4, temperature=0.0)
    assert torch.equal(cold, cold[:1].expand_as(cold))


def test_what_is_refused():
    unconditional = cr.create_model("made", cr.Domain.binary(3), hidden=[4])
    with pytest.raises(ConditionError, match="expected a conditional model, made is unconditional"):
        interpolate(unconditional, 0, 1, 2)
    label, vector = build("label"), build("vector")
    for end in (4, -1, 1.5, torch.zeros(3), torch.zeros(4).long(), torch.tensor([1, 2])):
        with pytest.raises(ConditionError, match=r"end: expected floats \(4,\) or a label in \[0, 4\), got"):
            interpolate(label, 0, end, 2)
    for start in (1, torch.zeros(1, 2), torch.zeros(2).long()):
        with pytest.raises(ConditionError, match=r"start: expected floats \(2,\), got"):
            interpolate(vector, start, torch.zeros(2), 2)
    with pytest.raises(ChainruleError, match=r"end: expected floats \(2,\), all finite"):
        interpolate(vector, torch.zeros(2), torch.tensor([0, torch.nan]), 2)
    with pytest.raises(ChainruleError, match="steps: expected a number of steps ≥ 2, got 1"):
        interpolate(label, 0, 1, 1)
    with pytest.raises(ChainruleError, match="n: expected a number of rows ≥ 1, got 0"):
        interpolate(label, 0, 1, 2, n=0)


# --- the command ------------------------------------------------------------------------------------


def call(*arguments):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main([str(argument) for argument in arguments])
    return status, out.getvalue(), err.getvalue()


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Untrained runs: one of classes, one of none."""
    root = tmp_path_factory.mktemp("runs")
    from chainrule.models import save_model
    from chainrule.training.folder import write_config

    for name, options in (("classes", {"classes": 4}), ("plain", {})):
        model = cr.create_model("gated-pixelcnn", IMAGE, channels=8, depth=1, **options)
        randomise(model, seed())
        save_model(model, root / name, version="0")
        write_config(root / name, {"model": "gated-pixelcnn"})
    return root


def test_sample_from_one_class_to_another(runs, tmp_path):
    model = cr.load(runs / "classes")
    status, out, _ = call(
        "sample", runs / "classes", "--label", 3, "--to", 1, "-n", 2, "--steps", 5, "--seed", 9, "--json"
    )
    assert status == 0
    printed = json.loads(out)
    drawn = interpolate(model, 3, 1, 5, 2, seed(9))
    assert (printed["n"], printed["steps"]) == (2, 5)
    assert torch.equal(torch.tensor(printed["items"]), drawn.flatten(0, 1))

    options = ("--label", 3, "--to", 1, "--seed", 9)
    status, _, said = call(
        "sample", runs / "classes", *options, "-n", 2, "--steps", 5, "-o", tmp_path / "i.png"
    )
    assert status == 0 and f"2 samples, 5 steps each: {tmp_path / 'i.png'}" in said
    with Image.open(tmp_path / "i.png") as picture:  # a row a sample, a column a step
        zoom = 12
        assert picture.size == (2 + 5 * (4 * zoom + 2), 2 + 2 * (3 * zoom + 2))
        second = np.asarray(picture)[2 + 3 * zoom + 2 :: zoom, 2::zoom][:3, :4]
    assert np.array_equal(second, (drawn[1, 0, 0].double() * 127.5).round().numpy().astype(np.uint8))
    status, _, said = call("sample", runs / "classes", *options)
    assert status == 0 and f"8 samples, 10 steps each: {runs / 'classes' / 'interpolation.png'}" in said


def test_the_command_draws_what_the_old_options_draw(runs, tmp_path):
    options = (runs / "classes", "--label", 3, "--to", 1, "-n", 2, "--steps", 5, "--seed", 9, "--json")
    status, out, err = call("interpolate", *options)
    assert (status, err) == (0, "") and json.loads(out)["steps"] == 5
    assert call("sample", *options) == (0, out, "hint: `chainrule interpolate` is the command for --to\n")
    status, out, err = call("interpolate", runs / "classes", "--to", 1, "--between", "digits", "--label", 0)
    assert (status, out) == (1, "") and "--between: expected no --to" in err


@pytest.mark.parametrize(
    "run, options, words",
    [
        ("classes", ("--to", 1), "--label: expected a class in [0, 4), got none"),
        ("classes", ("--label", 1, "--to", 4), "--to: expected a class in [0, 4), got 4"),
        ("classes", ("--label", 1, "--steps", 3), "--to: expected a class in [0, 4), got none"),
        ("classes", ("--label", 1, "--to", 2, "--given", "0=1"), "neither --prompt nor --given"),
        ("plain", ("--to", 1), "--to: expected none"),
        ("plain", ("--steps", 3), "--to, --steps: expected --label and --to"),
    ],
)
def test_sample_refuses(runs, run, options, words):
    status, out, said = call("sample", runs / run, *options)
    assert (status, out) == (1, "")
    assert words in " ".join(said.split())
