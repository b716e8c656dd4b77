"""Images with latent variables: bounds that are bounds, latents that are used, completion that sees what is known."""

import contextlib
import io
import json
import math

import pytest
import torch

import chainrule as cr
from chainrule.cli import main
from chainrule.errors import ChainruleError, DomainError
from chainrule.models import ApproximateCompletionWarning, load_model, save_model
from chainrule.models.base.factorised import Factorised
from chainrule.networks.codebook import Codebook
from chainrule.networks.image_encoder import downward, halved, image_decoder, upward
from chainrule.tasks import interpolate_latent
from chainrule.testing import check_model
from chainrule.testing.support import support

BITS = cr.Domain.image(1, 1, 6, levels=2)
TINY = {
    "vae": {"latent": 1, "channels": 8},
    "pixel-vae": {"latent": 1, "encoder_channels": 8, "channels": 8, "depth": 1, "first_size": 3, "last": 8},
    "vq-vae": {"codes": 3, "size": 4, "encoder_channels": 4, "prior": "nade", "prior_options": {"hidden": 8}},
}
GAUSSIAN = ["vae", "pixel-vae"]


def seed(number=0):
    return torch.Generator().manual_seed(number)


def build(name, domain=BITS, **options):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return cr.create_model(name, domain, **{**TINY[name], **options})


def learn(model, x, steps=400):
    """Shown x again and again, in float64."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model.double().train()
        model.prepare(x)
        optimiser = torch.optim.Adam(model.parameters(), lr=1e-2)
        for _ in range(steps):
            optimiser.zero_grad()
            model.loss(x).mean().backward()
            optimiser.step()
    return model.eval()


# All images whose last pixel is as the first: too far apart for a PixelCNN of depth 1, so z has something to tell.
TRAIN = torch.cartesian_prod(*[torch.arange(2)] * 5)[:, [0, 1, 2, 3, 4, 0]].reshape(32, 1, 1, 6)


@pytest.fixture(scope="module", params=GAUSSIAN)
def learnt(request):
    return learn(build(request.param), TRAIN.repeat(4, 1, 1, 1))


@torch.no_grad()
def integrated(model, x):
    """log p(x) by Simpson's rule over the one latent number: exact likelihoods of tiny models."""
    z = torch.linspace(-9, 9, 721, dtype=torch.float64)
    weights = torch.ones(721, dtype=torch.float64)
    weights[1:-1:2], weights[2:-1:2] = 4, 2
    log_prior = -z.square() / 2 - math.log(2 * math.pi) / 2 + (weights * (z[1] - z[0]) / 3).log()
    told = model.upward(z[:, None])
    terms = [model.decoder.log_prob(row.expand(721, *row.shape), told) for row in x]
    return (torch.stack(terms) + log_prior).logsumexp(1)


# --- bounds -------------------------------------------------------------------------------------------


def test_the_bound_lies_below_and_many_draws_reach_it(learnt):
    every = support(BITS, torch.float64)[0]
    exact = integrated(learnt, every)
    assert exact.exp().sum().item() == pytest.approx(1, abs=1e-8)
    with torch.no_grad():
        single = learnt.log_prob_bound(every.repeat_interleave(100, 0), generator=seed()).reshape(64, 100)
        assert (single.mean(1) <= exact + 5 * single.std(1) / 100**0.5).all()
        of_train, many = integrated(learnt, TRAIN), TRAIN.repeat_interleave(20, 0)
        bounds = [
            learnt.log_prob_bound(many, samples=k, generator=seed()).reshape(32, 20) for k in (1, 10, 100)
        ]
    gaps = [(of_train - bound.mean(1)).mean() for bound in bounds]
    assert gaps[0] > 0.03 and gaps[0] > 3 * gaps[1]
    assert abs(gaps[2]) < 0.01


def test_the_loss_is_the_bound_on_average(learnt):
    x = TRAIN[:8]
    with torch.no_grad(), torch.random.fork_rng():
        torch.manual_seed(0)
        losses = torch.stack([learnt.loss(x) for _ in range(300)])
        bounds = torch.stack([learnt.log_prob_bound(x) for _ in range(300)])
    error = (losses.var(0) + bounds.var(0)).sqrt() / 300**0.5
    assert ((losses.mean(0) + bounds.mean(0)).abs() < 5 * error).all()


