"""What the panels compute is what the public verbs give, without a browser."""

import re

import numpy as np
import pandas as pd
import pytest
import torch

import chainrule as cr
from chainrule.errors import ChainruleError
from chainrule.report import image_grid
from chainrule.report.pictures import as_source
from chainrule.report.text import as_text
from chainrule.tasks import conditionals, continuation
from chainrule.tasks.likelihood import log_probs
from chainrule.tasks.sharing.reference import ITEMS

gr = pytest.importorskip("gradio")
from chainrule.studio import app, compare, draw, items, listen, nets, score, table, train, watch  # noqa: E402
from chainrule.studio.parts import EACH, shown  # noqa: E402
from chainrule.studio.runs import Runs  # noqa: E402

RUNS = Runs(["zoo:digits", "zoo:names", "zoo:table", "zoo:chorales"])


@pytest.fixture
def digits():
    return RUNS.open("zoo:digits")


@pytest.fixture
def names():
    return RUNS.open("zoo:names")


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def canvas(known_rows=4):
    """A white line in the second row, and the first rows known."""
    x = torch.zeros(1, 1, 8, 8, dtype=torch.int64)
    x[..., 1, 2:6] = 16
    known = (torch.arange(8) < known_rows)[:, None].expand(8, 8)
    return {"x": x.flatten().tolist(), "known": known.int().flatten().tolist()}, x, known[None]


def table_of(html):
    """The cells of a table, as text."""
    head, *rows = (
        re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in re.findall(r"<tr.*?</tr>", html, re.DOTALL)
    )
    return pd.DataFrame(rows, columns=head)


# --- runs -----------------------------------------------------------------------------------------


def test_only_runs_that_were_named_are_opened():
    with pytest.raises(ChainruleError, match="expected one of zoo:digits"):
        RUNS.open("zoo:moons")
    assert RUNS.open("zoo:digits") is RUNS.open("zoo:digits")


def test_each_kind_of_run_has_its_panels():
    suited = {
        name: [panel.LABEL for panel in app.PANELS if panel.suits(RUNS.open(name))] for name in RUNS.names
    }
    assert suited == {
        "zoo:digits": ["Draw", "Watch", "Score", "Compare", "Nets", "Train"],
        "zoo:names": ["Watch", "Listen and read", "Score", "Compare", "Nets", "Train"],
        "zoo:table": ["Table", "Score", "Compare", "Nets", "Train"],
        "zoo:chorales": ["Watch", "Listen and read", "Score", "Compare", "Nets", "Train"],
    }


def test_errors_are_shown_escaped():
    def fails():
        raise ChainruleError("<b>no</b>")

    with pytest.raises(gr.Error, match="&lt;b&gt;no"):
        shown(fails)()


# --- draw -----------------------------------------------------------------------------------------


def test_draw_is_complete(digits):
    drawn, x, known = canvas()
    html, _ = draw.complete(digits, drawn, 3, 0.8, 5, "7")
    expected = digits.model.complete(x, known, 3, seeded(5), cond=7, temperature=0.8)[0]
    assert as_source(image_grid(expected, digits.model.domain, columns=4)) in html
    assert torch.equal(expected[:, :, :4], x[:, :, :4].expand(3, -1, -1, -1))


def test_draw_completes_as_each_class(digits):
    drawn, x, known = canvas()
    html, note = draw.complete(digits, drawn, 3, 1.0, 0, EACH)
    cond = torch.arange(10)
    expected = digits.model.complete(x.expand(10, -1, -1, -1), known, 1, seeded(0), cond=cond)[:, 0]
    assert as_source(image_grid(expected, digits.model.domain, columns=5)) in html
    assert note.startswith("10 completions in")


def test_known_pixels_below_inform_those_above(digits):
    drawn, x, known = canvas()
    drawn["known"], below = (1 - known.int()).flatten().tolist(), ~known
    html, _ = draw.complete(digits, drawn, 2, 1.0, 0, "1")
    expected = digits.model.complete(x, below, 2, seeded(0), cond=1, particles=draw.CANDIDATES)[0]
    assert as_source(image_grid(expected, digits.model.domain, columns=4)) in html


def test_a_sample_goes_onto_the_canvas(digits):
    value, seed = draw.sampled(digits, 3, EACH)
    expected = digits.model.sample(1, 3, generator=seeded(3))
    assert (value["item"], seed) == (expected.flatten().tolist(), 4)


