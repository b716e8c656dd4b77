"""The PixelCNN auto-encoder: it reconstructs, its decoder is a likelihood, and it says that it has none itself."""

import contextlib
import io
import json
import math

import numpy as np
import pytest
import torch

import chainrule as cr
from chainrule.cli import main
from chainrule.errors import ChainruleError, DomainError
from chainrule.models import Autoencoder, load_model, save_model
from chainrule.models.base.capabilities import Exact
from chainrule.models.pixelcnn_autoencoder import PixelCNNAutoencoder
from chainrule.tasks import classify, evaluate, interpolate, likelihood, reconstruction_cost
from chainrule.testing import LawViolation, check_model
from chainrule.testing.support import support

NAME = "pixelcnn-autoencoder"
TINY = {"bottleneck": 3, "encoder_channels": 4, "channels": 8, "depth": 1, "last": 8}
BITS = cr.Domain.image(1, 4, 4, levels=2)
LAWS = ["causal", "connected", "sums_to_one", "step_is_forward", "prefix_is_steps", "conditioned", "one_pass"]


def seed(number=0):
    return torch.Generator().manual_seed(number)


def build(domain=BITS, **options):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return cr.create_model(NAME, domain, **{**TINY, **options})


def learn(model, x):
    """Shown x again and again."""
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(150):
        optimiser.zero_grad()
        model.loss(x).mean().backward()
        optimiser.step()
    return model.eval()


@pytest.fixture(scope="module")
def learnt():
    """A model that has learnt six images by heart, and these."""
    x = torch.randint(2, (6, 1, 4, 4), generator=seed())
    return learn(build(channels=16), x), x


# --- codes and reconstructions ------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 5, 7), (1, 28, 28), (3, 1, 9), (1, 1, 1)])
def test_shapes(shape):
    model = build(cr.Domain.image(*shape, levels=5))
    x = torch.randint(5, (3, *shape), generator=seed())
    assert model.encode(x).shape == (3, 3)
    cost = model.reconstruction_cost(x)
    assert cost.shape == (3,) and cost.dtype == torch.float64 and (cost > 0).all()
    assert model.reconstruct(x[:2], n=2).shape == (2, 2, *shape)
    assert model.reconstruct(x[:0], n=2).shape == (0, 2, *shape)


def test_the_encoder_sees_every_pixel():
    model = build(cr.Domain.image(3, 9, 6, levels=256)).double()
    x = torch.randint(1, 255, (1, 3, 9, 6), generator=seed())
    changed = x.expand(162, *x.shape[1:]).clone()
    changed.view(162, -1)[range(162), range(162)] += 1
    assert (model.encode(changed) != model.encode(x)).any(1).all()


def test_what_is_learnt_is_reconstructed(learnt):
    model, x = learnt
    assert (model.reconstruction_cost(x) < 0.1).all()
    drawn = model.reconstruct(x, n=20, generator=seed())
    assert (drawn == x[:, None]).double().mean() > 0.99
    assert (drawn == x[:, None]).flatten(2).all(2).double().mean() > 0.9
    # The code says which: given that of another image each costs far more, and on average more than given none.
    other = -model.decoder.log_prob(x, model.encode(x.roll(1, 0)))
    assert (other > 2).all() and other.mean() > 16 * math.log(2)


def test_a_code_is_all_that_the_decoder_is_told(learnt):
    model, x = learnt
    h = model.encode(x)
    assert torch.equal(model.reconstruction_cost(x), -model.decoder.log_prob(x, h))
    drawn = model.reconstruct(x, 3, generator=seed(5))
    again = model.decoder.sample(18, h.repeat_interleave(3, 0), generator=seed(5))
    assert torch.equal(drawn.flatten(0, 1), again)
    before = torch.random.get_rng_state()
    model.reconstruct(x, generator=seed())
    assert torch.equal(before, torch.random.get_rng_state())


