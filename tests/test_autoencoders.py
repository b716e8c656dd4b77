"""What docs/learn/autoencoders.md claims: an autoencoder's "probabilities" of all x do not sum to 1, MADE's do."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import chainrule as cr

SIZE, WIDTH = 7, 32
EVERY = torch.cartesian_prod(*[torch.arange(2)] * SIZE)
DATA = EVERY[EVERY.sum(1) == 2]


class Plain(nn.Sequential):
    """MADE's perceptron without masks."""

    def __init__(self):
        layers = nn.Linear(SIZE, WIDTH), nn.ReLU(), nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, SIZE)
        super().__init__(*layers)

    def log_prob(self, x):
        """Log of the product of its Bernoulli outputs, at its own input."""
        return -F.binary_cross_entropy_with_logits(self(x.float()), x.float(), reduction="none").sum(1)


def masked():
    return cr.create_model("made", cr.Domain.binary(SIZE), hidden=(WIDTH, WIDTH), residual=False, dropout=0.0)


@torch.no_grad()
def total(model):
    return model.log_prob(EVERY).double().exp().sum().item()


@pytest.fixture(scope="module", params=[Plain, masked], ids=["plain", "masked"])
def trained(request):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = request.param()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(150):
        optimizer.zero_grad()
        (-model.log_prob(DATA).mean()).backward()
        optimizer.step()
    return model


def test_sums_after_training(trained):
    if isinstance(trained, Plain):
        assert total(trained) > 1.5
    else:
        assert total(trained) == pytest.approx(1, abs=1e-6)


def test_a_reconstruction_beats_what_no_distribution_can(trained):
    """The 21 rows are equally likely: no distribution gives them more than -log 21 nats on average."""
    best = -torch.tensor(float(len(DATA))).log()
    mean = trained.log_prob(DATA).mean()
    assert (mean > best) == isinstance(trained, Plain)


def test_the_plain_one_reads_what_it_predicts(trained):
    logits = trained if isinstance(trained, Plain) else trained.forward
    if isinstance(trained, Plain):
        slopes = torch.autograd.functional.jacobian(logits, DATA[0].float())
        assert (slopes.diagonal().abs() > 0).all()
    else:
        other = DATA[0].clone()
        for d in range(SIZE):  # x_d and those behind it do not move output d
            other[d:] = 1 - DATA[0][d:]
            assert torch.equal(logits(other[None])[0, d], logits(DATA[:1])[0, d])
            other[d:] = DATA[0][d:]


@pytest.mark.parametrize("seed", range(3))
def test_masked_sums_are_one_whatever_the_weights(seed):
    model = masked()
    generator = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.5, generator=generator)
    assert total(model) == pytest.approx(1, abs=1e-6)
