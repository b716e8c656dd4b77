"""What spoken digits cost without a net, in bits a sample of the 16-bit recordings: results/fsdd-16-bit/.

Run: `python tools/audio_baselines.py`, with CHAINRULE_DATA set and Debian's `wavpack` installed.

FLAC is soundfile's, WavPack `wavpack -hh -x6`, its smallest files; both whole files with their headers, a recording
each. The linear predictor is fitted by least squares on the training recordings; a sample's distribution is a Laplace
around its prediction, integrated over the sample's bin, whose scale is the mean size of the errors just before it.

`rls` is the first predictor of `rls-lstm` without its net: a logistic around the prediction, whose scale is a multiple
of the predictor's usual error. `rls-low-bits` knows as well how many low bits of all samples so far were zero. What
these have to choose, the multiple and how much the bits are trusted, is chosen on training recordings.
"""

from __future__ import annotations

import io
import math
import subprocess
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import soundfile
import torch
from torch import Tensor

from chainrule.data import load_data
from chainrule.files import write_text
from chainrule.heads import LocatedLogistic
from chainrule.layers import LeastSquares, LowBits
from chainrule.records import circumstances, to_json

OUT = Path(__file__).parent.parent / "results" / "fsdd-16-bit"
ORDER, MEMORY = 16, 32
LEVELS = 65536
LOW_BITS = 8
CHOSEN_ON = 200  # training recordings
LOG_SCALES, GATES = (-1.2, -1.0, -0.8, -0.6, -0.4, -0.2, 0.0), (2.0, 4.0, 6.0, 8.0)


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


def wavpack_bits(x: np.ndarray) -> float:
    """Of a recording, header and all."""
    with TemporaryDirectory() as folder:
        file, packed = Path(folder) / "x.wav", Path(folder) / "x.wv"
        soundfile.write(file, x.astype(np.int16), 8000, subtype="PCM_16")
        subprocess.run(["wavpack", "-q", "-hh", "-x6", file, "-o", packed], check=True)
        return 8.0 * packed.stat().st_size


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


class Followed:
    """Recordings as the first predictor of `rls-lstm` saw them, and what a logistic around it costs.

    Args:
        parts: the recordings, in 16-bit units.
    """

    def __init__(self, parts: list[np.ndarray]) -> None:
        follow, bits = LeastSquares([32], [100.0], limit=LEVELS / 2), LowBits(LOW_BITS)
        self.levels, self.found = [], []
        for x in parts:
            delayed = torch.from_numpy(np.concatenate([[0.0], x[:-1]]))[None, :, None]
            prediction, _, _, usual, _ = follow(delayed)[0].unbind(-1)
            self.levels.append(torch.from_numpy(x)[:, None] + LEVELS // 2)
            self.found.append(torch.stack([prediction, usual.log(), bits(delayed)[0, :, 0]], dim=-1))

    def bits(self, log_scale: float, gate: float | None) -> list[float]:
        """Of each recording; of gate None whatever its low bits are."""
        head = LocatedLogistic(LEVELS, components=1, bits=0 if gate is None else LOW_BITS)
        own = torch.tensor([0.0 if gate is None else gate, 0.0, log_scale, 0.0], dtype=torch.float64)

        def cost(found: Tensor, levels: Tensor) -> float:
            params = torch.cat([own.expand(len(found), -1), found], dim=-1)
            return -head.log_prob(params, levels).sum().item() / math.log(2)

        return [cost(found, levels) for found, levels in zip(self.found, self.levels, strict=True)]


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
    """All baselines, on valid and test."""
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
    record("wavpack", "WavPack", {s: [wavpack_bits(x) for x in p] for s, p in held.items()}, steps)
    some = Followed(train[:: len(train) // CHOSEN_ON])
    followed = {s: Followed(p) for s, p in held.items()}
    for name, gates in (("rls", (None,)), ("rls-low-bits", GATES)):
        best = min(product(LOG_SCALES, gates), key=lambda chosen: sum(some.bits(*chosen)))
        print(name, "log-scale, gate:", best)
        model = "recursive least squares of 32 samples" + ", low bits" * (gates is GATES)
        record(name, model, {s: f.bits(*best) for s, f in followed.items()}, steps)


if __name__ == "__main__":
    main()
