"""MADE: a multilayer perceptron whose masks make every output read only the variables before it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from chainrule.domain import Domain
from chainrule.errors import ChainruleError
from chainrule.heads import vector_head
from chainrule.layers import Code, Condition, MaskedLinear, Network, State, put_at, strictly_lower, write_at
from chainrule.models.base import VECTOR_TRAINING
from chainrule.models.encoding import vector_encoder
from chainrule.models.model import AutoregressiveModel
from chainrule.ordering import Ordering

DROPOUT = 0.2
# On at most so many training items, these are tried: which is best differs from table to table.
FEW = 12_000
TRIALS = (
    {"dropout": 0.2, "input_dropout": 0.0},
    {"dropout": 0.5, "input_dropout": 0.0},
    {"dropout": 0.5, "input_dropout": 0.2},
)


class MaskedState(NamedTuple):
    """Codes (B, D, C) and hidden layers (B, H) each, zero where not final, and the condition's part (B, H)."""

    codes: Tensor
    hidden: State
    cond: State


class MaskedPerceptron(Network):
    """Layers whose units have degrees: a unit of degree m reads the first m variables, output d those of m < d.

    Degrees are spread evenly and sorted, so the units that become final at a step (those of degree t, once x_t is
    known) are a run of each layer. A step computes its run's rows and nothing else: each weight is used once a
    sample. The phase of a step is how long the runs are, so that shapes are constants.

    Args:
        code: encodes a value in C channels.
        channels: C.
        length: D.
        hidden: widths of the layers.
        size: P.
        residual: whether a layer adds its input; layers of equal width then, whose units keep their degrees.
        dropout: after each hidden layer.
        input_dropout: of whole variables.
        condition: adds to the first layer; degrees then start at 0, for units that read nothing else.
    """

    runs: Tensor
    layers: Any

    def __init__(
        self,
        code: Code,
        channels: int,
        length: int,
        hidden: Sequence[int],
        size: int,
        residual: bool,
        dropout: float,
        input_dropout: float,
        condition: Condition,
    ) -> None:
        super().__init__(condition)
        self.code, self.channels, self.size, self.residual = code, channels, size, residual
        self.dropout, self.input_dropout = nn.Dropout(dropout), nn.Dropout1d(input_dropout)
        first = 1 if condition.expected is None else 0
        self.degrees = [_spread(width, first, length - 1) for width in hidden]

        inputs = torch.arange(1, length + 1).repeat_interleave(channels)  # x_d may enter units of degree ≥ d
        self.layers = nn.ModuleList()
        before = inputs
        for degrees in self.degrees:
            self.layers.append(MaskedLinear(degrees[:, None] >= before))
            before = degrees
        outputs = torch.arange(1, length + 1).repeat_interleave(size)
        self.out = MaskedLinear(outputs[:, None] > before)
        direct = strictly_lower(length).repeat_interleave(size, 0).repeat_interleave(channels, 1)
        self.direct = MaskedLinear(direct, bias=False)
        for layer in (*self.layers, self.out):
            _scale_by_reads(layer)
        nn.init.zeros_(self.direct.weight)
        # The units of degree t in each layer: a run from where it starts, (L, T, longest run).
        starts = [torch.searchsorted(degrees, torch.arange(length)) for degrees in self.degrees]
        longest = max(int(degrees.bincount().max()) for degrees in self.degrees)
        self.register_buffer("runs", torch.stack(starts)[..., None] + torch.arange(longest), persistent=False)

    def forward(self, sites: Tensor, cond: Tensor | None = None) -> Tensor:
        """(B, D, 1) → (B, D, P)."""
        codes = self.input_dropout(self.code(sites))
        return self._pass(codes, self.condition(cond, len(sites)))[0]

    def init_state(
        self, batch: int, *, cond: Tensor | None = None, length: int, device: torch.device, dtype: torch.dtype
    ) -> State:
        """Nothing is final yet."""
        added = self.condition(cond, batch)
        codes = torch.zeros(batch, length, self.channels, device=device, dtype=dtype)
        widths = [len(degrees) for degrees in self.degrees]
        hidden = tuple(torch.zeros(batch, width, device=device, dtype=dtype) for width in widths)
        return MaskedState(codes, hidden, () if added is None else added)

    def step(self, prev: Tensor, state: State, t: Tensor, *, phase: Any = None) -> tuple[Tensor, State]:
        """(B, 1) → (B, P); `phase`: whether there is a site before, and how many units of each layer have degree t.

        What is not drawn or not final is zero in the state, so masks need not be applied again.
        """
        after, counts = phase
        index, codes = t.reshape(1), state.codes
        if after:
            codes = write_at(codes, t - 1, self.code.at(prev, t - 1))
        inputs = below = codes.flatten(1)
        final = []
        for i, (layer, hidden, count) in enumerate(zip(self.layers, state.hidden, counts, strict=True)):
            if count:
                run = self.runs[i].index_select(0, index)[0, :count]
                rows = layer.rows(below, run)
                if i == 0 and isinstance(state.cond, Tensor):
                    rows = rows + state.cond.index_select(1, run)
                rows = F.relu(rows)
                if self.residual and i > 0:
                    rows = rows + below.index_select(1, run)
                hidden = put_at(hidden, run, rows)
            final.append(hidden)
            below = hidden
        if self.size > 1:
            index = t * self.size + torch.arange(self.size, device=t.device)
        params = self.out.rows(below, index) + self.direct.rows(inputs, index)
        return params, MaskedState(codes, tuple(final), state.cond)

    def prefill(self, sites: Tensor, state: State) -> tuple[Tensor, State]:
        """(B, n, 1) → (B, n, P)."""
        n = sites.shape[1]
        codes = torch.cat([self.code(sites), state.codes[:, n:]], dim=1)
        params, hidden = self._pass(codes, state.cond if isinstance(state.cond, Tensor) else None)
        # After n steps the units of degree below n are final; the code of site n - 1 is written by the next step.
        kept = tuple(h * (degrees.to(h.device) < n) for h, degrees in zip(hidden, self.degrees, strict=True))
        return params[:, :n], MaskedState(codes, kept, state.cond)

    def schedule(self, length: int) -> Sequence[Hashable]:
        """For each site, whether there is one before it, and how many units of each layer become final."""
        counts = [Counter(degrees.tolist()) for degrees in self.degrees]
        return [(t > 0, tuple(count[t] for count in counts)) for t in range(length)]

    def reordered(self, sites: Tensor, units: torch.Generator | None = None) -> dict[str, Tensor]:
        """The weights, which belong to variables, of the ordering whose position t holds site `sites[t]`.

        With a generator, hidden units exchange their degrees at random as well: another set of masks.
        """
        inputs = (sites[:, None] * self.channels + torch.arange(self.channels)).flatten()
        outputs = (sites[:, None] * self.size + torch.arange(self.size)).flatten()
        widths = [len(degrees) for degrees in self.degrees]
        if units is None:
            places = [torch.arange(width) for width in widths]
        else:
            places = [torch.randperm(width, generator=units) for width in widths]
        if self.residual:  # a layer adds its input, unit by unit
            places = places[:1] * len(places)
        below, tensors = inputs, {}
        for i, (layer, place) in enumerate(zip(self.layers, places, strict=True)):
            tensors[f"layers.{i}.weight"] = layer.weight[place][:, below]
            tensors[f"layers.{i}.bias"] = layer.bias[place]
            below = place
        tensors |= {"out.weight": self.out.weight[outputs][:, below], "out.bias": self.out.bias[outputs]}
        tensors["direct.weight"] = self.direct.weight[outputs][:, inputs]
        if self.condition.expected is not None:
            tensors |= {f"condition.{name}": t for name, t in self.condition.reordered(places[0]).items()}
        return {**tensors, **{f"code.{name}": buffer[sites] for name, buffer in self.code.per_site().items()}}

    @property
    def encoder(self) -> nn.Module:
        """The code."""
        return self.code

    def _pass(self, codes: Tensor, added: Tensor | None) -> tuple[Tensor, list[Tensor]]:
        """Codes (B, D, C) → parameters (B, D, P) and the hidden layers."""
        below, hidden = codes.flatten(1), []
        for i, layer in enumerate(self.layers):
            rows = layer(below)
            rows = F.relu(rows if added is None or i else rows + added)
            below = self.dropout(rows) + below if self.residual and i else self.dropout(rows)
            hidden.append(below)
        params = self.out(below) + self.direct(codes.flatten(1))
        return params.unflatten(1, (-1, self.size)), hidden


