"""Recurrent nets are language models of torch's own layers."""

import pytest
import torch
from copying import randomise
from torch import nn
from torch.nn import functional as F

import chainrule as cr
from chainrule.layers import Recurrent

LEVELS, WIDTH, DEPTH = 5, 6, 2


def stepwise(model, x):
    """The logits of each site from steps: the parallel pass runs the same scan of torch as the layer does."""
    options = {"device": x.device, "dtype": torch.float64}
    state = model.init_state(len(x), cond=None, length=x.shape[1], **options)
    for t, phase in enumerate(model.schedule(x.shape[1])):
        logits, state = model.step(x[:, max(t - 1, 0), None], state, torch.tensor(t), phase=phase)
        yield logits


@torch.no_grad()
def compare(name, layer, equal):
    """An embedding with a vector more for the beginning → torch's layer → a linear one → cross entropy."""
    model = cr.create_model(name, cr.Domain.sequence(9, levels=LEVELS), width=WIDTH, depth=DEPTH)
    randomise(model)
    enter, last = [module for module in model.modules() if isinstance(module, nn.Linear)]
    # A level enters as a unit vector with level / (levels - 1) beside it, the beginning as zeros.
    number = torch.linspace(0, 1, LEVELS)[:, None] * enter.weight[:, LEVELS]
    vectors = nn.Embedding.from_pretrained(
        torch.cat([enter.weight[:, :LEVELS].T + number + enter.bias, enter.bias[None]])
    )
    theirs = layer(WIDTH, WIDTH, num_layers=DEPTH, batch_first=True)
    recurrents = [module for module in model.modules() if isinstance(module, Recurrent)]
    for i, ours in enumerate(recurrents):
        for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
            getattr(theirs, f"{part}_l{i}").copy_(getattr(ours, part))
    x = torch.randint(LEVELS, (7, 9))
    begin = torch.full((7, 1), LEVELS)
    states = torch.stack([ours.initial for ours in recurrents], 1)[:, :, None].expand(-1, -1, 7, -1)
    hidden, _ = theirs(
        vectors(torch.cat([begin, x[:, :-1]], 1)), tuple(states) if name == "lstm" else states[0]
    )
    logits = F.linear(hidden, last.weight, last.bias)
    equal(model.log_prob(x), -F.cross_entropy(logits.transpose(1, 2), x, reduction="none").sum(1))
    equal(torch.stack(list(stepwise(model, x)), 1), logits)


@pytest.mark.proves("torch", "nn.RNN", "rnn", "log-likelihoods of sequences; logits of steps")
def test_rnn(equal, wide):
    """Row `rnn`."""
    compare("rnn", nn.RNN, equal)


@pytest.mark.proves("torch", "nn.LSTM", "lstm", "log-likelihoods of sequences; logits of steps")
def test_lstm(equal, wide):
    """Row `lstm`."""
    compare("lstm", nn.LSTM, equal)


@pytest.mark.proves("torch", "nn.GRU", "gru", "log-likelihoods of sequences; logits of steps")
def test_gru(equal, wide):
    """Row `gru`."""
    compare("gru", nn.GRU, equal)