def test_kl_of_the_posterior(learnt):
    mean, log_scale = learnt.posterior(TRAIN[:5])
    q = torch.distributions.Normal(mean, log_scale.exp())
    p = torch.distributions.Normal(torch.zeros_like(mean), torch.ones_like(mean))
    kl = torch.distributions.kl_divergence(q, p).sum(1)
    assert torch.allclose(learnt.divergence(mean, log_scale), kl, atol=1e-12)
    z = torch.randn(mean.shape, generator=seed(), dtype=torch.float64)
    ratio = (q.log_prob(z) - p.log_prob(z)).sum(1)
    assert torch.allclose(learnt.log_ratio(z, mean, log_scale), ratio, atol=1e-10)


def test_the_latent_number_is_used(learnt):
    """Not collapsed: the posterior differs from item to item, and z says what the last pixel is."""
    mean, log_scale = learnt.posterior(TRAIN)
    assert learnt.divergence(mean, log_scale).mean() > 0.3
    grid = torch.tensor([[-1.5], [1.5]], dtype=torch.float64).repeat_interleave(500, 0)
    low, high = learnt.decode(grid, seed()).double()[..., 5].flatten().split(500)
    assert (low.mean() - high.mean()).abs() > 0.5


def test_the_same_draws_give_the_same_bound(learnt):
    x, before = TRAIN[:4], torch.random.get_rng_state()
    once, again = (learnt.log_prob_bound(x, samples=3, generator=seed(4)) for _ in range(2))
    assert torch.equal(once, again) and torch.equal(learnt.valid_loss(x), learnt.valid_loss(x))
    learnt.sample(3, generator=seed())
    learnt.reconstruct(x, 2, seed())
    assert torch.equal(before, torch.random.get_rng_state())


# --- decoders and what leads up to them ---------------------------------------------------------------


@pytest.mark.parametrize(
    "law", ["causal", "sums_to_one", "step_is_forward", "conditioned", "one_pass", "samples_match"]
)
def test_independent_variables_obey_the_laws(law):
    for domain in (BITS, cr.Domain.image(3, 2, 1, levels=3), cr.Domain.categorical(4, (2, 4, 3, 2))):
        assert check_model(lambda domain=domain: Factorised(domain, features=2), laws=[law]) == {law: "holds"}


def test_colours_and_pixels_have_their_own_parameters():
    """Pixel (r, c) and colour k read feature column (r, c) alone, through row k of the weights."""
    domain = cr.Domain.image(3, 2, 2, levels=2)
    model = Factorised(domain, features=4).double()
    told = torch.randn(1, 4, 2, 2, generator=seed(), dtype=torch.float64)
    conv = model.network.condition.features
    logits = torch.einsum("km,mrc->krc", conv.weight[:, :, 0, 0], told[0]) + conv.bias[:, None, None]
    x = torch.randint(2, (1, 3, 2, 2), generator=seed())
    expected = torch.distributions.Bernoulli(logits=logits).log_prob(x[0].double())
    assert torch.allclose(model.log_prob(x, told, reduce=False)[0], expected, atol=1e-12)


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 5, 7), (1, 28, 28), (3, 1, 9), (1, 1, 1)])
def test_down_and_up_again(shape):
    features = image_decoder(3, 4, shape)(torch.randn(2, 3, generator=seed()))
    assert features.shape == (2, 4, *shape[1:])
    for halvings in (1, 2):
        sizes = halved(*shape[1:], halvings)
        small = torch.nn.Sequential(*downward(shape[0], 4, halvings))(
            torch.randn(2, *shape, generator=seed())
        )
        assert small.shape == (2, 4 << halvings, *sizes[-1])
        assert torch.nn.Sequential(*upward(4, sizes))(small).shape == (2, 4, *shape[1:])


def test_many_levels_have_logistics():
    model = build("vae", cr.Domain.image(3, 4, 4, levels=256), latent=2)
    x = torch.randint(256, (2, 3, 4, 4), generator=seed())
    assert type(model.decoder.head).__name__ == "DiscretisedLogistic"
    assert model.log_prob_bound(x).isfinite().all() and model.sample(2, generator=seed()).shape == x.shape


# --- reconstructions, and from one item to another ----------------------------------------------------


def test_reconstructions_keep_what_z_tells(learnt):
    x = torch.tensor([0, 1]).repeat(6, 1).t().reshape(2, 1, 1, 6)
    drawn = learnt.reconstruct(x, 200, seed()).double()
    assert drawn.shape == (2, 200, 1, 1, 6)
    assert drawn[0, ..., 5].mean() < 0.2 and drawn[1, ..., 5].mean() > 0.8


