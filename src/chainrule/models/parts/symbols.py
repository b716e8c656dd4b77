"""What nets of symbols share: which domains they serve, and how their weights begin."""

from __future__ import annotations

from torch import nn

from chainrule.domain import Domain
from chainrule.errors import ChainruleError, DomainError
from chainrule.heads import Categorical

INITIAL = 0.02  # standard deviation of the weights


def symbol_head(domain: Domain, start: int) -> Categorical:
    """A softmax over the symbols of a domain of one variable a site.

    Raises:
        DomainError: if sites have several variables, or these are no levels.
        ChainruleError: if the start is no symbol, nor -1.
    """
    if domain.width > 1:
        raise DomainError(f"symbols: expected one variable a step, got {domain}")
    levels = domain.max_levels
    if start >= levels:
        raise ChainruleError(
            f"start: expected a symbol below {levels}, or -1 for a learned vector, got {start}"
        )
    return Categorical(levels)


def initialise(block: nn.Module, last: nn.Linear, blocks: int) -> None:
    """Draw the weights of one of the blocks that add to a stream, in place.

    What they add up to starts as large as the stream, however many there are.

    Args:
        block: its linear maps are drawn, their biases are 0.
        last: of its maps, the one whose outputs are added.
        blocks: of the whole net.

    References:
        Radford et al. (2019), "Language models are unsupervised multitask learners", §2.3
    """
    for part in block.modules():
        if isinstance(part, nn.Linear):
            nn.init.normal_(part.weight, std=INITIAL)
            if part.bias is not None:
                nn.init.zeros_(part.bias)
    nn.init.normal_(last.weight, std=INITIAL / blocks**0.5)
