"""VRNN and STCN: bounds beside integrals, what reads what, ends of items, and the commands."""

import json

import pytest
import torch
from torch.distributions import Normal, kl_divergence

import chainrule as cr
from chainrule.data import Data
from chainrule.data.streams import Streams
from chainrule.errors import ChainruleError, DomainError
from chainrule.models.parts.latent_normal import LatentNormal
from chainrule.tasks import evaluate
from chainrule.tasks.likelihood import step_bound
from chainrule.testing import check_model
from chainrule.testing.subject import randomise
from test_cli import call

MODELS = {
    "vrnn": {"width": 8, "latent": 1},
    "stcn": {"channels": 6, "depth": 1, "latent": 1},
    "stcn-of-two-levels": {"channels": 6, "depth": 2, "latent": 1, "dense": False},
    "stcn-with-the-past": {"channels": 6, "depth": 1, "latent": 1, "past": True},
}


def build(name, domain, **more):
    torch.manual_seed(0)
    model = cr.create_model(name.partition("-")[0], domain, **{**MODELS[name], **more}).double().eval()
    # Parameters under which importance weights have short tails: their mean is found by few draws.
    randomise(model, torch.Generator().manual_seed(5 if name == "vrnn" else 3), 0.7)
    return model


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def normals(seed):
    mean, log_scale = torch.randn(2, 5, 3, dtype=torch.float64, generator=seeded(seed)).unbind()
    return LatentNormal(mean, log_scale), Normal(mean, log_scale.exp())


# --- normals --------------------------------------------------------------------------------------------


def test_densities_and_divergences_are_torchs():
    (q, by_torch), (p, other) = normals(1), normals(2)
    z = torch.randn(5, 3, dtype=torch.float64, generator=seeded())
    torch.testing.assert_close(q.log_density(z), by_torch.log_prob(z).sum(-1))
    torch.testing.assert_close(q.divergence(p), kl_divergence(by_torch, other).sum(-1))


def test_a_product_is_a_product():
    """The log-densities add up, but for a constant."""
    (q, _), (p, _) = normals(1), normals(2)
    z = torch.randn(7, 5, 3, dtype=torch.float64, generator=seeded())
    apart = q.times(p).log_density(z) - q.log_density(z) - p.log_density(z)
    torch.testing.assert_close(apart, apart[:1].expand(7, 5))


# --- bounds beside integrals ----------------------------------------------------------------------------


@torch.no_grad()
def integrated(model, x):
    """log p(x) of one item, over a grid of the noise of all its latents, by the steps that samples are made of."""
    places = model.steps * model.latents
    side = torch.linspace(-7, 7, 141, dtype=torch.float64)
    grid = torch.cartesian_prod(*[side] * places).reshape(-1, model.steps, model.latents)
    log_p = Normal(0.0, 1.0).log_prob(grid).flatten(1).sum(1) + places * (side[1] - side[0]).log()
    state, sites = model.begin(len(grid)), x.reshape(1, model.steps, -1).expand(len(grid), -1, -1)
    for t in range(model.steps):
        params, drawn = model.emit(state, grid[:, t])
        log_p = log_p + model.head.log_prob(params, sites[:, t]).sum(-1)
        state = model.absorb(model.code(sites[:, t]), drawn, state, torch.tensor(t))
    return log_p.logsumexp(0)


@pytest.mark.parametrize(
    "name, domain",
    [
        ("vrnn", cr.Domain.sequence(2, 2)),
        ("stcn", cr.Domain.sequence(2, 2)),
        ("stcn-with-the-past", cr.Domain.sequence(2, 2)),
        ("stcn-of-two-levels", cr.Domain.sequence(1, 2, width=2)),
    ],
)
def test_weights_have_a_mean_of_p(name, domain):
    """E[w] = p(x) for every x; their log lies below; many draws come near."""
    model = build(name, domain)
    items = torch.cartesian_prod(*[torch.arange(2)] * 2).reshape(4, *domain.event_shape)
    exact = torch.stack([integrated(model, item) for item in items])
    torch.testing.assert_close(exact.exp().sum(), torch.tensor(1.0, dtype=torch.float64), rtol=0, atol=1e-4)
    n = 20_000
    with torch.no_grad():
        many = items.repeat_interleave(n, 0)
        log_weights = model.log_prob_bound(many, generator=seeded()).reshape(4, n)
        few = items.repeat_interleave(40, 0)
        near = model.log_prob_bound(few, samples=100, generator=seeded()).reshape(4, 40).mean(1)
    weights = log_weights.exp()
    assert ((weights.mean(1) - exact.exp()).abs() < 5 * weights.std(1) / n**0.5 + 1e-5).all()
    assert (log_weights.mean(1) < exact).all()
    assert (near - exact).mean().abs() < 0.25 * (exact - log_weights.mean(1)).mean()


