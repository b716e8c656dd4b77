"""Tasks against direct computations: masks, likelihoods, receptive fields."""

import copy
import math

import numpy as np
import pytest
import torch
from PIL import Image

import chainrule as cr
from chainrule.data import Data
from chainrule.errors import ChainruleError
from chainrule.tasks import evaluate, influence, known_mask, likelihood, receptive_field

GREY, COLOUR = cr.Domain.image(1, 4, 4, levels=3), cr.Domain.image(3, 2, 4, levels=2)
SEQUENCE = cr.Domain.sequence(10, levels=2)


# --- known_mask ---------------------------------------------------------------------------------------


def test_halves():
    top, left = known_mask(COLOUR, "top"), known_mask(COLOUR, "left")
    assert top.dtype == torch.bool
    assert top.shape == left.shape == (3, 2, 4)
    assert top[:, 0].all() and not top[:, 1].any()
    assert left[..., :2].all() and not left[..., 2:].any()
    assert known_mask(cr.Domain.image(1, 5, 1, levels=2), "top").flatten().tolist() == [1, 1, 0, 0, 0]
    with pytest.raises(ChainruleError, match=r"'left' is for images.*sequence:10:2"):
        known_mask(SEQUENCE, "left")


def test_fractions_are_kept_in_raster_order():
    assert known_mask(SEQUENCE, "0.3").tolist() == [True] * 3 + [False] * 7
    assert known_mask(SEQUENCE, "0.29").sum() == 3
    assert not known_mask(SEQUENCE, "0").any()
    # Of an image, whole pixels: five of eight, in all three colours.
    pixels = torch.tensor([[True] * 4, [True, False, False, False]])
    assert torch.equal(known_mask(COLOUR, "0.625"), pixels.expand(3, -1, -1))
    mask = known_mask(COLOUR, "0.5")
    mask[0] = False  # its own memory, not a view of one colour
    assert mask[1].any()


@pytest.mark.parametrize("keep", ["1", "2", "-0.1", "nan", "inf"])
def test_fractions_out_of_range(keep):
    with pytest.raises(ChainruleError, match=rf"keep: expected a fraction in \[0, 1\), got {keep}"):
        known_mask(GREY, keep)


def test_mask_files(tmp_path):
    mask = np.random.default_rng(0).random((4, 4)) < 0.5
    np.save(tmp_path / "flat.npy", mask)
    np.save(tmp_path / "full.npy", 7.5 * mask[None])
    Image.fromarray(np.where(mask, 1, 0).astype(np.uint8)).save(tmp_path / "grey.png")
    Image.fromarray(np.where(mask[..., None], [250, 0, 0], 0).astype(np.uint8)).save(tmp_path / "red.png")
    for name in ("flat.npy", "full.npy", "grey.png", "red.png"):
        assert np.array_equal(known_mask(GREY, str(tmp_path / name))[0].numpy(), mask), name

    np.save(tmp_path / "colour.npy", mask[:2])
    kept = known_mask(COLOUR, str(tmp_path / "colour.npy"))
    assert kept.shape == (3, 2, 4)
    assert all(np.array_equal(channel.numpy(), mask[:2]) for channel in kept)
    np.save(tmp_path / "sequence.npy", np.arange(10) % 2)
    assert known_mask(SEQUENCE, str(tmp_path / "sequence.npy")).tolist() == [False, True] * 5


def test_files_that_are_no_mask(tmp_path):
    np.save(tmp_path / "small.npy", np.ones((4, 3)))
    np.save(tmp_path / "text.npy", np.full((4, 4), "yes"))
    np.save(tmp_path / "objects.npy", np.array([{}], dtype=object))
    (tmp_path / "empty.npy").touch()
    (tmp_path / "empty.png").touch()
    (tmp_path / "cut.npy").write_bytes((tmp_path / "small.npy").read_bytes()[:-9])
    for name, message in {
        "small.npy": r"expected a mask of \(1, 4, 4\), got \(4, 3\)",
        "text.npy": "expected numbers or booleans, got <U3",
        **dict.fromkeys(("objects.npy", "empty.npy", "empty.png", "cut.npy"), "cannot be read"),
    }.items():
        with pytest.raises(ChainruleError, match=rf"keep: .*{name}: {message}"):
            known_mask(GREY, str(tmp_path / name))
    for keep in ("nonsense", "", ".", str(tmp_path)):
        with pytest.raises(ChainruleError, match=rf"keep: expected top, left, .*; got '{keep}'"):
            known_mask(GREY, keep)


# --- likelihood, evaluate -----------------------------------------------------------------------------


@pytest.fixture
def model():
    torch.manual_seed(0)
    return cr.create_model("causal-conv1d", GREY, channels=8, depth=2, classes=3)


@pytest.fixture
def data():
    generator = torch.Generator().manual_seed(0)
    x = {split: torch.randint(0, 3, (n, 1, 4, 4), generator=generator, dtype=torch.uint8)
         for split, n in (("train", 50), ("valid", 20), ("test", 300))}  # fmt: skip
    labels = {split: torch.arange(len(part)) % 3 for split, part in x.items()}
    return Data("made up", **x, domain=GREY, labels=labels)


def direct(model, x, labels):
    """(N,) log-likelihoods: log-softmax of the parallel pass in float64, without the model's own verbs."""
    double = copy.deepcopy(model).double().eval()
    with torch.no_grad():
        logits = double(x.long(), labels)
    levels = x.long().flatten(1)[..., None]
    return logits.log_softmax(-1).gather(-1, levels)[..., 0].sum(1)