@pytest.mark.parametrize(
    "sent",
    [
        None,
        {},
        {"x": [0], "known": [1]},
        {"x": "0" * 64, "known": [1] * 64},
        {"x": [0.5] * 64, "known": [1] * 64},
        {"x": [17] * 64, "known": [1] * 64},
        {"x": [True] * 64, "known": [1] * 64},
    ],
    ids=str,
)
def test_a_canvas_that_is_none_is_refused(digits, sent):
    with pytest.raises(ChainruleError):
        draw.complete(digits, sent, 1, 1.0, 0, "1")


# --- watch ----------------------------------------------------------------------------------------


def numbers(film, name, kind):
    return np.frombuffer(watch.base64.b64decode(film[name]), kind)


@pytest.mark.parametrize(("name", "classes"), [("zoo:digits", ("3",)), ("zoo:names", ())])
def test_watch_has_the_sample_and_its_conditionals(name, classes):
    run = RUNS.open(name)
    model, cond = run.model, 3 if classes else None
    film = watch.drawn(run, 0.8, 2, *classes)
    x = model.sample(1, cond, 0.8, seeded(2))
    assert film["values"] == model.ordering.flatten(x)[0].tolist()
    tables = conditionals(model, x, cond).flatten(0, -2)[model.ordering.variables]
    assert np.allclose(numbers(film, "tables", "<f4").reshape(tables.shape), tables, atol=1e-6)
    assert np.array_equal(read_by(film, model.sites), model.network.connectivity(model.sites).numpy())


def read_by(film, sites):
    """Which sites each one reads, as the player takes it."""
    if film["reads"] is None:
        return np.tril(np.triu(np.ones((sites, sites), bool), -film["reach"]), -1)
    packed = numbers(film, "reads", np.uint8).reshape(sites, -1)
    return np.unpackbits(packed, axis=1, count=sites, bitorder="little")


def test_what_a_long_sequence_reads_is_a_number():
    run = RUNS.open("zoo:chorales")
    film = watch.drawn(run, 1.0, 0)
    sites = run.model.sites
    assert np.array_equal(read_by(film, sites), run.model.network.connectivity(sites).numpy())
    assert film["reach"] == run.model.network.receptive_field


def test_a_change_keeps_what_is_before_and_the_noise(digits):
    film = watch.drawn(digits, 0.5, 0, "3")
    d = 20
    asked = {"values": film["values"], "d": d, "level": film["values"][d]}
    assert watch.changed(digits, asked, 0.5, 0, "3")["values"] == film["values"]
    asked["level"] = (film["values"][d] + 8) % 17
    other = watch.changed(digits, asked, 0.5, 0, "3")
    assert other["values"][:d] == film["values"][:d]
    assert (other["values"][d], other["changed"]) == (asked["level"], d)


@pytest.mark.parametrize(
    "sent", [None, {"values": [0], "d": 0, "level": 1}, {"values": [0] * 64, "d": "0", "level": 1}], ids=str
)
def test_a_change_that_is_none_is_refused(digits, sent):
    with pytest.raises(ChainruleError, match="watch: "):
        watch.changed(digits, sent, 1.0, 0, "3")


def test_the_end_of_a_name_has_a_sign(names):
    assert watch.level_names(names)[-1] == watch.END
    assert len(watch.level_names(names)) == names.model.domain.levels


# --- compare, nets, listen --------------------------------------------------------------------------


def test_compare_draws_from_the_same_noise(digits):
    cold, warm = compare.both(digits, RUNS, "zoo:digits", 0.5, "zoo:digits", 1.0, 4, "2")
    for html, temperature in ((cold, 0.5), (warm, 1.0)):
        x = digits.model.sample(compare.DRAWS, 2, temperature, seeded(4))
        assert as_source(image_grid(x, digits.model.domain)) in html


def test_compare_refuses_another_domain(digits):
    with pytest.raises(ChainruleError, match=r"zoo:names: expected a run of image:1x8x8:17"):
        compare.both(digits, RUNS, "zoo:digits", 1.0, "zoo:names", 1.0, 0, "2")


def test_masks_differ_by_ordering():
    natural, other = nets.made_masks(0), nets.made_masks(1)
    assert "0 1 2 3 4 5 6 7" in natural
    assert "0 1 2 3 4 5 6 7" not in other
    assert nets.made_masks(1) == other


def test_text_appears_as_it_is_drawn(names):
    found = list(listen.read(names, 16, 1.0, 1, "an"))
    assert all(html.startswith("<pre>an") for html in found)
    drawn = continuation(names, "an", length=16, generator=seeded(1)).whole()
    assert found[-1] == f"<pre>{as_text(drawn, names.writing, names.model.domain).strip()}</pre>"


