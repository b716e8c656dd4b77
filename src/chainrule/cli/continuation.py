"""Sequences drawn step by step: behind a prompt, and longer than the window a model was trained on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from chainrule.data.readers.text import is_bytes
from chainrule.domain import Domain
from chainrule.errors import ChainruleError, DomainError
from chainrule.models import AutoregressiveModel, Model
from chainrule.training import Run


def continued(
    run: Run,
    prompt: str | None,
    length: int | None,
    n: int,
    cond: int | None,
    generator: torch.Generator,
    *,
    most: int = 1,
    **choice: Any,
) -> tuple[Domain, Iterator[Tensor]]:
    """Items from the first step to the last, in parts as they are drawn.

    Args:
        run: with its model; of text, if there is a prompt.
        prompt: with which each item starts.
        length: steps of an item; None for the window, or behind a prompt as long as that, as many more.
        n: items.
        cond: their class.
        generator: where the randomness comes from.
        most: steps of a part.
        choice: of `AutoregressiveModel.stream`.

    Returns:
        The domain of the items, and their parts (n, steps) or (n, steps, K), the first of which is the prompt.

    Raises:
        ChainruleError: if the model knows no such prompt, or cannot go on for so long.
    """
    model, domain = run.model, run.model.domain
    start = _levels(run, prompt)
    known, window = len(start), domain.steps
    if not _streamable(model):
        if length is not None or known >= window:
            raise ChainruleError(
                f"--length, --prompt: expected less than the window of {window}; {model.name} does not draw items of "
                f"{domain} step after step"
            )
        return domain, iter([_whole(model, start, n, cond, generator, choice)])
    total = length or (window if known < window else known + window)
    if total <= known:
        unit = "bytes" if is_bytes(run.vocabulary or "") else "characters"
        raise ChainruleError(f"--length: expected more than the {known} {unit} of the prompt, got {total}")
    domain = replace(domain, event_shape=(total, *domain.event_shape[1:]))
    return domain, _parts(model, start, domain, n, cond, generator, most, choice)


def _parts(
    model: Any,
    start: Tensor,
    domain: Domain,
    n: int,
    cond: int | None,
    generator: torch.Generator,
    most: int,
    choice: dict,
) -> Iterator[Tensor]:
    left = domain.steps - len(start)
    block = -(-left // -(-left // most))  # of equal parts, so that hardly a step is drawn in vain
    symbols = model.stream(cond, prompt=start, batch=n, generator=generator, block=block, **choice)
    if len(start):
        yield start.expand(n, -1)
    for part in symbols:
        yield part[:, :left]
        left -= part.shape[1]
        if left <= 0:
            return
    yield torch.full((n, left), domain.max_levels - 1, device=model.device)  # behind the end of all items


def _whole(
    model: Model, start: Tensor, n: int, cond: int | None, generator: torch.Generator, choice: dict
) -> Tensor:
    if not len(start):
        return model.sample(n, cond, generator=generator, **choice)
    known = torch.arange(model.domain.size) < len(start)
    x = torch.nn.functional.pad(start, (0, model.domain.size - len(start)))[None]
    return model.complete(x, known, n, generator, cond=cond, **choice)[0]


def _streamable(model: Model) -> bool:
    if not isinstance(model, AutoregressiveModel):
        return False
    try:
        model.check_streamable()
    except DomainError:
        return False
    return True


def _levels(run: Run, prompt: str | None) -> Tensor:
    """The level of each character, or byte (n,)."""
    vocabulary, device = run.vocabulary, run.model.device
    if prompt is None:
        return torch.zeros(0, *run.model.domain.event_shape[1:], dtype=torch.int64, device=device)
    if vocabulary is None:
        raise ChainruleError("prompt: expected a model of text, this run has no characters")
    if not prompt:
        raise ChainruleError("prompt: expected at least one character, got none")
    if is_bytes(vocabulary):
        return torch.tensor(list(prompt.encode()), device=device)
    unknown = [character for character in prompt if character not in vocabulary]
    if unknown:
        raise ChainruleError(f"prompt: the run knows no character {unknown[0]!r}")
    return torch.tensor([vocabulary.index(character) for character in prompt], device=device)
