"""The training loop does what it says: observed from outside, and against a loop written out by hand."""

import copy
import math

import pytest
import torch

import chainrule as cr
from chainrule.models.store import load_weights
from chainrule.training.muon import Muon

SIZE = 6
DOMAIN = cr.Domain.binary(SIZE)
PLAIN = {"precision": "float32", "progress": False, "device": "cpu", "epochs": 3, "batch_size": 6}


def toy(train=20, valid=9, seed=0):
    """Bits of which each is mostly the one before it."""
    generator = torch.Generator().manual_seed(seed)
    flips = torch.rand(train + valid + 3, SIZE, generator=generator) < 0.2
    x = (flips.cumsum(1) % 2).long()
    return cr.Data("toy", x[:train], x[train:-3], x[-3:], DOMAIN)


def net(dropout=0.0, seed=0):
    torch.manual_seed(seed)
    return cr.create_model("causal-conv1d", DOMAIN, channels=4, depth=2, kernel_size=3, dropout=dropout)


def by_hand(model, data, config):
    """What `fit` is documented to do, in plain torch: the best average of the weights, and a row per epoch."""
    decayed = [p for p in model.parameters() if p.ndim > 1 or config["decay_biases"]]
    spared = [p for p in model.parameters() if p.ndim < 2 and not config["decay_biases"]]
    groups = [{"params": decayed}, *([{"params": spared, "weight_decay": 0.0}] if spared else [])]
    kind = {"adamw": torch.optim.AdamW, "adamax": torch.optim.Adamax, "muon": Muon}[config["optimizer"]]
    optimizer = kind(groups, lr=config["lr"], weight_decay=config["weight_decay"])
    n, size, seed = len(data.train), config["batch_size"], config["seed"]
    steps = config["epochs"] * config["passes"] * math.ceil(n / size)

    def rate(step):
        rise = min(1, (step + 1) / config["warmup"]) if config["warmup"] else 1
        fall = (1 + math.cos(math.pi * min(step / steps, 1))) / 2 if config["cosine"] else 1
        return config["lr"] * rise * fall

    step, average, best, kept, rows = 0, None, math.inf, None, []
    for epoch in range(config["epochs"]):
        shuffle = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
        orders = [torch.randperm(n, generator=shuffle) for _ in range(config["passes"])]
        model.train()
        seen = []
        for rows_of_batch in (batch for order in orders for batch in order.split(size)):
            torch.manual_seed(seed * 1_000_003 + step)  # of dropout
            nats = -model.log_prob(data.train[rows_of_batch])
            optimizer.zero_grad()
            (nats.mean() / SIZE).backward()
            if config["clip"]:
                torch.nn.utils.clip_grad_norm_(model.parameters(), config["clip"])
            for group in optimizer.param_groups:
                group["lr"] = rate(step)
            optimizer.step()
            now = [p.detach().clone() for p in model.parameters()]
            decay = min(config["ema"], (1 + step) / (10 + step)) if step else 0.0
            if average is None or not config["ema"]:
                average = now
            else:
                average = [old + (1 - decay) * (new - old) for old, new in zip(average, now, strict=True)]
            step += 1
            seen.append(nats.detach())
        averaged = copy.deepcopy(model).eval()
        with torch.no_grad():
            for parameter, value in zip(averaged.parameters(), average, strict=True):
                parameter.copy_(value)
            valid = -averaged.log_prob(data.valid).mean().item()
        rows.append({"epoch": epoch, "step": step, "train_nats": torch.cat(seen).mean().item(), "valid_nats": valid,
                     "valid_bits_per_dim": valid / SIZE / math.log(2), "lr": rate(step)})  # fmt: skip
        if valid < best:
            best, kept = valid, average
    return kept, rows


CONFIGS = {
    "all of it": {},
    "no average": {"ema": 0.0},
    "a long average": {"ema": 0.99, "epochs": 5},
    "no limit": {"clip": 0.0},
    "no decay": {"weight_decay": 0.0},
    "biases decay": {"decay_biases": True},
    "no warm-up": {"warmup": 0},
    "a long warm-up": {"warmup": 40},
    "a constant rate": {"cosine": False, "warmup": 0},
    "another seed": {"seed": 7},
    "adamax": {"optimizer": "adamax"},
    "muon": {"optimizer": "muon"},
    # The best epoch is not the last one.
    "too fast": {"lr": 0.5, "ema": 0.0, "clip": 0.0, "epochs": 6, "cosine": False},
}


