"""bits/dim: one number on every screen, none of densities; curves, baselines and alarms of few items."""

import csv
import io
import itertools
import json
import math
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from rich.console import Console

import chainrule as cr
from chainrule.bits import bits_per_dim, is_density
from chainrule.cli import main
from chainrule.domain.column import Column
from chainrule.report import write_report
from chainrule.tasks import evaluate, likelihood
from chainrule.tasks.score import alarm_threshold, least_reference
from chainrule.training.progress import ProgressLine
from chainrule.training.session import Session

ROOT = Path(cr.__file__).parent


def seed(number=0):
    return torch.Generator().manual_seed(number)


def words(lengths):
    """150 short sequences of 3 symbols in 12 places."""
    steps = torch.randint(1, 6, (150,), generator=seed())
    x = torch.randint(0, 3, (150, 12), generator=seed(1))
    there = torch.arange(12) < steps[:, None]
    domain = cr.Domain.sequence(12, 3 + (lengths == "ends"), lengths=lengths)
    x = torch.where(there, x, 3 if lengths == "ends" else -1)
    return cr.Data("words", x[:100], x[100:130], x[130:], domain)


@pytest.fixture(scope="module", params=["ends", "given"])
def fitted(request, tmp_path_factory):
    data, out = words(request.param), tmp_path_factory.mktemp("bits") / "run"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = cr.create_model("gru", data.domain, width=8)
    return cr.fit(model, data, epochs=2, ema=0.0, out=out, progress=False), data, out


def test_one_number_where_items_differ_in_length(fitted):
    run, data, out = fitted
    nats = -run.model.log_prob(data.valid).sum()
    expected = (nats / (data.domain.counted(data.valid).sum() * math.log(2))).item()
    # Neither nats over all places there could be, nor the mean of the items' own rates.
    assert nats.item() / (len(data.valid) * 12 * math.log(2)) < 0.8 * expected
    result = evaluate(run.model, data, "valid")
    row = next(
        row
        for row in csv.DictReader((out / "metrics.csv").read_text().splitlines())
        if int(row["epoch"]) == run.best["epoch"]
    )
    page = write_report(run, data, evaluation=result).read_text()
    told = [float(cell) for cell in re.findall(r"<td>([\d.]+) ± [\d.]+</td>", page)]
    assert run.best["valid_bits_per_dim"] == pytest.approx(expected, rel=1e-5)
    assert float(row["valid_bits_per_dim"]) == pytest.approx(expected, rel=1e-5)
    assert result.model.bits_per_dim == pytest.approx(expected, rel=1e-6)
    assert round(expected, 3) in told
    scores = cr.score(run.model, data.valid, data.train)
    items = data.domain.counted(data.valid).sum(1)
    assert (scores.bits_per_dim * items).sum() / items.sum() == pytest.approx(expected, rel=1e-6)


def test_the_bar_shows_it_too(fitted):
    run = fitted[0]
    said = bar(run)
    assert f"valid {run.metrics[-1]['valid_nats']:.2f} nats  " in said
    assert f"{run.metrics[-1]['valid_bits_per_dim']:.3f} bits/dim" in said


def bar(run):
    """What stands beside the bar after the last epoch."""
    recorder = SimpleNamespace(history=run.metrics, best=run.best)
    console = Console(file=io.StringIO(), force_terminal=True)
    line = ProgressLine(recorder, console, Session(run.folder, run.model.device))
    line.task = line.bar.add_task("", epoch=0, numbers="")
    trainer = SimpleNamespace(lightning_module=SimpleNamespace(model=run.model))
    line.on_train_epoch_end(trainer, trainer.lightning_module)
    return line.bar.tasks[0].fields["numbers"]


def test_cells_left_out_are_not_counted():
    domain = cr.Domain.table([Column("a", "categorical", "xyz", missing=True), Column("b", "integer")])
    model = cr.create_model("deep-nade", domain, hidden=[8]).eval()
    x = torch.tensor([[0.0, 3.0], [torch.nan, 4.0], [torch.nan, 5.0]], dtype=torch.float64)
    told = likelihood(model, x)
    assert told.bits_per_dim == pytest.approx(-model.log_prob(x).sum().item() / (4 * math.log(2)), rel=1e-6)
    whole = likelihood(
        cr.create_model("made", domain, hidden=[8]), x
    )  # to which a missing cell is an outcome
    assert whole.bits_per_dim == pytest.approx(whole.nats / (2 * math.log(2)))


def test_bits_per_dim_takes_numbers_and_tensors():
    assert bits_per_dim(math.log(2) * 6, 3) == 2.0
    assert bits_per_dim(
        math.log(2) * torch.tensor([6.0, 6.0]), torch.tensor([3, 2])
    ).tolist() == pytest.approx([2, 3])


