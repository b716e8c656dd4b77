"""How long training lasts, and in which batches, where neither is given: both follow the number of training items.

More items hold more to learn, and so more steps pay; but twice as many items share most of what there is to learn, and
twice the steps are more than they need. The steps grow with the square root of the items. That goes through what tables
of known sizes took: 12,000 steps at 12,000 items; few enough that 50 million items are passed once, and no item is left
out; 200 items would get 1,500, in which the learning rate hardly rises and falls, so that 2,000 are the least.

These are limits. Validation looks at least every 50 steps and chooses the weights, and patience ends what overfits.
"""

from __future__ import annotations

import math

EQUAL = 12_000  # items that get as many steps
LEAST = 2_000  # steps
VALIDATED = 50  # steps between two validations, at least: few items are passed several times an epoch
SMALLEST, LARGEST = 8, 64  # batches; few items are learnt better in small ones
# Batches that a pass has, where that is between them: of vectors and tables, and of other items, whose many variables
# make a step's gradient less noisy.
BATCHES, FEW_BATCHES = 128, 16


def default_steps(items: int) -> int:
    """The number of steps for this number of training items, if they are passed once at least."""
    return max(LEAST, round(math.sqrt(EQUAL * items)))


def batch_for(items: int, batches: int) -> int:
    """The batch size, a power of two, of which this number of training items makes about these batches."""
    return min(max(2 ** round(math.log2(max(items / batches, 1))), SMALLEST), LARGEST)


def epochs_for(steps: int, items: int, batch: int, least: int = 1) -> tuple[int, int]:
    """The number of epochs that makes these steps, and how many passes over the items each of them is.

    Args:
        steps: in all.
        items, batch: how many there are, in all and of a step.
        least: this number of epochs.
    """
    of_a_pass = math.ceil(items / batch)
    passes = math.ceil(VALIDATED / of_a_pass)
    return max(math.ceil(steps / (of_a_pass * passes)), least), passes