def test_a_piece_is_a_picture_and_a_sound():
    html = listen.listen(RUNS.open("zoo:chorales"), 8, 1.0, 0, "")
    assert html.count("<img") == html.count("<audio") == 1


# --- score, table -------------------------------------------------------------------------------------


def test_scores_of_texts(names):
    html = score.scored(names, RUNS, "emma\nxqzk", None)
    x = score.read_items(names, "emma\nxqzk", None).x
    cells = table_of(html)
    assert np.allclose(cells["nats"].astype(float), -log_probs(names.model, x), atol=1e-3)
    likely, unlikely = cells["p-value"].astype(float)
    assert likely > 0.5 > 0.05 > unlikely
    assert html.count('bits" style') == 10  # of each letter and end


def test_scores_of_a_file(digits, tmp_path):
    x = cr.load_data("digits").test[:3]
    np.save(tmp_path / "x.npy", x.numpy())
    html = score.scored(digits, RUNS, "", str(tmp_path / "x.npy"), "1")
    expected = -log_probs(digits.model, x, torch.ones(3, dtype=torch.int64))
    assert np.allclose(table_of(html)["nats"].astype(float), expected, atol=1e-3)
    assert "images above the bits" in html


def test_p_values_of_a_run_of_ones_own(tmp_path):
    """A folder of `fit` has no nats of held-out items: its validation split gives them."""
    data = cr.load_data("digits")
    run = cr.fit(cr.create_model("independent", data.domain), data, out=tmp_path / "run")
    x = data.test[:5]
    np.save(tmp_path / "x.npy", x.numpy())
    html = score.scored(run, RUNS, "", str(tmp_path / "x.npy"))
    expected = cr.score(run.model, x, reference=data.valid[:ITEMS]).p_value
    assert np.allclose(table_of(html)["p-value"].astype(float), expected, atol=1e-4)


def test_a_run_without_data_says_why_there_are_no_p_values(tmp_path):
    data = cr.load_data(np.eye(8, dtype=int).repeat(4, 0))
    run = cr.fit(cr.create_model("independent", data.domain), data, out=tmp_path / "run")
    np.save(tmp_path / "x.npy", np.eye(8, dtype=int))
    html = score.scored(run, RUNS, "", str(tmp_path / "x.npy"))
    assert "p-value" not in table_of(html)
    assert "No p-values" in html and "made in Python" in html


def test_nothing_to_score_is_said(digits):
    with pytest.raises(ChainruleError, match="expected a file"):
        score.scored(digits, RUNS, "text", None, "1")


def test_hidden_cells_are_drawn_and_the_others_stay():
    run = RUNS.open("zoo:table")
    cells = table.row_as_text(run, 0)
    cells[2] = ""
    html = table.completed(run, 0, *cells)
    rows = table_of(html)
    assert set(rows["species"]) == {cells[0]}
    assert rows["bill_length_mm"].nunique() > 1
    with pytest.raises(ChainruleError, match="empty a cell"):
        table.completed(run, 0, *table.row_as_text(run, 0))


def test_the_cell_to_blame_is_found(tmp_path):
    run = RUNS.open("zoo:table")
    frame = run.frame(run.model.sample(1, generator=seeded(0)))
    frame["flipper_length_mm"] = 100
    frame.to_csv(tmp_path / "rows.csv", index=False)
    html = score.scored(run, RUNS, "", str(tmp_path / "rows.csv"))
    assert table_of(html)["to blame"].tolist() == ["flipper_length_mm"]


def test_cells_are_escaped():
    assert "<script" not in items.table(pd.DataFrame({"a": ["<script>"]}))


# --- train ----------------------------------------------------------------------------------------------


def test_only_named_sets_and_models_that_suit_are_trained():
    with pytest.raises(ChainruleError, match="data: expected one of"):
        next(train.train(RUNS, "/etc/passwd", "made", 1))
    with pytest.raises(ChainruleError, match="model: expected one that suits digits"):
        next(train.train(RUNS, "digits", "wavenet", 1))


def test_a_file_that_was_given_is_trained_on(tmp_path):
    np.save(tmp_path / "own.npy", np.eye(8, dtype=int).repeat(20, 0))
    own = Runs(["zoo:digits"], [str(tmp_path / "own.npy")])
    assert train.sets(own)[0] == own.data[0]
    assert "made" in train.models_for(own, own.data[0])


@pytest.mark.slow
def test_training_shows_a_curve_and_samples():
    running = train.train(RUNS, "digits", "causal-conv1d", 1)
    curve, samples = next(running)
    assert "<img" in curve and "<img" in samples
    running.close()
