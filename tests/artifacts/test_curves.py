"""The numbers behind the pictures, against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics

from trainrun.artifacts import curves


def data(seed, ties):
    rng = np.random.default_rng(seed)
    labels = rng.random(300) < 0.3
    score = labels * 0.3 + rng.random(300)
    return labels, np.round(score, 1) if ties else score


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_roc_equals_scikit_learn(seed, ties):
    labels, score = data(seed, ties)
    fpr, tpr, _ = metrics.roc_curve(labels, score, drop_intermediate=False)
    ours = curves.roc(labels, score)
    np.testing.assert_allclose(ours[0], fpr, atol=1e-12)
    np.testing.assert_allclose(ours[1], tpr, atol=1e-12)
    assert curves.area(*ours) == pytest.approx(metrics.roc_auc_score(labels, score))


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_precision_recall_equals_scikit_learn(seed, ties):
    labels, score = data(seed, ties)
    precision, recall, _ = metrics.precision_recall_curve(labels, score)
    ours_recall, ours_precision = curves.precision_recall(labels, score)
    np.testing.assert_allclose(ours_recall, recall[::-1], atol=1e-12)
    np.testing.assert_allclose(ours_precision, precision[::-1], atol=1e-12)
    average = np.sum(np.diff(ours_recall) * ours_precision[1:])
    assert average == pytest.approx(metrics.average_precision_score(labels, score))


def test_confusion_equals_scikit_learn():
    rng = np.random.default_rng(0)
    y, guess = rng.integers(0, 4, 200), rng.integers(0, 4, 200)
    np.testing.assert_array_equal(curves.confusion(y, guess, 4), metrics.confusion_matrix(y, guess))


@pytest.mark.parametrize("shape", [(5,), (5, 1), (5, 2)])
def test_binary_scores_get_a_column_a_class(shape):
    p = np.linspace(0, 1, 5)
    given = np.stack([1 - p, p], -1) if shape == (5, 2) else p.reshape(shape)
    np.testing.assert_allclose(curves.per_class(given, "binary"), np.stack([1 - p, p], -1))


def test_a_class_without_examples_has_no_curve():
    scores = np.full((4, 3), 1 / 3)
    found = list(curves.against_the_rest(np.array([0, 0, 1, 1]), scores, ["a", "b", "c"], "multiclass"))
    assert [name for name, _, _ in found] == ["a", "b"]
