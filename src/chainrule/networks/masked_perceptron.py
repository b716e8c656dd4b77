"""A multilayer perceptron whose masks make every output read only the variables before it."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Hashable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from chainrule.devices import index_on
from chainrule.layers import Condition, Encoding, MaskedLinear, State, put_at, write_at
from chainrule.layers.dropout import Dropout
from chainrule.layers.linear import by_hand
from chainrule.layers.masked_product import blocks_of
from chainrule.networks import Network, Reordered
from chainrule.networks.perceptron_pass import PerceptronPass

CPU = torch.device("cpu")


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
        sizes: parameters of each site, at most P; the network emits P, those that are not there as zeros.
        residual: whether a layer adds its input; layers of equal width then, whose units keep their degrees.
        dropout: after each hidden layer.
        input_dropout: of whole variables.
        condition: adds to the first layer; degrees then start at 0, for units that read nothing else.
    """

    runs: Tensor
    first_rows: Tensor
    places: Tensor
    layers: Any

    def __init__(
        self,
        code: Encoding,
        channels: int,
        length: int,
        hidden: Sequence[int],
        sizes: Sequence[int],
        residual: bool,
        dropout: float,
        input_dropout: float,
        condition: Condition,
    ) -> None:
        super().__init__(condition)
        self.code, self.channels, self.sizes, self.residual = code, channels, list(sizes), residual
        self.dropout, self.input_dropout = Dropout(dropout), nn.Dropout1d(input_dropout)
        first = 1 if condition.expected is None else 0
        self.degrees = [_spread(width, first, length - 1) for width in hidden]

        inputs = torch.arange(1, length + 1).repeat_interleave(channels)  # x_d may enter units of degree ≥ d
        self.layers = nn.ModuleList()
        before = inputs
        for degrees in self.degrees:
            self.layers.append(MaskedLinear(degrees[:, None] >= before))
            before = degrees
        tables = self._output_tables(CPU)
        self.out = MaskedLinear(tables["out.mask"])
        self.direct = MaskedLinear(tables["direct.mask"], bias=False)
        for layer in (*self.layers, self.out):
            _scale_by_reads(layer)
        nn.init.zeros_(self.direct.weight)
        # The units of degree t in each layer: a run from where it starts, (L, T, longest run).
        starts = [torch.searchsorted(degrees, torch.arange(length)) for degrees in self.degrees]
        longest = max(int(degrees.bincount().max()) for degrees in self.degrees)
        for name in ("first_rows", "places"):
            self.register_buffer(name, tables[name], persistent=False)
        self.register_buffer("runs", torch.stack(starts)[..., None] + torch.arange(longest), persistent=False)

    def forward(self, sites: Tensor, cond: Tensor | None = None) -> Tensor:
        """(B, D, 1) → (B, D, P)."""
        codes = self.input_dropout(self.code(sites))
        added = self.condition(cond, sites.shape[0])
        if by_hand(codes) and not (self.training and self.dropout.p):
            return self._apart(self._whole(codes.flatten(1), added))
        return self._apart(self._pass(codes, added)[0])

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
        """(B, 1) → (B, P); `phase`: whether a site is before, its size, and how many units of each layer have degree t.

        What is not drawn or not final is zero in the state, so masks need not be applied again.
        """
        after, size, counts = phase
        index, codes = t.reshape(1), state.codes
        if after:
            before = t - 1
            codes = write_at(codes, before, self.code.at(prev, before))
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
        rows = self.first_rows.index_select(0, index)
        if size > 1:
            rows = rows + torch.arange(size, device=t.device)
        params = self.out.rows(below, rows) + self.direct.rows(inputs, rows)
        if size < max(self.sizes):
            params = F.pad(params, (0, max(self.sizes) - size))
        return params, MaskedState(codes, tuple(final), state.cond)

    def prefill(self, sites: Tensor, state: State) -> tuple[Tensor, State]:
        """(B, n, 1) → (B, n, P)."""
        n = sites.shape[1]
        codes = torch.cat([self.code(sites), state.codes[:, n:]], dim=1)
        params, hidden = self._pass(codes, state.cond if isinstance(state.cond, Tensor) else None)
        params = self._apart(params)
        # After n steps the units of degree below n are final; the code of site n - 1 is written by the next step.
        kept = tuple(
            h * (index_on(h.device, degrees) < n) for h, degrees in zip(hidden, self.degrees, strict=True)
        )
        return params[:, :n], MaskedState(codes, kept, state.cond)

    def schedule(self, length: int) -> Sequence[Hashable]:
        """For each site, whether there is one before it, its size, and how many units of each layer become final."""
        counts = [Counter(degrees.tolist()) for degrees in self.degrees]
        return [(t > 0, self.sizes[t], tuple(count[t] for count in counts)) for t in range(length)]

    def reordered(self, sites: Tensor, units: torch.Generator | None = None) -> Reordered:
        """The same weights, which belong to variables, in the ordering whose position t holds site `sites[t]`.

        With a generator, hidden units exchange their degrees at random as well: another set of masks.
        """
        inputs = (sites[:, None] * self.channels + torch.arange(self.channels)).flatten()
        rows = torch.arange(sum(self.sizes)).split(self.sizes)
        outputs = torch.cat([rows[site] for site in sites.tolist()])
        widths = [len(degrees) for degrees in self.degrees]
        if units is None:
            places = [torch.arange(width) for width in widths]
        else:
            places = [torch.randperm(width, generator=units) for width in widths]
        if self.residual:  # a layer adds its input, unit by unit
            places = places[:1] * len(places)
        device = self.out.weight.device
        places = [index_on(device, place) for place in places]
        inputs, outputs, order = (index_on(device, i) for i in (inputs, outputs, sites))
        below, tensors = inputs, {}
        for i, (layer, place) in enumerate(zip(self.layers, places, strict=True)):
            tensors[f"layers.{i}.weight"] = layer.weight[place][:, below]
            tensors[f"layers.{i}.bias"] = layer.bias[place]
            below = place
        tensors |= {"out.weight": self.out.weight[outputs][:, below], "out.bias": self.out.bias[outputs]}
        tensors["direct.weight"] = self.direct.weight[outputs][:, inputs]
        if self.condition.expected is not None:
            tensors |= {f"condition.{name}": t for name, t in self.condition.reordered(places[0]).items()}
        tensors |= {f"code.{name}": buffer[order] for name, buffer in self.code.per_site().items()}
        if min(self.sizes) == max(self.sizes):
            return Reordered(self, tensors)
        other = copy.copy(self)
        other.sizes = [self.sizes[site] for site in sites.tolist()]
        host = other._output_tables(CPU)
        tables = host if device == CPU else other._output_tables(device)
        blocks = {name: blocks_of(host[f"{name}.mask"]) for name in ("out", "direct")}
        other._modules = self._modules | {
            name: getattr(self, name).under(tables[f"{name}.mask"], own) for name, own in blocks.items()
        }
        return Reordered(other, tensors | {name: tables[name] for name in ("first_rows", "places")})

    def _output_tables(self, device: torch.device) -> dict[str, Tensor]:
        """What follows from the sizes of the sites: masks, each site's first row, and where rows go among D·P."""
        length, counts = len(self.sizes), torch.tensor(self.sizes)
        outputs = torch.arange(1, length + 1).repeat_interleave(counts)
        slots = torch.arange(max(self.sizes)).expand(length, -1)
        places = torch.arange(length)[:, None] * max(self.sizes) + slots
        inputs = torch.arange(1, length + 1).repeat_interleave(self.channels)
        site = index_on(device, outputs)[:, None]
        return {
            "out.mask": site > index_on(device, self.degrees[-1]),
            "direct.mask": site > index_on(device, inputs),
            "first_rows": index_on(device, counts.cumsum(0) - counts),
            "places": index_on(device, places[slots < counts[:, None]]),
        }

    @property
    def encoder(self) -> nn.Module:
        """The code."""
        return self.code

    def _pass(self, codes: Tensor, added: Tensor | None) -> tuple[Tensor, list[Tensor]]:
        """Codes (B, D, C) → the parameters of all sites, one after the other, and the hidden layers."""
        below, hidden = codes.flatten(1), []
        for i, layer in enumerate(self.layers):
            rows = layer(below)
            rows = F.relu(rows if added is None or i else rows + added)
            below = self.dropout(rows) + below if self.residual and i else self.dropout(rows)
            hidden.append(below)
        return self.out(below) + self.direct(codes.flatten(1)), hidden

    def _whole(self, codes: Tensor, added: Tensor | None) -> Tensor:
        """The same of codes (B, D·C) in one piece, without dropout."""
        layers = [*self.layers, self.out, self.direct]
        parameters = [p for layer in layers for p in (layer.weight, layer.bias) if p is not None]
        result: Any = PerceptronPass.apply(codes, added, layers, self.residual, *parameters)
        return result

    def _apart(self, params: Tensor) -> Tensor:
        """The parameters of all sites, one after the other → (B, D, P)."""
        length, size = len(self.sizes), max(self.sizes)
        if params.shape[1] < length * size:
            params = params.new_zeros(len(params), length * size).index_copy(1, self.places, params)
        return params.unflatten(1, (length, size))


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
