"""PixelDefend: how often a classifier is right under each attack, before and after, and what the p-values show."""

from __future__ import annotations

import time
from collections.abc import Sequence

import torch
from torch import Tensor

from chainrule.bench.attacks import Classifier, attack, attack_through, train_classifier
from chainrule.data import Data, load_data
from chainrule.errors import ChainruleError
from chainrule.tasks.auroc import auroc
from chainrule.tasks.likelihood import log_probs
from chainrule.tasks.purify import purify
from chainrule.tasks.score import rank_p_value
from chainrule.training import Run

DATA = "fashion-mnist"
ATTACK, DEFEND = 25, 32  # levels, those of the paper for this set
EPOCHS, TRAINED = 4, 20_000  # of the classifier; its first images
REFERENCE = 1000  # held-out images that p-values are ranks in
BINS = 10  # of p-values


def measure(batch: int, repeats: int, runs: Sequence[str] = ()) -> dict:
    """The first `batch` test images of Fashion-MNIST.

    Args:
        batch: images.
        repeats: not used; attack and defence are the same each time.
        runs: one run folder, of a model of these images.

    Raises:
        ChainruleError: unless one run is given, of such a model.
    """
    data = load_data(DATA)
    if len(runs) != 1:
        raise ChainruleError(f"bench defence: expected one run, --run RUN, got {len(runs)}")
    model = Run.open(runs[0]).model
    if model.domain != data.domain or model.conditional:
        raise ChainruleError(
            f"bench defence: expected an unconditional model of {data.domain}, got {runs[0]}"
        )
    started = time.perf_counter()
    classifier = train_classifier(
        data.domain, data.train[:TRAINED], data.labels["train"][:TRAINED], epochs=EPOCHS
    )
    x, labels = data.test[:batch].long(), data.labels["test"][:batch]
    images = {"none": x, **attack(classifier, x, labels, ATTACK)}
    images["BPDA"] = attack_through(classifier, lambda own: purify(model, own, DEFEND), x, labels, ATTACK)
    reference = log_probs(model, data.valid[:REFERENCE])
    training = log_probs(model, data.train[:REFERENCE])
    clean = log_probs(model, x)
    measured, right, defended = {}, {}, {}
    for name, attacked in images.items():
        start = time.perf_counter()
        purified = purify(model, attacked, DEFEND)
        seconds = time.perf_counter() - start
        own = log_probs(model, attacked)
        p = rank_p_value(own, reference)
        right[name], defended[name] = (
            classifier.guess(attacked) == labels,
            classifier.guess(purified) == labels,
        )
        measured[name] = {
            "accuracy": _share(right[name]),
            "purified_accuracy": _share(defended[name]),
            "nats": -own.mean().item(),
            "purified_nats": -log_probs(model, purified).mean().item(),
            "p_at_most_5_percent": _share(p <= 0.05),
            "p_histogram": torch.histc(p, BINS, 0, 1).long().tolist(),
            "p_histogram_training": torch.histc(rank_p_value(own, training), BINS, 0, 1).long().tolist(),
            "detection_auroc": None if name == "none" else auroc(-clean, -own)._asdict(),
            "purification_seconds": seconds,
        }
    attacks = [name for name in images if name != "none"]
    return {
        "about": "PixelDefend on Fashion-MNIST, own split",
        "run": str(runs[0]),
        "images": len(x),
        "attack_levels": ATTACK,
        "defend_levels": DEFEND,
        "classifier": {"trained_on": TRAINED, "epochs": EPOCHS, "test_accuracy": _accuracy(classifier, data)},
        "reference": REFERENCE,
        "attacks": measured,
        # Of each image the attack that hurts most.
        "strongest": {
            "accuracy": _share(torch.stack([right[name] for name in attacks]).all(0)),
            "purified_accuracy": _share(torch.stack([defended[name] for name in attacks]).all(0)),
        },
        "seconds": time.perf_counter() - started,
    }


def _accuracy(classifier: Classifier, data: Data) -> float:
    return _share(classifier.guess(data.test) == data.labels["test"])


def _share(hits: Tensor) -> float:
    return hits.double().mean().item()


def table(record: dict) -> tuple[list[str], list[list[str]]]:
    """A row an attack."""
    rows = []
    for name, r in record["attacks"].items():
        found = r["detection_auroc"]
        rows.append(
            [
                name,
                f"{r['accuracy']:.1%}",
                f"{r['purified_accuracy']:.1%}",
                f"{r['p_at_most_5_percent']:.1%}",
                "–" if found is None else f"{found['area']:.3f} ± {found['se']:.3f}",
            ]
        )
    strongest = record["strongest"]
    all_of_them = [f"{strongest['accuracy']:.1%}", f"{strongest['purified_accuracy']:.1%}"]
    rows.append(["strongest on each image", *all_of_them, "–", "–"])
    return ["attack", "accuracy", "purified", "p ≤ 0.05", "detection AUROC"], rows
