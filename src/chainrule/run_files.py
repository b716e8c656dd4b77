"""The names of the files in a run folder."""

from __future__ import annotations

from pathlib import Path

from chainrule.errors import RunError

WEIGHTS, CARD = "model.safetensors", "model.json"
CONFIG, METRICS, REPORT = "config.yaml", "metrics.csv", "report.html"
LAST = Path("checkpoints") / "last.safetensors"
TOKENIZER = "tokenizer.json"  # of a run on tokens
TRIALS = "trials"  # a folder each, by number, with files of these names
# What verbs write there where no other place is named.
SAMPLES, INTERPOLATION, COMPLETIONS = "samples.png", "interpolation.png", "completions.png"
STRUCTURE, FIELD, BITS = "structure.png", "receptive-field.png", "bits.png"
SIDE_BY_SIDE = "receptive-fields.png"
ORDERINGS, TEMPERATURES, DILATION = "orderings.png", "temperatures.png", "dilation.png"
# What `chainrule pack` adds: measured numbers, scores of held-out items, and a card for people.
NUMBERS, REFERENCE, ABOUT = "numbers.json", "reference.safetensors", "card.md"
KEPT = (CONFIG, CARD, WEIGHTS, METRICS, LAST, TOKENIZER, NUMBERS, REFERENCE)  # what cannot be drawn again
WRITTEN = (*KEPT, ABOUT, REPORT, SAMPLES, INTERPOLATION, COMPLETIONS, STRUCTURE, FIELD, BITS,
           SIDE_BY_SIDE, ORDERINGS, TEMPERATURES, DILATION)  # fmt: skip
LOCK = ".chainrule-lock"


def check_run_folder(folder: Path) -> None:
    """Refuse a run folder that is not there.

    Raises:
        RunError: if so.
    """
    if not folder.is_dir():
        raise RunError(f"{folder}: no such run folder")