@pytest.mark.parametrize("name", ["vrnn", "stcn-of-two-levels"])
def test_the_loss_is_the_bound(name):
    """Divergences in closed form have the same mean."""
    model = build(name, cr.Domain.sequence(3, 3))
    x = torch.tensor([[0, 2, 1]]).expand(5_000, 3)
    torch.manual_seed(0)
    with torch.no_grad():
        loss, bound = model.loss(x), -model.log_prob_bound(x, generator=seeded())
    error = ((loss.var() + bound.var()) / len(x)).sqrt()
    assert (loss.mean() - bound.mean()).abs() < 5 * error


def test_latents_hold_bits_together():
    """Six bits of a step are equal, and independent given z: without z they would cost 6 ln 2 = 4.16 nats."""
    torch.manual_seed(0)
    model = cr.create_model("vrnn", cr.Domain.sequence(2, 2, width=6), width=16, latent=2)
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(200):
        x = torch.randint(2, (64, 2, 1)).expand(64, 2, 6)
        optimiser.zero_grad()
        model.loss(x).mean().backward()
        optimiser.step()
    drawn = model.sample(500, generator=seeded())
    assert (drawn == drawn[..., :1]).all(-1).double().mean() > 0.8
    assert -model.log_prob_bound(x, samples=20, generator=seeded()).mean() / 2 < 1.5


@pytest.mark.parametrize("law", ["bounds", "one_pass", "survives_saving"])
@pytest.mark.parametrize(
    "name, choice",
    [
        ("vrnn", {"cell": "lstm"}),
        ("vrnn", {"output": "nade"}),
        ("stcn", {"dense": False, "kernel_size": 2, "channels": 8}),
    ],
)
def test_laws_of_variants(name, choice, law):
    options = {**MODELS[name], **choice}
    assert check_model(lambda d: cr.create_model(name, d, **options), laws=[law])[law] == "holds"


# --- what reads what ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["vrnn", "stcn-of-two-levels", "stcn-with-the-past"])
@torch.no_grad()
def test_priors_are_strict_and_posteriors_are_not(name):
    model = build(name, cr.Domain.sequence(5, 3), latent=4)
    x = torch.randint(3, (8, 5), generator=seeded())
    noise = torch.randn(8, 5, model.latents, dtype=torch.float64, generator=seeded())
    for t in range(5):
        other = x.clone()
        other[:, t] = (x[:, t] + 1) % 3
        (params, levels), (moved, others) = (
            model.infer(model.code(items[..., None]), noise) for items in (x, other)
        )
        for level, its in zip(levels, others, strict=True):
            assert torch.equal(level.p.mean[:, :t], its.p.mean[:, :t])
            assert torch.equal(level.q.mean[:, :t], its.q.mean[:, :t])
            assert not torch.equal(level.q.mean[:, t], its.q.mean[:, t])
        top, moved_top = levels[-1].p.mean, others[-1].p.mean  # lower ones read z_t of the level above
        assert torch.equal(top[:, : t + 1], moved_top[:, : t + 1])
        assert t == 4 or not torch.equal(top[:, t + 1], moved_top[:, t + 1])
        assert torch.equal(params[:, :t], moved[:, :t])


