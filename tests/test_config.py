"""How long and in which batches: what the training configuration makes of the number of items."""

import math

import pytest

from chainrule.models.base.model import VECTOR_TRAINING
from chainrule.training import TrainingConfig

ITEMS = (1, 2, 7, 100, 1000, 5000, 10_000, 60_000, 1_000_000)
BY_STEPS = TrainingConfig.of(VECTOR_TRAINING, {})


def test_batches_given_are_taken():
    assert [TrainingConfig(batch_size=5).batch_of(items) for items in ITEMS] == [5] * len(ITEMS)


def test_batches_grow_with_the_data_between_8_and_64():
    sizes = [BY_STEPS.batch_of(items) for items in ITEMS]
    assert sizes == sorted(sizes) and sizes[0] == 8 and sizes[-1] == 64
    assert all(size == 2 ** int(math.log2(size)) for size in sizes)
    assert BY_STEPS.batch_of(128 * 32) == 32


def test_epochs_given_are_single_passes():
    assert [TrainingConfig(epochs=7).plan(items) for items in ITEMS] == [(7, 1)] * len(ITEMS)


@pytest.mark.parametrize("items", ITEMS)
def test_without_epochs_the_steps_are_made(items):
    epochs, passes = BY_STEPS.plan(items)
    an_epoch = math.ceil(items / BY_STEPS.batch_of(items)) * passes
    assert an_epoch >= 50 and epochs >= 10
    assert epochs * an_epoch >= BY_STEPS.steps
    assert epochs == 10 or (epochs - 1) * an_epoch < BY_STEPS.steps  # not one epoch too many


def test_few_steps_given():
    config = TrainingConfig.of(VECTOR_TRAINING, {"steps": 1})
    assert config.plan(10_000)[0] == 10
