"""A NADE over the variables of one site, its biases from the network."""

from __future__ import annotations

import torch
from torch import Tensor

from chainrule.heads.conditional import BernoulliConditional, Conditional
from chainrule.heads.head import Head
from chainrule.heads.support import discrete
from chainrule.layers.encoding import Scalar
from chainrule.layers.state import State
from chainrule.networks.nade import RunningHidden


class NADEHead(Head):
    """V bits that see one another: p(x_v | x_<v) = σ(b_v + V_v·σ(c + W_{<v} x_{<v})), with b and c from the network.

    Args:
        variables: V.
        hidden: H; a site has H + V parameters, c and b, to which the head's own biases are added.

    References:
        Boulanger-Lewandowski, Bengio, Vincent (2012), "Modeling temporal dependencies in high-dimensional
        sequences", https://arxiv.org/abs/1206.6392, §5 (RNN-NADE)

    Example:
        >>> NADEHead(3, hidden=4).log_prob(torch.zeros(1, 7), torch.ones(1, 3)).shape
        torch.Size([1, 3])
    """

    support, coupled = discrete(2), True

    def __init__(self, variables: int, *, hidden: int = 150) -> None:
        super().__init__()
        self.variables, self.hidden, self.size = variables, hidden, hidden + variables
        self.nade = RunningHidden(Scalar(), 1, variables, hidden, 1)

    def log_prob(self, params: Tensor, x: Tensor) -> Tensor:
        """(…, H + V), (…, V) → (…, V) nats."""
        c, b = params.flatten(0, -2).split([self.hidden, self.variables], dim=-1)
        bits = x.reshape(-1, self.variables, 1)
        logits = self.nade.scan(bits, self.nade.bias + c)[..., 0] + b
        return torch.nn.functional.logsigmoid(torch.where(bits[..., 0] > 0, logits, -logits)).view(x.shape)

    def init_state(self, params: Tensor) -> State:
        """The pre-activation (B, H) and the shifts b (B, V)."""
        c, b = params.split([self.hidden, self.variables], dim=-1)
        return self.nade.bias + c, b

    def step(self, prev: Tensor | None, state: State, v: int) -> tuple[Conditional, State]:
        """The bit of σ(b_v + V_v·h)."""
        running, b = state
        before = b.new_zeros(len(b), 1) if prev is None else prev[:, None]
        t = torch.tensor(v, device=b.device)
        logit, running = self.nade.step(before, running, t, phase=self.nade.schedule(v + 1)[v])
        return BernoulliConditional(logit[:, 0] + b[:, v]), (running, b)