@pytest.mark.parametrize("name", CONFIGS)
def test_fit_is_the_loop_written_out(name):
    config = {"optimizer": "adamw", "lr": 0.05, "weight_decay": 0.5, "decay_biases": False, "warmup": 5,
              "cosine": True, "clip": 0.05, "ema": 0.8, "epochs": 3, "batch_size": 6, "seed": 1}  # fmt: skip
    config |= CONFIGS[name]
    run = cr.fit(net(dropout=0.2), toy(), **{**PLAIN, **config}, patience=0)
    kept, rows = by_hand(net(dropout=0.2), toy(), {**config, "passes": 1})
    assert len(run.metrics) == config["epochs"]
    for (parameter, value), expected in zip(run.model.named_parameters(), kept, strict=True):
        torch.testing.assert_close(
            value.detach(), expected, rtol=0, atol=1e-6, msg=lambda m, p=parameter: f"{p}: {m}"
        )
    for row, expected in zip(run.metrics, rows, strict=True):
        assert {key: row[key] for key in expected} == pytest.approx(expected, abs=1e-5)


def test_by_steps_small_data_are_passed_several_times_an_epoch():
    config = {"optimizer": "adamw", "lr": 0.01, "weight_decay": 0.1, "decay_biases": True, "warmup": 3, "cosine": True,
              "clip": 1.0, "ema": 0.9, "batch_size": 10, "seed": 2}  # fmt: skip
    run = cr.fit(net(), toy(), **{**PLAIN, **config, "epochs": 0}, steps=460, patience=0)
    # Two batches a pass, 25 passes for 50 steps an epoch, 9.2 epochs: ten.
    kept, rows = by_hand(net(), toy(), {**config, "epochs": 10, "passes": 25})
    assert [row["step"] for row in run.metrics] == [row["step"] for row in rows] == list(range(50, 501, 50))
    for value, expected in zip(run.model.parameters(), kept, strict=True):
        torch.testing.assert_close(value.detach(), expected, rtol=0, atol=1e-5)


class Calls(list):
    """One list, also in a copy of who writes in it: what is trained is a copy of the model."""

    def __deepcopy__(self, memo):
        return self


class Watched(cr.AutoregressiveModel):
    """Writes down what it is asked for: the items, whether it is in training mode, and whether gradients are taken."""

    def watch(self, calls):
        self.calls = calls
        return self

    def loss(self, x, cond=None):
        self.calls.append((x.clone(), self.training, torch.is_grad_enabled()))
        return super().loss(x, cond)


def watched(data=None, **options):
    """The calls of the loss while a model is trained: of training, and of validation."""
    made, calls = net(), Calls()
    model = Watched(made.network, DOMAIN, made.head).watch(calls)
    run = cr.fit(model, toy() if data is None else data, **{**PLAIN, "patience": 0, "seed": 1, **options})
    trained = [x for x, training, gradients in calls if training and gradients]
    validated = [x for x, training, gradients in calls if not training and not gradients]
    assert len(trained) + len(validated) == len(calls)
    return run, trained, validated


def same(rows, others):
    """Whether both are the same items, in any order."""
    return rows.shape == others.shape and torch.equal(
        *(x[x.mul(2 ** torch.arange(SIZE)).sum(1).argsort()] for x in (rows, others))
    )


def test_each_epoch_trains_on_each_item_once_in_another_order():
    data = toy()
    _, trained, validated = watched(data)
    epochs = [torch.cat(trained[4 * k : 4 * k + 4]) for k in range(3)]
    assert len(trained) == 12 and [len(x) for x in trained[:4]] == [6, 6, 6, 2]
    assert all(same(epoch, data.train) for epoch in epochs)
    assert not torch.equal(epochs[0], epochs[1]) and not torch.equal(epochs[0], data.train)
    assert len(validated) == 3 and all(torch.equal(x, data.valid) for x in validated)


