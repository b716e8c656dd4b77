"""Scores of strange items: ranks, thresholds, corrections, blame, and the command."""

import json
import math

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import roc_auc_score

import chainrule as cr
from chainrule.data import decode
from chainrule.domain.column import Column
from chainrule.errors import ChainruleError, DomainError
from chainrule.tasks import (
    alarm_threshold,
    auroc,
    blame,
    blamed_cells,
    complexity_bits,
    hidden_nats,
    known_mask,
    rank_p_value,
)
from chainrule.tasks.likelihood import log_probs
from chainrule.training.mutation import mutated
from digits_run import write_run
from test_cli import call


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


# --- ranks and thresholds ---------------------------------------------------------------------------


def test_p_values_of_usual_items_are_uniform():
    """Of exchangeable items each rank comes once, so that P(p ≤ k/N) = k/N exactly."""
    values = torch.randn(20, generator=seeded(), dtype=torch.float64)
    each = [rank_p_value(values[i : i + 1], values[torch.arange(20) != i]).item() for i in range(20)]
    assert sorted(each) == pytest.approx([k / 20 for k in range(1, 21)])


def test_ties_count_as_unlikely():
    assert rank_p_value(torch.tensor([1.0]), torch.tensor([1.0, 1.0, 2.0])).item() == 0.75


@pytest.mark.parametrize("size", [5, 19, 20, 100])
@pytest.mark.parametrize("rate", [0.01, 0.05, 0.1, 0.5])
def test_what_alarms_has_a_p_value_of_at_most_the_rate(size, rate):
    reference = torch.randint(0, 30, (size,), generator=seeded(size)).double()  # with ties
    nats = torch.arange(-1, 32).double()
    p = rank_p_value(-nats, -reference)
    threshold = alarm_threshold(reference, rate)
    assert torch.equal(nats > threshold, p <= rate + 1e-12)
    assert math.isinf(threshold) == (size + 1 < 1 / rate)


def test_a_rate_is_a_share():
    with pytest.raises(ChainruleError, match=r"false alarms: expected a rate in \(0, 1\), got 1.5"):
        alarm_threshold(torch.zeros(3), 1.5)


def test_the_area_is_that_of_scikit_learn():
    usual, strange = (torch.randint(0, 9, (n,), generator=seeded(n)).double() for n in (40, 25))
    area = auroc(usual, strange + 1).area
    labels = [0] * 40 + [1] * 25
    assert area == pytest.approx(roc_auc_score(labels, torch.cat([usual, strange + 1]).numpy()))


def test_its_error_is_how_much_it_varies():
    found = [
        auroc(torch.randn(60, generator=seeded(k)), 1 + torch.randn(80, generator=seeded(k + 5000)))
        for k in range(400)
    ]
    spread = np.std([f.area for f in found])
    assert np.mean([f.se for f in found]) == pytest.approx(spread, rel=0.1)


# --- scores -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def models():
    torch.manual_seed(0)
    domain = cr.Domain.image(1, 4, 4, levels=7)
    return [cr.create_model("gated-pixelcnn", domain, channels=4, depth=1).eval().double() for _ in range(2)]


def test_each_score_is_what_it_says(models):
    model, background = models
    x, reference = (torch.randint(0, 7, (n, 1, 4, 4), generator=seeded(n)) for n in (6, 30))
    scores = cr.score(model, x, reference, background=background, complexity=True, batch_size=4)
    with torch.no_grad():
        own, usual, before = model.log_prob(x), model.log_prob(reference), background.log_prob(x)
    torch.testing.assert_close(scores.nats, -own)
    torch.testing.assert_close(scores.bits_per_dim, -own / (16 * math.log(2)))
    p = (1 + (usual[None] <= own[:, None]).sum(1)) / 31
    torch.testing.assert_close(scores.p_value, p.double())
    torch.testing.assert_close(scores.atypicality, (own - usual.mean()).abs())
    torch.testing.assert_close(scores.ratio, before - own)
    excess = -own / math.log(2) - complexity_bits(x, model.domain)
    torch.testing.assert_close(scores.excess_bits, excess)
    assert torch.equal(scores.alarms(0.2), scores.p_value <= 0.2)