def test_likelihood_is_the_mean_over_batches(model, data):
    result = likelihood(model, data.test, data.labels["test"], batch_size=128)
    expected = -direct(model, data.test, data.labels["test"])
    unit = 16 * math.log(2)
    assert result.n == 300
    assert result.nats == pytest.approx(expected.mean().item(), rel=1e-6)
    assert result.nats_se == pytest.approx(expected.std().item() / math.sqrt(300), rel=1e-4)
    assert result.bits_per_dim == pytest.approx(expected.mean().item() / unit, rel=1e-6)
    assert result.bits_per_dim_se == pytest.approx(result.nats_se / unit)


def test_bounds_of_many_draws_are_as_many_draws():
    torch.manual_seed(0)
    vae = cr.create_model("vae", cr.Domain.binary(6), latent=2, channels=4, hidden=8).eval()
    x = torch.randint(2, (9, 6))
    for samples in (1, 7):
        noise = torch.Generator().manual_seed(0)
        expected = -vae.log_prob_bound(x, samples=samples, generator=noise).mean().item()
        assert likelihood(vae, x, samples=samples).nats == pytest.approx(expected, rel=1e-9)
        data = cr.Data("x", x, x, x, vae.domain)
        assert evaluate(vae, data, samples=samples, baselines=False).model.nats == pytest.approx(expected)


def test_likelihood_of_one_item_has_no_error_and_of_none_is_refused(model, data):
    assert likelihood(model, data.test[:1], data.labels["test"][:1]).nats_se == 0
    with pytest.raises(ChainruleError, match="expected at least one item"):
        likelihood(model, data.test[:0], data.labels["test"][:0])


@pytest.mark.parametrize("split", ["train", "valid", "test"])
def test_evaluate(model, data, split):
    result = evaluate(model, data, split)
    x, labels = data.split(split)
    assert result.model.nats == pytest.approx(-direct(model, x, labels).mean().item(), rel=1e-6)

    assert set(result.baselines) == {"uniform", "independent", "gaussian"}
    assert result.baselines["uniform"].nats == pytest.approx(16 * math.log(3))
    independent = cr.create_model("independent", GREY)
    independent.estimate(data.train)  # of the training split, whatever split is evaluated
    assert result.baselines["independent"].nats == pytest.approx(-independent.log_prob(x).mean().item())

    flat = result.to_dict()
    assert flat["split"] == split
    assert {key: flat[key] for key in vars(result.model)} == vars(result.model)
    assert flat["baselines"]["uniform"]["bits_per_dim"] == pytest.approx(math.log2(3))
    assert evaluate(model, data, split, baselines=False).baselines == {}


def test_evaluate_refuses_what_does_not_fit(model, data):
    with pytest.raises(ChainruleError, match="did you mean 'test'"):
        evaluate(model, data, "tset")
    unlabelled = Data("bare", data.train, data.valid, data.test, GREY)
    with pytest.raises(ChainruleError, match="bare: the model is conditional"):
        evaluate(model, unlabelled)
    other = cr.create_model("uniform", cr.Domain.image(1, 4, 4, levels=4))
    with pytest.raises(ChainruleError, match=r"expected .*image:1x4x4:4, got image:1x4x4:3"):
        evaluate(other, data)


# --- receptive field ----------------------------------------------------------------------------------


@pytest.mark.parametrize("ordering", ["natural", "reversed", "random-5"])
@pytest.mark.parametrize(
    ("name", "hyperparameters"),
    [
        ("causal-conv1d", {"depth": 3, "kernel_size": 2, "dilation": 2}),
        ("finite-memory", {"memory": 5}),
        ("gru", {}),
    ],
)
def test_receptive_field_is_the_declared_connectivity(name, hyperparameters, ordering):
    model = cr.create_model(name, GREY, ordering=ordering, **hyperparameters)
    generator = torch.Generator().manual_seed(0)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.5, generator=generator)
    model.train()
    x = torch.randint(0, 3, (8, 1, 4, 4), generator=generator)
    declared = model.connectivity()
    for site in (0, 1, 7, 15):
        field = receptive_field(model, x, site)
        assert field.shape == (1, 4, 4)
        assert torch.equal(model.ordering.flatten(field[None])[0] > 0, declared[site]), site
    assert torch.equal(receptive_field(model, x), receptive_field(model, x, 8))  # the middle, by default
    assert model.training  # as it was
    assert all(parameter.grad is None for parameter in model.parameters())


def test_influence_is_the_sum_of_absolute_gradients():
    """A network linear in the codes: |weight|, summed over the parameters."""
    model = cr.create_model(
        "causal-conv1d", SEQUENCE, channels=3, depth=2, kernel_size=2, encoding="number"
    ).eval()
    first, last = (layer for layer in model.modules() if type(layer).__name__ == "CausalConv1d")
    with torch.no_grad():
        first.bias.fill_(100.0)  # far on the linear side of the LeakyReLU
    x = torch.zeros(2, 10, dtype=torch.int64)
    # Taps are oldest first: two convolutions of two taps reach three sites back.
    a, b = first.weight[..., 0].detach(), last.weight.detach()
    taps = [b[:, 1] @ a[:, 1], b[:, 1] @ a[:, 0] + b[:, 0] @ a[:, 1], b[:, 0] @ a[:, 0]]
    expected = torch.zeros(10)
    for back, tap in enumerate(taps, start=1):
        expected[6 - back] = tap.abs().sum()
    torch.testing.assert_close(influence(model, x, 6), expected)


def test_influence_refuses(model):
    x = torch.zeros(1, 1, 4, 4, dtype=torch.int64)
    for site in (-1, 16):
        with pytest.raises(ChainruleError, match=rf"site: expected one of 0 … 15, got {site}"):
            influence(model, x, site, torch.zeros(1, dtype=torch.int64))
    with pytest.raises(ChainruleError, match="no input encoder"):
        influence(cr.create_model("independent", GREY), x, 3)
