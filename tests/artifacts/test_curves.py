"""The numbers behind the plots, against values computed by hand."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics

from trainrun.artifacts import curves


def test_confusion_has_true_classes_by_row_and_leaves_out_other_labels():
    counts = curves.confusion(np.array([0, 0, 1, 2, -1]), np.array([0, 1, 1, 0, 2]), 3)
    np.testing.assert_array_equal(counts, [[1, 1, 0], [0, 1, 0], [1, 0, 0]])
    np.testing.assert_array_equal(curves.confusion(np.array([-1]), np.array([0]), 2), np.zeros((2, 2)))


def test_of_many_classes_the_most_frequent_are_shown_and_all_are_counted():
    draw = np.random.default_rng(0)
    y = np.append(draw.integers(0, 10_000, 20_000), [7, 7, 7, -1] * 20)
    guess = np.where(draw.random(len(y)) < 0.5, y, 3)
    names = [f"c{i}" for i in range(10_000)]
    counts, shown = curves.shown_confusion(y, guess, names)
    assert counts.shape == (100, 100) and "c7" in shown
    at = shown.index("c7")
    assert counts[at, at] == np.sum((y == 7) & (guess == 7))
    assert curves.accuracies(y, guess) == pytest.approx(
        (
            metrics.accuracy_score(y[y >= 0], guess[y >= 0]),
            metrics.balanced_accuracy_score(y[y >= 0], guess[y >= 0]),
        )
    )


@pytest.mark.parametrize("shape", [(5,), (5, 1), (5, 2)])
def test_binary_scores_get_a_column_a_class(shape):
    p = np.linspace(0, 1, 5)
    scores = np.stack([1 - p, p], -1) if shape == (5, 2) else p.reshape(shape)
    np.testing.assert_allclose(curves.per_class(scores, "binary"), np.stack([1 - p, p], -1))


def test_a_class_without_examples_has_no_curve():
    scores = np.full((4, 3), 1 / 3)
    curves_by_class = list(
        curves.against_the_rest(np.array([0, 0, 1, 1]), scores, ["a", "b", "c"], "multiclass")
    )
    assert [name for name, _, _ in curves_by_class] == ["a", "b"]
