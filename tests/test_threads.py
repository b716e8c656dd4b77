"""Several threads: fits are reproducible, and nobody changes the mode of a model that another one uses."""

import logging
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor

import lightning.pytorch as pl
import pytest
import torch

import chainrule as cr
from chainrule.engine import end_training, exact_arithmetic
from chainrule.randomness import TURN
from chainrule.training import Recipe

SMALL = {"channels": 8, "depth": 2}


@pytest.fixture(scope="module")
def digits():
    return cr.load_data("digits")


def at_once(*tasks):
    """What each gives, all run at the same time in threads of their own."""
    with ThreadPoolExecutor(len(tasks)) as pool:
        return [done.result() for done in [pool.submit(task) for task in tasks]]


def fitted(name, data, seed=0, model=None, **hyperparameters):
    model = model or Recipe(name, hyperparameters=hyperparameters, training={"seed": seed}).build(data)
    return cr.fit(model, data, epochs=3, seed=seed, batch_size=25, progress=False).model.state_dict()


def same(one, other):
    return all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize(
    ("name", "hyperparameters"),
    [("causal-conv1d", {**SMALL, "dropout": 0.3}), ("vae", {"latent": 2, "hidden": 8}), ("made", {"hidden": [16]})],
)  # fmt: skip
def test_fits_in_threads_are_those_of_one(digits, name, hyperparameters):
    data = digits.first(100)
    alone = [fitted(name, data, seed, **hyperparameters) for seed in (1, 2)]
    assert not same(*alone)
    noise = cr.create_model("independent", data.domain)
    for _ in range(2):
        stop = threading.Event()

        def draws(stop=stop):
            while not stop.is_set():
                noise.sample(3)  # from the global generator

        with ThreadPoolExecutor(1) as pool:
            drawing = pool.submit(draws)
            together = at_once(
                *(lambda seed=seed: fitted(name, data, seed, **hyperparameters) for seed in (1, 2))
            )
            stop.set()
            drawing.result()
        for one, other in zip(alone, together, strict=True):
            assert not {
                weight: (one[weight] - other[weight]).abs().max()
                for weight in one
                if not torch.equal(one[weight], other[weight])
            }


def test_lightning_puts_generators_back_in_turn(digits, monkeypatch):
    checked = []

    def another_draws(trainer):
        with ThreadPoolExecutor(1) as pool:
            checked.append(pool.submit(TURN.acquire, timeout=0.01).result())

    monkeypatch.setattr(pl.Trainer, "_run_sanity_check", another_draws)
    fitted("made", digits.first(50), hidden=[4])
    assert checked and not any(checked)
    with ThreadPoolExecutor(1) as pool:  # afterwards, others may
        assert pool.submit(TURN.acquire, timeout=1).result()
        pool.submit(TURN.release).result()


def test_a_model_can_be_sampled_while_it_is_trained(digits):
    data = digits.first(100)
    alone = fitted("causal-conv1d", data, **SMALL, dropout=0.3)
    model = Recipe("causal-conv1d", hyperparameters={**SMALL, "dropout": 0.3}).build(data).eval()
    before, seen, stop = sample_of(model), [], threading.Event()

    def samples():
        while not stop.is_set():
            seen.append((sample_of(model), model.training))

    with ThreadPoolExecutor(1) as pool:
        sampling = pool.submit(samples)
        try:
            trained = fitted("causal-conv1d", data, model=model)
        finally:
            stop.set()
        sampling.result()
    assert same(trained, alone)
    assert seen and not any(training for _, training in seen)
    # The model is the one of before, then the trained one: never in between, but for a draw while the weights are
    # copied, and never with dropout.
    after, draws = sample_of(model), [x for x, _ in seen]
    first = next((i for i, x in enumerate(draws) if not torch.equal(x, before)), len(draws))
    assert first and all(torch.equal(x, after) for x in draws[first + 1 :])


def sample_of(model):
    return model.sample(2, generator=torch.Generator().manual_seed(0))


def test_threads_that_sample_leave_the_mode_as_it_was(digits):
    model = cr.create_model("causal-conv1d", digits.domain, **SMALL, dropout=0.5)
    assert model.training
    barrier, x = threading.Barrier(3), digits.valid[:4]

    def evaluates(seconds):
        with exact_arithmetic(model):
            barrier.wait()
            time.sleep(seconds)
            return [torch.equal(model.log_prob(x), model.log_prob(x)) for _ in range(5)]

    assert all(map(all, at_once(*(lambda s=s: evaluates(s) for s in (0.0, 0.05, 0.1)))))
    assert all(module.training for module in model.modules())
    with exact_arithmetic(model.network), exact_arithmetic(model):
        assert not any(module.training for module in model.modules())
        end_training(model)
    assert not any(module.training for module in model.modules())


def test_threads_leave_warnings_and_logging_as_they_were(digits):
    filters, level = list(warnings.filters), logging.getLogger("lightning").level
    at_once(*(lambda seed=seed: fitted("fvsbn", digits.first(50), seed) for seed in range(3)))
    assert warnings.filters == filters and logging.getLogger("lightning").level == level
