"""How long training lasts, and in which batches, where neither is given: both follow the number of training items.

More items hold more to learn, and so more steps pay; but twice as many items share most of what there is to learn, and
twice the steps are more than they need. The steps grow with the square root of the items: 12,000 at 12,000 items, and
one pass over 50 million. Every item is passed once at least.

Few items would get steps in which the learning rate hardly rises and falls: 2,000 are the least. `causal-conv1d` then
has 93.5 nats on 200 digits in batches of 16, where 320 steps in batches of 64 gave 95.6; on 1,000 digits 83.3 after
3,520 steps, 83.9 after 1,280. Vectors and tables have 12,000 at least: their steps are cheap, and nets with much noise
go on learning from few rows. `made` on 1,600 rows of dna has 79.7 nats after 12,000 steps, 81.4 after 4,400.

These are limits. Validation looks every 50 to 99 steps or more, but every 20,000 at least, and chooses the weights;
patience ends what overfits.
"""

from __future__ import annotations

import math

EQUAL = 12_000  # items that get as many steps
VALIDATED = 50  # steps between two validations, at least: few items are passed several times an epoch
MOST = 20_000  # steps between two validations: a pass over many items lasts hours
SMALLEST, LARGEST = 8, 64  # batches; few items are learnt better in small ones
# Batches that a pass has, where that is between them: of vectors and tables, and of other items, whose many variables
# make a step's gradient less noisy.
BATCHES, FEW_BATCHES = 128, 16


def default_steps(items: int, least: int) -> int:
    """The number of steps for this number of training items, if these make one pass at least."""
    return max(least, round(math.sqrt(EQUAL * items)))


def batch_for(items: int, batches: int) -> int:
    """The batch size, a power of two, of which this number of training items makes about these batches."""
    return min(max(2 ** round(math.log2(max(items / batches, 1))), SMALLEST), LARGEST)


def validations_for(items: int, batch: int) -> int:
    """How often a pass over this number of items, in batches, is validated."""
    return math.ceil(math.ceil(items / batch) / MOST)


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
