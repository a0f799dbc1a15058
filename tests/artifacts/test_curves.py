"""The numbers behind the plots, against values computed by hand."""

from __future__ import annotations

import numpy as np
import pytest

from trainrun.artifacts import curves


def test_roc_and_its_area_for_four_examples():
    """The positives have the scores 0.8 and 0.35, the negatives 0.4 and 0.1: three of four pairs are in order."""
    labels, score = np.array([False, False, True, True]), np.array([0.1, 0.4, 0.35, 0.8])
    fpr, tpr = curves.roc(labels, score)
    np.testing.assert_allclose(fpr, [0, 0, 0.5, 0.5, 1])
    np.testing.assert_allclose(tpr, [0, 0.5, 0.5, 1, 1])
    assert curves.area(fpr, tpr) == pytest.approx(0.75)


def test_precision_at_rising_recall_for_four_examples():
    labels, score = np.array([False, False, True, True]), np.array([0.1, 0.4, 0.35, 0.8])
    recall, precision = curves.precision_recall(labels, score)
    np.testing.assert_allclose(recall, [0, 0.5, 0.5, 1, 1])
    np.testing.assert_allclose(precision, [1, 1, 0.5, 2 / 3, 0.5])
    assert curves.average_precision(labels, score) == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)


def test_confusion_has_true_classes_by_row_and_leaves_out_other_labels():
    counts = curves.confusion(np.array([0, 0, 1, 2, -1]), np.array([0, 1, 1, 0, 2]), 3)
    np.testing.assert_array_equal(counts, [[1, 1, 0], [0, 1, 0], [1, 0, 0]])
    np.testing.assert_array_equal(curves.confusion(np.array([-1]), np.array([0]), 2), np.zeros((2, 2)))


@pytest.mark.parametrize("shape", [(5,), (5, 1), (5, 2)])
def test_binary_scores_get_a_column_a_class(shape):
    p = np.linspace(0, 1, 5)
    given = np.stack([1 - p, p], -1) if shape == (5, 2) else p.reshape(shape)
    np.testing.assert_allclose(curves.per_class(given, "binary"), np.stack([1 - p, p], -1))


def test_a_class_without_examples_has_no_curve():
    scores = np.full((4, 3), 1 / 3)
    found = list(curves.against_the_rest(np.array([0, 0, 1, 1]), scores, ["a", "b", "c"], "multiclass"))
    assert [name for name, _, _ in found] == ["a", "b"]
