"""Laws 3 and 4: what drawing costs, and what every user may rely on."""

from __future__ import annotations

import tempfile
from typing import Any

import torch
from torch import Tensor

from chainrule._version import __version__
from chainrule.engine import count_flops, exact_arithmetic
from chainrule.errors import ChainruleError
from chainrule.models import Model, load_model, save_model
from chainrule.models.base.capabilities import Bounded, ClosedForm, Completes, Exact, Factorises, Marginalises
from chainrule.networks import Replay
from chainrule.testing.subject import ANY, SCORED, LawNotBinding, LawNotTried, Subject, close, require


def nats(model: Model, x: Tensor, cond: Tensor | None) -> Tensor:
    """What items cost, (B,) nats: -log p(x), or what it is at most, or the loss of a model without a likelihood."""
    if isinstance(model, Exact):
        return -model.log_prob(x, cond)
    if isinstance(model, Bounded):
        return -model.log_prob_bound(x, cond, generator=torch.Generator().manual_seed(0))
    return model.loss(x, cond)


def one_pass(subject: Subject) -> None:
    """Drawing one whole sample takes at most 1.1 times the operations of one `log_prob`, or of its bound."""
    model = subject.build(likelihoods=SCORED)
    if isinstance(getattr(model, "network", None), Replay):
        raise LawNotTried(
            "the network has no step of its own: it samples by replaying the prefix, D passes a sample"
        )
    x, cond = subject.items(1), subject.cond(model, 1)
    # Eager steps, whatever the clock says. On tensors without data each operation takes torch ten times as long.
    eager: Any = {"runner": model.factorisation} if isinstance(model, Factorises) else {}
    scoring = count_flops(lambda: nats(model, x, cond))
    drawing = count_flops(lambda: model.sample(1, cond, **eager))
    require(
        drawing <= 1.1 * scoring, f"one_pass: a sample takes {drawing} operations, one log_prob {scoring}"
    )


def survives_saving(subject: Subject) -> None:
    """Saved and loaded, the model gives the same numbers."""
    model, x = subject.build(torch.float32, likelihoods=ANY), subject.items(4, torch.float32)
    cond = subject.cond(model, 4, torch.float32)
    with tempfile.TemporaryDirectory() as folder:
        save_model(model, folder, version=__version__)
        again = load_model(folder, None if model.name else subject.fresh())
    with exact_arithmetic(model), exact_arithmetic(again):
        same = torch.equal(nats(model, x, cond), nats(again, x, cond))
    require(same, "survives_saving: the loaded model gives other numbers")


def overfits(subject: Subject) -> None:
    """Shown one item again and again, the model comes to expect it."""
    model, domain, x = subject.fresh(), subject.domain, subject.items(1, torch.float32)
    cond = subject.cond(model, 1, torch.float32)
    parameters = [p for p in model.parameters() if p.requires_grad]
    if not parameters:
        raise LawNotBinding("the model has nothing to train")
    with exact_arithmetic(model):
        before = -nats(model, x, cond).item()
    if domain.discrete:  # reals keep their units: of one item there are none
        model.prepare(x.expand(100, *x.shape[1:]))
    enough = before / 2 if domain.discrete else before + 0.5
    best = before
    if isinstance(model, ClosedForm):
        model.estimate(x.expand(1000, *x.shape[1:]))
    else:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(subject.seed)
            optimiser = torch.optim.Adam(parameters, lr=1e-2 if domain.discrete else 2e-3)
            for _ in range(100 if domain.discrete else 200):
                optimiser.zero_grad()
                log_prob = -nats(model, x, cond).mean()
                (-log_prob).backward()
                optimiser.step()
                # A density on a single value grows without end, and steps across its narrow peak lose it again.
                best = max(best, log_prob.item())
                if best > enough:
                    return
    with exact_arithmetic(model):
        after = max(best, -nats(model, x, cond).item())
    require(after > enough, f"overfits: {before:.3f} nats before, only {after:.3f} after")


