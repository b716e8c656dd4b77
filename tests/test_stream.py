"""Streams: symbols without an end, in constant memory, from the conditionals that `forward` gives."""

import itertools

import pytest
import torch

import chainrule as cr
from chainrule.engine import Sample, draw_noise, exact_arithmetic, stream
from chainrule.engine import auto as automatic
from chainrule.engine.native.session import Session
from chainrule.errors import ChainruleError, ConditionError, DomainError
from chainrule.layers import map_state

T, LEVELS = 12, 5
UNBOUNDED = {
    "gru": {"width": 6},
    "lstm": {"width": 6, "depth": 1},
    "causal-conv1d": {"channels": 4, "depth": 3, "kernel_size": 3},
    "dilated": {"channels": 4, "depth": 3, "kernel_size": 2, "dilation": 3},
    "tcn": {"channels": 4, "depth": 2, "kernel_size": 2},
    "wavenet": {"channels": 4, "skip": 4, "depth": 3},
}
BOUNDED = {
    "rotary": {"channels": 8, "depth": 1, "heads": 2},
    "learned": {"channels": 8, "depth": 1, "heads": 2, "positions": "learned"},
    "positions": {"channels": 4, "depth": 2, "kernel_size": 3, "positions": True},
    "gpt2": {"channels": 8, "depth": 1, "heads": 2},
    "llama": {"channels": 8, "depth": 1, "heads": 2},
    "made": {"hidden": [16]},
}
REGISTERED = {
    "dilated": "causal-conv1d",
    "rotary": "transformer",
    "learned": "transformer",
    "positions": "causal-conv1d",
}
ALL = {**UNBOUNDED, **BOUNDED}


def build(name, domain=None, **more):
    torch.manual_seed(0)
    domain = domain or cr.Domain.sequence(T, LEVELS)
    model = cr.create_model(REGISTERED.get(name, name), domain, **ALL[name], **more)
    with torch.no_grad():  # far from uniform, so that a conditional that reads something else shows
        for parameter in model.parameters():
            parameter.add_(0.5 * torch.randn(parameter.shape))
    return model.double().eval()


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def take(symbols, steps):
    drawn = []
    while sum(part.shape[1] for part in drawn) < steps:
        drawn.append(next(symbols))
    return torch.cat(drawn, dim=1)[:, :steps]


class Recorded:
    """A rule that keeps each conditional's log-probabilities of all levels."""

    def __init__(self, rule):
        self.rule, self.seen = rule, []

    def __call__(self, conditional, d):
        value = self.rule(conditional, d)
        levels = [conditional.log_prob(torch.full_like(value, k)) for k in range(LEVELS)]
        self.seen.append(torch.stack(levels, dim=-1))
        return value


def recorded(model, steps, batch=2, prefix=0, cond=None):
    """So many symbols (B, steps), and the log-probabilities (B, steps, K) that they were drawn from."""
    rule = Recorded(Sample(draw_noise(batch, T, seeded())))
    start = torch.randint(0, LEVELS, (batch, prefix, 1), generator=seeded(1))
    with exact_arithmetic(model):
        sites = stream(
            model, itertools.repeat(rule), batch, cond=cond, prefix=start, device=model.device, dtype=model.dtype,
            context=None if model.network.supports_streaming else T // 2, most=prefix + steps, block=steps,
        )  # fmt: skip
        drawn = next(sites)
    return torch.cat([start, drawn], dim=1)[..., 0], torch.stack(rule.seen, dim=1)


def parallel(model, x, cond=None):
    with exact_arithmetic(model):
        return model.network(x[..., None], cond).log_softmax(-1)


@pytest.mark.parametrize("name", ALL)
def test_the_first_window_is_what_sample_draws(name):
    model = build(name)
    expected = model.sample(3, generator=seeded())
    assert torch.equal(take(model.stream(batch=3, generator=seeded()), T), expected)
    long = [take(model.stream(batch=3, generator=seeded(), block=block), 50) for block in (1, 7, 50)]
    assert torch.equal(long[0], long[1]) and torch.equal(long[0], long[2])
    assert torch.equal(long[0][:, :T], expected) and long[0].dtype == torch.int64


@pytest.mark.parametrize("name", ALL)
def test_the_window_is_worth_what_log_prob_says(name):
    model = build(name)
    x, terms = recorded(model, T)
    chosen = terms.gather(-1, x[..., None])[..., 0]
    torch.testing.assert_close(chosen, model.log_prob(x, reduce=False))