def test_others_than_the_domain_of_the_model_are_refused(models):
    x = torch.zeros(2, 1, 4, 4, dtype=torch.int64)
    with pytest.raises(ChainruleError, match="reference: expected at least one item"):
        cr.score(models[0], x, x[:0])
    other = cr.create_model("independent", cr.Domain.image(1, 4, 4, levels=8))
    with pytest.raises(ChainruleError, match="background: expected a model of image:1x4x4:7"):
        cr.score(models[0], x, x, background=other)


@pytest.mark.parametrize(
    "domain", ["image:1x16x16:256", "image:3x16x16:256", "sequence:300:1000", "vector:300:2"]
)
def test_noise_is_more_complex_than_what_repeats(domain):
    domain = cr.Domain.parse(domain)
    noise = torch.randint(0, domain.max_levels, (2, *domain.event_shape), generator=seeded())
    bits = complexity_bits(torch.cat([noise, torch.zeros_like(noise)]), domain)
    entropy = domain.size * math.log2(domain.max_levels)
    assert (bits[:2] >= entropy - 1).all()  # what is lossless cannot do better
    assert (bits[2:] < entropy / 2).all() and bits[2] == bits[3]


def test_reals_have_no_complexity():
    with pytest.raises(DomainError, match="complexity: expected levels"):
        complexity_bits(torch.zeros(1, 3), cr.Domain.vector(3))


# --- blame ------------------------------------------------------------------------------------------


def test_blame_is_the_conditional_given_all_others():
    domain = cr.Domain.categorical(4, levels=(3, 2, 4, 2))
    torch.manual_seed(0)
    model = cr.create_model("made", domain, hidden=[8], ordering="random-2").double().eval()
    x = torch.tensor([[0, 1, 3, 0], [2, 0, 0, 1]])
    found = blame(model, x, x)
    with torch.no_grad():
        for d, levels in enumerate((3, 2, 4, 2)):
            tried = x[:, None].repeat(1, levels, 1)
            tried[:, :, d] = torch.arange(levels)
            given = model.log_prob(tried.flatten(0, 1)).reshape(2, levels).log_softmax(1)
            own = given.gather(1, x[:, d : d + 1])[:, 0]
            torch.testing.assert_close(found.gain[:, d], given.max(1).values - own)
            assert torch.equal(found.expected[:, d].long(), given.argmax(1))
    assert (found.gain >= 0).all()


def test_the_column_that_disagrees_with_all_others_is_to_blame():
    """Five columns of one size: one cell is wrong, and the first columns are not blamed for the last."""
    shared = torch.randn(2000, 1, generator=seeded(), dtype=torch.float64)
    rows = shared + 0.1 * torch.randn(2000, 5, generator=seeded(1), dtype=torch.float64)
    model = cr.create_model("gaussian", cr.Domain.vector(5))
    model.estimate(rows)
    x = torch.zeros(5, 5, dtype=torch.float64) + 3.0 * torch.eye(5, dtype=torch.float64)
    found = blame(model, x, rows)
    assert torch.equal(found.gain.argmax(1), torch.arange(5))
    assert (found.expected.diagonal().abs() < 0.2).all()