def test_from_one_image_to_another(learnt):
    start, end = torch.zeros(50, 1, 1, 6).long(), torch.ones(50, 1, 1, 6).long()
    path = interpolate_latent(learnt, start, end, 5, seed())
    assert path.shape == (50, 5, 1, 1, 6)
    last = path[..., 5].double().mean((0, 2, 3))
    assert (last.diff() >= 0).all() and last[0] < 0.2 and last[-1] > 0.8
    with torch.no_grad():
        ends = learnt.posterior(start)[0], learnt.posterior(end)[0]
    assert torch.equal(path[:, 0], learnt.decode(ends[0], seed()))
    assert torch.equal(path[:, 2], learnt.decode((ends[0] + ends[1]) / 2, seed()))
    with pytest.raises(ChainruleError, match=r"end: expected as many items as start has \(50\), got 2"):
        interpolate_latent(learnt, start, end[:2], 5)
    with pytest.raises(
        ChainruleError, match="expected a model with Gaussian latent numbers or a flow, got uniform"
    ):
        interpolate_latent(cr.create_model("uniform", BITS), start, end, 5)


# --- completion ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("known", [[0, 1], [4, 5]])
def test_completion_is_the_conditional(learnt, known):
    """Frequencies of the completions of one image against p(unknown | known), z integrated on a grid; for any mask."""
    every = support(BITS, torch.float64)[0]
    mask = torch.zeros(6, dtype=torch.bool)
    mask[known] = True
    x = torch.zeros(1, 1, 1, 6).long()
    x.view(-1)[known[0]] = 1
    fits = (every.flatten(1)[:, mask] == x.flatten(1)[:, mask]).all(1)
    expected = integrated(learnt, every).masked_fill(~fits, -torch.inf).softmax(0)
    n = 2000
    with pytest.warns(ApproximateCompletionWarning, match="20 steps of a Markov chain"):
        drawn = learnt.complete(x, mask.reshape(1, 1, 6), n, seed(), particles=20)[0]
    place = 2 ** torch.arange(6)
    number = {code: i for i, code in enumerate((every.flatten(1).long() @ place).tolist())}
    found = torch.tensor([number[code] for code in (drawn.flatten(1) @ place).tolist()])
    seen = torch.bincount(found, minlength=64).double()
    likely = expected * n >= 5
    statistic = ((seen - n * expected).square() / (n * expected))[likely].sum().item()
    freedom = int(likely.sum()) - 1
    assert seen[~fits].sum() == 0
    assert statistic < freedom + 5 * math.sqrt(2 * freedom)


def test_completion_with_nothing_to_wait_for(learnt, recwarn):
    x = TRAIN[:3]
    whole, none = torch.ones(1, 1, 6, dtype=torch.bool), torch.zeros(1, 1, 6, dtype=torch.bool)
    assert torch.equal(learnt.complete(x, whole, 2), x[:, None].expand(-1, 2, -1, -1, -1))
    free = learnt.complete(x[:1], none, 3000, seed())[0].double().mean(0)
    assert (free - learnt.sample(3000, generator=seed(1)).double().mean(0)).abs().max() < 0.06
    assert not [w for w in recwarn if issubclass(w.category, ApproximateCompletionWarning)]


@pytest.mark.filterwarnings("ignore::chainrule.models.ApproximateCompletionWarning")
def test_the_most_probable_completion_given_z(learnt):
    known = torch.arange(6).reshape(1, 1, 6) < 3
    drawn = learnt.complete(torch.ones(1, 1, 1, 6).long(), known, 50, seed(), temperature=0)[0]
    assert (drawn[..., 5] == 1).double().mean() > 0.8
    assert len(drawn.unique(dim=0)) < 8  # of the chances there are, only z's are left


# --- codes --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options", [{}, {"depth": 1, "channels": 8}, {"prior": "made-ensemble", "prior_options": {"hidden": [8]}}]
)
def test_the_bound_is_the_sum_of_its_parts(options):
    model = build("vq-vae", cr.Domain.image(1, 5, 4, levels=3), **options).double().eval()
    x = torch.randint(3, (6, 1, 5, 4), generator=seed())
    model.prepare(x)
    codes = model.encode(x)
    assert codes.shape == (6, 1, 3, 2) and codes.unique().numel() > 1
    given = model.decoder.log_prob(x, model.upward(model.codebook(codes)))
    prior = model.prior.log_prob(codes.reshape(6, *model.prior.domain.event_shape))
    bound = model.log_prob_bound(x)
    assert torch.allclose(bound, given + prior, atol=1e-12)
    assert torch.allclose(model.log_prob_bound(x, samples=7), bound, atol=1e-12)


