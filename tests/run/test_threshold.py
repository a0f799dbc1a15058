"""The decision threshold against scikit-learn; balanced epochs, ordinal columns and thresholds in a run."""

from __future__ import annotations

import json

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from sklearn import metrics as sk
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import TunedThresholdClassifierCV

import trainrun
from trainrun.run import threshold
from trainrun.run.saved_model import SavedModel

RNG = np.random.default_rng(5)
X = RNG.normal(size=(400, 2))
Y = RNG.random(400) < 1 / (1 + np.exp(2.0 - 2 * X[:, 0]))
MODEL = LogisticRegression().fit(X, Y)
P = MODEL.predict_proba(X)[:, 1]


def cost(y, p):
    return -(np.sum(p & ~y) + 5 * np.sum(~p & y)) / len(y)


@pytest.mark.parametrize(
    ("criterion", "scorer"),
    [
        ("f1", "f1"),
        ("balanced_accuracy", "balanced_accuracy"),
        ({"fp": 1, "fn": 5}, sk.make_scorer(lambda y, g: cost(y.astype(bool), g.astype(bool)))),
    ],
    ids=str,
)
def test_best_value_is_that_of_scikit_learn(criterion, scorer):
    tuned = TunedThresholdClassifierCV(
        MODEL, scoring=scorer, thresholds=np.unique(P), cv="prefit", refit=False
    )
    chosen = threshold.choose(Y, P, criterion, seed=1)
    best = tuned.fit(X, Y).best_score_
    assert chosen.score == pytest.approx(-best if isinstance(criterion, dict) else best, abs=1e-12)
    assert chosen.low <= chosen.value <= chosen.high and chosen.score_low <= chosen.score <= chosen.score_high
    if criterion == "f1":
        assert chosen.default == pytest.approx(sk.f1_score(Y, P > 0.5))


@pytest.mark.parametrize("least", [0.8, 0.9])
def test_precision_and_recall_are_held(least):
    precision, recall, _ = sk.precision_recall_curve(Y, P)
    chosen = threshold.choose(Y, P, {"precision": least}, seed=1)
    assert chosen.reached and chosen.score == pytest.approx(recall[precision >= least].max())
    chosen = threshold.choose(Y, P, {"recall": least}, seed=1)
    assert chosen.reached and chosen.score == pytest.approx(precision[recall >= least].max())
    inverted = threshold.choose(Y, 1 - P, {"precision": 0.99}, seed=1)
    assert not inverted.reached
    assert threshold.choose(np.ones(9, bool), P[:9], "f1", seed=1) is None


def test_rates_are_those_of_scikit_learn():
    guess, rates = P > 0.3, threshold.rates(Y, P, 0.3)
    for name in ("accuracy", "balanced_accuracy", "precision", "recall", "f1"):
        assert rates[f"{name}_at_threshold"] == pytest.approx(getattr(sk, f"{name}_score")(Y, guess))


def test_balanced_epochs_ordinal_columns_a_threshold_and_a_named_validation_set_in_a_run(inside):
    size = np.array(["S", "M", "L"], object)[np.digitize(X[:, 1], [-0.5, 0.5])]
    size[::10] = None
    frame = pd.DataFrame({"a": X[:, 0], "size": size, "fraud": np.where(Y, "yes", "no")})
    frame.to_csv("fraud.csv", index=False)
    frame.tail(90).to_csv("hard.csv", index=False)
    run = trainrun.run(
        ["data=csv", "data.path=fraud.csv", "data.target=fraud", "data.ordinal={size: [S, M, L]}", "model=linear",
         "trainer.resample=oversample", "trainer.epochs=9", "threshold={fp: 1, fn: 5}", "tracking=none", "artifacts.plots=false",
         "data.validation_sets={hard: hard.csv}", "callback=stop_at", "callback.stop_at.monitor=val.hard_auc", "callback.stop_at.value=0"]
    )  # fmt: skip
    data, chosen = run.data(), run.summary["threshold"]
    majority = np.bincount(data.train.y).max()
    assert len(run.history["val.hard_loss"]) == 1  # the callback has stopped it
    assert run.metrics["val.hard_loss"] == pytest.approx(
        run.evaluate("hard.csv").metrics["loss"].value, rel=1e-5
    )
    assert run.summary["steps"] == -(-2 * majority // 32)
    ranks = pd.Series(size).map({"S": 0, "M": 1, "L": 2})
    moments = data.preprocessing["standardize"]
    rank = data.train.x[:, 1] * moments["std"][1] + moments["mean"][1]
    assert set(np.round(rank, 4)) <= {0.0, 1.0, 2.0} and data.preprocessing["fill"]["size"] == ranks.median()

    saved = SavedModel.load(run.run_dir)
    p = np.asarray(saved.model.predict(data.validation.x, verbose=0))[:, 0]
    best = threshold.choose(data.validation.y == 1, p, {"fp": 1, "fn": 5}, 42)
    assert chosen["value"] == pytest.approx(best.value, abs=1e-6) and chosen["criterion"].startswith(
        "cost of 1"
    )
    predicted = run.predict(frame)
    assert ((predicted["prediction"] == "yes") == (predicted["probability_yes"] > chosen["value"])).all()
    assert ((predicted["prediction"] == "yes") != (predicted["probability_yes"] > 0.5)).any()
    stored = json.loads((run.run_dir / "preprocessing.json").read_text())["target"]
    assert stored["threshold"] == chosen["value"]
    assert stored["threshold_interval"] == [chosen["low"], chosen["high"]]
    shown = run.evaluate("fraud.csv")
    assert shown.thresholds == {"": chosen["value"]}
    assert shown.metrics["recall_at_threshold"].value == sk.recall_score(Y, predicted["prediction"] == "yes")
    assert f"predicted above {chosen['value']:.4g}" in (run.run_dir / "report.html").read_text()

    raw = keras.saving.load_model(run.run_dir / "model.keras")
    texts = frame["size"].fillna("").to_numpy(object)
    plain = raw({"a": tf.constant(X[:, :1]), "size": tf.constant(texts[:, None])})
    np.testing.assert_allclose(np.ravel(plain), predicted["probability_yes"], atol=1e-6)
