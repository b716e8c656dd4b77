"""A net around linear predictors that learn as they go: it says how far their next errors spread."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from chainrule.layers.asinh import asinh
from chainrule.layers.condition import Condition
from chainrule.layers.layer import CausalLayer
from chainrule.layers.least_squares import LeastSquares
from chainrule.layers.low_bits import LowBits
from chainrule.layers.state import State
from chainrule.layers.strict_input import StrictInput
from chainrule.networks.network import Network


class PredictiveState(NamedTuple):
    """What the condition adds, (B, C) or (); the states of the predictors, of the low bits, and of the body."""

    cond: State
    predictors: State
    bits: State
    body: State


class PredictiveStack(Network):
    """Strict input → J predictors → F features of their errors → linear, ReLU → + condition → body → linear.

    The features also reach the parameters by a linear map of their own, which begins as zero. What the head needs of
    the first predictor is appended to the parameters: its prediction, the log of its mean error σ over 33 samples, and,
    if the net has `bits`, how many low bits of all samples were zero.

    The features are, of each predictor, its last error and the distance of its prediction from the first one's, in σ,
    by asinh, and the logs of its mean errors over 33 and 10 samples, from log σ; and the first one's over 200; log σ
    itself; the last sample and the prediction, by asinh; and the low bits.

    Args:
        input: the strict input, of amplitudes: one number a site.
        predictors: J of them.
        bits: the low bits, or None.
        body: causal layers of C channels.
        width: C.
        size: parameters of the head, with those that are appended.
        condition: features (B, C) of what the item is conditioned on.
    """

    def __init__(
        self,
        input: StrictInput,
        predictors: LeastSquares,
        bits: LowBits | None,
        body: CausalLayer,
        *,
        width: int,
        size: int,
        condition: Condition,
    ) -> None:
        super().__init__(condition)
        self.input, self.predictors, self.bits, self.body = input, predictors, bits, body
        features = 4 * predictors.predictors + 5 + (bits is not None)
        own = size - 2 - (bits is not None)
        self.enter, self.last = nn.Linear(features, width), nn.Linear(width, own)
        self.skip = nn.Linear(features, own, bias=False)
        nn.init.zeros_(self.skip.weight)
        nn.init.zeros_(self.last.weight)

    def forward(self, sites: Tensor, cond: Tensor | None = None) -> Tensor:
        """(B, T, 1) → (B, T, P)."""
        codes, added = self.input(sites), self.condition(cond, sites.shape[0])
        low = None if self.bits is None else self.bits(codes)
        features, said = self._read(codes, self.predictors(codes), low)
        h = self.body(self._enter(features, None if added is None else added[:, None]))
        return self._emit(h, features, said)

    def init_state(
        self, batch: int, *, cond: Tensor | None = None, length: int, device: torch.device, dtype: torch.dtype
    ) -> State:
        """The condition's features and the layers' states."""
        added = self.condition(cond, batch)
        predictors, bits, body = (
            () if part is None else part.init_state(batch, length=length, device=device, dtype=dtype)
            for part in (self.predictors, self.bits, self.body)
        )
        return PredictiveState(() if added is None else added, predictors, bits, body)

    def step(self, prev: Tensor, state: State, t: Tensor, *, phase: Hashable = None) -> tuple[Tensor, State]:
        """(B, 1) → (B, P)."""
        code, low, bits = self.input.step(prev, t), None, state.bits
        if self.bits is not None:
            low, bits = self.bits.step(code, bits, t)
        found, predictors = self.predictors.step(code, state.predictors, t)
        features, said = self._read(code, found, low, torch.asinh)
        added = state.cond if isinstance(state.cond, Tensor) else None
        h, body = self.body.step(self._enter(features, added), state.body, t)
        return self._emit(h, features, said), PredictiveState(state.cond, predictors, bits, body)

    def prefill(self, sites: Tensor, state: State) -> tuple[Tensor, State]:
        """(B, n, 1) → (B, n, P)."""
        codes, low, bits = self.input(sites), None, state.bits
        if self.bits is not None:
            low, bits = self.bits.prefill(codes, bits)
        found, predictors = self.predictors.prefill(codes, state.predictors)
        features, said = self._read(codes, found, low)
        added = state.cond[:, None] if isinstance(state.cond, Tensor) else None
        h, body = self.body.prefill(self._enter(features, added), state.body)
        return self._emit(h, features, said), PredictiveState(state.cond, predictors, bits, body)

    @property
    def supports_streaming(self) -> bool:
        """Whether the body does."""
        return self.body.supports_streaming

    @property
    def prefill_multiple(self) -> int:
        """A site."""
        return 1

    @property
    def encoder(self) -> nn.Module:
        """The encoder of the strict input."""
        return self.input.encoder

    def _enter(self, features: Tensor, added: Tensor | None) -> Tensor:
        h = torch.relu(self.enter(features))
        return h if added is None else h + added

    def _emit(self, h: Tensor, features: Tensor, said: Tensor) -> Tensor:
        return torch.cat([self.last(h) + self.skip(features), said], dim=-1)

    def _read(
        self, code: Tensor, found: Tensor, low: Tensor | None, asinh: Callable[[Tensor], Tensor] = asinh
    ) -> tuple[Tensor, Tensor]:
        """The last sample (…, 1), what the predictors found (…, J·5), the low bits (…, 1) or None → the features
        (…, F), and what is appended for the head (…, 2 or 3)."""
        full, code = self.predictors.limit, code.to(found.dtype)
        predictions, errors, fast, usual, slow = found.chunk(5, dim=-1)
        prediction, scale = predictions[..., :1], usual[..., :1]
        distances = torch.cat([errors, predictions - prediction, code], dim=-1) / scale
        sizes = torch.cat([code / full * 32, prediction / scale / 4], dim=-1)
        logs = torch.cat([usual, fast, slow[..., :1]], dim=-1).log() - scale.log()
        loudness = (scale.log() - math.log(full)) / 3 + 2
        features, said = [asinh(distances), asinh(sizes), logs, loudness], [prediction, scale.log()]
        if low is not None and self.bits is not None:
            features.append(low / len(self.bits.powers))
            said.append(low)
        kind = self.enter.weight.dtype
        return torch.cat(features, dim=-1).to(kind), torch.cat(said, dim=-1).to(kind)
