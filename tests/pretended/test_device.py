"""Every model on a pretended accelerator: the numbers of a CPU, and no look of the host where it would wait."""

import warnings
from functools import cache, partial

import pretend
import pytest
import torch
from torch import nn

import chainrule as cr
from chainrule import devices
from chainrule.devices import unseen
from chainrule.engine import Sample, auto, draw_noise
from chainrule.engine.captured import CapturedRunner
from chainrule.engine.captured.capture import as_it_is
from chainrule.errors import ChainruleError
from chainrule.models import tiny_model
from chainrule.models.base.capabilities import (
    Bounded,
    Completes,
    Exact,
    Factorises,
    Latent,
    Reconstructs,
    Samples,
    Sequential,
)
from chainrule.models.base.streaming import Streams
from chainrule.tasks import classify
from chainrule.testing import Subject, served_domains
from chainrule.testing.subject import LawNotBinding

NAMES = cr.list_models()
# Shorter and longer items, of which a model takes the first kind that it serves.
GROWING = (
    (cr.Domain.sequence(3, levels=3), cr.Domain.sequence(7, levels=3)),
    (cr.Domain.image(1, 2, 2, levels=3), cr.Domain.image(1, 3, 4, levels=3)),
    (cr.Domain.binary(4), cr.Domain.binary(9)),
    (cr.Domain.vector(2), cr.Domain.vector(5)),
)
pytestmark = pytest.mark.filterwarnings("ignore::chainrule.errors.ApproximateCompletionWarning")


@pytest.fixture(autouse=True)
def device(monkeypatch):
    monkeypatch.setattr(auto, "RECORDING", 1e9)  # eager steps on the CPU too, and all in one piece
    monkeypatch.setattr(auto, "TRIED", 10**9)
    pretend.install()
    return torch.device("pretend", 0)


@cache
def subjects(name):
    """A model on one tiny domain of each layout, of levels and of reals."""
    factory, kinds = partial(tiny_model, name), {}
    for domain in served_domains(factory):
        kinds.setdefault((domain.layout, domain.discrete), domain)
    return [Subject(factory, domain) for domain in kinds.values()]


def built(subject, device, dtype=torch.float64):
    """A model, items and conditions there."""
    model = subject.build(dtype, likelihoods=(nn.Module,)).to(device)
    x, cond = subject.items(6, dtype, whole=True), subject.cond(model, 6, dtype)
    return model, x.to(device), None if cond is None else cond.to(device)


def generator(device):
    return torch.Generator(device).manual_seed(3)


@pytest.mark.parametrize("name", NAMES)
def test_captured_steps_look_once_a_rollout(name, device):
    """Where a site is, and whether parameters are finite: nothing in between, and the sample of eager steps."""
    for subject in subjects(name):
        try:
            model = subject.factorised()
        except LawNotBinding:
            return
        cond, rule = subject.cond(model, 4), Sample(draw_noise(4, model.domain.size, generator("cpu")))
        expected = model.rollout(rule, 4, cond, runner="eager", score=True)
        model, there = model.to(device), None if cond is None else cond.to(device)
        runner, sent = CapturedRunner(model, as_it_is), rule.map(lambda table: table.to(device))
        model.rollout(sent, 4, there, runner=runner, score=True)
        with pretend.watched() as watch:
            found = model.rollout(sent, 4, there, runner=runner, score=True)
        assert len(watch.looks) <= 4
        for ours, theirs in zip(found, expected, strict=True):
            assert torch.allclose(ours.cpu(), theirs, rtol=0, atol=1e-7, equal_nan=True)


def first_half(model, device):
    known = torch.arange(model.domain.size) < model.domain.size // 2
    if model.domain.size > 1 and model.domain.lengths != "fixed":
        known = torch.arange(model.domain.size) < model.domain.width
    return known.reshape(model.domain.event_shape).to(device)


def log_prob_given(model, x, cond, noise):
    known = first_half(model, x.device).expand(x.shape)
    found = model.log_prob_given(x, known, cond, particles=3, generator=noise)
    return torch.stack([part.double() for part in found])


def streamed(model, x, cond, noise):
    blocks = model.stream(
        None if cond is None else cond[:2], batch=2, prompt=x[0, :1], block=3, generator=noise
    )
    return next(blocks)


def completed(model, x, cond, noise):
    own = None if cond is None else cond[:3]
    return model.complete(x[:3], first_half(model, x.device), 2, noise, cond=own, particles=2)


VERBS = {
    "loss": (nn.Module, lambda model, x, cond, noise: model.loss(x, cond)),
    "valid_loss": (nn.Module, lambda model, x, cond, noise: model.valid_loss(x, cond)),
    "log_prob": (Exact, lambda model, x, cond, noise: model.log_prob(x, cond)),
    "log_prob_bound": (
        Bounded,
        lambda model, x, cond, noise: model.log_prob_bound(x, cond, samples=2, generator=noise),
    ),
    "log_prob_given": (Sequential, log_prob_given),
    "sample": (Samples, lambda model, x, cond, noise: model.sample(6, cond, generator=noise)),
    "complete": (Completes, completed),
    "reconstruct": (Reconstructs, lambda model, x, cond, noise: model.reconstruct(x[:3], 2, noise)),
    "encode": (Latent, lambda model, x, cond, noise: model.encode(x)),
    "decode": (Latent, lambda model, x, cond, noise: model.decode(model.encode(x[:3]), noise)),
    "stream": (Streams, streamed),
}


