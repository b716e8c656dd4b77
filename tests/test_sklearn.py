"""scikit-learn's own checks of its interface, frames in and out, and the quality of what is fitted."""

import pickle
import re
import warnings
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from sklearn.base import clone
from sklearn.impute import SimpleImputer
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import chainrule as cr
from chainrule.errors import ChainruleError, DataError
from chainrule.sklearn import (
    AutoregressiveDensity,
    AutoregressiveImputer,
    AutoregressiveOutlierDetector,
    base,
)

TINY = {"hyperparameters": {"hidden": [8], "components": 2, "dropout": 0.1}, "epochs": 2, "random_state": 0}
SMALL = {"hyperparameters": {"hidden": [64, 64], "dropout": 0.1}, "epochs": 40, "lr": 5e-3, "random_state": 0}
ESTIMATORS = (AutoregressiveDensity, AutoregressiveImputer, AutoregressiveOutlierDetector)


@parametrize_with_checks([estimator(**TINY) for estimator in ESTIMATORS])
def test_scikit_learn_checks(estimator, check):
    check(estimator)


def mixed(n=300, seed=0):
    """A frame of all kinds of columns, each informed by the others."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=n)
    return pd.DataFrame(
        {
            "job": np.where(z + rng.normal(size=n) / 2 > 0, "smith", "clerk"),
            "grade": pd.Categorical(np.digitize(z, [-1, 0, 1]), categories=[0, 1, 2, 3, 9]),
            "member": z + rng.normal(size=n) > 0,
            "age": (40 + 10 * z + rng.normal(size=n)).round().astype(np.int16),
            "height": (170 + 5 * z + rng.normal(size=n)).astype(np.float32),
        },
        index=np.arange(n) + 1000,
    )


def gaussian(n, seed, size=5):
    """Rows of a correlated normal."""
    mix = np.random.default_rng(7).normal(size=(size, size))
    return np.random.default_rng(seed).normal(size=(n, size)) @ mix + 3


def with_gaps(frame, part=0.3, seed=1):
    """The same with cells hidden at random, and which."""
    gaps = np.random.default_rng(seed).random(frame.shape) < part
    return frame.mask(gaps) if isinstance(frame, pd.DataFrame) else np.where(gaps, np.nan, frame), gaps


def test_frames_come_back_as_they_were():
    frame = mixed()
    density = AutoregressiveDensity(**TINY).fit(frame)
    assert [c.kind for c in density.columns_] == ["categorical"] * 3 + ["number", "number"]
    assert [c.step for c in density.columns_[3:]] == [1, None]
    assert list(density.feature_names_in_) == list(frame.columns)
    drawn = density.sample(50, random_state=0)
    pd.testing.assert_series_equal(drawn.dtypes, frame.dtypes)
    assert density.score_samples(drawn).shape == (50,)
    assert density.score(frame) == pytest.approx(density.score_samples(frame).mean())
    # A job never seen is improbable; a grade that the frame does not declare is an error.
    baker = density.score_samples(frame.assign(job="baker"))
    assert np.isfinite(baker).all() and (baker < density.score_samples(frame)).mean() > 0.9
    with pytest.raises(DataError, match=r"column 'grade'.*one of 0, 1, 2, 3, 9, got 7"):
        density.score_samples(frame.assign(grade=7))
    # A missing cell where training had none is more so.
    ageless = density.score_samples(frame.assign(age=np.nan))
    assert np.isfinite(ageless).all() and (ageless < density.score_samples(frame)).mean() > 0.9


@pytest.mark.parametrize("strategy", ["sample", "most_probable", "mean"])
def test_imputer_fills_a_frame(strategy):
    frame = mixed()
    gappy, gaps = with_gaps(frame)
    imputer = AutoregressiveImputer(strategy=strategy, n_draws=5, **TINY)
    filled = imputer.fit_transform(gappy)
    assert not filled.isna().any().any()
    assert filled.index.equals(frame.index) and list(filled.columns) == list(frame.columns)
    kept = filled.astype(object).where(~gaps)
    pd.testing.assert_frame_equal(kept, frame.astype(object).where(~gaps), check_dtype=False)
    pd.testing.assert_frame_equal(filled, imputer.transform(gappy))
    assert isinstance(imputer.set_output(transform="pandas").transform(gappy), pd.DataFrame)
    # Whoever trained on whole rows fills the gaps of others, in the types of the training rows.
    whole = clone(imputer).fit(frame).transform(gappy)
    pd.testing.assert_series_equal(whole.dtypes, frame.dtypes)


def test_the_most_probable_fill_is_no_draw():
    gappy, _ = with_gaps(mixed())
    imputer = AutoregressiveImputer(strategy="most_probable", model="deep-nade", **TINY).fit(gappy)
    one, other = (imputer.set_params(random_state=seed).transform(gappy) for seed in (1, 2))
    pd.testing.assert_frame_equal(one, other)
    imputer.set_params(strategy="sample")
    assert not imputer.transform(gappy).equals(imputer.set_params(random_state=1).transform(gappy))


@pytest.mark.parametrize("model", ["made", "deep-nade"])
def test_missing_cells_in_training(model):
    gappy, _ = with_gaps(mixed())
    density = AutoregressiveDensity(model, **TINY).fit(gappy)
    assert np.isfinite(density.score_samples(gappy)).all()
    drawn = density.sample(300, random_state=0)
    assert drawn.isna().any().any() == (model == "made")  # an outcome for one, summed out by the other
    filled = AutoregressiveImputer(model, **TINY).fit_transform(gappy)
    assert not filled.isna().any().any()


def test_a_model_of_any_subset_leaves_out_what_is_missing():
    X = gaussian(200, 0)
    density = AutoregressiveDensity("deep-nade", **TINY).fit(X)
    nothing = np.full((1, 5), np.nan)
    assert density.score_samples(nothing) == pytest.approx([0.0])


def test_columns_of_an_array():
    X = np.random.default_rng(0).integers(0, 4, size=(60, 2))
    kinds = {
        None: ["real", "real"],
        "infer": ["number", "number"],
    }
    for columns, expected in kinds.items():
        density = AutoregressiveDensity(columns=columns, **TINY).fit(X)
        assert [c.kind for c in density.columns_] == expected
    density = AutoregressiveDensity(columns={"x1": "integer"}, **TINY).fit(X)
    assert [c.kind for c in density.columns_] == ["real", "number"]
    assert density.sample(4).shape == (4, 2)
    for columns in ({"x7": "real"}, "guess"):
        with pytest.raises(ChainruleError):
            AutoregressiveDensity(columns=columns, **TINY).fit(X)


@pytest.mark.parametrize(
    "bad",
    [
        {"model": "maid"},
        {"validation_fraction": 1.0},
        {"batch_size": -1},
        {"hyperparameters": {"hiden": [3]}},
    ],
)
def test_bad_parameters_are_found_by_fit(bad):
    with pytest.raises(ChainruleError):
        AutoregressiveDensity(**{**TINY, **bad}).fit(gaussian(20, 0))
    for estimator in (
        AutoregressiveImputer(strategy="median"),
        AutoregressiveOutlierDetector(contamination=0.7),
    ):
        with pytest.raises(ChainruleError):
            estimator.set_params(**TINY).fit(gaussian(20, 0))


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_same_seed_same_result_and_no_other_is_touched(estimator):
    X, _ = with_gaps(gaussian(60, 0), 0.1)

    def result(fitted):
        return fitted.transform(X) if isinstance(fitted, AutoregressiveImputer) else fitted.score_samples(X)

    before = np.random.get_state()[1].copy(), torch.get_rng_state()
    first = estimator(**TINY).fit(X)
    np.testing.assert_array_equal(result(first), result(estimator(**TINY).fit(X)))
    np.testing.assert_array_equal(result(first), result(pickle.loads(pickle.dumps(first))))
    assert (np.random.get_state()[1] == before[0]).all() and torch.equal(torch.get_rng_state(), before[1])
    other = estimator(**{**TINY, "random_state": 1}).fit(X)
    assert not np.array_equal(result(first), result(other))


def test_silence(capfd):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        AutoregressiveImputer(**TINY).fit_transform(with_gaps(mixed(50))[0])
    assert capfd.readouterr() == ("", "")


def test_in_a_search_and_in_a_pipeline():
    X = gaussian(120, 0)
    search = GridSearchCV(AutoregressiveDensity("gaussian", random_state=0), {"lr": [None, 1e-3]}, cv=2)
    assert np.isfinite(search.fit(X).best_score_)
    with pytest.raises(ValueError, match="discrete"):  # it serves no reals
        GridSearchCV(AutoregressiveDensity(), {"model": ["count-table"]}, cv=2, error_score="raise").fit(X)
    gappy, _ = with_gaps(X, 0.1)
    detector = AutoregressiveOutlierDetector(contamination=0.2, **TINY)
    pipeline = make_pipeline(AutoregressiveImputer(**TINY), StandardScaler(), detector)
    assert (pipeline.fit_predict(gappy) == -1).sum() == 24


def test_the_page_runs_as_printed(monkeypatch):
    options = base.AutoregressiveEstimator._options
    monkeypatch.setattr(base.AutoregressiveEstimator, "_options", lambda *own: options(*own) | {"epochs": 1})
    page = (Path(__file__).parent.parent / "docs" / "how-to" / "sklearn.md").read_text()
    names = {}
    for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL):
        exec(block, names)
    assert names["search"].best_params_ == {"model": "gaussian"}
    assert names["p"].batch_shape == (2,) and names["p"].log_prob(names["x"]).shape == (100, 2)


def test_training_lasts_by_steps():
    options = AutoregressiveDensity()._options
    assert options(9000, 0)["epochs"] == 14 and options(9000, 0)["batch_size"] == 128
    assert options(10**7, 0)["epochs"] == 1
    few = options(1200, 0)  # 20 steps a pass: validation looks after several
    assert (few["epochs"], few["steps"], few["patience"]) == (0, 1000, 6)
    assert options(20, 0)["steps"] == 400 and options(20, 0)["patience"] == 4
    assert AutoregressiveImputer()._options(1200, 0)["steps"] == 1600
    given = AutoregressiveDensity(epochs=60)._options(1200, 0)
    assert (given["epochs"], given["patience"]) == (60, 20)
    assert AutoregressiveDensity(training={"epochs": 60})._options(1200, 0) == given
    assert AutoregressiveDensity(training={"steps": 300})._options(1200, 0)["steps"] == 300


def test_few_rows_have_noise_that_none_of_them_chose():
    def noise(n, **hyperparameters):
        own = AutoregressiveDensity(
            hyperparameters={"hidden": [8], **hyperparameters}, epochs=1, random_state=0
        )
        model = own.fit(gaussian(n, 0)).model_
        return model.hyperparameters.get("dropout"), model.hyperparameters.get("input_dropout"), model.tuned

    assert noise(100) == (0.5, 0.2, False)
    assert noise(20, dropout=0.1) == (0.1, 0.0, False)
    assert noise(120)[2]


def test_whole_numbers_do_not_wrap_around():
    frame = pd.DataFrame({"n": np.arange(100, 126, dtype=np.int8)[::-1]})
    density = AutoregressiveDensity(**{**TINY, "epochs": 1}).fit(frame)
    assert density.columns_[0].step == 1
    assert density.sample(200, random_state=0)["n"].min() > 0


def test_density_is_near_the_true_one():
    X, new = gaussian(2000, 0), gaussian(1000, 1)
    peer = GaussianMixture(1).fit(X).score(new)
    assert AutoregressiveDensity(**SMALL).fit(X).score(new) > peer - 0.15
    assert AutoregressiveDensity("gaussian").fit(X).score(new) == pytest.approx(peer, abs=0.02)


def test_outliers_are_found():
    X = gaussian(500, 0)
    detector = AutoregressiveOutlierDetector(contamination=0.02, **{**SMALL, "epochs": 20}).fit(X)
    shuffled = np.random.default_rng(0).permuted(
        gaussian(500, 1), axis=0
    )  # each column as it was, not their joint
    assert (detector.predict(X) == -1).sum() == 10
    assert (detector.predict(shuffled) == -1).mean() > 0.3


def test_imputer_beats_the_mean_of_the_column():
    X = gaussian(1500, 0)
    gappy, gaps = with_gaps(X)

    def error(imputer):
        return np.sqrt(((imputer.fit_transform(gappy) - X)[gaps] ** 2).mean())

    assert error(AutoregressiveImputer(strategy="mean", **SMALL)) < 0.85 * error(SimpleImputer())


def test_imputer_beats_mean_and_mode_of_a_mixed_frame():
    frame = mixed(1000)
    gappy, gaps = with_gaps(frame)
    filled = AutoregressiveImputer(strategy="mean", **SMALL).fit_transform(gappy)
    for d, name in enumerate(frame.columns):
        hidden = gaps[:, d]
        truth, ours = frame.loc[hidden, name], filled.loc[hidden, name]
        if name in ("age", "height"):
            assert ((ours - truth) ** 2).mean() < 0.5 * ((gappy[name].mean() - truth) ** 2).mean()
        else:
            assert (ours == truth).mean() > (gappy[name].mode()[0] == truth).mean() + 0.05
    assert cr.sklearn.AutoregressiveImputer is AutoregressiveImputer


def test_frames_of_other_libraries():
    rng = np.random.default_rng(0)
    frame = pl.DataFrame({"a": rng.normal(size=60), "b": ["x", "y", None] * 20, "n": rng.integers(0, 99, 60)})
    options = {"epochs": 1, "hyperparameters": {"hidden": [4]}, "random_state": 0}
    expected = AutoregressiveDensity(**options).fit(frame.to_pandas()).score_samples(frame.to_pandas())
    objects = frame.to_pandas().to_numpy(object)
    for X in (frame, frame.to_arrow(), frame.to_dicts(), duckdb.sql("from frame")):
        density = AutoregressiveDensity(**options).fit(X)
        assert np.allclose(density.score_samples(X), expected) and [*density.feature_names_in_] == [
            "a",
            "b",
            "n",
        ]
    density = AutoregressiveDensity(**options).fit(objects)
    assert [column.kind for column in density.columns_][:2] == ["real", "categorical"]
    tensor = torch.from_numpy(frame.select("a", "n").to_numpy())
    assert AutoregressiveDensity(**options).fit(tensor).score_samples(tensor).shape == (60,)


def test_output_in_polars():
    frame = pl.DataFrame(
        {"a": [0.5, None, 2.5, 1.5] * 10, "b": ["x", "y", None, "x"] * 10, "f": [True, False] * 20}
    )
    imputer = AutoregressiveImputer(epochs=1, hyperparameters={"hidden": [4]}, random_state=0)
    filled = imputer.set_output(transform="polars").fit(frame).transform(frame)
    assert filled.schema == frame.schema and not any(filled.null_count().row(0))
    there = frame["a"].is_not_null()
    assert filled["a"].filter(there).equals(frame["a"].filter(there))


def test_every_option_of_training_is_reached():
    X = gaussian(60, 0)
    with pytest.raises(ChainruleError, match="unknown training option 'weight_decai'"):
        AutoregressiveDensity(**TINY, training={"weight_decai": 0.0}).fit(X)
    shrunk, free = (
        AutoregressiveDensity(**{**TINY, "epochs": 20, "lr": 0.01}, training={"weight_decay": decay}).fit(X)
        for decay in (100.0, 0.0)
    )
    sizes = [sum(p.detach().abs().sum().item() for p in own.model_.parameters()) for own in (shrunk, free)]
    assert sizes[0] < 0.5 * sizes[1]
    epochs = AutoregressiveDensity(**{**TINY, "epochs": None}, training={"epochs": 3}).fit(X)
    assert len(epochs.history_) == 3
    for twice in ({"epochs": 3}, {"lr": 0.1}):
        with pytest.raises(ChainruleError, match="expected it once"):
            AutoregressiveDensity(**{**TINY, "lr": 0.01}, training=twice).fit(X)


@pytest.mark.parametrize("options", [{"epochs": 0}, {"epochs": None, "training": {"epochs": 0}}])
def test_no_epochs_are_refused(options):
    with pytest.raises(ChainruleError, match="epochs: expected an integer ≥ 1, got 0"):
        AutoregressiveDensity(**{**TINY, **options}).fit(gaussian(20, 0))


@pytest.mark.parametrize("model", ["deep-nade", "made", "made-ensemble"])
@pytest.mark.parametrize("strategy", ["sample", "mean"])
def test_a_row_is_filled_alike_in_any_batch(model, strategy):
    gappy, _ = with_gaps(mixed(60))
    small = {"hidden": [8], "components": 2, "dropout": 0.1} | (
        {"masks": 3} if model == "made-ensemble" else {}
    )
    imputer = AutoregressiveImputer(
        model, strategy=strategy, n_draws=3, **{**TINY, "hyperparameters": small}
    ).fit(gappy)
    whole = imputer.transform(gappy)
    backwards = imputer.transform(gappy.iloc[::-1]).iloc[::-1]
    alone = pd.concat([imputer.transform(gappy.iloc[[i]]) for i in range(12)])
    for other, rows in ((backwards, whole), (alone, whole.iloc[:12])):
        pd.testing.assert_frame_equal(other, rows, rtol=1e-6)
    # Rows that differ are filled by noise of their own.
    same = gappy.iloc[[3] * 5].assign(height=np.nan, age=np.arange(30.0, 35.0))
    assert imputer.transform(same)["height"].nunique() == 5
    assert imputer.set_params(random_state=5).transform(same)["height"].nunique() == 5


def test_a_random_state_that_is_none_gives_equal_rows_other_draws():
    X, _ = with_gaps(gaussian(60, 0))
    imputer = AutoregressiveImputer(**{**TINY, "random_state": None}).fit(X)
    rows = np.repeat([[np.nan, 1.0, 2.0, 3.0, 4.0]], 6, axis=0)
    assert len(np.unique(imputer.transform(rows)[:, 0])) == 6


def test_cells_that_are_there_stay_as_they_are():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "real": (1e6 * rng.normal(size=80)).astype(np.float32),
            "byte": rng.integers(200, 256, 80).astype(np.uint8),
            "flag": rng.random(80) < 0.5,
            "name": np.where(rng.random(80) < 0.5, "a", "b"),
        }
    )
    imputer = AutoregressiveImputer(**TINY).fit(frame)
    new = frame.assign(real=frame["real"] * 1.1 + np.pi).astype(
        {"real": np.float64}
    )  # no float32 holds these
    new.loc[::3, "real"] = np.nan
    filled = imputer.transform(new)
    assert list(filled.dtypes) == list(new.dtypes)
    there = new["real"].notna()
    assert (filled.loc[there, "real"].to_numpy() == new.loc[there, "real"].to_numpy()).all()
    pd.testing.assert_frame_equal(filled.drop(columns="real"), new.drop(columns="real"))
    gaps = frame.astype({"byte": float, "flag": object})
    gaps.loc[::2, ["byte", "flag"]] = np.nan
    filled = imputer.transform(gaps)
    assert [str(filled[name].dtype) for name in ("byte", "flag")] == ["uint8", "bool"]
    drawn = AutoregressiveDensity(**TINY).fit(frame).sample(400, random_state=0)
    pd.testing.assert_series_equal(drawn.dtypes, frame.dtypes)
    array = new[["real"]].to_numpy()
    filled = AutoregressiveImputer(**TINY).fit(array).transform(array)
    assert (filled[there.to_numpy()] == array[there.to_numpy()]).all()


def test_a_number_too_large_is_named():
    frame = pd.DataFrame({"a": [1.0, 2.0, 3.0], "price": [1.0, 1e300, 2.0]})
    with pytest.raises(DataError, match=r"column 'price'.*got 1e\+300 in row 1"):
        AutoregressiveDensity(**TINY).fit(frame)
    density = AutoregressiveDensity(**TINY).fit(frame.clip(upper=9))
    with pytest.raises(DataError, match="'price'"):
        density.score_samples(frame)


def test_as_many_new_rows_are_outliers_as_asked():
    """Also of a net that has learnt its rows by heart; by their own quantile a fifth of new rows would be outliers."""
    train, new = gaussian(1000, 0, 12), gaussian(3000, 1, 12)
    options = {"hyperparameters": {"hidden": [128, 128], "dropout": 0.0}, "epochs": 20, "lr": 5e-3}
    detector = AutoregressiveOutlierDetector(
        contamination=0.05, validation_fraction=0.5, random_state=0, **options
    ).fit(train)
    spread = 4 * np.sqrt(0.05 * 0.95 * (1 / 500 + 1 / 3000))
    assert (detector.predict(new) == -1).mean() == pytest.approx(0.05, abs=spread)
    assert (detector.predict(train) == -1).sum() == 50 and detector.optimism_ > 1
    mixed_up = detector.score_samples(np.vstack([train[:5], new[:5]]))
    apart = [detector.score_samples(train[:5]), detector.score_samples(new[:5])]
    np.testing.assert_allclose(mixed_up, np.concatenate(apart))


def test_no_row_lies_on_the_threshold():
    """With few held-out rows it is one of their scores, whose last bits depend on the rows scored with it."""
    detector = AutoregressiveOutlierDetector("gaussian", random_state=0).fit(train := gaussian(20, 0))
    decisions = detector.decision_function(train)
    assert abs(decisions).min() > 1e-10
    assert np.array_equal(detector.predict(train), [detector.predict(row[None])[0] for row in train])


def test_the_threshold_of_a_fence():
    train = gaussian(400, 0)
    detector = AutoregressiveOutlierDetector("gaussian", contamination="auto", random_state=0).fit(train)
    assert (detector.predict(gaussian(2000, 1)) == -1).mean() < 0.06
    assert (detector.predict(20 + gaussian(50, 1)) == -1).all()
    with pytest.raises(ChainruleError, match="or 'auto', got 'some'"):
        AutoregressiveOutlierDetector(contamination="some", **TINY).fit(train)


def test_columns_are_predicted():
    frame = mixed(400)
    density = AutoregressiveDensity(**{**SMALL, "epochs": 15}).fit(frame)
    frame = frame.head(100)
    found = density.predict_column_proba(frame, "member")
    assert list(found.columns) == [False, True] and found.sum(axis=1).to_numpy() == pytest.approx(1)
    assert (density.predict_column(frame, "member") == frame["member"]).mean() > 0.7
    gappy = frame.assign(age=np.nan)
    age = density.predict_column(gappy, "age")
    assert np.abs(age - frame["age"]).mean() < 0.5 * np.abs(frame["age"] - frame["age"].median()).mean()
    low, high = (density.predict_column(frame, "height", quantile=q) for q in (0.1, 0.9))
    assert 0.6 < ((low < frame["height"]) & (frame["height"] < high)).mean() < 0.95
    drawn = density.sample(50, random_state=0, given={"age": cr.between(45, None), "job": {"smith"}})
    assert (drawn["age"] >= 45).all() and (drawn["job"] == "smith").all()
    plain = AutoregressiveDensity(**TINY).fit(gaussian(40, 0))
    assert (plain.sample(20, random_state=0, given={"x1": cr.between(None, 3)})[:, 1] <= 3).all()
    assert plain.predict_column(gaussian(5, 0), "x2").shape == (5,)
    for call in (
        lambda: density.predict_column(frame, "weight"),
        lambda: density.predict_column_proba(frame, "height"),
    ):
        with pytest.raises(ChainruleError):
            call()


def test_ids_are_carried_and_not_modelled():
    """Whatever the names of the columns are, and in their order."""
    frame = mixed(60).assign(key=[f"k-{row}" for row in range(60)])[["job", "key", "age"]]
    frame.columns = [7, 3, 1]
    gappy = frame.mask(np.arange(180).reshape(60, 3) % 5 == 0)
    gappy[3] = frame[3]
    with pytest.warns(UserWarning, match="not modelled, column '3'"):
        imputer = AutoregressiveImputer(**TINY).fit(gappy)
    assert [column.name for column in imputer.columns_] == ["7", "1"]
    filled = imputer.transform(gappy)
    assert list(filled.columns) == list(frame.columns) and filled[3].tolist() == frame[3].tolist()
    assert filled.notna().all().all()
    with pytest.warns(UserWarning, match="not modelled, column '3'"):
        density = AutoregressiveDensity(**TINY).fit(frame)
    assert list(density.sample(5, random_state=0).columns) == [7, 1]
    drawn = density.sample(2, random_state=0, ids="fresh")
    assert list(drawn.columns) == [7, 3, 1] and drawn[3].tolist() == ["k-60", "k-61"]


CUT = np.r_[np.zeros(15), np.arange(15) % 4]  # constant in the first fold, or all missing
FOLDS = {
    "counts": pd.DataFrame({"kids": [0, 1, 2] * 33 + [7]}),
    "a rare level": pd.DataFrame({"job": ["a", "b"] * 15 + ["rare"], "n": np.arange(31) / 7}),
    "a constant fold": pd.DataFrame({"x": CUT, "job": np.where(CUT > 0, "b", "a"), "flag": CUT > 0}),
    "a missing fold": pd.DataFrame({"x": np.where(CUT > 0, CUT, np.nan), "y": np.sin(np.arange(30))}),
    "missing text": pd.DataFrame({"job": [None] * 15 + ["a", "b", "a"] * 5, "y": np.sin(np.arange(30))}),
    "an array": np.c_[np.where(CUT > 0, CUT, np.nan), np.sin(np.arange(30))],
}


@pytest.mark.parametrize("name", FOLDS)
@pytest.mark.filterwarnings("ignore:X. not modelled")  # of a column without any cell in a fold
def test_folds_with_values_that_the_others_lack_have_a_likelihood(name):
    options = {**TINY, "epochs": 1}
    assert np.isfinite(cross_val_score(AutoregressiveDensity(**options), FOLDS[name], cv=2)).all()


def test_a_search_over_training_finds_its_best():
    grid = {"epochs": [1, 2], "training": [None, {"weight_decay": 0.01}]}
    search = GridSearchCV(AutoregressiveDensity(**TINY), grid, cv=2, error_score="raise").fit(FOLDS["counts"])
    assert np.isfinite(search.cv_results_["mean_test_score"]).all() and np.isfinite(search.best_score_)


def test_a_gap_where_training_had_none_costs_the_same_in_any_column():
    X = gaussian(60, 0)
    density = AutoregressiveDensity(**TINY).fit(X)
    last = X.copy()
    last[:, -1] = np.nan
    terms = density.model_.log_prob(torch.from_numpy(X), reduce=False)[:, :-1].sum(1)
    assert density.score_samples(last) == pytest.approx(terms.detach().numpy() + np.log(1e-6))
    with pytest.raises(DataError, match="no missing cells"):  # of one number for a row
        AutoregressiveDensity("nice", epochs=1).fit(X).score_samples(last)


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, bool, np.float32, np.float64])
@pytest.mark.parametrize("columns", [None, "infer"])
def test_arrays_come_back_in_their_type(dtype, columns):
    X = np.random.default_rng(0).integers(0, 2 if dtype is bool else 256, (40, 2)).astype(dtype)
    options = {**TINY, "epochs": 1, "columns": columns}
    drawn = AutoregressiveDensity(**options).fit(X).sample(200, random_state=0)
    assert drawn.dtype == dtype and (dtype is bool or drawn.max() > 1)
    imputer = AutoregressiveImputer(**options).fit(X)
    same = imputer.transform(X)
    assert same.dtype == dtype and (same == X).all() and same is not X
    gappy = X.astype(float)
    gappy[::2, 0] = np.nan
    filled = imputer.transform(gappy)
    assert filled.dtype == float and not np.isnan(filled).any()
    if np.issubdtype(dtype, np.floating):
        return
    assert (filled == filled.astype(dtype)).all()  # whole, and such as the type holds


def test_types_of_frames_with_gaps_come_back():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "count": pd.array(rng.integers(0, 9, 60), dtype="Int64"),
            "flag": pd.array(rng.random(60) < 0.5, dtype="boolean"),
            "name": pd.array(rng.choice(["x", "y"], 60), dtype="string"),
            "size": pd.array(rng.normal(size=60), dtype="Float32"),
            "byte": rng.integers(200, 256, 60).astype(np.uint8),
        },
        index=np.arange(60) * 3,
    )
    gappy = frame.mask(rng.random(frame.shape) < 0.2)
    gappy["byte"] = frame["byte"]
    filled = AutoregressiveImputer(**TINY).fit(gappy).transform(gappy)
    pd.testing.assert_series_equal(filled.dtypes, frame.dtypes)
    assert filled.index.equals(frame.index) and filled.notna().all(axis=None)
    for name in frame:
        there = gappy[name].notna()
        assert filled.loc[there, name].equals(frame.loc[there, name])
    drawn = AutoregressiveDensity(**TINY).fit(gappy).sample(50, random_state=0)
    pd.testing.assert_series_equal(drawn.dtypes, frame.dtypes)
    polars = pl.from_pandas(gappy)
    imputer = AutoregressiveImputer(**TINY).set_output(transform="polars").fit(polars)
    assert imputer.transform(polars).schema == polars.schema
