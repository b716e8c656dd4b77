"""Sites of a stream, some at a time: eagerly, then by the fast runner of the device once these have taken long."""

from __future__ import annotations

import time
from collections.abc import Hashable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from chainrule.engine.auto import account_of, find_fast, form_of, has_fast, pays
from chainrule.engine.choice import Choice
from chainrule.engine.finite import Guard
from chainrule.engine.interfaces import Unsupported
from chainrule.engine.site import draw_site
from chainrule.layers import State

if TYPE_CHECKING:
    from chainrule.engine.captured import CapturedRunner
    from chainrule.engine.native import NativeRunner

FEW = 16  # sites that are drawn eagerly between two looks at the time


class Chunks:
    """Draws the next sites from where it stands.

    Args:
        model: an `engine.rollout.Stepwise`.
        most: sites that will be asked for at once.
    """

    def __init__(self, model: Any, *, most: int) -> None:
        self.model, self._most = model, most
        self._account = account_of(model)
        self._fast: NativeRunner | CapturedRunner | None = None

    def begin(self, state: State, prev: Tensor, t: int) -> None:
        """Stand before site t of the net's clock: its state there, and the site before it (B, V)."""
        self._state, self._prev, self.t = state, prev, t
        self._session = None if self._fast is None else self._fast.session(state, len(prev))

    def draw(self, rule: Choice, site: int, n: int) -> Tensor:
        """n sites (B, n, V), which are the rule's from `site` on."""
        key = ("stream", len(self._prev), self._most, form_of(rule))
        parts, left = [], n
        while left:
            if self._session is None and self._pays(key):
                self._go_fast(key)
            now = min(left, FEW) if self._session is None else left
            part = None
            if self._session is not None:
                part = self._by_session(key, rule, site + n - left, now)
            parts.append(self._eagerly(rule, site + n - left, now) if part is None else part)
            left -= now
        return torch.cat(parts, dim=1)

    def _pays(self, key: tuple[Hashable, ...]) -> bool:
        account, model = self._account, self.model
        if not key[-1] or key in account.refused or not has_fast(self._prev.device):
            return False
        return account.known_runner(key, model) is not None or pays(account, model, 0.0)

    def _go_fast(self, key: Hashable) -> None:
        found = find_fast(self.model)
        if isinstance(found, str):
            self._account.refuse(key, self.model, found)
        else:
            self._fast, self._session = found, found.session(self._state, len(self._prev))

    def _by_session(self, key: Hashable, rule: Choice, site: int, n: int) -> Tensor | None:
        assert self._session is not None and self._fast is not None
        batch, variables = self._prev.shape
        # One buffer of the same size every time, so that one program serves all stretches.
        values = self._prev.new_zeros(batch, self._most + 1, variables)
        values[:, 0] = self._prev
        try:
            self._session.draw(rule, values, self.t, self.t + n, place=1 - self.t, site=site - self.t)
        except Unsupported as reason:
            self._fast, self._session = None, None
            self._account.refuse(key, self.model, str(reason))
            return None
        self._account.learn(key, self.model, self._fast)
        self._prev, self.t = values[:, n].clone(), self.t + n
        return values[:, 1 : n + 1]

    def _eagerly(self, rule: Choice, site: int, n: int) -> Tensor:
        model, start = self.model, time.perf_counter()
        phases, guard = model.schedule(model.sites), Guard(model, self._prev.device, self.t + n)
        drawn = []
        for i in range(n):
            clock = torch.full((), self.t, device=self._prev.device)
            phase = phases[min(self.t, model.sites - 1)]
            params, self._state = model.step(self._prev, self._state, clock, phase=phase)
            guard.see(params, self.t)
            values = draw_site(model.head, params, rule, site + i, torch.int64)
            self._prev = torch.stack([value for value, _ in values], dim=1)
            drawn.append(self._prev)
            self.t += 1
        guard.close()
        self._account.took(time.perf_counter() - start, n)
        return torch.stack(drawn, dim=1)
