"""Sequences that continue a prompt, and sequences longer than the window a model was trained on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from chainrule.domain import Domain
from chainrule.errors import ChainruleError, DataError, DomainError, check_count
from chainrule.models import Model
from chainrule.models.base.streaming import Streams
from chainrule.tasks.drawn import Drawn
from chainrule.training import Run

PART = 4096  # steps that are handed out together


def continuation(
    run: Run,
    prompt: str | None = None,
    *,
    length: int | None = None,
    n: int = 1,
    cond: Tensor | int | None = None,
    generator: torch.Generator | None = None,
    part: int = PART,
    **choice: Any,
) -> Drawn:
    """Draw sequences that start with a prompt, or with nothing, up to any length.

    Args:
        run: with a model of sequences; of text or bytes if there is a prompt.
        prompt: the text with which each sequence starts; None starts at the first step.
        length: steps of a sequence, the prompt included. By default the window of the model; if the prompt fills it,
            as many steps after the prompt.
        n: number of sequences.
        cond: the condition of each.
        generator: source of randomness.
        part: most steps of a part.
        **choice: temperature, top_k, top_p.

    Returns:
        The sequences, drawn part by part; the prompt is the first part.

    Raises:
        ChainruleError: if the prompt is empty or holds characters that the run does not know, the length leaves nothing
            to draw, or the model cannot draw step by step and the window is too short.

    Example:
        >>> text = continuation(Run.open("runs/book"), "It was", length=2000).whole()  # doctest: +SKIP
    """
    check_count("n: expected a number of sequences", n, 1)
    check_count("part: expected a number of steps", part, 1)
    model, domain = run.model, run.model.domain
    start = prompt_levels(run, prompt)
    known, window = len(start), domain.steps
    if not _streamable(model):
        if length is not None or known >= window:
            raise ChainruleError(
                f"length, prompt: expected less than the window of {window}; {model.name} does not draw items of "
                f"{domain} step after step"
            )
        return Drawn(domain, n, iter([_window(model, start, n, cond, generator, choice)]), known)
    total = length or (window if known < window else known + window)
    if total <= known:
        unit = "steps" if run.writing is None else run.writing.unit
        raise ChainruleError(f"length: expected more than the {known} {unit} of the prompt, got {total}")
    block = -(-(total - known) // -(-(total - known) // part))  # equal parts: hardly a step is drawn in vain
    stream = model.stream(cond, prompt=start, batch=n, generator=generator, block=block, **choice)
    domain = replace(domain, event_shape=(total, *domain.event_shape[1:]))
    return Drawn(domain, n, _parts(stream, start, domain, n), known)


def prompt_levels(run: Run, prompt: str | None) -> Tensor:
    """The level of each character, byte or token of a prompt (T,); without one no steps, (0,) or (0, K).

    Raises:
        ChainruleError: if the run is not of text, or the prompt is empty or holds an unknown character.
    """
    writing, device = run.writing, run.model.device
    if prompt is None:
        return torch.zeros(0, *run.model.domain.event_shape[1:], dtype=torch.int64, device=device)
    if writing is None:
        raise ChainruleError("prompt: expected a model of text, this run has no characters")
    if not prompt:
        raise ChainruleError("prompt: expected at least one character, got none")
    try:
        return torch.tensor(writing.levels(prompt), dtype=torch.int64, device=device)
    except DataError as error:
        raise ChainruleError(f"prompt: {error}") from error


def _parts(stream: Iterator[Tensor], start: Tensor, domain: Domain, n: int) -> Iterator[Tensor]:
    """The prompt, and of a stream as many steps as the domain has left."""
    left = domain.steps - len(start)
    if len(start):
        yield start.expand(n, -1)
    for part in stream:
        yield part[:, :left]
        left -= part.shape[1]
        if left <= 0:
            return
    yield torch.full((n, left), domain.max_levels - 1, device=start.device)  # after the end of every item


def _window(
    model: Model,
    start: Tensor,
    n: int,
    cond: Tensor | int | None,
    generator: torch.Generator | None,
    choice: dict,
) -> Tensor:
    """Whole items, for a model that does not draw step by step."""
    if not len(start):
        return model.sample(n, cond, generator=generator, **choice)
    known = torch.arange(model.domain.size) < len(start)
    x = torch.nn.functional.pad(start, (0, model.domain.size - len(start)))[None]
    return model.complete(x, known, n, generator, cond=cond, **choice)[0]


def _streamable(model: Model) -> bool:
    if not isinstance(model, Streams):
        return False
    try:
        model.check_streamable()
    except DomainError:
        return False
    return True
