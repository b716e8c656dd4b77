"""The bytes of a file ↔ a block: a model over rows, each bit mixed with what the contexts of the file say."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from chainrule.coding.choice import StepByStep
from chainrule.coding.steps import Steps
from chainrule.errors import ChainruleError, CodeError
from chainrule.heads import Conditional
from chainrule.models import AutoregressiveModel
from chainrule.models.baselines import Uniform

BITS = 30  # of a probability of the model


def encode_bytes(model: AutoregressiveModel, steps: Steps, values: np.ndarray) -> bytes:
    """The bytes of a block as a payload: with the model or by contexts alone, whichever is shorter.

    The first byte is 1 if the model steps over rows of its length, byte t of each row before byte t + 1 of any; 0 if
    contexts alone go through the bytes in their order, as always of a model that takes every byte for as likely.

    Args:
        model: of the rows.
        steps: run by a runner, in an arithmetic.
        values: (n,) uint8, n ≥ 1.

    Raises:
        ChainruleError: if the model gives no probabilities.
    """
    payload = b"\0" + _code_alone(len(values), values, None)[1]
    if isinstance(model, Uniform):
        return payload
    return min(payload, b"\1" + _code_with(model, steps, len(values), values, None)[1], key=len)


def decode_bytes(model: AutoregressiveModel, steps: Steps, count: int, payload: bytes) -> np.ndarray:
    """The `count` bytes, uint8, of a payload.

    Args:
        model, steps: as in `encode_bytes`.
        count: n.
        payload: of a block.

    Raises:
        CodeError: if it is none of n bytes.
    """
    how, rest = payload[:1], payload[1:]
    if how == b"\0":
        return _code_alone(count, None, rest)[0]
    if how != b"\1" or isinstance(model, Uniform):
        raise CodeError("payload: expected to begin with 0, or with 1 where there is a model")
    return _code_with(model, steps, count, None, rest)[0]


def _code_alone(count: int, values: np.ndarray | None, payload: bytes | None) -> tuple[np.ndarray, bytes]:
    from chainrule.coding.mixing.coder import ByteCoder

    coder = ByteCoder(count, count, payload, model=False)
    return coder.code_all(values), coder.finish()


def _code_with(
    model: AutoregressiveModel,
    steps: Steps,
    count: int,
    values: np.ndarray | None,
    payload: bytes | None,
) -> tuple[np.ndarray, bytes]:
    from chainrule.coding.mixing.coder import ByteCoder

    coder = ByteCoder(count, model.sites, payload, model=True)
    rule = _Rule(coder.code, count, model.sites, values)
    steps.run(model, rule, -(-count // model.sites), min(count, model.sites))
    return rule.flat.numpy(), coder.finish()


def whole(probabilities: Tensor) -> np.ndarray:
    """The model's probabilities p (B, K) as whole numbers ⌊2^30 p⌋ + 1, int32.

    Raises:
        ChainruleError: if they are none.
    """
    if not torch.isfinite(probabilities.sum()):
        raise ChainruleError("the model gives no probabilities: some of its numbers are NaN")
    scaled = (probabilities.double() * (1 << BITS)).floor().clamp(0, 1 << BITS)
    return (scaled.to(torch.int32) + 1).numpy()


class _Rule(StepByStep):
    """The rule of a rollout that codes bytes.

    Args:
        code: codes byte t of every row.
        count: bytes in all.
        length: of a row.
        values: (count,) uint8, to encode; None to decode.
    """

    def __init__(
        self, code: Callable[..., np.ndarray], count: int, length: int, values: np.ndarray | None
    ) -> None:
        self._code, self._known = code, values
        self.flat = torch.zeros(count, dtype=torch.uint8) if values is None else torch.from_numpy(values)
        self._rows, self._length = -(-count // length), length

    def __call__(self, conditional: Conditional, d: int | Tensor) -> Tensor:
        """(B,) bytes d of the rows; 0 in a row that has none."""
        assert isinstance(d, int)  # coders work step by step
        own = self.flat[d :: self._length]
        known = None if self._known is None else own.numpy()
        found = torch.from_numpy(self._code(d, known, whole(conditional.table())))
        if known is None:
            own.copy_(found)
        return torch.nn.functional.pad(found.long(), (0, self._rows - len(found)))
