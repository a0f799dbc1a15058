"""Figures and curves of predictions, against scikit-learn, scipy, and the definitions."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn import calibration, metrics

from trainrun.artifacts import score_curves
from trainrun.artifacts.diagnostics import diagnose
from trainrun.data.dataset import TargetSpec

RANDOM = np.random.default_rng(0)
Y = RANDOM.integers(0, 4, 500) == 0
# Many ties, as of a model with few different outputs.
P = np.round(np.clip(0.3 + 0.25 * Y + RANDOM.normal(0, 0.2, 500), 0, 1), 2)
RANKED = score_curves.Ranked.of("yes", Y, P)
BINARY = TargetSpec("binary", ("no", "yes"), 1)


def figures(diagnostics):
    return {f.label: f.value for f in diagnostics.headline}


def test_the_headline_of_two_classes():
    diagnostics = diagnose(BINARY, Y.astype(int), P[:, None], "test")
    guess = P > 0.5
    assert figures(diagnostics) == pytest.approx(
        {
            "accuracy": metrics.accuracy_score(Y, guess),
            "balanced accuracy": metrics.balanced_accuracy_score(Y, guess),
            "recall of 'yes'": metrics.recall_score(Y, guess),
            "precision of 'yes'": metrics.precision_score(Y, guess),
            "log loss": metrics.log_loss(Y, np.clip(P, 1e-7, 1 - 1e-7)),
            "area under ROC": metrics.roc_auc_score(Y, P),
            "average precision": metrics.average_precision_score(Y, P),
            "Brier score": metrics.brier_score_loss(Y, P),
        }
    )
    np.testing.assert_array_equal(diagnostics.confusion[0], metrics.confusion_matrix(Y, guess))
    assert diagnostics.headline[0].detail == f"always 'no': {np.mean(~Y):.1%}"


def test_a_model_that_finds_nothing_is_not_praised():
    y = np.array([0] * 95 + [1] * 5)
    diagnostics = diagnose(BINARY, y, np.full(100, 0.1), "test")
    assert figures(diagnostics)["accuracy"] == 0.95 and figures(diagnostics)["balanced accuracy"] == 0.5
    recall = next(f for f in diagnostics.headline if f.label.startswith("recall"))
    assert (recall.value, recall.detail) == (0.0, "finds 0 of 5")
    assert np.isnan(figures(diagnostics)["precision of 'yes'"])


def test_curves_are_scikit_learn_s():
    roc = score_curves.roc_curve(RANKED)
    x, y, _ = metrics.roc_curve(Y, P, drop_intermediate=False)
    np.testing.assert_allclose([roc.x, roc.y], [x, y])
    curve = score_curves.precision_recall(RANKED)
    precision, recall, _ = metrics.precision_recall_curve(Y, P)
    # Ours begins at recall 0 with the precision of the highest score, and ends where all are found.
    shown = len(curve.x) - 1
    np.testing.assert_allclose(curve.x[1:], recall[::-1][1 : shown + 1])
    np.testing.assert_allclose(curve.y[1:], precision[::-1][1 : shown + 1])
    guess = P > 0.5
    assert curve.decision == pytest.approx(
        (metrics.recall_score(Y, guess), metrics.precision_score(Y, guess))
    )
    assert roc.decision == pytest.approx((np.mean(guess[~Y]), metrics.recall_score(Y, guess)))


def test_the_separation_is_the_kolmogorov_smirnov_statistic():
    separation = score_curves.separate(RANKED)
    expected = stats.ks_2samp(P[Y], P[~Y])
    assert separation.statistic == pytest.approx(expected.statistic)
    assert separation.at == pytest.approx(expected.statistic_location)
    np.testing.assert_allclose(separation.positives, [np.mean(P[Y] <= s) for s in separation.scores])


def test_calibration_has_equally_many_examples_a_bin():
    p = RANDOM.random(1000)  # without ties, which scikit-learn never parts
    y = RANDOM.random(1000) < p
    calibrated = score_curves.calibrate(y, p)
    observed, predicted = calibration.calibration_curve(y, p, n_bins=10, strategy="quantile")
    np.testing.assert_allclose(calibrated.observed, observed)
    np.testing.assert_allclose(calibrated.predicted, predicted)
    expected = stats.binomtest(int(y[p.argsort()[:100]].sum()), 100).proportion_ci(method="wilson")
    assert (calibrated.low[0], calibrated.high[0]) == pytest.approx((expected.low, expected.high), abs=1e-6)


def test_lift_is_the_share_of_positives_among_the_first_over_that_of_all():
    p = RANDOM.permutation(500) / 500
    lift = score_curves.lifted(score_curves.Ranked.of("yes", Y, p))
    first = np.argsort(-p)[:50]
    assert lift.area == pytest.approx(Y[first].mean() / Y.mean())
    assert lift.y[-1] == pytest.approx(1.0)


def test_several_classes_and_the_worst_of_them():
    y = RANDOM.integers(0, 3, 300)
    scores = RANDOM.dirichlet([1, 1, 1], 300) + 0.5 * np.eye(3)[y]
    scores /= scores.sum(-1, keepdims=True)
    diagnostics = diagnose(TargetSpec("multiclass", ("a", "b", "c"), 3), y, scores, "test")
    guess = scores.argmax(-1)
    assert figures(diagnostics)["balanced accuracy"] == pytest.approx(
        metrics.balanced_accuracy_score(y, guess)
    )
    assert figures(diagnostics)["log loss"] == pytest.approx(metrics.log_loss(y, scores))
    recalls = metrics.recall_score(y, guess, average=None)
    assert [c.recall for c in diagnostics.classes] == pytest.approx(recalls)
    assert diagnostics.headline[2].label == f"least recall, {'abc'[recalls.argmin()]!r}"
    assert [c.area for c in diagnostics.roc] == pytest.approx(
        [metrics.roc_auc_score(y == i, scores[:, i]) for i in range(3)]
    )


def test_labels_of_several_kinds_are_judged_each():
    y = (RANDOM.random((200, 2)) < [0.1, 0.5]).astype("float32")
    p = np.clip(y * 0.4 + RANDOM.random((200, 2)) * 0.6, 0, 1)
    diagnostics = diagnose(TargetSpec("multilabel", ("a", "b"), 2), y, p, "test")
    assert figures(diagnostics)["all labels right"] == pytest.approx(metrics.accuracy_score(y, p > 0.5))
    assert [c.recall for c in diagnostics.classes] == pytest.approx(
        metrics.recall_score(y, p > 0.5, average=None)
    )


def test_numbers_and_a_robust_axis():
    y = RANDOM.normal(100, 10, 400)
    p = y + RANDOM.normal(1, 2, 400)
    p[7] = 1e6  # one prediction that would flatten a plain axis
    diagnostics = diagnose(TargetSpec("real"), y[:, None], p[:, None], "test")
    assert figures(diagnostics) == pytest.approx(
        {
            "R²": metrics.r2_score(y, p),
            "mean absolute error": metrics.mean_absolute_error(y, p),
            "median absolute error": metrics.median_absolute_error(y, p),
            "root mean squared error": metrics.root_mean_squared_error(y, p),
            "mean error": np.mean(p - y),
        }
    )
    (output,) = diagnostics.outputs
    assert -20 < output.bounds[0] < output.bounds[1] < 20 and output.beyond == 1


@pytest.mark.parametrize(
    ("target", "y", "p"),
    [
        (BINARY, np.zeros(4, int), np.full(4, 0.2)),
        (BINARY, np.array([0, 1, -1]), np.array([np.nan, 0.5, 0.5])),
        (TargetSpec("real"), np.zeros((3, 1)), np.zeros((3, 1))),
        (TargetSpec("binary", ("out", "in"), 1, (4, 4)), np.ones((2, 4, 4), int), np.full((2, 4, 4, 1), 0.6)),
    ],
    ids=["one class", "unknown label", "constant", "pixels"],
)
def test_what_has_no_curve_has_its_figures(target, y, p):
    assert diagnose(target, y, p, "test").headline


def test_what_cannot_be_judged_is_none():
    assert diagnose(TargetSpec("none"), np.zeros(3), np.zeros(3), "test") is None
    assert diagnose(BINARY, np.array([0, 1]), np.array([np.nan, np.inf]), "test") is None
