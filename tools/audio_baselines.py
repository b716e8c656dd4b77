"""What spoken digits cost without a net, in bits a sample of the 16-bit recordings: results/fsdd-16-bit/.

Run: `python tools/audio_baselines.py`, with CHAINRULE_DATA set.

FLAC is soundfile's, whole files with their headers. The linear predictor is fitted by least squares on the training
recordings; a sample's distribution is a Laplace around its prediction, integrated over the sample's bin, whose scale
is the mean size of the errors just before it.
"""

from __future__ import annotations

import io
import math
from pathlib import Path

import numpy as np
import soundfile

from chainrule.data import load_data
from chainrule.files import write_text
from chainrule.records import circumstances, to_json

OUT = Path(__file__).parent.parent / "results" / "fsdd-16-bit"
ORDER, MEMORY = 16, 32
LEVELS = 65536


def recordings(split: str) -> list[np.ndarray]:
    """Of a split, in 16-bit units."""
    streams = load_data("fsdd", domain=f"sequence:4096:{LEVELS}:given").streams[split]
    values = streams.values.numpy().astype(np.int64) - LEVELS // 2
    return np.split(values, streams.bounds[1:-1].numpy())


def flac_bits(x: np.ndarray) -> float:
    """Of a recording, header and all."""
    file = io.BytesIO()
    soundfile.write(file, x.astype(np.int16), 8000, format="FLAC", subtype="PCM_16")
    return 8.0 * len(file.getvalue())


def lagged(x: np.ndarray) -> np.ndarray:
    """(T,) → (T, ORDER): the samples before each, zeros before the start."""
    padded = np.concatenate([np.zeros(ORDER), x])
    return np.stack([padded[ORDER - k : ORDER - k + len(x)] for k in range(1, ORDER + 1)], axis=1)


def linear_bits(x: np.ndarray, weights: np.ndarray) -> float:
    """-log2 of the probability of a recording under the linear predictor."""
    mean = lagged(x) @ weights
    size = np.abs(x - mean)
    total = np.concatenate([[0.0], np.cumsum(size)])
    at = np.arange(len(x))
    first = np.maximum(at - MEMORY, 0)
    # As if one error of 16 had been before the first: a scale there has to be.
    scale = (total[at] - total[first] + 16) / (at - first + 1) + 0.3
    low, high = (_laplace((x + side - mean) / scale) for side in (-0.5, 0.5))
    low[x == -LEVELS // 2], high[x == LEVELS // 2 - 1] = 0, 1
    mass = np.where(
        x > mean, _laplace(-(x - 0.5 - mean) / scale) - _laplace(-(x + 0.5 - mean) / scale), high - low
    )
    return -np.log2(np.maximum(mass, 1e-300)).sum()


def _laplace(z: np.ndarray) -> np.ndarray:
    """The distribution function."""
    return np.where(z < 0, 0.5 * np.exp(np.minimum(z, 0)), 1 - 0.5 * np.exp(-np.maximum(z, 0)))


def record(name: str, model: str, bits: dict[str, list[float]], steps: dict[str, list[int]]) -> None:
    """A record like those of `chainrule reproduce`."""
    scores = {}
    for split in bits:
        b, n = np.array(bits[split]), np.array(steps[split])
        mean = b.sum() / n.sum()
        error = (b - mean * n).std(ddof=1) / n.mean() / math.sqrt(len(n))
        per_step = {"steps": int(n.sum()), "nats": mean * math.log(2), "nats_se": error * math.log(2)}
        per_step |= {"bits": mean, "bits_se": error, "context": None}
        scores[split] = {"n": len(n), "per_step": per_step}
    fields = {
        "table": "fsdd-16-bit",
        "name": name,
        "model": model,
        "data": "fsdd",
        "metric": "nats a sample of 16 bits",
    }
    rest = {"published": None, "best_epoch": None, "seed": 0, "command": "python tools/audio_baselines.py"}
    write_text(OUT / f"{name}.json", to_json({**fields, **scores, **rest, **circumstances()}))
    print(name, {split: round(score["per_step"]["bits"], 3) for split, score in scores.items()})


def main() -> None:
    """Both baselines, on valid and test."""
    train = recordings("train")
    covariance, moments = np.zeros((ORDER, ORDER)), np.zeros(ORDER)
    for x in train:
        rows = lagged(x)
        weight = 1 / (1 + x.astype(float).var())  # so that loud recordings do not decide alone
        covariance += weight * rows.T @ rows
        moments += weight * rows.T @ x
    weights = np.linalg.solve(covariance, moments)
    held = {split: recordings(split) for split in ("valid", "test")}
    steps = {split: [len(x) for x in parts] for split, parts in held.items()}
    record("flac", "flac", {s: [flac_bits(x) for x in p] for s, p in held.items()}, steps)
    linear = {s: [linear_bits(x, weights) for x in p] for s, p in held.items()}
    record("linear", f"linear predictor of {ORDER} samples", linear, steps)


if __name__ == "__main__":
    main()
