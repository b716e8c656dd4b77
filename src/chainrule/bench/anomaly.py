"""How well each anomaly score separates digits from clothes: likelihood fails, corrections do not."""

from __future__ import annotations

from collections.abc import Sequence

from chainrule.data import load_data, load_items
from chainrule.errors import ChainruleError
from chainrule.tasks.auroc import auroc
from chainrule.tasks.score import score
from chainrule.training import Run

INSIDE, OUTSIDE = "fashion-mnist", "mnist"
REFERENCE = 1000  # held-out images


def measure(batch: int, repeats: int, runs: Sequence[str] = ()) -> dict:
    """The first `batch` test images of Fashion-MNIST, and of MNIST.

    Args:
        batch: images of either kind.
        repeats: not used; scores are the same each time.
        runs: the run folder of a model of clothes, and that of a background model.

    Raises:
        ChainruleError: unless two runs are given, of models of these images.
    """
    if len(runs) != 2:
        raise ChainruleError(f"bench anomaly: expected two runs, --run RUN --run BACKGROUND, got {len(runs)}")
    model, background = (Run.open(folder).model for folder in runs)
    data = load_data(INSIDE)
    if model.domain != data.domain or model.conditional:
        raise ChainruleError(f"bench anomaly: expected unconditional models of {data.domain}, got {runs[0]}")
    reference = data.valid[:REFERENCE]
    outside = load_items(OUTSIDE, data.domain, split="test").x[:batch]
    usual, strange = (
        score(model, x, reference, background=background, complexity=True)
        for x in (data.test[:batch], outside)
    )
    each = {name: (values, strange.to_dict()[name]) for name, values in usual.to_dict().items()}
    del each["bits_per_dim"]  # of images of one size it ranks as nats do
    usually, strangely = each["p_value"]
    each["p_value"] = (-usually, -strangely)  # low is anomalous
    return {
        "about": "Scores of Fashion-MNIST (own split) beside MNIST",
        "runs": [str(folder) for folder in runs],
        "images": {INSIDE: len(usual.nats), OUTSIDE: len(strange.nats)},
        "reference": len(reference),
        "bits_per_dim": {
            INSIDE: usual.bits_per_dim.mean().item(),
            OUTSIDE: strange.bits_per_dim.mean().item(),
        },
        "auroc": {name: auroc(*values)._asdict() for name, values in each.items()},
    }


def table(record: dict) -> tuple[list[str], list[list[str]]]:
    """A row a score."""
    rows = [[name, f"{r['area']:.3f} ± {r['se']:.3f}"] for name, r in record["auroc"].items()]
    return ["score", "AUROC"], rows