def test_from_one_image_to_another(learnt):
    model, x = learnt
    h = model.encode(x)
    path = interpolate(model.decoder, h[0], h[1], steps=9, n=20, generator=seed())
    assert (path[:, 0] == x[0]).double().mean() > 0.99
    assert (path[:, -1] == x[1]).double().mean() > 0.99
    to_first = (path == x[0]).double().mean((0, 2, 3, 4))
    assert to_first[0] > to_first[4] > to_first[-1]


def test_gradients_reach_both_parts():
    model = build()
    model.loss(torch.randint(2, (4, 1, 4, 4), generator=seed())).mean().backward()
    assert all(p.grad is not None for p in model.parameters())
    assert any(p.grad.abs().sum() > 0 for p in model.encoder.parameters())


# --- what is a likelihood, and what is not --------------------------------------------------------------


@pytest.mark.parametrize("law", LAWS)
def test_the_decoder_obeys_the_laws(law):
    outcome = check_model(lambda domain: build(domain).decoder, laws=[law])
    assert outcome == {law: "holds"}


def test_the_decoder_is_a_model_by_itself(learnt, tmp_path):
    model, x = learnt
    save_model(model.decoder, tmp_path, version="0")
    h = model.encode(x)
    assert torch.equal(load_model(tmp_path).log_prob(x, h), model.decoder.log_prob(x, h))


def test_the_cost_is_no_likelihood():
    """Σ_x p(x | h(x)) is not 1: each x has a code of its own, under which it may be certain."""
    domain = cr.Domain.image(1, 1, 3, levels=2)
    every = support(domain, torch.float64)[0]
    model = learn(build(domain), every)
    with torch.no_grad():
        assert (-model.reconstruction_cost(every)).exp().sum() > 7  # of 8
        for x in every:
            h = model.encode(x[None]).expand(8, -1)
            assert model.decoder.log_prob(every, h).exp().sum() == pytest.approx(1, abs=1e-5)


class Pretender(Exact, PixelCNNAutoencoder):
    """Calls its cost a likelihood."""

    def _log_prob(self, x, cond):
        return -self.reconstruction_cost(x)


def test_the_laws_see_through_one_that_pretends():
    with pytest.raises(LawViolation, match="sums_to_one"):
        check_model(lambda domain: Pretender(domain, **TINY), laws=["sums_to_one"])


def test_which_laws_bind():
    outcome = check_model(build)
    holds = {law for law, said in outcome.items() if said == "holds"}
    assert holds == {
        "survives_saving",
        "overfits",
        "refuses_bad_input",
        "rows_stand_alone",
        "parameters_matter",
    }
    reasons = {outcome[law] for law in outcome.keys() - holds - {"temperature"}}
    assert reasons == {"does not bind: the model has no likelihood"}
    assert outcome["temperature"].startswith("does not bind: the model draws no samples")


def test_the_verbs_say_why_not(learnt):
    model, x = learnt
    assert isinstance(model, Autoencoder) and not model.exact and not model.conditional
    assert all(cr.create_model(name, BITS, hidden=[4]).exact for name in ("made", "made-ensemble"))
    known = torch.ones(1, 4, 4, dtype=torch.bool)
    for call, words in (
        (lambda: model.log_prob(x), r"leaves out what the code h costs; use reconstruction_cost\(x\)"),
        (lambda: model.log_prob_bound(x), r"leaves out what the code h costs"),
        (lambda: model.sample(2), r"no distribution of codes h to draw from; use reconstruct\(x\)"),
        (lambda: model.complete(x, known), r"has seen all of x.*use reconstruct\(x\)"),
        (lambda: model.factorisation, "p\\(x\\) is not factorised.*use decoder"),
        (lambda: likelihood(model, x), ""),
    ):
        with pytest.raises(ChainruleError, match=f"^{NAME} has no exact likelihood: .*{words}"):
            call()
    with pytest.raises(ChainruleError, match="as_distribution: expected a model with an exact likelihood"):
        cr.as_distribution(model)
    given = cr.as_distribution(model.decoder, model.encode(x).detach())
    assert torch.allclose(given.log_prob(x), -model.reconstruction_cost(x))
    with pytest.raises(ChainruleError, match="expected a model conditional on classes"):
        classify(model, x)


