"""Sampling from one published model, read by us and by the library that it comes from."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import partial
from importlib import metadata
from typing import Any

import torch
from torch import Tensor

from chainrule.bench.timing import time_interleaved
from chainrule.engine.auto import find_runner
from chainrule.errors import ChainruleError, optional_import
from chainrule.importers import from_pretrained
from chainrule.models import Model

LEVELS, TOKENS, BATCHES = 1000, 256, (1, 8)
SIZES = {"n_embd": 256, "n_layer": 6, "n_head": 8}
PEER, WAYS = "transformers", ("default", "native")


def measure(batch: int | None, repeats: int, *, tell: Callable[[str], object] = str) -> dict:
    """A GPT-2 with random weights: 256 new tokens of each row, drawn from all tokens.

    Args:
        batch: rows, in place of 1 and 8.
        repeats: counted rounds.
        tell: called with what is measured next.

    Raises:
        MissingExtraError: if `transformers` is not installed.
    """
    theirs, ours = _models()
    native: Any = find_runner(ours, "native")
    rows = []
    for size in (batch,) if batch else BATCHES:
        tell(f"batch {size}")
        ways: dict[str, Callable[[], object]] = {
            PEER: partial(_generate, theirs, size),
            "default": partial(ours.sample, size),
            "native": partial(ours.sample, size, runner=native),
        }
        times = time_interleaved(ways, repeats)
        seconds = times.medians()
        rows.append(
            {
                "batch": size,
                "tokens_per_second": {way: size * TOKENS / taken for way, taken in seconds.items()},
                "speedup": {way: times.ratio(PEER, way) for way in WAYS},
            }
        )
    sizes = f"{SIZES['n_layer']} blocks of {SIZES['n_embd']} channels, {LEVELS:,} tokens"
    return {
        "about": f"A GPT-2 of {sizes}: {TOKENS} new tokens",
        "rows": rows,
        "parameters": sum(parameter.numel() for parameter in ours.parameters()),
        "versions": {PEER: metadata.version(PEER)},
    }


def _models() -> tuple[Any, Model]:
    """Theirs, and ours of its files."""
    peer: Any = optional_import(PEER, "dev")
    peer.utils.logging.set_verbosity_error()
    peer.utils.logging.disable_progress_bar()
    config = peer.GPT2Config(
        vocab_size=LEVELS, n_positions=TOKENS, **SIZES, bos_token_id=0, eos_token_id=None, pad_token_id=None
    )
    with torch.random.fork_rng(devices=[]), tempfile.TemporaryDirectory() as folder:
        torch.manual_seed(0)
        theirs = peer.GPT2LMHeadModel(config).eval()
        theirs.save_pretrained(folder)
        ours = from_pretrained(folder)
    x = torch.zeros(1, TOKENS, dtype=torch.long)
    with torch.no_grad():
        apart = (theirs(x).logits - ours(x)).abs().max().item()
    if not apart < 1e-3:
        raise ChainruleError(f"bench generate: expected the same logits of both, they are {apart:.1g} apart")
    return theirs, ours


def _generate(theirs: Any, batch: int) -> Tensor:
    start = torch.zeros(batch, 1, dtype=torch.long)
    options = {"do_sample": True, "top_k": 0, "min_new_tokens": TOKENS, "max_new_tokens": TOKENS}
    return theirs.generate(start, attention_mask=torch.ones_like(start), **options)


def table(record: dict) -> tuple[list[str], list[list[str]]]:
    """A row a batch size."""
    columns = ["batch", *(f"{way}, tokens/s" for way in (PEER, *WAYS)), *(f"× {PEER}, {way}" for way in WAYS)]
    rows = [
        [
            f"{row['batch']}",
            *(f"{row['tokens_per_second'][way]:,.0f}" for way in (PEER, *WAYS)),
            *(f"{row['speedup'][way]:.1f}" for way in WAYS),
        ]
        for row in record["rows"]
    ]
    return columns, rows
