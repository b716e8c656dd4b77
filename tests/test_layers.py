"""Layers obey `check_layer`, and are what their papers and the post say."""

import pytest
import torch
from torch import nn

from chainrule.errors import ChainruleError
from chainrule.layers import (
    CausalAttention,
    CausalConv1d,
    MaskedLinear,
    OneHot,
    Pointwise,
    Position,
    Recurrent,
    Residual,
    RootMeanSquareNorm,
    Scalar,
    Scores,
    Serial,
    StrictInput,
    Symbols,
    TemporalBlock,
    WeightNormConv1d,
    map_state,
    repeat_rows,
    select_rows,
    strictly_lower,
    write_at,
)
from chainrule.testing import check_layer

LAYERS = {
    "conv": lambda: CausalConv1d(4, 6, kernel_size=3),
    "conv, one tap": lambda: CausalConv1d(4, 4, kernel_size=1),
    "conv, dilated": lambda: CausalConv1d(4, 4, kernel_size=2, dilation=3),
    "conv, dilated and wide": lambda: CausalConv1d(4, 5, kernel_size=3, dilation=2),
    "conv, longer than the sequence": lambda: CausalConv1d(4, 4, kernel_size=2, dilation=9),
    "normed conv": lambda: WeightNormConv1d(4, 4, kernel_size=3),
    "normed conv, dilated": lambda: WeightNormConv1d(4, 5, kernel_size=2, dilation=3),
    "temporal block": lambda: TemporalBlock(4, 4, kernel_size=2, dilation=2, dropout=0.5),
    "temporal block, wider": lambda: TemporalBlock(4, 6, kernel_size=3),
    "rnn": lambda: Recurrent(4, 4, cell="rnn"),
    "lstm": lambda: Recurrent(4, 5, cell="lstm"),
    "gru": lambda: Recurrent(4, 4, cell="gru"),
    "position": lambda: Position(7, 4),
    "linear": lambda: Pointwise(nn.Linear(4, 3)),
    "attention": lambda: CausalAttention(4, heads=2, length=7),
    "attention, one head, no positions": lambda: CausalAttention(
        4, heads=1, length=7, rotary=False, dropout=0.5
    ),
    "attention, shared keys": lambda: CausalAttention(8, heads=4, length=7, shared=2, bias=False, base=50.0),
    "attention, one head of keys": lambda: CausalAttention(8, heads=4, length=7, shared=4, dropout=0.5),
    "attention, scaled": lambda: CausalAttention(8, heads=2, length=7, scaling=[4.0, 1.0, 4.0, 8.0]),
    "root-mean-square norm": lambda: Pointwise(RootMeanSquareNorm(4)),
    "residual attention": lambda: Residual(
        nn.LayerNorm(4), CausalAttention(4, heads=2, length=7), dropout=0.5
    ),
    "dropout": lambda: Pointwise(nn.Dropout(0.5)),
    "stack": lambda: Serial(CausalConv1d(4, 4, kernel_size=2), Pointwise(nn.LayerNorm(4)), Recurrent(4, 4)),
}


WIDE = ("attention, shared keys", "attention, one head of keys", "attention, scaled")


@pytest.mark.parametrize("name", LAYERS)
def test_layer(name):
    channels = 8 if name in WIDE else 4
    check_layer(LAYERS[name](), torch.randn(3, 7, channels, generator=torch.Generator().manual_seed(0)))


class PostCausalConv1d(nn.Module):
    """The layer as the post prints it, with the padding that its text describes."""

    def __init__(self, inputs, outputs, kernel_size, dilation, A):
        super().__init__()
        self.A, self.padding = A, (kernel_size - 1) * dilation + A * 1
        self.conv1d = nn.Conv1d(inputs, outputs, kernel_size, dilation=dilation)

    def forward(self, x):
        x = nn.functional.pad(x, (self.padding, 0))
        out = self.conv1d(x)
        return out[:, :, :-1] if self.A else out


@pytest.mark.parametrize("option_a", [True, False])
@pytest.mark.parametrize("dilation", [1, 2])
def test_convolution_is_the_posts(option_a, dilation):
    ours, theirs = (
        CausalConv1d(1, 5, kernel_size=3, dilation=dilation),
        PostCausalConv1d(1, 5, 3, dilation, option_a),
    )
    with torch.no_grad():
        theirs.conv1d.weight.copy_(ours.weight.transpose(1, 2))
        theirs.conv1d.bias.copy_(ours.bias)
    x = torch.randn(2, 9, 1)
    delayed = StrictInput(Scalar())(x) if option_a else x
    torch.testing.assert_close(ours(delayed), theirs(x.transpose(1, 2)).transpose(1, 2))


@pytest.mark.parametrize("cell, reference", [("rnn", nn.RNN), ("lstm", nn.LSTM), ("gru", nn.GRU)])
def test_recurrent_is_torchs(cell, reference):
    ours, theirs = Recurrent(3, 4, cell=cell), reference(3, 4, batch_first=True)
    with torch.no_grad():
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
            getattr(theirs, f"{name}_l0").copy_(getattr(ours, name))
    x = torch.randn(2, 6, 3)
    torch.testing.assert_close(ours(x), theirs(x)[0])