@pytest.mark.parametrize("prefix", [0, 5, 40])
@pytest.mark.parametrize("name", UNBOUNDED)
def test_conditionals_far_behind_the_window_are_those_of_the_whole_past(name, prefix):
    model = build(name)
    assert model.network.supports_streaming
    x, terms = recorded(model, 4 * T + 3, prefix=prefix)
    torch.testing.assert_close(terms, parallel(model, x)[:, prefix:])


@pytest.mark.parametrize("prefix", [0, 5, T, 40])
@pytest.mark.parametrize("name", BOUNDED)
def test_a_full_net_reads_the_last_half_again(name, prefix):
    model = build(name)
    assert not model.network.supports_streaming
    x, terms = recorded(model, 4 * T + 3, prefix=prefix)
    start = prefix - T // 2 if prefix >= T else 0
    while True:
        window = parallel(
            model, torch.nn.functional.pad(x[:, start : start + T], (0, max(0, start + T - x.shape[1])))
        )
        first = max(prefix - start, 0 if start == 0 else T // 2)
        last = min(T, x.shape[1] - start)
        own = terms[:, start + first - prefix : start + last - prefix]
        torch.testing.assert_close(own, window[:, first:last])
        start += T // 2
        if start + T // 2 >= x.shape[1]:
            break


@pytest.mark.parametrize("name", ALL)
def test_memory_does_not_grow(name, monkeypatch):
    model, sizes = build(name), []
    step = model.step

    def spy(*args, **kwargs):
        params, state = step(*args, **kwargs)
        own = []
        map_state(lambda leaf: own.append((tuple(leaf.shape), leaf.untyped_storage().nbytes())), state)
        sizes.append(own)
        return params, state

    monkeypatch.setattr(model, "step", spy)
    take(model.stream(generator=seeded()), 6 * T)
    assert len(sizes) == 6 * T
    assert all(own == sizes[0] for own in sizes[1:])


def test_memory_of_convolutions_is_what_they_reach():
    short, long = (build("wavenet", cr.Domain.sequence(n, LEVELS)) for n in (T, 100 * T))
    places = []
    for model in (short, long):
        state = model.init_state(1)
        places.append([leaf.shape[1] for leaf in [state.first, *state.blocks]])
    assert places[0] == places[1] == [2, 2, 3, 5]


@pytest.mark.parametrize("name", ALL)
def test_prompts(name):
    model = build(name)
    prompt = torch.randint(0, LEVELS, (5,), generator=seeded(1))
    x = torch.nn.functional.pad(prompt, (0, T - 5))[None]
    expected = model.complete(x, torch.arange(T) < 5, 3, generator=seeded())[0]
    assert torch.equal(take(model.stream(prompt=prompt, batch=3, generator=seeded()), T - 5), expected[:, 5:])
    several = torch.randint(0, LEVELS, (3, 30), generator=seeded(2))
    each = take(model.stream(prompt=several, batch=3, temperature=0), 20)
    for row, own in zip(several, each, strict=True):
        assert torch.equal(take(model.stream(prompt=row, temperature=0), 20)[0], own)


def test_context():
    model = build("rotary")
    prompt = torch.randint(0, LEVELS, (30,), generator=seeded(1))

    def drawn(prompt, **options):
        return take(model.stream(prompt=prompt, temperature=0, **options), 2).tolist()

    changed = torch.cat([(prompt[:-4] + 1) % LEVELS, prompt[-4:]])
    assert drawn(prompt, context=4) == drawn(changed, context=4) == drawn(prompt[-4:])
    with exact_arithmetic(model):
        assert not torch.equal(parallel(model, prompt[None, -T:]), parallel(model, changed[None, -T:]))


@pytest.mark.parametrize("name", ["gru", "dilated", "tcn", "wavenet", "rotary", "learned"])
def test_by_class(name):
    model = build(name, classes=3)
    x, terms = recorded(model, T, cond=torch.tensor([0, 2]))
    torch.testing.assert_close(
        terms.gather(-1, x[..., None])[..., 0], model.log_prob(x, torch.tensor([0, 2]), reduce=False)
    )
    one = take(model.stream(2, batch=2, generator=seeded()), 3 * T)
    each = take(model.stream(torch.tensor([2, 2]), batch=2, generator=seeded()), 3 * T)
    other = take(model.stream(0, batch=2, generator=seeded()), 3 * T)
    assert torch.equal(one, each) and not torch.equal(one, other)
    with pytest.raises(ConditionError, match="expected integer labels"):
        model.stream()


def test_a_condition_in_time_ends_the_stream():
    model = build("wavenet", features=(2, 3))
    frames = torch.randn(1, 2, T // 3, dtype=torch.float64, generator=seeded())
    parts = list(model.stream(frames, block=5, generator=seeded()))
    assert [part.shape[1] for part in parts] == [5, 5, 2]
    assert torch.equal(torch.cat(parts, dim=1), model.sample(1, frames, generator=seeded()))


@pytest.mark.parametrize("name", ["gru", "rotary"])
def test_ends(name):
    domain = cr.Domain.sequence(T, LEVELS, lengths="ends")
    model, end = build(name, domain), LEVELS - 1
    with torch.no_grad():
        model.network.body.layers[-1].module.bias[end] -= 1
    longest = 0
    for seed in range(20):
        (row,) = torch.cat(list(model.stream(generator=seeded(seed), block=3)), dim=1)
        assert row[-1] == end and (row[:-1] != end).all()
        longest = max(longest, len(row))
        sampled = model.sample(1, generator=seeded(seed))[0]
        n = min(len(row), T)
        assert torch.equal(row[:n], sampled[:n])
    assert longest > T  # the string goes on until it ends
    rows = torch.cat(list(model.stream(batch=4, generator=seeded(), block=4)), dim=1)
    ended = rows == end
    assert ended[:, -1].all() and (ended.long().diff(dim=1) >= 0).all()
    assert not ended[:, -2].all()  # over as soon as all have ended


def test_steps_of_several_variables():
    domain = cr.Domain.sequence(T, 2, width=3, lengths="given")
    model = build("gru", domain, output="nade")
    drawn = take(model.stream(batch=2, generator=seeded(), block=5), 2 * T)
    assert drawn.shape == (2, 2 * T, 3)
    assert torch.equal(drawn[:, :T], model.sample(2, generator=seeded()))
    after = take(model.stream(batch=2, generator=seeded(), prompt=drawn), T)
    assert after.shape == (2, T, 3)


def test_between_blocks_the_model_is_as_it_was():
    model = build("gru").train()
    symbols = model.stream(generator=seeded())
    next(symbols)
    assert model.training and torch.is_grad_enabled()
    with torch.enable_grad():
        model.loss(torch.zeros(1, T, dtype=torch.int64)).sum().backward()
    next(symbols)


def test_truncation():
    model = build("gru")
    greedy = take(model.stream(temperature=0), 30)
    assert torch.equal(take(model.stream(top_k=1), 30), greedy)
    assert torch.equal(take(model.stream(top_p=1e-6), 30), greedy)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch": 0}, r"batch: expected a number of rows ≥ 1, got 0"),
        ({"block": 0.5}, r"block: expected a number of steps ≥ 1, got 0.5"),
        ({"context": T}, r"context: expected 1 to 11 steps, got 12"),
        ({"temperature": -1}, r"temperature: expected a finite number ≥ 0"),
        ({"prompt": "the"}, r"prompt: expected integers \(n\), or 1 of them, got str"),
        ({"prompt": torch.zeros(3)}, r"prompt: expected integers .* got torch.float32"),
        ({"prompt": torch.zeros(2, 3, dtype=torch.int64)}, r"prompt: expected .* got \(2, 3\)"),
        ({"prompt": torch.tensor([0, 7])}, r"prompt: expected levels in \[0, 5\), got 0 to 7"),
    ],
)
def test_bad_arguments(options, message):
    with pytest.raises(ChainruleError, match=message):
        build("gru").stream(**options)


def test_what_has_no_next_symbol():
    ends = build("gru", cr.Domain.sequence(T, LEVELS, lengths="ends"))
    with pytest.raises(DomainError, match=r"expected levels in \[0, 4\), got 4 to 4"):
        ends.stream(prompt=torch.tensor([4]))
    with pytest.raises(DomainError, match="expected a model of sequences of levels"):
        cr.create_model("causal-conv1d", cr.Domain.binary(6), channels=2).stream()
    with pytest.raises(DomainError, match="expected the natural ordering"):
        build("gru", ordering="reversed").stream()


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("block", [1, 5])
def test_native_streams_are_eager_ones(name, block, monkeypatch):
    model, steps = build(name), 3 * T + 1
    eager = take(model.stream(batch=3, generator=seeded(), block=block), steps)
    monkeypatch.setattr(automatic, "RECORDING", -1.0)
    monkeypatch.setattr(automatic, "LOADING", -1.0)
    drawn, draw = [], Session.draw
    monkeypatch.setattr(Session, "draw", lambda *a, **k: drawn.append(1) or draw(*a, **k))
    native = take(model.stream(batch=3, generator=seeded(), block=block), steps)
    assert drawn
    assert torch.equal(native, eager)