def test_no_other_place_divides_by_it():
    """Bytes of a code are another unit, and powers of 2 that a batch has are none."""
    rooms = [
        path
        for room in ("training", "tasks", "report", "cli", "sklearn")
        for path in (ROOT / room).glob("*.py")
    ]
    found = {path.name for path in rooms if re.search(r"log\(2\)|log2\(|LN2", path.read_text())}
    assert found <= {"bench_compression.py", "length.py"}


# --- densities ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "domain, density",
    [
        (cr.Domain.vector(3), True),
        (cr.Domain.image(1, 2, 2, levels=None), True),
        (cr.Domain.binary(3), False),
        (cr.Domain.table([Column("n", "integer"), Column("c", "categorical", "ab")]), False),
        (cr.Domain.table([Column("n", "integer"), Column("w", "real")]), True),
    ],
)
def test_what_is_a_density(domain, density):
    assert is_density(domain) == density


@pytest.fixture(scope="module")
def reals(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reals")
    np.save(folder / "x.npy", 1e-3 * np.random.default_rng(0).normal(size=(80, 3)))
    run = cr.fit(
        cr.create_model("rnade", cr.Domain.vector(3), hidden=8),
        cr.load_data(folder / "x.npy"),
        epochs=1,
        out=folder / "run",
        progress=False,
    )
    return folder, run


def test_densities_are_no_code(reals, capsys):
    folder, run = reals
    assert run.metrics[0]["valid_nats"] < 0 and math.isnan(run.metrics[0]["valid_bits_per_dim"])
    assert "nats (density)" in bar(run) and "bits/dim" not in bar(run)
    page = write_report(run, cr.load_data(folder / "x.npy")).read_text()
    assert "nats (density) per item" in page and "bits/dim" not in page
    assert main(["evaluate", str(folder / "run")]) == 0
    said = "".join(capsys.readouterr())
    assert "nats (density)" in said and "bits/dim" not in said
    assert main(["evaluate", str(folder / "run"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["bits_per_dim"] is None and told["bits_per_dim_se"] is None and told["density"] is True
    assert told["baselines"]["gaussian"]["bits_per_dim"] is None and told["nats"] < 0


def test_scores_of_densities_keep_their_columns(reals, capsys):
    folder, _ = reals
    out = folder / "scores.csv"
    assert main(["score", str(folder / "run"), str(folder / "x.npy"), "-o", str(out)]) == 0
    rows = list(csv.DictReader(out.read_text().splitlines()))
    assert rows[0]["bits_per_dim"] == "" and float(rows[0]["nats"]) < 50 and rows[0]["p_value"]


def test_training_on_reals_says_so(reals, tmp_path, capsys):
    folder, _ = reals
    data = [
        "--data",
        str(folder / "x.npy"),
        "--epochs",
        "1",
        "--set",
        "hidden=4",
        "--out",
        str(tmp_path / "run"),
    ]
    assert main(["train", "rnade", *data]) == 0
    said = "".join(capsys.readouterr())
    assert "nats (density)" in said and "bits/dim" not in said


# --- few items ----------------------------------------------------------------------------------------


def test_a_reference_too_small_for_any_alarm(reals, capsys):
    folder, _ = reals
    arguments = ["score", str(folder / "run"), str(folder / "x.npy"), "--reference-items", "5"]
    for more in ([], ["--blame"], ["--blame", "-o", str(folder / "b.csv")]):
        assert main([*arguments, "--false-alarms", "0.01", *more]) == 0
        said = capsys.readouterr().err
        assert "nothing can alarm" in said and "at least 99 items, there are 5" in said and "inf" not in said
    rows = list(csv.DictReader((folder / "b.csv").read_text().splitlines()))
    assert len(rows) > 5 and {row["column"] for row in rows} == {""}
    assert main([*arguments, "--false-alarms", "0.2", "--blame"]) == 0
    assert "nothing can alarm" not in capsys.readouterr().err


@pytest.mark.parametrize("rate", [0.5, 0.3, 0.05, 0.01, 0.001, 1 / 3, 1 / 7])
def test_least_reference(rate):
    least = least_reference(rate)
    assert alarm_threshold(torch.arange(float(least)), rate) < math.inf
    assert least == 1 or alarm_threshold(torch.arange(float(least - 1)), rate) == math.inf


@pytest.mark.parametrize("rows", [5, 10, 30, 64, 80, 200])
def test_a_gaussian_of_few_rows_is_a_yardstick(rows):
    """Of 64 variables it took hundreds of bits/dim, more than it takes to write the pixels down."""
    data = cr.load_data("digits")
    told = {}
    for name in ("gaussian", "uniform"):
        model = cr.create_model(name, data.domain)
        model.estimate(data.train[:rows])
        told[name] = likelihood(model, data.test).bits_per_dim
    assert told["gaussian"] < 0.85 * told["uniform"]


def test_a_gaussian_of_two_rows_is_left_out():
    data = cr.load_data("digits")
    model = cr.create_model("uniform", data.domain)
    for rows, expected in ((2, {"uniform", "independent"}), (3, {"uniform", "independent", "gaussian"})):
        few = cr.Data("few", data.train[:rows], data.valid[:9], data.test[:9], data.domain)
        assert evaluate(model, few, "valid").baselines.keys() == expected


def test_baselines_that_would_take_gigabytes_an_item_are_left_out(caplog):
    """Training on sounds of 16 bits seemed never to end: each level of each sample was counted by itself."""
    domain = cr.Domain.sequence(1024, 65536, lengths="given")
    x = torch.randint(0, 65536, (4, 1024), generator=seed())
    sounds = cr.Data("sounds", x, x[:2], x[:2], domain)
    model = cr.create_model("rls-lstm", domain, width=4)
    with caplog.at_level("WARNING", logger="chainrule"):
        assert evaluate(model, sounds, "valid").baselines.keys() <= {"gaussian"}
    assert "baseline uniform: left out, it would take 67,108,864 logits an item" in caplog.text


def test_levels_are_counted_whatever_lies_beside_them():
    x = torch.tensor([[0, 2, -1], [2, 1, -1], [2, 2, 0]])
    model = cr.create_model("independent", cr.Domain.sequence(3, 3, lengths="given"))
    model.estimate(x)
    expected = torch.tensor([[2.0, 1, 3], [1, 2, 3], [2, 1, 1]]).log()
    assert torch.allclose(model.network.params, expected)


def test_a_gaussian_of_many_rows_is_as_it_was():
    x = (
        torch.randn(200, 3, generator=seed(), dtype=torch.float64)
        @ torch.tensor([[1.0, 2, 0], [0, 1, 1], [0, 0, 3]]).double()
    )
    model = cr.create_model("gaussian", cr.Domain.vector(3), ridge=0.0).double()
    model.estimate(x)
    exact = torch.distributions.MultivariateNormal(x.mean(0), torch.cov(x.T, correction=0))
    torch.testing.assert_close(model.log_prob(x), exact.log_prob(x), rtol=0, atol=1e-4)


def test_a_gaussian_of_constants_and_single_rows_is_finite():
    for x in (
        torch.zeros(1, 4).double(),
        torch.ones(3, 4).double(),
        torch.randn(2, 4, generator=seed()).double(),
    ):
        model = cr.create_model("gaussian", cr.Domain.vector(4))
        model.estimate(x)
        assert model.log_prob(x).isfinite().all()


# --- curves of order-less models ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def orderless():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = cr.create_model("deep-nade", cr.Domain.binary(4), hidden=[16]).double().eval()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.copy_(torch.randn(parameter.shape))
    return model


@torch.no_grad()
def test_validation_estimates_the_mean_over_orderings(orderless):
    x = torch.randint(2, (200, 4), generator=seed())
    orders = [torch.tensor(order) for order in itertools.permutations(range(4))]
    exact = -torch.stack([orderless.in_order(order).log_prob(x) for order in orders]).mean(0).mean()
    found = orderless.valid_loss(x).mean()
    one = torch.stack([orderless._loss(x, None, seed(k)).mean() for k in range(50)])
    many = torch.stack(
        [
            torch.stack([orderless._loss(x, None, generator, k, 4) for k in range(4)]).mean()
            for generator in map(seed, range(50))
        ]
    )
    assert (many.mean() - exact).abs() < 4 * many.std() / 50**0.5  # without bias
    assert many.std() < 0.75 * one.std()
    assert (found - exact).abs() < 4 * many.std()


@torch.no_grad()
def test_each_item_is_seen_at_every_stage(orderless):
    """With four variables, one subset of each size: none of the noise of which sizes an item happened to get."""
    sizes = []
    guess = type(orderless.network).guess

    def spy(sites, seen, cond=None):
        sizes.append(seen.sum(1))
        return guess(orderless.network, sites, seen, cond)

    orderless.network.guess = spy
    try:
        before = torch.random.get_rng_state()
        first, again = (orderless.valid_loss(torch.zeros(6, 4).long()) for _ in range(2))
    finally:
        del orderless.network.guess
    assert torch.equal(first, again) and torch.equal(before, torch.random.get_rng_state())
    assert torch.equal(torch.stack(sizes[:4]), torch.arange(4)[:, None].expand(4, 6))
