"""A codebook: vectors ↔ the number of the nearest of K learnt ones."""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn import functional as F

from chainrule.devices import without_autocast

DECAY = 0.99  # of the running averages, as in the paper
DEAD = 0.1  # uses a step, on average, under which a vector is put where there is something to code


class Codebook(nn.Module):
    """K vectors of E numbers, each the running mean of those that it is the nearest to; no gradient moves them.

    Args:
        codes: K.
        size: E.

    References:
        van den Oord, Vinyals, Kavukcuoglu (2017), "Neural discrete representation learning", eq. 1 and appendix A.1,
        https://arxiv.org/abs/1711.00937. Vectors out of use start afresh at one that is to be coded, as in Dhariwal et
        al. (2020), "Jukebox", §3.1, https://arxiv.org/abs/2005.00341.
    """

    vectors: Tensor
    uses: Tensor
    sums: Tensor

    def __init__(self, codes: int, size: int) -> None:
        super().__init__()
        self.register_buffer("vectors", torch.randn(codes, size))
        self.register_buffer("uses", torch.ones(codes))
        self.register_buffer("sums", self.vectors.clone())

    def nearest(self, h: Tensor) -> Tensor:
        """(B, E, H, W) → codes (B, 1, H, W) in [0, K)."""
        with without_autocast(h.device):  # whose rounding would change the code
            rows = h.movedim(1, -1).to(self.vectors.dtype)
            distance = self.vectors.square().sum(1) - 2 * rows @ self.vectors.t()
        return distance.argmin(-1)[:, None]

    def forward(self, codes: Tensor) -> Tensor:
        """Codes (B, 1, H, W) → their vectors (B, E, H, W)."""
        return F.embedding(codes[:, 0], self.vectors).movedim(-1, 1)

    @torch.no_grad()
    def start(self, h: Tensor, generator: torch.Generator) -> None:
        """Vectors at random ones of h (B, E, H, W)."""
        rows = h.movedim(1, -1).flatten(0, -2)
        chosen = torch.randint(len(rows), (len(self.vectors),), generator=generator).to(rows.device)
        self.vectors.copy_(rows[chosen])
        self.uses.fill_(1.0)
        self.sums.copy_(self.vectors)

    @torch.no_grad()
    def follow(self, h: Tensor, codes: Tensor) -> None:
        """Move each vector towards the mean of those of h (B, E, H, W) whose code it is."""
        rows, which = h.movedim(1, -1).flatten(0, -2).to(self.vectors.dtype), codes.flatten()
        uses = torch.zeros_like(self.uses).index_add_(0, which, torch.ones_like(rows[:, 0]))
        sums = torch.zeros_like(self.sums).index_add_(0, which, rows)
        fresh = rows[torch.randint(len(rows), (len(self.uses),), device=rows.device)]
        if self.training and dist.is_initialized():  # of what all processes have seen, and alike in all
            dist.all_reduce(uses)
            dist.all_reduce(sums)
            dist.broadcast(fresh, 0)
        self.uses.lerp_(uses, 1 - DECAY)
        self.sums.lerp_(sums, 1 - DECAY)
        dead = self.uses < DEAD
        self.uses.masked_fill_(dead, 1.0)
        self.sums.copy_(torch.where(dead[:, None], fresh, self.sums))
        self.vectors.copy_(self.sums / self.uses[:, None])
