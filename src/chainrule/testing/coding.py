"""Compressed items decode exactly, and are as short as the likelihood promises."""

from __future__ import annotations

import io
import math

import torch

from chainrule.coding import compress, decompress
from chainrule.coding.alphabet import check_codable
from chainrule.coding.container import Reader
from chainrule.engine.native import Unsupported as NativeUnsupported
from chainrule.errors import ChainruleError
from chainrule.models.base.capabilities import Marginalises
from chainrule.testing.subject import LawNotBinding, Subject, require

SHARE, BYTES = 1e-3, 64  # above the log-likelihood, at most


def compresses(subject: Subject) -> None:
    """Items decode exactly, and take at most 0.1 % and 64 bytes more than -log p; portable files have one content.

    Portable arithmetic is that of float32 but for its rounding, so that it costs no more bits; every runner has it to
    the last bit.
    """
    model, batch = subject.build(torch.float32), 60
    try:
        check_codable(model)
    except ChainruleError as reason:
        raise LawNotBinding(f"the model is not for coding: {reason}") from reason
    x, cond = subject.items(batch, torch.float32), subject.cond(model, batch, torch.float32)
    if isinstance(model, Marginalises):
        x = x.nan_to_num(0)
    nats = -model.log_prob(x, cond).sum().item()
    sides = batch * sum(map(math.log, model.condition.counts))
    if model.domain.lengths == "given":
        sides += batch * math.log(model.domain.steps + 1)
    most = (nats * (1 + SHARE) + sides) / math.log(2) / 8 + BYTES
    uncoded = None if model.condition.counts else cond
    portable: set[bytes] = set()
    for runner, anywhere in (("eager", True), ("native", True), ("native", False)):
        try:
            blob = compress(model, x, cond, runner=runner, portable=anywhere)
        except NativeUnsupported:
            continue
        if Reader(io.BytesIO(blob)).header.arithmetic.portable:
            portable.add(blob)
            require(len(portable) == 1, f"compresses: {runner} steps give another portable file")
        again, labels = decompress(model, blob, uncoded, labels=True)
        same = torch.equal(again.isnan(), x.isnan()) and torch.equal(
            again.nan_to_num(), x.to(again).nan_to_num()
        )
        require(same, f"compresses: {runner} steps give other items back")
        if cond is not None and uncoded is None:
            require(torch.equal(labels, cond), f"compresses: {runner} steps give other classes back")
        require(len(blob) <= most, f"compresses: {len(blob)} bytes, expected at most {most:.1f}")
        for other in (blob[:-1], blob[: len(blob) // 2], blob[:8] + bytes([blob[8] ^ 1]) + blob[9:]):
            try:
                decompress(model, other, uncoded)
            except ChainruleError:
                continue
            require(False, "compresses: a damaged file is decoded")
