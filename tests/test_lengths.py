"""Items that differ in length, and long sequences read by windows."""

import itertools
import math

import pytest
import torch

import chainrule as cr
from chainrule.data import Streams
from chainrule.errors import ChainruleError, DomainError
from chainrule.tasks import evaluate
from chainrule.tasks.likelihood import step_likelihood
from chainrule.training.batches import crops
from chainrule.training.ranks import Ranks


def build(name, domain, **options):
    torch.manual_seed(0)
    return cr.create_model(name, domain, **options).double().eval()


def test_strings_of_any_length_and_the_rest_sum_to_one():
    length, letters, end = 4, 2, 2
    model = build("gru", cr.Domain.sequence(length, letters + 1, lengths="ends"), width=8)
    shorter = [
        [*text, *[end] * (length - n)]
        for n in range(length)
        for text in itertools.product(range(letters), repeat=n)
    ]
    rest = [list(text) for text in itertools.product(range(letters), repeat=length)]
    probabilities = model.log_prob(torch.tensor(shorter + rest)).exp()
    assert len(shorter) == 15
    assert probabilities.sum().item() == pytest.approx(1, abs=1e-12)


def test_nothing_is_paid_behind_an_end():
    model = build("tcn", cr.Domain.sequence(6, 4, lengths="ends"), channels=8)
    terms = model.log_prob(torch.tensor([[1, 0, 3, 3, 3, 3]]), reduce=False)[0]
    assert (terms[:3] < 0).all() and (terms[3:] == 0).all()
    drawn = model.sample(200, generator=torch.Generator().manual_seed(0))
    assert torch.equal(model.domain.canonicalise(drawn), drawn) and (drawn == 3).any()