def test_a_reference_of_any_size_gives_candidates(monkeypatch):
    """The nearest values to 64 quantiles, though torch refuses quantiles of many; and few items are scored at once."""
    seen = torch.randn(201, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    expected = np.unique(np.quantile(seen[:, 1].numpy(), np.linspace(0, 1, 64), method="nearest"))

    def refuse(*args, **kwargs):
        raise RuntimeError("quantile() input tensor is too large")

    monkeypatch.setattr(torch.Tensor, "quantile", refuse)
    monkeypatch.setattr(torch, "quantile", refuse)
    model = cr.create_model("gaussian", cr.Domain.vector(2))
    model.estimate(seen)
    whole, sizes = blame(model, seen[:9], seen), []

    def counting(model, x, *args):
        sizes.append(len(x))
        return log_probs(model, x, *args)

    monkeypatch.setattr("chainrule.tasks.substitution.CELLS", 2 * 64 * 4)
    monkeypatch.setattr("chainrule.tasks.substitution.log_probs", counting)
    few = blame(model, seen[:9], seen)
    assert sizes == [4 * 64, 4 * 64, 64] * 2
    assert torch.equal(few.gain, whole.gain) and torch.equal(few.expected, whole.expected)
    assert set(few.expected[:, 1].tolist()) <= set(expected.tolist())


def test_a_missing_cell_is_not_to_blame():
    columns = [Column("a", "real", missing=True), Column("b", "categorical", ("u", "v"))]
    model = cr.create_model("made", cr.Domain.table(columns), hidden=[8])
    x = torch.tensor([[math.nan, 1.0], [0.5, 0.0]], dtype=torch.float64)
    found = blame(model, x, x)
    assert found.gain.isnan().tolist() == [[True, False], [False, False]]
    assert found.expected[0, 0] == 0.5
    cells = blamed_cells(model, x, x)
    assert cells[0].column == "b" and (cells[0].value, cells[0].gain_nats) == ("v", found.gain[0, 1].item())
    for row, cell in enumerate(cells):
        d = ["a", "b"].index(cell.column)
        assert cell.gain_nats == found.gain[row].nan_to_num(-math.inf).max()
        assert cell.expected == str(decode(found.expected[[row]], columns).iat[0, d])


def test_blamed_cells_of_vectors_go_by_their_numbers():
    domain = cr.Domain.binary(3)
    model = cr.create_model("made", domain, hidden=[8])
    x = torch.tensor([[1, 0, 1]])
    (cell,) = blamed_cells(model, x, x)
    best = blame(model, x, x).gain[0].argmax().item()
    assert (cell.column, cell.value) == (str(best), str(x[0, best].item()))


# --- what a hidden part costs -----------------------------------------------------------------------


def test_hidden_nats_are_those_of_the_conditional_in_any_batch():
    domain = cr.Domain.image(1, 4, 4, levels=3)
    torch.manual_seed(0)
    model = cr.create_model("gated-pixelcnn", domain, classes=3, channels=4, depth=1).double().eval()
    x, cond = torch.randint(3, (5, 1, 4, 4), generator=seeded()), torch.tensor([0, 1, 2, 0, 1])
    with torch.no_grad():
        terms = model.log_prob(x, cond, reduce=False)
    found = hidden_nats(model, x, "top", cond=cond, batch=2)
    assert found.exact.all() and (found.se == 0).all()
    torch.testing.assert_close(found.nats, -terms[:, :, 2:].sum((1, 2, 3)))
    bottom = known_mask(domain, "bottom")
    first, again = (hidden_nats(model, x, bottom, cond=cond) for _ in range(2))
    assert not first.exact.any() and (first.se > 0).all() and torch.equal(first.nats, again.nats)


def test_images_have_no_columns(models):
    with pytest.raises(DomainError, match="blame: expected rows of a table, or vectors"):
        blame(models[0], torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 4, 4))


# --- what a background model is trained on ----------------------------------------------------------


def test_mutations_are_as_many_as_asked_for_and_any_level():
    domain = cr.Domain.categorical(2, levels=(3, 250))
    x = torch.zeros(20_000, 2, dtype=torch.uint8)
    found = mutated(x, domain, 0.3, seeded())
    assert found.dtype == x.dtype
    changed = (found != 0).double().mean(0)
    expected = torch.tensor([0.3 * 2 / 3, 0.3 * 249 / 250], dtype=torch.float64)
    assert ((changed - expected).abs() < 4 * (0.25 / 20_000) ** 0.5).all()
    assert found[:, 0].max() == 2 and found[:, 1].unique().numel() > 240
    assert torch.equal(mutated(x, domain, 0.0, seeded()), x)


def test_a_model_of_nothing_but_mutations_knows_nothing():
    domain = cr.Domain.binary(6)
    ones = torch.ones(64, 6, dtype=torch.uint8)
    data = cr.Data("ones", ones, ones, ones, domain)
    nats = {}
    for rate in (0.0, 1.0):
        run = cr.fit(cr.create_model("fvsbn", domain), data, epochs=30, lr=0.1, mutate=rate, progress=False)
        nats[rate] = -run.model.log_prob(ones[:1]).item()
    assert nats[0.0] < 0.1
    assert nats[1.0] == pytest.approx(6 * math.log(2), abs=0.8)


def test_what_cannot_be_mutated_is_refused():
    domain = cr.Domain.vector(2)
    data = cr.Data("reals", *[torch.zeros(4, 2)] * 3, domain)
    with pytest.raises(DomainError, match="mutate: expected levels"):
        cr.fit(cr.create_model("made", domain), data, mutate=0.1)
    with pytest.raises(ChainruleError, match=r"mutate: expected a probability in \[0, 1\], got 2"):
        cr.fit(cr.create_model("made", domain), data, mutate=2)


