"""Recordings drawn again from their features."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from chainrule.data import Items
from chainrule.errors import ChainruleError
from chainrule.models.resize import of_length
from chainrule.tasks.continuation import PART
from chainrule.tasks.drawn import Drawn
from chainrule.training import Run


def resynthesise(
    run: Run,
    recordings: Items,
    which: Sequence[int] | None = None,
    *,
    generator: torch.Generator | None = None,
    part: int = PART,
    **choice: Any,
) -> Drawn:
    """Draw recordings conditioned on the log-mel frames of others, each as long as the one it follows.

    Args:
        run: of a model that was trained on features.
        recordings: read by the codes of the run, `load_items(source, run.reading)`.
        which: the number of the recording that each draw follows; one may serve several draws. Default: all, in order.
        generator: source of randomness.
        part: most steps of a part.
        **choice: temperature, top_k, top_p.

    Returns:
        A draw for each of `which`, part by part, -1 after the end of one.

    Raises:
        ChainruleError: if the model is not conditioned on features, the items are not recordings, or there is no
            recording of such a number.
    """
    if run.features is None or run.rate is None:
        raise ChainruleError(f"resynthesis: expected a run that was trained with --features, got {run.name}")
    streams = recordings.streams
    if streams is None or streams.frames is None:
        raise ChainruleError(f"{recordings.name}: expected recordings with features, got {recordings.domain}")
    there = len(streams.lengths)
    chosen = list(range(there) if which is None else which)
    if not chosen or not all(0 <= number < there for number in chosen):
        raise ChainruleError(f"which: expected numbers of recordings in [0, {there}), got {chosen}")
    hop, bounds = run.features[1], streams.frames.bounds.tolist()
    frames = [streams.frames.values[slice(*bounds[i : i + 2])] for i in chosen]
    cond = pad_sequence(frames, batch_first=True).transpose(1, 2)  # (n, M, T')
    model: Any = of_length(run.model, cond.shape[2] * hop)
    parts = model.stream(cond.to(model.device), batch=len(cond), generator=generator, block=part, **choice)
    return Drawn(model.domain, len(cond), _ended(parts, streams.lengths[chosen]))


def _ended(parts: Iterator[Tensor], lengths: Tensor) -> Iterator[Tensor]:
    """-1 after the end of each, up to that of the longest."""
    start, longest = 0, int(lengths.max())
    for part in parts:
        part = part[:, : longest - start].cpu()
        at = start + torch.arange(part.shape[1])
        yield part.where(at < lengths[:, None], -1)
        start += part.shape[1]