@pytest.mark.parametrize("options", [{}, {"output": "nade"}])
def test_padding_touches_no_likelihood(options):
    long, short = (cr.Domain.sequence(n, 2, width=3, lengths="given") for n in (9, 4))
    model, other = (build("gru", domain, width=8, **options) for domain in (long, short))
    x = torch.randint(2, (5, 4, 3))
    padded = torch.cat([x, torch.full((5, 5, 3), -1)], dim=1)
    torch.testing.assert_close(model.log_prob(padded), other.log_prob(x))
    loss = model.log_prob(padded).sum()
    loss.backward()
    gradients = [p.grad.clone() for p in model.parameters() if p.grad is not None]
    other.log_prob(x).sum().backward()
    for a, b in zip(gradients, (p.grad for p in other.parameters() if p.grad is not None), strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize(
    "lengths, x, what",
    [
        ("ends", [[2, 1, 2, 2]], "only end symbols after the first one"),
        ("given", [[1, -1, 0, -1]], "only -1 after the first -1"),
        ("given", [[1, -2, -2, -2]], "integers in"),
        ("fixed", [[1, 0, -1, -1]], "integers in"),
    ],
)
def test_what_no_item_is(lengths, x, what):
    domain = cr.Domain.sequence(4, 3, lengths=lengths)
    with pytest.raises(DomainError, match=what):
        domain.check(torch.tensor(x))


@pytest.mark.parametrize("text", ["sequence:4:3:ends", "sequence:4x88:2:given", "sequence:4x2:5"])
def test_written_and_read(text):
    domain = cr.Domain.parse(text)
    assert str(domain) == text and cr.Domain.from_json(domain.to_json()) == domain


def test_only_what_reads_from_the_start_serves_them():
    domain = cr.Domain.sequence(4, 3, lengths="ends")
    for name, options in {"gru": {"ordering": "reversed"}, "deep-nade": {}, "made-ensemble": {}}.items():
        with pytest.raises(ChainruleError, match="natural"):
            cr.create_model(name, domain, **options)


# --- windows ---------------------------------------------------------------------------------------


def streams(*lengths):
    return Streams.of([torch.arange(n) % 7 for n in lengths])


@pytest.mark.parametrize("context", [0, 3, 7])
@pytest.mark.parametrize("lengths", ["fixed", "given"])
def test_each_step_counts_once(lengths, context):
    domain = cr.Domain.sequence(8, 7, lengths=lengths)
    source = streams(8, 29, 16, 9)
    windows = source.sliding(domain, context)
    seen = torch.zeros(len(source.values))
    for x, first, stream, at in zip(*windows, strict=True):
        begin, end = source.bounds[stream], source.bounds[stream + 1]
        own = source.values[begin:end]
        there = int((x >= 0).sum())
        start = next(
            i
            for i in range(len(own))
            if torch.equal(own[i : i + there], x[:there]) and not seen[begin + i + first]
        )
        seen[begin + start + first : begin + start + there] += 1
        assert torch.equal(own[at : at + there], x[:there])
        assert start == 0 or first >= context
    assert (seen == 1).all()


def test_windows_side_by_side_share_the_memory_of_their_stream():
    domain = cr.Domain.sequence(8, 7)
    source = streams(21)
    windows = source.disjoint(domain)
    assert windows.x.tolist() == [source.values[:8].tolist(), source.values[8:16].tolist()]
    assert windows.x.data_ptr() == source.values.data_ptr()
    source = streams(9, 16, 9)  # the last step of the first is in none
    windows = source.disjoint(domain)
    assert windows.x.tolist() == [source.values[at : at + 8].tolist() for at in (0, 9, 17, 25)]


def test_one_window_is_the_item():
    domain = cr.Domain.sequence(16, 7, lengths="given")
    model = build("gru", domain, width=8)
    source = streams(5, 16, 11)
    windows = source.sliding(domain, 8)
    told = step_likelihood(model, source)
    assert told.steps == 32 and len(windows.x) == 3
    expected = -model.log_prob(windows.x).sum().item() / 32
    assert told.nats == pytest.approx(expected)
    assert told.bits == pytest.approx(expected / math.log(2))


def test_context_is_told_and_not_scored():
    model = build("causal-conv1d", cr.Domain.sequence(12, 7), channels=8, depth=2, kernel_size=2)
    source = streams(50)
    # Two convolutions of two taps read three steps back at most: with so much context windows change nothing.
    whole = build("causal-conv1d", cr.Domain.sequence(50, 7), channels=8, depth=2, kernel_size=2)
    expected = -whole.log_prob(source.values[None]).item() / 50
    assert step_likelihood(model, source, context=3).nats == pytest.approx(expected)
    assert step_likelihood(model, source, context=0).nats != pytest.approx(expected)


@pytest.mark.parametrize("window", [7, 5])
def test_the_figure_of_code_that_predicts_the_rest_from_the_start(window):
    """Pieces of 5, 1 and 7 steps of two keys: Σ over steps 1, 2, … of all pieces, over 4 + 0 + 6 of them."""
    whole, model = (
        build("tcn", cr.Domain.sequence(n, 2, width=2, lengths="given"), channels=4, depth=1, kernel_size=2)
        for n in (7, window)
    )
    pieces = [torch.randint(2, (n, 2), generator=torch.Generator().manual_seed(n)) for n in (5, 1, 7)]
    nats = 0.0
    for piece in pieces:
        padded = torch.cat([piece, torch.full((7 - len(piece), 2), -1)])
        nats -= whole.log_prob(padded[None], reduce=False)[0, 1:].sum().item()
    told = step_likelihood(model, Streams.of(pieces), context=3)  # as far as the net reads
    assert told.steps == 13
    assert told.nats_after_first == pytest.approx(nats / 10)
    assert told.nats_after_first != pytest.approx(told.nats)


def test_crops_are_windows_from_anywhere(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("".join(chr(97 + i * i % 26) for i in range(2000)))
    data = cr.load_data(path, domain="sequence:10:26")
    text = "".join(map(str, data.streams["train"].values.tolist()))
    first = [batch[0] for batch in crops(data, 16, seed=0, ranks=Ranks())]
    assert sum(map(len, first)) == len(data.train)
    for x in torch.cat(first):
        assert "".join(map(str, x.tolist())) in text
    again = [batch[0] for batch in crops(data, 16, seed=0, ranks=Ranks())]
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    offsets = {tuple(x.tolist()) for x in data.train} & {tuple(x.tolist()) for x in torch.cat(first)}
    assert len(offsets) < len(data.train)


def test_evaluation_slides_and_says_so(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("abcdefgh" * 60)
    data = cr.load_data(path, domain="sequence:8:8")
    model = build("gru", data.domain, width=8)
    result = evaluate(model, data, baselines=False, context=6)
    assert result.per_step.steps == 48 and result.per_step.context == 6
    assert result.to_dict()["per_step"]["nats"] == result.per_step.nats
    with pytest.raises(ChainruleError, match="context: expected 0 to 7"):
        evaluate(model, data, baselines=False, context=8)


def test_lines_are_items_with_an_end(tmp_path):
    path = tmp_path / "names.txt"
    path.write_text("anna\nbob\n\nhannah\n" * 10)
    data = cr.load_data(path, domain="sequence:6:7:ends")
    assert "".join(data.vocabulary) == "abhno" and len(data.train) == 24
    assert {tuple(x.tolist()) for x in data.train} == {
        (0, 3, 3, 0, 6, 6),
        (1, 4, 1, 6, 6, 6),
        (2, 0, 3, 3, 0, 2),
    }
    with pytest.raises(ChainruleError, match="a line of 6 characters, expected at most 5"):
        cr.load_data(path, domain="sequence:5:7:ends")


def test_bytes_are_levels_as_they_are(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(bytes(range(256)) * 4)
    data = cr.load_data(path, domain="sequence:16:256")
    assert torch.equal(
        torch.cat([data.streams[s].values for s in ("train", "valid", "test")]).view(4, 256)[1],
        torch.arange(256),
    )


def test_a_memory_is_told_once():
    """Copy memory with a short delay: what reaches back that far learns to pay for the word once."""
    from chainrule.data import Reading
    from chainrule.data.assemble import assemble
    from chainrule.data.sets.synthetic import copy_memory

    data = assemble(copy_memory(delay=4, items=600, word=2), Reading())
    x = data.train
    assert torch.equal(x[:, :2], x[:, 6:]) and (x[:, 2:5] == 0).all() and (x[:, 5] == 9).all()
    torch.manual_seed(0)
    model = cr.create_model("tcn", data.domain, channels=32, depth=2, kernel_size=3, dropout=0.0)
    run = cr.fit(model, data, epochs=5, batch_size=8, lr=5e-3, precision="float32", progress=False)
    once = 2 * math.log(8)
    with torch.no_grad():
        nats = -run.model.log_prob(data.test).mean().item()
    assert 0.95 * once < nats < 1.25 * once