def test_the_order_is_the_seeds():
    first, again, other = (torch.cat(watched(seed=seed)[1]) for seed in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_dropout_is_the_seeds():
    """With all items in one batch their order is nothing; what is left of the seed is dropout."""
    whole = {"batch_size": 20, "ema": 0.0, "patience": 0}
    first, again, other, none = (
        cr.fit(net(dropout=p), toy(), **{**PLAIN, **whole}, seed=seed).metrics[0]["train_nats"]
        for p, seed in ((0.5, 1), (0.5, 1), (0.5, 2), (0.0, 1))
    )
    assert first == again and len({first, other, none}) == 3


def test_training_is_blind_to_validation():
    """Other items to validate on: other numbers, the same weights."""
    one, data = toy(), toy(seed=5)
    other = cr.Data("other", one.train, data.valid, one.test, DOMAIN)
    for ema in (0.0, 0.9):
        first, second = (cr.fit(net(), d, **{**PLAIN, "epochs": 1}, ema=ema) for d in (one, other))
        assert first.best["valid_nats"] != second.best["valid_nats"]
        assert first.best["train_nats"] == second.best["train_nats"]
        for a, b in zip(first.model.parameters(), second.model.parameters(), strict=True):
            assert torch.equal(a, b)


def test_validation_is_of_the_data_as_they_are():
    data = toy()
    _, trained, validated = watched(data, mutate=0.5)
    assert not same(torch.cat(trained[:4]), data.train)
    assert all(torch.equal(x, data.valid) for x in validated)


def test_the_best_weights_are_kept_and_the_file_holds_them(tmp_path):
    data = toy()
    run = cr.fit(net(), data, **{**PLAIN, "epochs": 6}, lr=0.5, ema=0.0, clip=0.0, patience=0, out=tmp_path)
    curve = [row["valid_nats"] for row in run.metrics]
    assert run.best["epoch"] == curve.index(min(curve)) < 5
    model = net()
    load_weights(model, tmp_path / "model.safetensors")
    for kept in (run.model, model.eval()):
        assert -kept.log_prob(data.valid).mean().item() == pytest.approx(min(curve), rel=1e-6)


def test_patience_counts_epochs_since_the_best():
    options = {**PLAIN, "epochs": 40, "lr": 0.5, "ema": 0.0, "clip": 0.0, "warmup": 0, "cosine": False}
    run = cr.fit(net(), toy(), **options, patience=3)
    best, last = run.best["epoch"], run.metrics[-1]["epoch"]
    assert last - best == 3 and last < 39 and best > 0


def test_what_diverges_is_told_and_not_kept(tmp_path):
    class Diverging(Watched):
        def valid_loss(self, x, cond=None):
            return super().valid_loss(x, cond) * (math.nan if len(self.calls) > 5 else 1)

    made = net()
    model = Diverging(made.network, DOMAIN, made.head).watch(Calls())
    with pytest.raises(
        cr.errors.ChainruleError, match="diverged: validation is nan nats in epoch 1; lower lr"
    ):
        cr.fit(model, toy(), **PLAIN, out=tmp_path)
    (row,) = cr.training.run.read_metrics(tmp_path / "metrics.csv")
    assert math.isfinite(row["valid_nats"])
    load_weights(net(), tmp_path / "model.safetensors")


def test_bits_a_dimension_of_a_model_that_knows_nothing():
    """All weights 0 and a rate of 0: each bit costs a bit, and an item of six ln 2 times as many nats."""
    model = net()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    (row,) = cr.fit(model, toy(), **{**PLAIN, "epochs": 1}, lr=0.0).metrics
    assert row["valid_bits_per_dim"] == pytest.approx(1, abs=1e-6)
    assert row["valid_nats"] == row["train_nats"] == pytest.approx(SIZE * math.log(2), abs=1e-5)


def test_a_huge_gradient_moves_no_more_than_a_small_one():
    """The first steps are far too large for the rest: their squares stay in Adam's average, unless they were cut."""
    data = toy()

    class Jolted(Watched):
        def loss(self, x, cond=None):
            nats = super().loss(x, cond)
            return nats * 1e4 if self.training and len(self.calls) == 1 else nats

    def moved(kind, clip):
        made = net()
        model = kind(made.network, DOMAIN, made.head).watch(Calls())
        before = [p.detach().clone() for p in model.parameters()]
        run = cr.fit(
            model, data, **{**PLAIN, "epochs": 1}, lr=1e-3, clip=clip, ema=0.0, warmup=0, cosine=False
        )
        return torch.cat([(p - q).flatten() for p, q in zip(run.model.parameters(), before, strict=True)])

    jolted, calm = (moved(kind, 1e-3) for kind in (Jolted, Watched))
    torch.testing.assert_close(jolted, calm, rtol=1e-3, atol=1e-6)
    assert (moved(Jolted, 0.0) - calm).abs().max() > 1e-4