def test_the_sum_over_all_codes_lies_above():
    model = build("vq-vae").double().eval()
    every, codes = support(BITS, torch.float64)[0], torch.cartesian_prod(*[torch.arange(3)] * 3)
    with torch.no_grad():
        told = model.upward(model.codebook(codes.reshape(27, 1, 1, 3)))
        prior = model.prior.log_prob(codes.reshape(27, *model.prior.domain.event_shape))
        joint = [model.decoder.log_prob(row.expand(27, *row.shape), told) + prior for row in every]
        exact, bound = torch.stack(joint).logsumexp(1), model.log_prob_bound(every)
    assert exact.exp().sum().item() == pytest.approx(1, abs=1e-9)
    assert (bound < exact).all()


def test_which_part_learns_from_what():
    model = build("vq-vae", depth=1).train()
    x = TRAIN[:16]
    before = model.codebook.vectors.clone()
    h = model.features(x)
    model.prior.loss(model.as_item(model.codebook.nearest(h))).mean().backward()
    assert all(p.grad is None for p in (*model.encoder.parameters(), *model.decoder.parameters()))
    model.loss(x).mean().backward()
    assert all(p.grad.abs().sum() > 0 for p in model.encoder.parameters())
    assert not torch.equal(model.codebook.vectors, before)
    after = model.codebook.vectors.clone()
    model.eval().loss(x)
    model.valid_loss(x)
    assert torch.equal(model.codebook.vectors, after)


def test_the_codebook_finds_the_means_of_clusters():
    centres = torch.tensor([[3.0, 0], [-3, 0], [0, 3], [0, -3]])
    with torch.random.fork_rng():
        torch.manual_seed(0)
        book = Codebook(4, 2)  # whose first vectors are random
        for _ in range(600):
            h = (centres[torch.randint(4, (64,))] + 0.3 * torch.randn(64, 2)).t().reshape(1, 2, 8, 8)
            book.follow(h, book.nearest(h))
    distance = (book.vectors[:, None] - centres).norm(dim=2)
    assert sorted(distance.argmin(1).tolist()) == [0, 1, 2, 3] and distance.amin(1).max() < 0.15


def test_nearest_is_nearest():
    book = Codebook(5, 3).double()
    h = torch.randn(2, 3, 4, 2, generator=seed(), dtype=torch.float64)
    distance = (h[:, None] - book.vectors[None, :, :, None, None]).square().sum(2)
    assert torch.equal(book.nearest(h)[:, 0], distance.argmin(1))
    assert torch.equal(book(book.nearest(h))[0, :, 1, 1], book.vectors[distance.argmin(1)[0, 1, 1]])


def test_codes_are_learnt_and_drawn():
    """Code 3 is made of the last pixels, code 1 of the first: a prior trained to its end knows that they agree."""
    model = learn(
        build("vq-vae", codes=8, encoder_channels=8, prior_options={"hidden": 32}), TRAIN.repeat(4, 1, 1, 1)
    )
    assert (model.reconstruct(TRAIN, 20, seed()) == TRAIN[:, None]).double().mean() > 0.99
    codes = model.as_item(model.encode(TRAIN))
    optimiser = torch.optim.Adam(model.prior.parameters(), lr=1e-2)
    for _ in range(300):
        optimiser.zero_grad()
        model.prior.loss(codes).mean().backward()
        optimiser.step()
    drawn = model.sample(1000, generator=seed())
    assert (drawn[..., 0] == drawn[..., 5]).double().mean() > 0.9
    assert (drawn[..., 0] == drawn[..., 4]).double().mean() < 0.6
    assert -model.log_prob_bound(TRAIN).mean() < math.log(32) + 0.5


@pytest.mark.parametrize("prior", ["gated-pixelcnn", "lstm", "transformer", "wavenet"])
def test_priors(prior):
    model = build("vq-vae", cr.Domain.image(1, 4, 4, levels=2), prior=prior, prior_options={})
    x = torch.randint(2, (2, 1, 4, 4), generator=seed())
    assert model.log_prob_bound(x).shape == (2,) and model.sample(2, generator=seed()).shape == x.shape


def test_what_can_be_no_prior():
    for prior, words in (
        ("independent", "prior: expected a model with an exact likelihood, trained by gradient descent"),
        ("vae", "prior: expected a model with an exact likelihood"),
        ("gatd-pixelcnn", "did you mean 'gated-pixelcnn'"),
        ("rnade", "expected|reals"),
    ):
        with pytest.raises(ChainruleError, match=words):
            build("vq-vae", prior=prior, prior_options={})
    with pytest.raises(ChainruleError, match="nade has no hyperparameter 'depth'"):
        build("vq-vae", prior_options={"depth": 3})
    with pytest.raises(ChainruleError, match="prior_options: expected dict or None, got 3"):
        build("vq-vae", prior_options=3)