def test_what_it_does_not_take(learnt):
    model, x = learnt
    for call in (model.encode, model.reconstruct, model.reconstruction_cost, model.loss):
        for bad in (x.float(), x + 2, x[0]):
            with pytest.raises(DomainError, match="x: expected"):
                call(bad)
    with pytest.raises(ChainruleError, match="n: expected a number of draws ≥ 1, got 0"):
        model.reconstruct(x, n=0)
    with pytest.raises(ChainruleError, match="cond: expected None"):
        model.loss(x, torch.zeros(6).long())
    with pytest.raises(DomainError, match="expected images of levels"):
        build(cr.Domain.vector(4))
    with pytest.raises(ChainruleError, match="expected images of levels"):
        cr.sklearn.AutoregressiveDensity(NAME).fit(np.random.default_rng(0).normal(size=(8, 2)))
    with pytest.raises(ChainruleError, match="expected an autoencoder, got Uniform"):
        reconstruction_cost(cr.create_model("uniform", BITS), None)


# --- the commands -----------------------------------------------------------------------------------


def call(*arguments):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main([str(argument) for argument in arguments])
    return status, out.getvalue(), " ".join(err.getvalue().split())


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run of one epoch on digits, and what `train` printed."""
    run = tmp_path_factory.mktemp("runs") / "run"
    sizes = [part for key, value in TINY.items() for part in ("--set", f"{key}={value}")]
    status, out, err = call("train", NAME, "--data", "digits", "--epochs", 1, *sizes, "--out", run)
    assert status == 0, err
    return run, out, err


def test_train_tells_the_cost_and_no_likelihood(trained):
    run, out, err = trained
    assert "reconstruction cost, nats" in out and "bits/dim" not in out and "uniform" not in out
    assert "no likelihood" in err and "nats best" in err and "bits/dim" not in err
    (row,) = cr.Run.open(run).metrics
    assert math.isfinite(row["valid_nats"]) and math.isnan(row["valid_bits_per_dim"])
    page = (run / "report.html").read_text()
    assert 'alt="reconstructions"' in page and "reconstruction cost</td>" in page
    for absent in ("Likelihood of", "bits/dim", "uniform", 'alt="samples"', 'alt="completions"'):
        assert absent not in page


def test_evaluate(trained):
    run, data = trained[0], cr.load_data("digits")
    status, out, _ = call("evaluate", run, "--json")
    assert status == 0
    nats = cr.load(run).reconstruction_cost(data.test)
    assert json.loads(out) == {
        "split": "test",
        "n": 447,
        "reconstruction_cost": pytest.approx(nats.mean().item()),
        "reconstruction_cost_se": pytest.approx(nats.std().item() / math.sqrt(447)),
        "numbers_in_code": 3,
    }
    status, out, err = call("evaluate", run, "--split", "valid")
    assert status == 0 and "reconstruction cost, nats" in out and "bits/dim" not in out
    assert "no likelihood: each item is reconstructed from a code of 3 numbers" in err
    with pytest.raises(ChainruleError, match="no exact likelihood"):
        evaluate(cr.load(run), data)


@pytest.mark.parametrize(
    "command", [("sample",), ("complete", "digits", "-o", "c.png"), ("show",), ("show", "--bits", "digits")]
)
def test_commands_of_likelihoods_refuse(trained, command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name, *rest = command
    status, out, err = call(name, trained[0], *rest)
    assert (status, out) == (1, "")
    assert f"error: {NAME} has no exact likelihood" in err and "use " in err
    assert not list(tmp_path.iterdir())