def test_initial_state_is_learned():
    layer = Recurrent(3, 4, cell="lstm")
    layer(torch.randn(2, 5, 3)).sum().backward()
    assert (layer.initial.grad != 0).all()


def test_masked_weights_stay_asleep():
    layer = MaskedLinear(strictly_lower(4))
    optimizer = torch.optim.AdamW(layer.parameters(), lr=0.1, weight_decay=0.1)
    layer(torch.randn(8, 4)).sum().backward()
    optimizer.step()
    jacobian = torch.autograd.functional.jacobian(layer, torch.zeros(4))
    assert torch.equal(jacobian.triu(), torch.zeros(4, 4))
    assert (jacobian.tril(-1) != 0).sum() == 6


def test_masked_rows_are_rows():
    layer, x = MaskedLinear(strictly_lower(5)), torch.randn(3, 5)
    for t in range(5):
        drawn = x * layer.mask[t]  # zero where not drawn yet, as a state is
        torch.testing.assert_close(layer.rows(drawn, torch.tensor([t])), layer(x)[:, [t]])


def test_one_hot():
    code = OneHot(3)(torch.tensor([[[2], [0]]]))
    assert code.tolist() == [[[0, 0, 1, 1], [1, 0, 0, 0]]]


def test_strict_input_at_the_start_is_zero_even_next_to_nan():
    strict = StrictInput(Scalar())
    assert strict.step(torch.tensor([[torch.nan]]), torch.tensor(0)).item() == 0
    assert strict.step(torch.tensor([[2.0]]), torch.tensor(3)).item() == 2


def test_state_helpers():
    state = (torch.arange(6.0).reshape(3, 2), (torch.arange(3.0)[:, None],))
    assert select_rows(state, torch.tensor([2, 0]))[1][0].flatten().tolist() == [2, 0]
    assert repeat_rows(state, 2)[1][0].flatten().tolist() == [0, 0, 1, 1, 2, 2]
    doubled = map_state(lambda leaf: leaf * 2, state)
    assert torch.equal(doubled[0], state[0] * 2) and isinstance(doubled[1], tuple)


def test_write_at_spares_the_graph():
    buffer, value = torch.zeros(2, 3, 1), torch.ones(2, 1, requires_grad=True)
    written = write_at(buffer, torch.tensor(1), value)
    assert buffer.sum() == 0 and written.sum() == 2
    with torch.no_grad():
        assert write_at(buffer, torch.tensor(1), value) is buffer


def test_rotary_positions_are_differences():
    """What a query makes of a key depends on how far apart they are, not on where; and it is not the same at all."""
    torch.manual_seed(0)
    attention = CausalAttention(8, heads=2, length=9)
    q, k, _ = attention._read(torch.randn(8).expand(1, 9, 8))
    scores = (q.unflatten(-1, (2, 4)).transpose(1, 2) @ k.unflatten(-1, (2, 4)).permute(0, 2, 3, 1))[0]
    for d in range(-8, 9):
        along = scores.diagonal(d, 1, 2)
        torch.testing.assert_close(along, along[:, :1].expand_as(along), rtol=0, atol=1e-5)
    assert (scores[:, 8].std(1) > 1e-3).all()


def test_heads_that_share_keys_are_heads_with_equal_keys():
    torch.manual_seed(0)
    few, many = (CausalAttention(16, heads=4, length=9, shared=shared) for shared in (2, 1))
    q, k, v = few.read.weight.split(few.sizes)
    repeated = [part.unflatten(0, (2, 4)).repeat_interleave(2, 0).flatten(0, 1) for part in (k, v)]
    biases = few.read.bias.split(few.sizes)
    repeated_biases = [part.unflatten(0, (2, 4)).repeat_interleave(2, 0).flatten() for part in biases[1:]]
    with torch.no_grad():
        many.read.weight.copy_(torch.cat([q, *repeated]))
        many.read.bias.copy_(torch.cat([biases[0], *repeated_biases]))
    many.write.load_state_dict(few.write.state_dict())
    x = torch.randn(2, 9, 16)
    assert torch.allclose(few(x), many(x), atol=1e-6)
    assert few.init_state(2, length=9, device=x.device, dtype=x.dtype)[0].shape == (2, 9, 8)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shared": 3}, "shared: expected a divisor of the 4 heads, got 3"),
        ({"base": 0.0}, "base: expected a positive number"),
        ({"scaling": [2.0, 4.0, 1.0, 8.0]}, "scaling: expected four positive numbers"),
    ],
)
def test_attention_refuses(options, message):
    with pytest.raises(ChainruleError, match=message):
        CausalAttention(16, heads=4, length=9, **options)


@pytest.mark.parametrize("start", [-1, 2])
def test_symbols_are_looked_up_one_place_later(start):
    torch.manual_seed(0)
    symbols = Symbols(5, 3, start=start)
    vectors = symbols.encoder.weight
    first = symbols.start if start < 0 else vectors[2]
    x = torch.tensor([[[4], [0], [1]]])
    assert symbols(x)[0].equal(torch.stack([first, vectors[4], vectors[0]]))
    assert symbols.step(torch.tensor([[-1]]), torch.tensor(0))[0].equal(first)
    assert symbols.step(torch.tensor([[4]]), torch.tensor(1))[0].equal(vectors[4])
    assert Scores(5, 3, symbols)(vectors).equal(vectors @ vectors.T)
