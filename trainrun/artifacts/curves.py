"""The numbers behind the plots: confusion counts, ROC and precision-recall curves.

They are scikit-learn's, which takes a second to import: it is imported by the first plot that needs it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np


def per_class(predictions: np.ndarray, kind: str) -> np.ndarray:
    """Return scores with one column a class: a binary `p` (`[…]` or `[…, 1]`) becomes `(1 − p, p)`."""
    if kind != "binary":
        return predictions
    p = predictions
    if p.ndim > 1 and p.shape[-1] == 2:
        return p
    p = p[..., 0] if p.ndim > 1 and p.shape[-1] == 1 else p
    return np.stack([1 - p, p], axis=-1)


def confusion(y: np.ndarray, guess: np.ndarray, classes: int) -> np.ndarray:
    """Return counts `[classes, classes]`: true class by row, predicted class by column; labels outside are left out."""
    from sklearn.metrics import confusion_matrix

    y, guess, labels = (
        np.asarray(y).ravel().astype(np.int64),
        np.asarray(guess).ravel().astype(np.int64),
        range(classes),
    )
    if not np.isin(y, labels).any():
        return np.zeros((classes, classes), np.int64)
    return confusion_matrix(y, guess, labels=labels)


def against_the_rest(
    y: np.ndarray, scores: np.ndarray, names: Sequence[str], kind: str
) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Yield `(name, is it the class, score of the class)`; binary: of class 1 only.

    A class that no example has, or every one, has no curve and is left out.

    Raises:
        ValueError: a score is not a finite number.
    """
    if not np.isfinite(scores).all():
        raise ValueError("the predictions hold NaN or infinity")
    columns = scores.reshape(-1, scores.shape[-1])
    labels = np.asarray(y).reshape(-1, columns.shape[-1]) if kind == "multilabel" else np.asarray(y).ravel()
    for i in [1] if kind == "binary" else range(columns.shape[-1]):
        is_it = labels[:, i] > 0.5 if kind == "multilabel" else labels == i
        if is_it.any() and not is_it.all():
            yield str(names[i]), is_it, columns[:, i]


def roc(labels: np.ndarray, score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the false and true positive rates, from (0, 0) to (1, 1)."""
    from sklearn.metrics import roc_curve

    fpr, tpr, _ = roc_curve(labels, score)
    return fpr, tpr


def area(across: np.ndarray, up: np.ndarray) -> float:
    """Return the area under a curve of straight pieces."""
    from sklearn.metrics import auc

    return float(auc(across, up))


def precision_recall(labels: np.ndarray, score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return recall, rising from 0, and the precision at each; the first precision is 1 by convention."""
    from sklearn.metrics import precision_recall_curve

    precision, recall, _ = precision_recall_curve(labels, score)
    return recall[::-1], precision[::-1]


def average_precision(labels: np.ndarray, score: np.ndarray) -> float:
    """Return the mean of the precisions at each threshold, weighted by the increase in recall."""
    from sklearn.metrics import average_precision_score

    return float(average_precision_score(labels, score))
