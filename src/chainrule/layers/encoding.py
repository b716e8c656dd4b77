"""How values enter a net: the code of a site."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from chainrule.layers.asinh import asinh
from chainrule.layers.numbers.numbers import Numbers

# Categories of a column up to this many have a unit vector each; more share a learned vector of this length.
WIDEST = 64
# Scores of numbers are those of a standard logistic, which has a standard deviation of π / √3.
LOGISTIC, SCORES = math.sqrt(3) / math.pi, 10.0


class Encoding(nn.Module, ABC):
    """Values of a site (…, V) → its code (…, C)."""

    @abstractmethod
    def forward(self, sites: Tensor) -> Tensor:
        """Encode the first n sites: (B, n, V) → (B, n, C)."""

    def at(self, prev: Tensor, index: Tensor) -> Tensor:
        """Site `index`, 0-d, alone: (B, V) → (B, C). The same code at every site, unless a code says otherwise."""
        return self(prev)

    def per_site(self) -> dict[str, Tensor]:
        """The buffers, by name, whose first dimension is the site."""
        return {}


class Scalar(Encoding):
    """Values as numbers: (…, V) → (…, V), divided by `scale`."""

    scale: Tensor

    def __init__(self, scale: float = 1.0) -> None:
        super().__init__()
        self.register_buffer("scale", torch.tensor(float(scale)), persistent=False)

    def forward(self, sites: Tensor) -> Tensor:
        """(…, V) → (…, V)."""
        return sites.to(self.scale.dtype) / self.scale


class Centred(Encoding):
    """Levels 0 … L-1 evenly on [-1, 1]: (…, V) → (…, V)."""

    scale: Tensor

    def __init__(self, levels: int) -> None:
        super().__init__()
        self.register_buffer("scale", torch.tensor(2 / max(levels - 1, 1)), persistent=False)

    def forward(self, sites: Tensor) -> Tensor:
        """(…, V) → (…, V)."""
        return sites.to(self.scale.dtype) * self.scale - 1


class Real(Encoding):
    """Reals as asinh z, (…, V) → (…, V): a value a million scales out stays a small number."""

    def forward(self, sites: Tensor) -> Tensor:
        """(…, V) → (…, V)."""
        return asinh(sites)

    def at(self, prev: Tensor, index: Tensor) -> Tensor:
        """(B, V) → (B, V)."""
        return torch.asinh(prev)


class OneHot(Encoding):
    """Levels as unit vectors, with the level as a number in [0, 1] beside them: (…, V) → (…, V·(levels + 1)).

    The number shows the net that neighbouring levels are alike; the unit vectors let it treat each level on its own.
    """

    scale: Tensor

    def __init__(self, levels: int) -> None:
        super().__init__()
        self.levels = levels
        self.register_buffer("scale", torch.tensor(float(max(levels - 1, 1))), persistent=False)

    def forward(self, sites: Tensor) -> Tensor:
        """(…, V) → (…, V·(levels + 1))."""
        # Compared, not F.one_hot: that reads the values on the host.
        levels = torch.arange(self.levels, device=sites.device)
        units = (sites[..., None] == levels).to(self.scale.dtype)
        number = (sites.to(self.scale.dtype) / self.scale)[..., None]
        return torch.cat([units, number], dim=-1).flatten(-2)


class Cells(Encoding):
    """Cells of a row, each by the kind of its column: (B, n, 1) → (B, n, C).

    C holds a unit vector (or, of a column with over 64 categories, a learned vector); of a number column in its place
    a flag for each of its points and lattices, and the features of its calendar; a number, as `Real` has it, or of a
    number column its score in units of size 1; and a flag where the number is missing.

    Args:
        levels: of each site; 0 for numbers.
        gaps: whether a number may be missing, of each site.
        places: of each site among the number columns; -1 for other kinds.
        marks: the most points and lattices that a number column has, and features of the calendar.
    """

    levels: Tensor
    offsets: Tensor
    places: Tensor
    one: Tensor

    def __init__(
        self,
        levels: Sequence[int],
        gaps: Sequence[bool],
        places: Sequence[int] = (),
        marks: int = 0,
    ) -> None:
        super().__init__()
        wide = [k if k > WIDEST else 0 for k in levels]
        self.units = min(max(*levels, marks), WIDEST)
        self.flags = any(gaps)
        self.channels = self.units + 1 + self.flags
        self.register_buffer("levels", torch.tensor(levels), persistent=False)
        # Where a wide column's vectors start in the table, -1 for the others.
        starts = [sum(wide[:t]) if k else -1 for t, k in enumerate(wide)]
        self.register_buffer("offsets", torch.tensor(starts), persistent=False)
        self.register_buffer("places", torch.tensor(places or [-1] * len(levels)), persistent=False)
        self.register_buffer("one", torch.ones(()), persistent=False)  # of the net's type
        self.vectors = nn.Embedding(sum(wide), self.units) if any(wide) else None
        self._numbers: tuple[Numbers, ...] = ()  # a tuple: they are the head's, not another part of the net

    def share(self, numbers: Numbers) -> None:
        """Read number columns by the maps of the head."""
        self._numbers = (numbers,)

    def forward(self, sites: Tensor) -> Tensor:
        """(B, n, 1) → (B, n, C)."""
        n = sites.shape[1]
        return self._code(sites[..., 0], self.levels[:n], self.offsets[:n], self.places[:n])

    def at(self, prev: Tensor, index: Tensor) -> Tensor:
        """(B, 1) → (B, C)."""
        own = [part.index_select(0, index.reshape(1)) for part in (self.levels, self.offsets, self.places)]
        return self._code(prev, *own)[:, 0]

    def per_site(self) -> dict[str, Tensor]:
        """What each column is."""
        return {"levels": self.levels, "offsets": self.offsets, "places": self.places}

    def _code(self, values: Tensor, levels: Tensor, offsets: Tensor, places: Tensor) -> Tensor:
        """Values (B, n), and of the sites levels, offsets and places (n,) → (B, n, C)."""
        numbers = next(iter(self._numbers), None)
        values = values if values.is_floating_point() else values.to(torch.get_default_dtype())
        kind = values.dtype if numbers is None else self.one.dtype
        missing = values.isnan()
        there = torch.where(missing, 0.0, values)
        number = torch.where(levels > 0, there / (levels - 1).clamp(min=1), torch.asinh(there)).to(kind)
        marks = None
        if numbers is not None:
            absent = missing | (places < 0)
            scores, marks = numbers.marks(values.masked_fill(absent, torch.nan), places.clamp(min=0))
            marks = marks.to(kind).masked_fill(absent[..., None], 0.0)
            score = (LOGISTIC * scores.clamp(-SCORES, SCORES)).to(kind)
            number = torch.where(places >= 0, torch.where(missing, 0.0, score), number)
        parts = [number[..., None]]
        if self.flags:
            parts.append(missing[..., None].to(kind))
        if self.units:
            plain = ((levels > 0) & (offsets < 0))[:, None]
            codes = torch.arange(self.units, device=values.device)
            units = ((there[..., None] == codes) & plain).to(kind)
            if self.vectors is not None:
                rows = torch.where(offsets >= 0, there.long() + offsets, 0)
                units = torch.where((offsets >= 0)[:, None], self.vectors(rows), units)
            if marks is not None:
                units = units + F.pad(marks[..., : self.units], (0, max(0, self.units - marks.shape[-1])))
            parts.insert(0, units)
        return torch.cat(parts, dim=-1)