def can(model, verb):
    if verb == "stream" and isinstance(model, Streams):
        try:
            model.check_streamable()
        except ChainruleError:
            return False
    return isinstance(model, VERBS[verb][0])


def outcome(verb, model, x, cond, noise):
    torch.manual_seed(0)
    return VERBS[verb][1](model, x, cond, noise).detach()


@pytest.mark.parametrize("name", NAMES)
def test_verbs_give_the_numbers_of_a_cpu(name, device):
    cpu = torch.device("cpu")
    for nth, subject in enumerate(subjects(name)):
        here, there = built(subject, cpu), built(subject, device)
        for verb in VERBS:
            if not can(here[0], verb):
                continue
            expected = outcome(verb, *here, generator(cpu))
            with pretend.accelerator():
                torch.pretend.manual_seed(0)
                found = outcome(verb, *there, generator(device))
                chance = verb in ("sample", "log_prob_bound") and not nth
                by_cpu_noise = outcome(verb, *there, generator(cpu)) if chance else found
            assert found.device == device, verb
            torch.testing.assert_close(
                found.cpu(), expected, equal_nan=True, msg=f"{verb} on {subject.domain}"
            )
            torch.testing.assert_close(by_cpu_noise.cpu(), expected, equal_nan=True)


def trained(model, x, cond):
    """The parameters after a step, without dropout, which draws on the device what a CPU draws beside other numbers."""
    for module in model.train().modules():
        if isinstance(getattr(module, "p", None), float):
            module.p = 0.0
        if isinstance(getattr(module, "dropout", None), float):
            module.dropout = 0.0
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-2)
    torch.manual_seed(0)
    with unseen():
        loss = model.loss(x, cond).mean()
        if loss.requires_grad:
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
    return [parameter.detach().clone() for parameter in model.parameters()]


@pytest.mark.parametrize("name", NAMES)
def test_a_training_step_is_that_of_a_cpu_and_looks_at_nothing(name, device):
    for subject in subjects(name):
        here, there = built(subject, torch.device("cpu")), built(subject, device)
        if not list(here[0].parameters()):
            continue
        with pretend.accelerator():
            torch.manual_seed(0)
            torch.pretend.manual_seed(0)
            with unseen():
                there[0].loss(*there[1:])  # what is the same in all steps has been sent
            torch.pretend.manual_seed(0)
            with pretend.no_looks():
                found = trained(*there)
        expected = trained(*here)
        for own, other in zip(found, expected, strict=True):
            torch.testing.assert_close(own.cpu(), other, msg=str(subject.domain))


@pytest.mark.parametrize("name", NAMES)
def test_a_step_looks_at_nothing(name, device):
    for subject in subjects(name):
        model, x, cond = built(subject, device)
        if not isinstance(model, Factorises) or not hasattr(model, "to_sites"):
            continue
        with pretend.accelerator(), torch.no_grad():
            sites, phases = model.to_sites(x), model.schedule()
            clock = torch.arange(model.sites, device=device)
            state = model.init_state(len(x), cond=cond)
            with pretend.no_looks():
                for t in range(model.sites):
                    _, state = model.step(sites[:, max(t - 1, 0)], state, clock[t], phase=phases[t])


def looks(factory, domain, verb, device):
    model, x, cond = built(Subject(factory, domain), device)
    if not can(model, verb):
        return None
    if verb == "sample":  # many enough for each member of a mixture
        x, cond = x.repeat(8, *[1] * (x.ndim - 1)), None if cond is None else cond.repeat(8)
    run = (
        (lambda: model.sample(len(x), cond, generator=generator(device)))
        if verb == "sample"
        else (lambda: outcome(verb, model, x, cond, generator(device)))
    )
    with pretend.accelerator():
        run()  # what is the same in all calls has been sent
        with pretend.watched() as watch:
            run()
    return watch.looks


@pytest.mark.parametrize("name", NAMES)
def test_looks_do_not_grow_with_the_item(name, device):
    factory = partial(tiny_model, name)
    for short, long in GROWING:
        try:
            factory(short), factory(long)
        except ChainruleError:
            continue
        for verb in ("log_prob", "log_prob_bound", "sample", "complete"):
            few, more = (looks(factory, domain, verb, device) for domain in (short, long))
            assert few is None or len(more) <= len(few), (verb, short, few, more)
        return
    pytest.skip("tables only")


