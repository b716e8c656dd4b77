"""How long and in which batches: what the training configuration makes of the number of items."""

import math

import pytest
import torch

import chainrule as cr
from chainrule.models.base.model import VECTOR_TRAINING
from chainrule.training import TrainingConfig
from chainrule.training.length import BATCHES, batch_for, default_steps

ITEMS = (1, 2, 7, 100, 1000, 5000, 10_000, 60_000, 1_000_000)
BY_STEPS = TrainingConfig.of(VECTOR_TRAINING, {"steps": 12_000})


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
def test_steps_given_are_made(items):
    epochs, passes = BY_STEPS.plan(items)
    an_epoch = math.ceil(items / BY_STEPS.batch_of(items)) * passes
    assert an_epoch >= 50 and epochs >= 10
    assert epochs * an_epoch >= BY_STEPS.steps
    assert epochs == 10 or (epochs - 1) * an_epoch < BY_STEPS.steps  # not one epoch too many


def test_few_steps_given():
    config = TrainingConfig.of(VECTOR_TRAINING, {"steps": 1})
    assert config.plan(10_000)[0] == 10


# --- what follows from the number of items --------------------------------------------------------


# Items → batch, epochs, steps of an epoch.
LENGTHS = {
    200: (16, 39, 52),  # 13 steps a pass, four passes an epoch
    12_000: (64, 64, 188),
    1_000_000: (64, 8, 15_625),
    50_000_000: (64, 40, 19_532),  # one pass, validated 40 times
}


@pytest.mark.parametrize("items", LENGTHS)
def test_the_default_length_follows_the_items(items):
    batch, epochs, of_an_epoch = LENGTHS[items]
    config, reason = TrainingConfig().settled(items, ())
    found, passes = config.plan(items)
    assert (config.batch_size, found) == (batch, epochs)
    assert math.ceil(math.ceil(items / batch) / config.validations) * passes == of_an_epoch
    assert 2000 <= default_steps(items, 2000) <= epochs * of_an_epoch  # and not one epoch too many
    assert (epochs - 1) * of_an_epoch < default_steps(items, 2000)
    assert reason == (
        f"the default for {items:,} items in batches of {batch}, fewer if 40 bring no better validation"
    )
    assert config.settled(items, ()) == (config, "")  # as it is recorded, it says the same again


def test_vectors_and_tables_have_smaller_batches_and_12_000_steps_at_least():
    assert [batch_for(items, BATCHES) for items in LENGTHS] == [8, 64, 64, 64]
    config, _ = TrainingConfig.of(VECTOR_TRAINING, {}).settled(200, VECTOR_TRAINING)
    assert config.plan(200) == (240, 2) and config.batch_of(200) == 8
    assert [TrainingConfig.of(VECTOR_TRAINING, {}).plan(items)[0] for items in LENGTHS] == [240, 64, 8, 1]


def test_more_items_are_passed_fewer_times_in_more_steps():
    numbers = [10**k for k in range(2, 9)]
    steps = [default_steps(n, 2000) for n in numbers]
    assert steps == sorted(steps)
    passes = [steps * 64 / n for n, steps in zip(numbers, steps, strict=True)]
    assert passes == sorted(passes, reverse=True)


@pytest.mark.parametrize("given", [{"epochs": 3}, {"steps": 77}])
def test_a_length_that_is_given_stays(given):
    config, reason = TrainingConfig.of({}, given).settled(1_000_000, given)
    assert config == TrainingConfig.of({}, given) and reason == ""


def test_a_batch_that_is_given_stays():
    config, reason = TrainingConfig.of({}, {"batch_size": 32}).settled(200, {"batch_size"})
    assert config.batch_size == 32 and "200 items in batches of 32" in reason


def test_a_run_says_its_length_and_records_it(tmp_path, capsys):
    """Recorded, it is what the run did, whatever the default becomes; resumed by default, it is the same run."""
    x = torch.randint(2, (120, 4), generator=torch.Generator().manual_seed(0))
    model = cr.create_model("fvsbn", cr.Domain.binary(4))
    options = {"out": tmp_path, "minutes": 0.001, "device": "cpu"}
    run = cr.fit(model, x, **options)
    items = len(cr.load_data(x, domain=model.domain).train)
    said = capsys.readouterr().err.splitlines()[0]
    epochs, passes = TrainingConfig.of(VECTOR_TRAINING, {}).plan(items)
    assert said == (
        f"at most {epochs} epochs of {math.ceil(items / 8) * passes} steps or 0.001 minutes: the default for "
        f"{items} items in batches of 8, fewer if 20 bring no better validation"
    )
    recorded = run.config["training"]
    assert (recorded["epochs"], recorded["steps"], recorded["batch_size"]) == (0, 12_000, 0)
    assert "least_steps" not in recorded
    cr.fit(model, x, **options, resume=True, progress=False)
