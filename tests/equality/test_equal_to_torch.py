"""Recurrent nets and the Transformer are language models of torch's own layers."""

import pytest
import torch
from copying import randomise
from torch import nn
from torch.nn import functional as F

import chainrule as cr
from chainrule.layers import CausalAttention, Position, Recurrent

LEVELS, LENGTH, WIDTH, DEPTH = 5, 9, 6, 2


def build(name, **options):
    return randomise(cr.create_model(name, cr.Domain.sequence(LENGTH, levels=LEVELS), depth=DEPTH, **options))


def found(model, kind):
    return [module for module in model.modules() if isinstance(module, kind)]


def steps(model, x):
    """The logits of each site from steps: a parallel pass may run the same function of torch as its layer does."""
    state = model.init_state(len(x), cond=None, length=LENGTH, device=x.device, dtype=torch.float64)
    for t, phase in enumerate(model.schedule(LENGTH)):
        logits, state = model.step(x[:, max(t - 1, 0), None], state, torch.tensor(t), phase=phase)
        yield logits


def compare(model, layer, equal):
    """An embedding, with a vector more for the beginning → torch's layer → a linear one → cross entropy."""
    enter, *_, last = found(model, nn.Linear)
    # A level enters as a unit vector with level / (levels - 1) beside it, the beginning as zeros.
    number = torch.linspace(0, 1, LEVELS)[:, None] * enter.weight[:, LEVELS]
    vectors = torch.cat([enter.weight[:, :LEVELS].T + number + enter.bias, enter.bias[None]])
    x = torch.randint(LEVELS, (7, LENGTH))
    before = torch.cat([torch.full((7, 1), LEVELS), x[:, :-1]], 1)
    logits = F.linear(layer(F.embedding(before, vectors)), last.weight, last.bias)
    equal(model.log_prob(x), -F.cross_entropy(logits.transpose(1, 2), x, reduction="none").sum(1))
    equal(torch.stack(list(steps(model, x)), 1), logits)


@torch.no_grad()
def recurrent(name, layer, equal):
    model = build(name, width=WIDTH)
    theirs, ours = layer(WIDTH, WIDTH, num_layers=DEPTH, batch_first=True), found(model, Recurrent)
    for i, own in enumerate(ours):
        for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
            getattr(theirs, f"{part}_l{i}").copy_(getattr(own, part))
    first = torch.stack([own.initial for own in ours], 1)[:, :, None].expand(-1, -1, 7, -1)
    compare(model, lambda x: theirs(x, tuple(first) if name == "lstm" else first[0])[0], equal)


@pytest.mark.proves("torch", "nn.RNN", "rnn", "log-likelihoods of sequences; logits of steps")
def test_rnn(equal, wide):
    """Row `rnn`."""
    recurrent("rnn", nn.RNN, equal)


@pytest.mark.proves("torch", "nn.LSTM", "lstm", "log-likelihoods of sequences; logits of steps")
def test_lstm(equal, wide):
    """Row `lstm`."""
    recurrent("lstm", nn.LSTM, equal)


@pytest.mark.proves("torch", "nn.GRU", "gru", "log-likelihoods of sequences; logits of steps")
def test_gru(equal, wide):
    """Row `gru`."""
    recurrent("gru", nn.GRU, equal)


@pytest.mark.proves(
    "torch", "nn.TransformerEncoder, causal", "transformer", "log-likelihoods of sequences; logits of steps"
)
@torch.no_grad()
def test_transformer(equal, wide):
    """Row `transformer`, with learned positions; torch has no rotary ones."""
    model = build("transformer", channels=8, heads=2, positions="learned")
    layer = nn.TransformerEncoderLayer(8, 2, 32, 0.0, "gelu", batch_first=True, norm_first=True)
    theirs = nn.TransformerEncoder(layer, DEPTH, nn.LayerNorm(8), enable_nested_tensor=False).eval()
    attentions, norms, linears = (found(model, kind) for kind in (CausalAttention, nn.LayerNorm, nn.Linear))
    for i, (own, other) in enumerate(zip(attentions, theirs.layers, strict=True)):
        other.self_attn.in_proj_weight.copy_(own.read.weight)
        other.self_attn.in_proj_bias.copy_(own.read.bias)
        mine = [own.write, *linears[4 * i + 3 : 4 * i + 5], *norms[2 * i : 2 * i + 2]]
        parts = [other.self_attn.out_proj, other.linear1, other.linear2, other.norm1, other.norm2]
        for part, copied in zip(mine, parts, strict=True):
            copied.load_state_dict(part.state_dict())
    theirs.norm.load_state_dict(norms[-1].state_dict())
    (position,) = found(model, Position)
    mask = nn.Transformer.generate_square_subsequent_mask(LENGTH)
    compare(model, lambda x: theirs(x + position.weight, mask), equal)
