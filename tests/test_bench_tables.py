"""The bench of tables: what is hidden and spoilt, how answers are judged, peers in processes of their own, records."""

import json

import numpy as np
import pandas as pd
import pytest

from chainrule.bench.tables import case
from chainrule.bench.tables.holes import MECHANISMS, holes, spoilt
from chainrule.bench.tables.measures import judge_columns, judge_imputation
from chainrule.bench.tables.peer import PROGRAM, run_peer
from chainrule.bench.tables.tables import TABLES, Table
from chainrule.bench.tables.tasks import PEERS, TASKS, tried
from chainrule.errors import ChainruleError

LIMIT = 60


def rows(n=200, seed=0):
    """Two numbers and a category that depend on each other, one number whole; two cells are missing."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n).round(2)
    kind = pd.Categorical(np.where(x > 1, "rare", "usual"))
    frame = pd.DataFrame({"x": x, "y": (2 * x + 10).round().astype(int), "kind": kind})
    return frame.assign(x=frame.x.mask(frame.index.isin([1, 4])))


# --- hidden cells and spoilt rows ---------------------------------------------------------------------------


def test_hidden_cells_by_chance():
    hidden = holes(rows(4000), "mcar", seed=0)
    assert hidden.mean(0) == pytest.approx(0.2, abs=0.03)
    assert not (hidden & rows(4000).isna().to_numpy()).any()


def test_hidden_cells_that_a_seen_column_explains():
    frame = rows(4000)
    hidden = holes(frame, "mar", seed=0)
    assert not hidden[:, 1].any() and hidden[:, [0, 2]].mean() == pytest.approx(0.2, abs=0.03)
    high = frame["y"] > frame["y"].median()
    assert hidden[high, 0].mean() > 2 * hidden[~high, 0].mean()


def test_hidden_cells_that_their_own_value_explains():
    frame = rows(4000)
    hidden = holes(frame, "mnar", seed=0)
    high = frame["x"] > frame["x"].median()
    assert hidden[high, 0].mean() > 2 * hidden[~high, 0].mean()
    rare = frame["kind"] == "rare"
    assert hidden[rare, 2].mean() > hidden[~rare, 2].mean() + 0.05


def test_no_row_is_bare():
    frame = pd.DataFrame({"x": np.arange(500.0)})
    assert not holes(frame, "mcar", seed=0).any()
    assert (~holes(rows(500), "mcar", seed=0)).any(1).all()


def test_spoilt_rows_keep_their_marginals():
    frame = rows(900).assign(x=np.arange(900.0), y=np.arange(900))
    found = spoilt(frame, seed=0)
    changed = (found[["x", "y"]] != frame[["x", "y"]]).mean()
    assert changed.to_numpy() == pytest.approx(1 / 3, abs=0.05)
    assert found.dtypes.equals(frame.dtypes) and set(found["x"]) <= set(frame["x"])


# --- judging ------------------------------------------------------------------------------------------------


def test_energy_scores_by_hand():
    truth = pd.DataFrame({"x": [0.0, 4.0], "c": ["a", "b"]})
    hidden = np.array([[True, False], [False, True]])
    draws = pd.DataFrame({"x": [-2.0, 9, 2, 9, 6, 9], "c": ["a", "b", "a", "b", "a", "a"]})  # three tables
    point = pd.DataFrame({"x": [2.0, 9], "c": ["a", "b"]})
    found = judge_imputation(truth, hidden, point, draws, pd.Series({"x": 2.0}))
    number = (1 + 1 + 3) / 3 - (
        2 + 2 + 4
    ) / 3 / 2  # |draw - truth|, and |draw - draw'| / 2, in standard deviations
    category = 1 / 3 - (2 / 3) / 2
    assert found["score"] == pytest.approx((number + category) / 2)
    assert (found["rmse"], found["accuracy"], found["coverage"]) == (1, 1, 1)
    alone = judge_imputation(truth, hidden, point, None, pd.Series({"x": 2.0}))
    assert alone["score"] == 0.5 and np.isnan(alone["coverage"])


def test_draws_of_the_truth_cover_it_and_beat_its_mean():
    rng = np.random.default_rng(0)
    truth = pd.DataFrame({"x": rng.normal(size=3000)})
    draws = pd.DataFrame({"x": rng.normal(size=3000 * 20)})
    point = pd.DataFrame({"x": np.zeros(3000)})
    hidden, scale = np.ones((3000, 1), bool), pd.Series({"x": 1.0})
    found = judge_imputation(truth, hidden, point, draws, scale)
    assert found["coverage"] == pytest.approx(0.8 * 19 / 21 + 0.02, abs=0.05)
    assert found["score"] == pytest.approx(1 / np.sqrt(np.pi), abs=0.02)  # of a standard normal
    assert judge_imputation(truth, hidden, point, None, scale)["score"] > 1.3 * found["score"]


def answers(task):
    """What a perfect peer gives, and what it was asked."""
    asked = []

    def ask(tables, **request):
        asked.append((tables, request))
        train, test = tables["train"], tables["test"]
        whole = rows()[: len(test)].reset_index(drop=True)
        if task == "synthesis":
            return {
                "seconds": 1.0,
                "processor_seconds": 1.0,
                "drawn": rows(request["n"], 5),
                "log_density": pd.DataFrame({"nats": [-3.0, -5]}),
            }
        if task.startswith("imputation"):
            return {
                "seconds": 1.0,
                "processor_seconds": 1.0,
                "point": whole,
                "draws": pd.concat([whole] * request["draws"]),
            }
        score = np.arange(len(test))
        assert set(test) == set(train)
        return {"seconds": 1.0, "processor_seconds": 1.0, "scores": pd.DataFrame({"score": score})}

    return asked, ask


@pytest.mark.parametrize("task", TASKS)
def test_a_perfect_peer(task):
    asked, ask = answers(task)
    found = tried(task, Table("none", (), ("kind", "usual")), rows(), ask)
    ((tables, _),) = asked
    assert found["seconds"] == found["processor_seconds"] == 1.0
    if task == "synthesis":
        assert len(tables["test"]) == 58 and len(tables["train"]) == 140
        assert found["usefulness"] > 0.9 and found["log_density"] == -4 and found["outside"] < 0.03
    elif task.startswith("imputation"):
        assert (
            tables["test"].isna().to_numpy().mean() > 0.05 and tables["train"].isna().to_numpy().mean() > 0.05
        )
        assert (found["rmse"], found["accuracy"], found["score"], found["coverage"]) == (0, 1, 0, 1)
    else:
        assert found["auroc"] == 1
        if task == "anomaly-class":
            assert "kind" not in tables["train"]


@pytest.mark.parametrize("task", TASKS)
def test_a_peer_that_fails(task):
    table = Table("none", (), ("kind", "usual"))
    assert tried(task, table, rows(), lambda *_, **__: {"error": "it broke"}) == {"error": "it broke"}


# --- processes ----------------------------------------------------------------------------------------------


def test_a_peer_in_a_process_of_its_own():
    train, test = rows(80), rows(30, 1).assign(x=np.nan)
    found = run_peer("imputation", "knn", {"train": train, "test": test}, environments=None, seconds=LIMIT)
    assert found["seconds"] > 0 <= found["processor_seconds"] and set(found) == {
        "seconds",
        "processor_seconds",
        "point",
    }
    filled = found["point"]
    assert filled.dtypes["kind"] == "category" and np.corrcoef(filled["x"], test["y"])[0, 1] > 0.9
    assert np.array_equal(filled["y"], test["y"])


def test_what_breaks_is_said(tmp_path):
    tables = {"train": rows(9), "test": rows(9)}
    found = run_peer("anomaly", "nonsense", tables, environments=None, seconds=LIMIT)
    assert found == {"error": "KeyError: 'nonsense'"}
    assert "not done after" in run_peer("anomaly", "lof", tables, environments=None, seconds=0.01)["error"]
    assert "No such file" in run_peer("anomaly", "lof", tables, environments=tmp_path, seconds=LIMIT)["error"]


def test_peers_have_programs(monkeypatch):
    monkeypatch.syspath_prepend(str(PROGRAM))
    import anomalies
    import synthesis

    import imputation

    for module in (synthesis, imputation, anomalies):
        task = {"anomalies": "anomaly"}.get(module.__name__, module.__name__)
        assert set(module.PEERS) == set(PEERS[task])


@pytest.mark.parametrize("codes", [True, False])
def test_matrices_come_back_as_tables(codes, monkeypatch):
    monkeypatch.syspath_prepend(str(PROGRAM))
    from matrix import Matrix

    frame = rows(50)
    matrix = Matrix(frame, codes=codes)
    encoded = matrix.encode(frame)
    assert encoded.shape == (50, 3 if codes else 4) and np.isnan(encoded[1, 0])
    pd.testing.assert_frame_equal(matrix.decode(encoded), frame)


def test_draws_have_a_point(monkeypatch):
    monkeypatch.syspath_prepend(str(PROGRAM))
    from imputation import of_draws

    draws = [
        pd.DataFrame({"x": [x], "c": pd.Categorical([c], ["a", "b"])})
        for x, c in ((1, "b"), (2, "a"), (6, "b"))
    ]
    found = of_draws(draws)
    assert found["point"].to_numpy().tolist() == [[3.0, "b"]] and len(found["draws"]) == 3


# --- records ------------------------------------------------------------------------------------------------


@pytest.fixture
def fake(monkeypatch):
    """Two tables, and peers that answer at once; gives what they were asked."""
    asked = []

    def run(task, peer, tables, **_):
        asked.append((task, peer))
        if task == "table":
            return {"table": rows()}
        if peer == "knn":
            return {"error": "it broke"}
        return answers(task)[1](tables, n=140, draws=2)

    monkeypatch.setattr(case, "TABLES", {name: Table("none", ()) for name in ("a", "b")})
    monkeypatch.setattr(case, "run_peer", run)
    return asked


def test_a_run_goes_on_where_it_stopped(fake, tmp_path):
    options = {"models": ["lof", "knn"], "records": tmp_path}
    record = case.measure(100, 1, tables=["a"], **options)
    first = len(fake)
    assert first == 1 + 5 and case.measure(100, 1, tables=["a"], **options) == record and len(fake) == first
    whole = case.measure(100, 1, **options)
    assert len(fake) == 2 * first and len(whole["results"]) == 2 * len(record["results"])
    kept = json.loads((tmp_path / "a" / "anomaly-cells" / "lof.json").read_text())
    assert kept in record["results"] and kept["auroc"] == 1 and kept["rows"] == 200
    imputed = ", ".join(f"a imputation-{mechanism}" for mechanism in MECHANISMS)
    assert case.notes(record) == [f"knn failed on {imputed}, a anomaly-cells: it broke."]
    columns, table = case.table(record)
    shown = [[figure, "1", "lof 1.0 (1)"] for figure in ("auroc", "processor_seconds")]
    none = [[f"imputation-{mechanism}", "processor_seconds", "0", "none"] for mechanism in MECHANISMS]
    assert table == [*none, *(["anomaly-cells", *row] for row in shown)] and len(columns) == 4


def test_one_task_of_a_peer_that_has_several(fake, tmp_path):
    record = case.measure(100, 1, models=["knn"], tasks=["anomaly-cells"], records=tmp_path)
    assert {each["task"] for each in record["results"]} == {"anomaly-cells"} and len(fake) == 2 * (1 + 1)


def test_unknown_names(fake, tmp_path):
    with pytest.raises(ChainruleError, match=r"no such peer: 'loff'; did you mean 'lof'\?"):
        case.measure(9, 1, models=["loff"], records=tmp_path)
    with pytest.raises(ChainruleError, match="no such table: 'c'"):
        case.measure(9, 1, tables=["c"], records=tmp_path)
    with pytest.raises(ChainruleError, match="no such task: 'anomaly'; did you mean 'anomaly-"):
        case.measure(9, 1, tasks=["anomaly"], records=tmp_path)


def test_ranks():
    results = [
        {"table": "a", "peer": "x", "score": 1.0},
        {"table": "a", "peer": "y", "score": 2.0},
        {"table": "a", "peer": "z", "error": "broke"},
        {"table": "b", "peer": "x", "score": 3.0},
        {"table": "b", "peer": "y", "score": 3.0},
        {"table": "b", "peer": "z", "score": 1.0},
        {"table": "b", "peer": "w", "error": "broke"},
    ]
    assert case.mean_ranks(results, "score", False) == {"x": 1.75, "y": 2.25, "z": 2.0}
    assert case.mean_ranks(results, "score", True) == {"x": 1.75, "y": 1.25, "z": 3.0}


def test_tables_are_of_all_kinds():
    assert len(TABLES) >= 15 and len({table.package for table in TABLES.values()}) == 6
    assert sum(table.usual is not None for table in TABLES.values()) >= 4


def test_drawn_columns_are_judged():
    draws = np.random.default_rng(0)

    def rows(n, low=0.0, rare=0.02):
        letters = draws.choice(["a", "b", "c"], n, p=[0.7, 0.3 - rare, rare])
        return pd.DataFrame({"paid": (draws.exponential(9, n) + low).round(2), "letter": letters})

    good = judge_columns(rows(700), rows(300), rows(10_000))
    assert good["farthest_number"] < 1.5 and good["level_gap"] < 3 and good["frequent_gap"] < 0.05
    assert good["negative"] == 0 and good["outside"] < 0.01
    bad = judge_columns(rows(700), rows(300), rows(10_000, low=-3, rare=0.06))
    assert bad["farthest_number"] > 2 and bad["level_gap"] > 6 and bad["negative"] > 0.2
    assert (
        judge_columns(rows(700), rows(300), rows(10_000).assign(paid=lambda its: its["paid"] / 3))["outside"]
        > 0.2
    )