# --- all of them --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TINY)
def test_saved_and_loaded(name, tmp_path):
    model, x = build(name), TRAIN[:4]
    model.prepare(x)
    save_model(model, tmp_path, version="0")
    again = load_model(tmp_path)
    model.eval()
    assert torch.equal(model.log_prob_bound(x, generator=seed()), again.log_prob_bound(x, generator=seed()))
    assert torch.equal(model.sample(3, generator=seed()), again.sample(3, generator=seed()))


@pytest.mark.parametrize("name", TINY)
def test_what_they_do_not_take(name):
    model = build(name)
    with pytest.raises(ChainruleError, match=f"^{name} has no exact likelihood.*use log_prob_bound"):
        model.log_prob(TRAIN)
    with pytest.raises(ChainruleError, match=f"^{name} has no factorisation"):
        model.factorisation  # noqa: B018
    for bad in (TRAIN.float(), TRAIN + 2, TRAIN[0]):
        for call in (model.log_prob_bound, model.loss, model.reconstruct):
            with pytest.raises(DomainError, match="x: expected"):
                call(bad)
    with pytest.raises(ChainruleError, match="cond: expected None"):
        model.sample(2, 3)
    with pytest.raises(ChainruleError, match="expected"):
        build(name, cr.Domain.vector(4))
    if name == "vq-vae":
        with pytest.raises(ChainruleError, match="vq-vae has no conditionals of some variables"):
            model.complete(TRAIN, torch.ones(1, 1, 6, dtype=torch.bool))


# --- the commands -------------------------------------------------------------------------------------


def call(*arguments):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main([str(argument) for argument in arguments])
    return status, out.getvalue(), " ".join(err.getvalue().split())


SIZES = {**TINY, "pixel-vae": {**TINY["pixel-vae"], "encoder_channels": 4, "channels": 4}}


@pytest.fixture(scope="module", params=TINY)
def trained(request, tmp_path_factory):
    """A run of one epoch on digits."""
    run = tmp_path_factory.mktemp("runs") / request.param
    sizes = [
        part
        for key, value in SIZES[request.param].items()
        for part in ("--set", f"{key}={json.dumps(value)}")
    ]
    status, out, err = call("train", request.param, "--data", "digits", "--epochs", 1, *sizes, "--out", run)
    assert status == 0, err
    assert "≤ " in out
    return request.param, run


@pytest.mark.filterwarnings("ignore::chainrule.models.ApproximateCompletionWarning")
def test_commands(trained, tmp_path):
    name, run = trained
    page = (run / "report.html").read_text()
    assert 'alt="samples"' in page and 'alt="reconstructions"' in page and "≤ " in page
    assert ('alt="interpolation"' in page) == ('alt="completions"' in page) == (name != "vq-vae")
    status, out, err = call("evaluate", run, "--json", "--samples", 3, "--no-baselines")
    assert status == 0, err
    assert json.loads(out)["bound"] is True and json.loads(out)["nats"] < 17 * 64
    status, out, err = call("score", run, "digits", "--items", 5, "--reference-items", 20, "--json")
    assert status == 0 and json.loads(out)["items"] == 5
    assert call("sample", run, "-n", 4, "-o", tmp_path / "s.png")[0] == 0
    between = call("sample", run, "--between", "digits", "-n", 2, "--steps", 3, "-o", tmp_path / "b.png")
    completed = call("complete", run, "digits", "--items", 2, "-n", 2, "-o", tmp_path / "c.png")
    if name == "vq-vae":
        assert (
            between[0] == 1
            and "expected a model with Gaussian latent numbers or a flow, got vq-vae" in between[2]
        )
        assert (
            completed[0] == 1 and "vq-vae has no conditionals of some variables given others" in completed[2]
        )
    else:
        assert between[0] == 0, between[2]
        assert completed[0] == 0, completed[2]


@pytest.mark.parametrize(
    "command, words",
    [
        (("show", "--bits", "digits"), "has no exact likelihood"),
        (("compress", "digits", "-o", "x.chr"), "expected a model with an exact likelihood"),
        (("classify", "digits"), "expected a model of classes"),
        (("sample", "--sampler", "fixed-point"), "has no factorisation"),
        (("sample", "--between", "digits", "--like", "digits"), "--between: expected none of"),
    ],
)
def test_commands_that_refuse(trained, command, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, out, err = call(command[0], trained[1], *command[1:])
    assert (status, out) == (1, "") and words in err
    assert not list(tmp_path.iterdir())