@pytest.mark.parametrize("name", NAMES)
def test_a_device_without_float64_serves_all_but_tables(name, device, monkeypatch):
    """As Apple's: in float32, with the noise of a CPU, that rounds to it."""
    monkeypatch.setattr(devices, "WITHOUT_DOUBLE", ("pretend",))
    for subject in subjects(name)[:1]:  # a vector, a sequence or an image
        assert not subject.domain.columns
        model, x, cond = built(subject, torch.device("cpu"), torch.float32)
        for verb in ("loss", "log_prob_bound", "sample", "complete", "decode"):
            if not can(model, verb):
                continue
            expected = outcome(verb, model.cpu(), x, cond, generator("cpu"))
            with pretend.no_doubles(), pretend.accelerator():
                torch.pretend.manual_seed(0)
                there = [None if part is None else part.to(device) for part in (x, cond)]
                found = outcome(verb, model.to(device), *there, generator("cpu"))
            torch.testing.assert_close(
                found.cpu().double(), expected.double(), equal_nan=True, atol=1e-4, rtol=1e-4, msg=verb
            )


def test_pairwise_sums_are_as_exact_as_they_say(device, monkeypatch):
    terms = torch.randn(3, 1001, generator=torch.Generator().manual_seed(0)) - 5
    exact = devices.wide_sum(terms, 1)
    assert torch.equal(exact, terms.double().sum(1))
    monkeypatch.setattr(devices, "WITHOUT_DOUBLE", ("pretend",))
    with pretend.no_doubles():
        found, none = (devices.wide_sum(x.to(device), 1) for x in (terms, terms[:, :0]))
    assert found.dtype == torch.float32 and none.tolist() == [0.0] * 3
    error = (found.cpu().double() - exact).abs()
    assert (error <= 10 * 2.0**-24 * terms.double().abs().sum(1)).all()
    one_by_one = sum(terms.unbind(1))
    assert 5 * error.sum() < (one_by_one.double() - exact).abs().sum()


# --- the device itself ---------------------------------------------------------------------------


def test_a_tensor_of_the_cpu_is_refused(device):
    there = torch.ones(3).to(device)
    with pytest.raises(RuntimeError, match="same device"):
        there + torch.ones(3)
    with pytest.raises(RuntimeError, match="same device"):
        there[torch.tensor([0, 1])]
    assert (there + torch.tensor(1.0)).tolist() == [2.0, 2.0, 2.0]  # CUDA takes a number


def test_a_generator_of_another_device_is_refused(device):
    with pretend.accelerator():
        with pytest.raises(RuntimeError, match="generator"):
            torch.rand(3, generator=torch.Generator(), device=device)
        with pytest.raises(RuntimeError, match="generator"):
            torch.rand(3, generator=torch.Generator(device))


@pytest.mark.parametrize(
    "look",
    [
        lambda x: x[0].item(),
        lambda x: bool((x > 0).all()),
        lambda x: x.cpu(),
        lambda x: x.nonzero(),
        lambda x: x[x > 1],
        lambda x: x.unique(),
        lambda x: torch.equal(x, x),
        lambda x: x.tolist(),
        lambda x: torch.zeros(3).copy_(x),
        lambda x: x.copy_(torch.zeros(3)),
        lambda x: x.repeat_interleave(torch.tensor([1, 2, 0]).to(x.device)),
    ],
)
def test_a_look_is_noted(look, device):
    x = torch.arange(3.0).to(device)
    with pretend.watched() as watch:
        look(x)
    assert watch.looks
    with pretend.watched() as watch:
        torch.where(x > 0, x, 0.0).sum().exp()
        x[x > 1] = 0.0
    assert not watch.looks
    with pytest.raises(AssertionError, match="looks at"), pretend.no_looks():
        look(x)


def test_gradients_and_factories_stay_there(device):
    with pretend.accelerator():
        weight = nn.Parameter(torch.full((2,), 3.0, device=device))
        (weight * torch.arange(2, device=device)).sum().backward()
        assert weight.grad.device == device and weight.grad.tolist() == [0.0, 1.0]
        assert torch.tensor([1, 2], device=device).device == device


def test_warnings_are_none(device):
    with warnings.catch_warnings(), pretend.accelerator():
        warnings.simplefilter("error")
        cr.create_model("gru", cr.Domain.binary(4), width=4).to(device).sample(2)


# --- tasks -----------------------------------------------------------------------------------------


def given(task, model, x):
    """What a task gives, as tensors of the CPU."""
    noise = torch.Generator().manual_seed(0)
    if task == "score":
        found = cr.score(model, x[:4], reference=x)
        return torch.stack([found.nats, found.p_value])
    if task == "purify":
        return cr.purify(model, x[:3], epsilon=1)
    if task == "classify":
        return classify(model, x[:3])
    return cr.sample_given(model, 3, {0: 1}, generator=noise).items


@pytest.mark.parametrize("task", ["score", "purify", "classify", "sample_given"])
def test_tasks_give_the_numbers_of_a_cpu(task):
    domain = cr.Domain.image(1, 3, 3, levels=4)
    torch.manual_seed(0)
    classes = {"classes": 3} if task == "classify" else {}
    model = tiny_model("gated-pixelcnn", domain, **classes).double().eval()
    x = torch.randint(0, 4, (12, 1, 3, 3))
    expected = given(task, model, x)
    with pretend.accelerator() as device:
        found = given(task, model.to(device), x)
        assert torch.allclose(found.cpu().double(), expected.double(), atol=1e-9)
