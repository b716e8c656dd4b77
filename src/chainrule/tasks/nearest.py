"""The nearest neighbours of items, which reveal memorised samples."""

from __future__ import annotations

import torch
from torch import Tensor


def nearest(x: Tensor, among: Tensor, k: int = 3, *, chunk: int = 1000) -> tuple[Tensor, Tensor]:
    """The k nearest of other items to each of x, by Euclidean distance.

    Args:
        x: (B, *event_shape).
        among: (N, *event_shape).
        k: how many; all N if there are fewer.
        chunk: of the others at once.

    Returns:
        Distances (B, k) in the items' units, nearest first, and which they are (B, k).

    Example:
        >>> nearest(torch.tensor([[0, 0]]), torch.tensor([[3, 4], [0, 1], [9, 9]]), k=2)
        (tensor([[1., 5.]]), tensor([[1, 0]]))
    """
    flat = x.flatten(1).float()
    distances, which = flat.new_empty(len(x), 0), torch.empty(len(x), 0, dtype=torch.int64, device=x.device)
    for rows in torch.arange(len(among)).split(chunk):
        part = among[rows[0] : rows[-1] + 1].flatten(1).to(flat)
        # Not by a product of matrices, which would leave a copy at a small distance.
        new = torch.cdist(flat, part, compute_mode="donot_use_mm_for_euclid_dist")
        distances = torch.cat([distances, new], dim=1)
        which = torch.cat([which, rows.to(x.device).expand(len(x), -1)], dim=1)
        distances, best = distances.topk(min(k, distances.shape[1]), largest=False)
        which = which.gather(1, best)
    return distances, which