def refuses_bad_input(subject: Subject) -> None:
    """A wrong shape, type or value raises a ChainruleError that names what was expected."""
    model, domain = subject.build(torch.float32, likelihoods=ANY), subject.domain
    x = subject.items(2, torch.float32)
    cond = subject.cond(model, 2, torch.float32)
    bad: dict[str, Any] = {
        "a wrong shape": torch.zeros(2, *domain.event_shape, 1, dtype=x.dtype),
        "no batch": x[0],
        "a list": x.tolist(),
    }
    if domain.discrete:
        bad |= {
            "floats": x.float(),
            "a level too high": x + domain.max_levels,
            "a negative level": x - domain.max_levels,
        }
    else:
        bad |= {"integers": x.long(), "NaN": x * torch.nan, "infinity": x + torch.inf}
    for what, value in bad.items():
        try:
            nats(model, value, cond)
        except ChainruleError as error:
            require(
                "expected" in str(error), f"refuses_bad_input: {what}: {error} does not say what was expected"
            )
            continue
        require(
            False,
            f"refuses_bad_input: {'the likelihood' if isinstance(model, SCORED) else 'loss'} takes {what}",
        )


def completes(subject: Subject) -> None:
    """`complete` keeps what is known, reads nothing that is not, and gives items of the domain.

    The most probable completion does not depend on the batch; with nothing known a completion is a sample.
    """
    model, batch = subject.build(likelihoods=SCORED), 4
    if not isinstance(model, Completes):
        raise LawNotBinding("the model has no conditionals of some variables given others")
    x, cond = subject.items(batch), subject.cond(model, batch)
    for leading in range(model.domain.size):
        known = torch.zeros(model.domain.event_shape, dtype=torch.bool)
        known.view(-1)[:leading] = True
        if isinstance(model, Factorises):  # what comes first, so that all of it informs the rest
            known = model.ordering.unflatten(known.view(1, -1))[0]
        hidden = torch.where(known, x, -1 if model.domain.discrete else torch.nan)
        plain, blind = (
            model.complete(value, known, 2, subject.generator(), cond=cond) for value in (x, hidden)
        )
        require(close(plain, blind, 0), f"completes: reads unknown values after {leading} known")
        there = ~x.isnan() | torch.tensor(not isinstance(model, Marginalises))
        given = there[:, None] & known
        before, after = (torch.where(given, values, 0) for values in (x[:, None].expand_as(plain), plain))
        require(close(after, before, 0), "completes: a known value changed")  # a missing one stays missing
        require(not (plain.isnan() & ~given).any(), "completes: a value that was asked for is missing")
        model.domain.check(plain.flatten(0, 1))
    if isinstance(model, Factorises):
        half = model.ordering.unflatten((torch.arange(model.domain.size) < model.domain.size // 2)[None])[0]
        for known in (half, torch.zeros_like(half)):
            together = model.complete(x, known, 2, cond=cond, temperature=0.0)
            for i, both in enumerate(together):
                row = None if cond is None else cond[i : i + 1]
                alone = model.complete(x[i : i + 1], known, cond=row, temperature=0.0)[0]
                require(close(both, alone.expand_as(both), 1e-9), "completes: an item depends on its batch")
        likeliest = model.sample(batch, cond, temperature=0.0)
        if model.domain.discrete:  # no cell is completed as missing
            require(close(together[:, 0], likeliest, 0), "completes: with nothing known it is not a sample")


def returns_as_promised(subject: Subject) -> None:
    """Shapes and types of the verbs, and terms that add up to the log-likelihood."""
    model, domain = subject.build(torch.float32, likelihoods=SCORED), subject.domain
    x, cond = subject.items(3, torch.float32), subject.cond(model, 3, torch.float32)
    log_prob = -nats(model, x, cond)
    require(
        log_prob.shape == (3,),
        f"returns_as_promised: log_prob has shape {tuple(log_prob.shape)}, expected (3,)",
    )
    if isinstance(model, Factorises):
        terms = model.log_prob(x, cond, reduce=False)
        require(
            terms.shape == x.shape,
            f"returns_as_promised: terms have shape {tuple(terms.shape)}, expected {x.shape}",
        )
        whole = terms.flatten(1).double().sum(1)
        require(torch.allclose(whole, log_prob), "returns_as_promised: the terms do not add up to log_prob")
    if domain.discrete and isinstance(model, Exact):
        require(
            (log_prob <= 0).all(), f"returns_as_promised: a log-probability is positive: {log_prob.tolist()}"
        )
    sample = model.sample(3, cond)
    require(
        sample.shape == x.shape and sample.dtype == x.dtype,
        f"returns_as_promised: sample is {sample.dtype} {sample.shape}",
    )
    domain.check(sample)
    require(
        model.sample(0, None if cond is None else cond[:0]).shape[0] == 0,
        "returns_as_promised: sample(0) is not empty",
    )
