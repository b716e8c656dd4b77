"""Law 2: two modes, one model."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from chainrule.engine import exact_arithmetic
from chainrule.layers import State, map_state, repeat_rows, select_rows
from chainrule.models import AutoregressiveModel
from chainrule.models.base.capabilities import Factorises
from chainrule.networks import Replay
from chainrule.testing.subject import LawNotBinding, Subject, close, draw, require, steps

TOLERANCES = ((torch.float64, 1e-9), (torch.float32, 1e-4))


def step_is_forward(subject: Subject) -> None:
    """Step by step, the parameters are those of the parallel pass, at any batch size."""
    for dtype, tolerance in TOLERANCES:
        model = subject.factorised(dtype)
        for batch in (1, 5):
            x, cond = subject.items(batch, dtype), subject.cond(model, batch, dtype)
            with exact_arithmetic(model):
                stepped, _ = steps(model, model.to_sites(x), model.init_state(batch, cond=cond))
                parallel = model(x, cond)
            require(
                close(stepped, parallel, tolerance),
                f"step_is_forward: they differ at batch {batch} in {dtype}",
            )


def prefix_is_steps(subject: Subject) -> None:
    """A prefix absorbed at once leaves the model where its steps would, whatever the prefix."""
    for dtype, tolerance in TOLERANCES:
        model, batch = subject.factorised(dtype), 3
        x, cond = subject.items(batch, dtype), subject.cond(model, batch, dtype)
        sites = model.to_sites(x)
        with exact_arithmetic(model):
            parallel = model(x, cond)
            for n in range(1, model.sites):
                params, state = model.prefill(sites[:, :n], model.init_state(batch, cond=cond))
                rest, _ = steps(model, sites, state, start=n)
                whole = torch.cat([params, rest], dim=1)
                require(
                    close(whole, parallel, tolerance),
                    f"prefix_is_steps: they differ after {n} sites in {dtype}",
                )


def state_is_a_tree_of_rows(subject: Subject) -> None:
    """States keep their shapes; rows can be forked and reordered half-way; nothing is kept on the module."""
    model, batch = subject.factorised(), 4
    x, cond = subject.items(batch), subject.cond(model, batch)
    sites, half = model.to_sites(x), model.sites // 2
    with exact_arithmetic(model):
        parallel = model(x, cond)
        # A second item's rollout runs between every two steps of the first, on the same module.
        first, second = model.init_state(batch, cond=cond), model.init_state(batch, cond=cond)
        before = _layout(first)
        for t in range(half):
            _, first = _one(model, sites, first, t)
            _, second = _one(model, sites.flip(0), second, t)
        require(_layout(first) == before, f"state: its layout went from {before} to {_layout(first)}")
        require(
            all(layout[0][0] == batch for layout in before),
            f"state: expected {batch} rows first, got {before}",
        )
        order = torch.tensor([2, 0, 3, 3])
        rest, _ = steps(model, sites[order], select_rows(first, order), start=half)
        require(
            close(rest, parallel[order][:, half:], 1e-9), "state: reordered or repeated rows go another way"
        )
        forked, _ = steps(model, sites.repeat_interleave(2, 0), repeat_rows(first, 2), start=half)
        twice = parallel.repeat_interleave(2, 0)[:, half:]
        require(close(forked, twice, 1e-9), "state: forked rows go another way")


def gradients_agree(subject: Subject) -> None:
    """The gradient of the log-likelihood is the same through either mode."""
    model, batch = subject.factorised(), 3
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    if not trained:
        raise LawNotBinding("the model has nothing to train")
    x, cond = subject.items(batch), subject.cond(model, batch)
    sites = model.to_sites(x)
    stepped, _ = steps(model, sites, model.init_state(batch, cond=cond))
    leaves = list(trained.values())
    by_step = torch.autograd.grad(model.terms(stepped, sites).sum(), leaves, allow_unused=True)
    by_pass = torch.autograd.grad(model.log_prob(x, cond).sum(), leaves, allow_unused=True)
    for (name, parameter), a, b in zip(trained.items(), by_step, by_pass, strict=True):
        # A parameter that one mode does not touch has no gradient there: zero.
        a, b = (torch.zeros_like(parameter) if gradient is None else gradient for gradient in (a, b))
        require(close(a, b, 1e-8), f"gradients_agree: the gradient of {name} differs between the modes")


def reads_nothing_undrawn(subject: Subject) -> None:
    """`step` at t = 0 reads no previous site: garbage there changes nothing."""
    model, batch = subject.factorised(), 4
    x, cond = subject.items(batch), subject.cond(model, batch)
    top = model.domain.max_levels - 1 if model.domain.discrete else torch.nan
    with exact_arithmetic(model):
        clock, phase = torch.tensor(0), model.schedule()[0]
        for garbage in (0, top):
            prev = torch.full((batch, model.head.variables), garbage, dtype=x.dtype)
            params, _ = model.step(prev, model.init_state(batch, cond=cond), clock, phase=phase)
            require(
                close(params, model(x, cond)[:, 0], 1e-9),
                f"reads_nothing_undrawn: step 0 reads prev = {garbage}",
            )


def rollout_scores_itself(subject: Subject) -> None:
    """The log-probability accumulated while sampling is `log_prob` of the sample."""
    for dtype, tolerance in TOLERANCES:
        model, batch = subject.factorised(dtype), 16
        cond = subject.cond(model, batch, dtype)
        drawn = draw(model, batch, subject.generator(), cond)
        with exact_arithmetic(model):
            x = model.from_sites(drawn.values)
            scored = model.log_prob(x, cond)
        accumulated = drawn.log_prob.flatten(1).sum(1)
        if model.units is not None:
            missing = drawn.values.flatten(1).isnan()
            accumulated = accumulated + torch.where(missing, 0.0, model.log_jacobian()).sum(1)
        require(
            close(accumulated, scored, tolerance),
            f"rollout_scores_itself: {accumulated} but log_prob is {scored}",
        )


def same_noise_same_sample(subject: Subject) -> None:
    """A generator fixes the sample, whatever the batch, the runner or the state of other generators."""
    model, batch = subject.build(), 6
    cond = subject.cond(model, batch)

    def sample(seed: int, n: int = batch, runner: Oracle | None = None) -> Tensor:
        rows = None if cond is None else cond[:n]
        options = {} if runner is None else {"runner": runner}
        return model.sample(n, rows, generator=torch.Generator().manual_seed(seed), **options)

    def same(a: Tensor, b: Tensor) -> bool:
        # Numbers move with the last bits of their parameters; levels do not.
        return close(a, b, 0 if model.domain.discrete else 1e-9)

    reference = sample(0)
    before = torch.random.get_rng_state()
    again = sample(0)
    require(
        torch.equal(before, torch.random.get_rng_state()), "same_noise: sampling touched the global generator"
    )
    require(close(reference, again, 0), "same_noise: the same seed gave two samples")
    require(same(reference[:2], sample(0, 2)), "same_noise: the first rows depend on how many are drawn")
    if isinstance(model, Factorises):
        require(
            same(reference, sample(0, runner=Oracle(model.factorisation))),
            "same_noise: another runner, another sample",
        )
    others = [sample(seed) for seed in range(1, 9)]
    require(any(not close(reference, other, 0) for other in others), "same_noise: the seed changes nothing")


def compiles(subject: Subject) -> None:
    """Each phase of `step` is one graph, without breaks: a compiler or a CUDA graph can take it whole."""
    model, batch = subject.factorised(torch.float32), 2
    phases = model.schedule()
    state = model.init_state(batch, cond=subject.cond(model, batch, torch.float32))
    prev = model.to_sites(subject.items(batch, torch.float32))[:, 0]
    clock = torch.arange(model.sites)
    torch._dynamo.reset()
    compiled = torch.compile(model.step, backend="eager", fullgraph=True, dynamic=False)
    with exact_arithmetic(model):
        for t in {phases.index(phase) for phase in set(phases)}:
            fork = map_state(torch.clone, state)
            params, _ = model.step(prev, map_state(torch.clone, state), clock[t], phase=phases[t])
            traced, _ = compiled(prev, fork, clock[t], phase=phases[t])
            require(close(traced, params, 1e-5), f"compiles: the traced step of phase {phases[t]!r} differs")


class Oracle:
    """A runner without a state: each step is a whole parallel pass over the sites so far."""

    def __init__(self, model: AutoregressiveModel) -> None:
        self.model = model

    def init_state(self, batch: int, *, cond: Tensor | None, length: int, **options: Any) -> State:
        """No site seen."""
        variables, real = self.model.head.variables, not self.model.domain.discrete
        self.replay = Replay(Sites(self.model, cond), variables=variables, real=real)
        return self.replay.init_state(batch, length=length, **options)

    def prefill(self, sites: Tensor, state: State) -> tuple[Tensor, State]:
        """A pass over the prefix."""
        return self.replay.prefill(sites, state)

    def step(self, prev: Tensor, state: State, t: Tensor, *, phase: object) -> tuple[Tensor, State]:
        """A pass over the sites so far."""
        return self.replay.step(prev, state, t)


class Sites(torch.nn.Module):
    """A model's `forward` under one condition, on sites instead of data."""

    def __init__(self, model: AutoregressiveModel, cond: Tensor | None) -> None:
        super().__init__()
        self.model, self.cond = model, cond

    def forward(self, sites: Tensor) -> Tensor:
        """(B, T, V) → (B, T, P)."""
        return self.model(self.model.domain.canonicalise(self.model.from_sites(sites)), self.cond)


def _one(model: AutoregressiveModel, sites: Tensor, state: State, t: int) -> tuple[Tensor, State]:
    return model.step(sites[:, max(t - 1, 0)], state, torch.tensor(t), phase=model.schedule()[t])


def _layout(state: State) -> list[tuple]:
    """Shape, strides and type of each leaf; a dimension of one has no stride that matters."""
    leaves: list[Tensor] = []

    def keep(leaf: Tensor) -> Tensor:
        leaves.append(leaf)
        return leaf

    map_state(keep, state)
    return [
        (
            tuple(leaf.shape),
            tuple(step if size > 1 else 0 for size, step in zip(leaf.shape, leaf.stride(), strict=True)),
            leaf.dtype,
        )
        for leaf in leaves
    ]
