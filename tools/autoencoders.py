"""Draw docs/figures/autoencoders.svg from what the code of docs/learn/autoencoders.md computes.

Usage: python tools/autoencoders.py
"""

import re
from collections.abc import Callable
from pathlib import Path

import matplotlib.pyplot as plt
import torch
from matplotlib.axes import Axes
from torch import Tensor

from charts import FIGURES, OURS, STYLE

PAGE = Path(__file__).parent.parent / "docs" / "learn" / "autoencoders.md"


def reads(logits: Callable[[Tensor], Tensor], data: Tensor) -> Tensor:
    """Mean |∂ output d / ∂ input j| over the data: (D, D)."""
    return torch.stack([torch.autograd.functional.jacobian(logits, row).abs() for row in data.float()]).mean(
        0
    )


def matrix(axis: Axes, title: str, values: Tensor) -> None:
    """Darker is more."""
    axis.imshow(values.sqrt(), cmap="Blues", vmin=0)
    count = len(values)
    axis.set(title=title, xlabel="input", ylabel="output", xticks=range(count), yticks=range(count))
    axis.set_xticklabels(range(1, count + 1))
    axis.set_yticklabels(range(1, count + 1))
    axis.tick_params(length=0)


def draw() -> None:
    """Run the page, draw what it left."""
    names: dict = {}
    exec("\n".join(re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)), names)
    network = names["made"].network
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(1, 3, figsize=(9, 2.9), width_ratios=(1, 1, 1.3), layout="constrained")
        matrix(axes[0], "plain autoencoder", reads(names["plain"], names["data"]))
        matrix(axes[1], "MADE", reads(lambda x: network(x[None, :, None])[0, :, 0], names["data"]))
        axes[2].semilogy(names["plain_sums"], color="black", label="plain autoencoder")
        axes[2].semilogy(names["made_sums"], color=OURS, label="MADE")
        axes[2].set(title="Σ p(x) over all 256 x", xlabel="training steps")
        axes[2].legend(frameon=False)
        figure.savefig(FIGURES / "autoencoders.svg", metadata={"Date": None})
        plt.close(figure)


if __name__ == "__main__":
    draw()