class MADE(AutoregressiveModel):
    """p(x_d | x_<d) from a masked perceptron, with direct connections from input to output.

    Deviations: degrees are spread evenly instead of drawn at random, ReLU, and an option of residual layers.

    Args:
        hidden: widths of the hidden layers.
        residual: whether layers after the first add their input; their widths must then be equal.
        dropout: after each hidden layer; None lets `fit` try several on small data, 0.2 on large.
        input_dropout: of whole variables, where `dropout` is given.
        classes, embedding: of the condition; see `layers.Condition`.
        encoding: see `models.encoding`.
        components: of the mixtures, for numbers.
        ordering: of the variables.

    References:
        Germain, Gregor, Murray, Larochelle (2015), "MADE: masked autoencoder for distribution estimation",
        https://arxiv.org/abs/1502.03509
    """

    training_defaults = MappingProxyType({**VECTOR_TRAINING, "lr": 5e-3})

    def __init__(
        self,
        domain: Domain,
        *,
        hidden: list[int] | tuple[int, ...] = (512, 512),
        residual: bool = True,
        dropout: float | None = None,
        input_dropout: float = 0.0,
        classes: int | None = None,
        embedding: int | None = None,
        encoding: str | None = None,
        components: int = 10,
        ordering: str | list[int] = "natural",
    ) -> None:
        if not hidden or any(type(width) is not int or width < 1 for width in hidden):
            raise ChainruleError(f"hidden: expected widths of layers such as [512, 512], got {list(hidden)}")
        if residual and len(set(hidden)) > 1:
            raise ChainruleError(f"hidden: expected equal widths for residual layers, got {list(hidden)}")
        order = Ordering(domain, ordering)
        code, channels = vector_encoder(domain, order.variables.tolist(), encoding)
        head = vector_head(domain, order.variables.tolist(), components=components)
        condition = Condition(hidden[0], classes=classes, embedding=embedding)
        network = MaskedPerceptron(
            code,
            channels,
            domain.size,
            hidden,
            head.size,
            residual,
            DROPOUT if dropout is None else dropout,
            input_dropout,
            condition,
        )
        self.tuned = dropout is None
        super().__init__(network, domain, head, ordering=order)

    def trials(self, items: int) -> Sequence[dict]:
        """Little and much noise, where data are few and `dropout` was not given."""
        return TRIALS if self.tuned and items <= FEW else ()

    def retune(self, **hyperparameters: float) -> None:
        """Change `dropout` and `input_dropout`."""
        self.network.dropout.p = hyperparameters["dropout"]
        self.network.input_dropout.p = hyperparameters["input_dropout"]
        self.hyperparameters |= hyperparameters


def _spread(width: int, first: int, last: int) -> Tensor:
    """Degrees first … last, evenly over `width` units, sorted; all `first` where there is no other."""
    count = max(last - first + 1, 1)
    return first + torch.arange(width) * count // width


def _scale_by_reads(layer: MaskedLinear) -> None:
    """Initial weights scaled by how many inputs a unit really reads."""
    reads = layer.mask.sum(1, keepdim=True).clamp(min=1)
    with torch.no_grad():
        layer.weight.uniform_(-1, 1).mul_(1 / reads.sqrt())
        layer.bias.zero_()