# --- the command ------------------------------------------------------------------------------------


def test_the_command_on_images(tmp_path):
    model = write_run(tmp_path / "run", "gated-pixelcnn", channels=4, depth=1)
    write_run(tmp_path / "background", "independent")
    args = (
        "digits",
        "--split",
        "test",
        "--items",
        20,
        "--reference-items",
        50,
        "--background",
        tmp_path / "background",
    )
    ended = call("score", tmp_path / "run", *args, "--complexity", "-o", tmp_path / "scores.csv")
    assert ended.status == 0, ended.err
    frame = pd.read_csv(tmp_path / "scores.csv")
    data = cr.load_data("digits")
    scores = cr.score(model, data.test[:20], data.valid[:50])
    assert frame["nats"].to_numpy() == pytest.approx(scores.nats.numpy(), rel=1e-6)
    assert frame["p_value"].to_numpy() == pytest.approx(scores.p_value.numpy())
    assert {"excess_bits", "ratio", "atypicality", "alarm"} <= set(frame)
    picture = tmp_path / "strangest.png"
    ended = call("score", tmp_path / "run", *args, "--picture", picture, "--json")
    assert ended.status == 0, ended.err
    assert len(json.loads(ended.out)["scores"]) == 20 and picture.stat().st_size > 0


def test_the_command_scores_a_part_given_the_rest(tmp_path):
    model = write_run(tmp_path / "run", "gated-pixelcnn", channels=4, depth=1)
    args = (
        "score",
        tmp_path / "run",
        "digits",
        "--split",
        "test",
        "--items",
        70,
        "--reference-items",
        50,
        "--json",
    )
    x = cr.load_data("digits").test[:70]
    terms = model.log_prob(x, reduce=False).detach()
    frame = pd.DataFrame(call(*args, "--known", "top").json["scores"])
    assert frame["hidden_nats"].to_numpy() == pytest.approx(-terms[:, :, 4:].sum((1, 2, 3)).numpy(), rel=1e-5)
    assert "hidden_se" not in frame  # exact: the top half comes first
    frame = pd.DataFrame(call(*args, "--known", "bottom").json["scores"])
    whole = frame["hidden_nats"] < frame["nats"]  # what is known has a probability below 1
    assert whole.all() and (frame["hidden_se"] > 0).all()


def test_the_command_blames_columns(tmp_path):
    generator = np.random.default_rng(0)
    size = generator.normal(170, 10, 400)
    people = pd.DataFrame({"height": size, "weight": size - 100 + generator.normal(0, 1, 400)})
    people["tall"] = np.where(size > 170, "yes", "no")
    people.to_csv(tmp_path / "people.csv", index=False)
    run = tmp_path / "run"
    quick = ("--epochs", 12, "--set", "dropout=0")
    ended = call("train", "made", "--data", tmp_path / "people.csv", "--out", run, *quick)
    assert ended.status == 0, ended.err
    new = people.head(3).copy()
    new.loc[1, "weight"] = 190.0
    new.to_csv(tmp_path / "new.csv", index=False)
    args = (run, tmp_path / "new.csv", "--false-alarms", 0.05, "--blame", "-o", tmp_path / "out.csv")
    ended = call("score", *args)
    assert ended.status == 0, ended.err
    found = pd.read_csv(tmp_path / "out.csv")
    assert found.loc[1, "alarm"] and found.loc[1, "column"] == "weight"
    assert abs(float(found.loc[1, "expected"]) - people.loc[1, "weight"]) < 10
    assert found.loc[found["alarm"] == False, "column"].isna().all()  # noqa: E712


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--false-alarms", "2"), "false alarms: expected a rate in (0, 1), got 2"),
        (("-o", "scores.txt"), "expected the ending .csv or .parquet"),
        (("--blame", "--false-alarms", "0.9"), "blame: expected rows of a table, or vectors"),
        (("--reference", "tests"), "no such split"),
        (("--known", "middle"), "keep: expected top, left, bottom, right, a fraction, or the file of a mask"),
    ],
)
def test_the_command_says_what_is_wrong(tmp_path, arguments, message):
    write_run(tmp_path / "run", "independent")
    ended = call("score", tmp_path / "run", "digits", "--items", 9, *arguments)
    assert ended.status == 1
    assert message in ended.err