@pytest.mark.parametrize("name", ["vrnn", "stcn-of-two-levels", "stcn-with-the-past"])
def test_behind_the_end_there_is_nothing(name):
    """An item of 3 steps costs the same in a model of 6."""
    long = build(name, cr.Domain.sequence(6, 2, width=2, lengths="given"))
    short = build(name, cr.Domain.sequence(3, 2, width=2))
    short.load_state_dict(long.state_dict())
    x = torch.full((1, 6, 2), -1)
    x[:, :3] = torch.randint(2, (1, 3, 2), generator=seeded())
    bound, own = (
        model.log_prob_bound(items, generator=seeded()) for model, items in ((long, x), (short, x[:, :3]))
    )
    torch.testing.assert_close(bound, own)
    torch.manual_seed(1)
    loss = long.loss(x)
    torch.manual_seed(1)
    torch.testing.assert_close(loss, short.loss(x[:, :3]))


# --- refusals -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["vrnn", "stcn"])
@pytest.mark.parametrize(
    "domain", [cr.Domain.image(1, 2, 2), cr.Domain.binary(4), cr.Domain.sequence(4, None)]
)
def test_other_domains(name, domain):
    with pytest.raises(DomainError, match="expected sequences of levels, such as sequence:64:27, got "):
        cr.create_model(name, domain)


def test_what_a_bound_cannot_do():
    model = cr.create_model("vrnn", cr.Domain.sequence(3, 2), width=4, latent=1)
    x = torch.zeros(1, 3, dtype=torch.int64)
    with pytest.raises(ChainruleError, match=r"vrnn has no exact likelihood.*use log_prob_bound"):
        model.log_prob(x)
    with pytest.raises(ChainruleError, match="vrnn has no conditionals"):
        model.complete(x, x == 0)
    with pytest.raises(ChainruleError, match="vrnn has no runners of its steps"):
        model.sample(1, runner="native")


# --- figures of steps, and the commands -----------------------------------------------------------------


def test_a_bound_of_steps_is_that_of_windows():
    """All nats over all steps, of sequences shorter and longer than a window."""
    domain = cr.Domain.sequence(4, 2, width=2, lengths="given")
    model = build("vrnn", domain)
    lengths = [3, 4, 9, 1] * 6
    streams = Streams.of([torch.randint(2, (n, 2), generator=seeded(n)) for n in lengths])
    found = step_bound(model, streams, samples=3)
    windows = streams.disjoint(domain).x
    data = Data("rolls", windows, windows, windows, domain, streams={"test": streams})
    whole = evaluate(model, data, baselines=False, samples=3)
    assert found.bound and found.steps == sum(lengths) and found.context == 0
    assert found.nats * found.steps == pytest.approx(whole.model.nats * whole.model.n)
    assert found.nats == pytest.approx(whole.model.bits_per_dim * torch.log(torch.tensor(2.0)).item() * 2)
    assert whole.per_step == found and whole.to_dict()["per_step"]["nats_after_first"] is None


def test_commands(tmp_path):
    (tmp_path / "a.txt").write_text("abcdefgh" * 120)
    run = tmp_path / "run"
    choice = ["--set", "width=8", "--set", "latent=2", "--epochs", 1]
    ended = call(
        "train", "vrnn", "--data", tmp_path / "a.txt", "--domain", "sequence:8:8", "--out", run, *choice
    )
    assert ended.status == 0, ended.err
    assert "Samples beside real items" in (run / "report.html").read_text()
    told = call("evaluate", run, "--samples", 3)
    assert told.status == 0 and "vrnn" in told.out and "≤ " in told.out
    assert "each window alone: ≤ " in " ".join((told.out + told.err).split())
    one, many = (
        json.loads(call("evaluate", run, "--samples", k, "--no-baselines", "--json").out) for k in (1, 50)
    )
    assert one["bound"] and one["per_step"]["bound"] and many["nats"] < one["nats"]
    drawn = call("sample", run, "-n", 3, "-o", tmp_path / "x.npy")
    assert drawn.status == 0, drawn.err
    refused = call("complete", run, tmp_path / "a.txt", "-o", tmp_path / "y.npy")
    assert refused.status == 1 and "vrnn has no conditionals" in refused.err
