"""Draw docs/figures/p-values.svg from benchmarks/defence.json.

Usage: python tools/defence.py
"""

import json
from pathlib import Path

import matplotlib.pyplot as plt

from charts import FIGURES, OURS, STYLE

RECORD = Path(__file__).parent.parent / "benchmarks" / "defence.json"


def draw() -> None:
    """A panel for each attack: how many images have p-values in each tenth of [0, 1]."""
    record = json.loads(RECORD.read_text())
    attacks = record["attacks"]
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(1, len(attacks), figsize=(9, 1.9), sharey=True, layout="constrained")
        for axis, (name, found) in zip(axes, attacks.items(), strict=True):
            counts = [count / record["images"] for count in found["p_histogram"]]
            width = 1 / len(counts)
            centres = [(i + 0.5) * width for i in range(len(counts))]
            axis.bar(centres, counts, width * 0.9, color=OURS)
            axis.axhline(width, color="black", linewidth=1, linestyle="--")
            axis.set(
                title="clean" if name == "none" else name, xlabel="p-value", xlim=(0, 1), xticks=(0, 0.5, 1)
            )
        axes[0].set_ylabel("share of images")
        figure.savefig(FIGURES / "p-values.svg", metadata={"Date": None})


if __name__ == "__main__":
    draw()
