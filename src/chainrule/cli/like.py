"""Recordings drawn like others: given their features."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from chainrule.cli.options import items_of
from chainrule.domain import Domain
from chainrule.errors import ChainruleError
from chainrule.models.resize import of_length
from chainrule.training import Run


def drawn_like(
    run: Run,
    source: str,
    n: int,
    generator: torch.Generator,
    *,
    most: int,
    data_dir: Path | None,
    **choice: Any,
) -> tuple[Domain, int, Iterator[Tensor]]:
    """Draw a recording for each of some, of the same length and given its features.

    Args:
        run: of a model of features.
        source: a recording, for n draws; or a set, for a draw of each of its first n recordings.
        n: how many.
        generator: where the randomness comes from.
        most: steps of a part.
        data_dir: where named sets lie.
        choice: of `AutoregressiveModel.stream`.

    Returns:
        The domain of the longest, how many there are, and their parts (n, steps), -1 behind the end of one.

    Raises:
        ChainruleError: if the model is not told features, or there are no such recordings.
    """
    if run.features is None or run.rate is None:
        raise ChainruleError(f"--like: expected a run that was trained with --features, got {run.folder}")
    hop = run.features[1]
    streams = items_of(run, source, None, data_dir, labels=False, held_out=True).streams
    assert streams is not None and streams.frames is not None
    # One file is for all draws; of a set each is for one.
    which = [0] * n if Path(source).expanduser().is_file() else range(min(n, len(streams.lengths)))
    lengths, bounds = streams.lengths[list(which)], streams.frames.bounds.tolist()
    frames = [streams.frames.values[slice(*bounds[i : i + 2])] for i in which]
    cond = pad_sequence(frames, batch_first=True).transpose(1, 2)  # (n, M, T')
    model: Any = of_length(run.model, cond.shape[2] * hop)
    parts = model.stream(cond.to(model.device), batch=len(cond), generator=generator, block=most, **choice)
    return model.domain, len(cond), _ended(parts, lengths)


def _ended(parts: Iterator[Tensor], lengths: Tensor) -> Iterator[Tensor]:
    """-1 behind the end of each, up to that of the longest."""
    start, longest = 0, int(lengths.max())
    for part in parts:
        part = part[:, : longest - start].cpu()
        at = start + torch.arange(part.shape[1])
        yield part.where(at < lengths[:, None], -1)
        start += part.shape[1]
