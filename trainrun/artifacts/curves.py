"""The numbers behind the pictures: confusion counts, ROC and precision-recall curves. numpy only."""

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
    """Return counts `[classes, classes]`: true class by row, predicted class by column."""
    y, guess = np.asarray(y).ravel().astype(np.int64), np.asarray(guess).ravel().astype(np.int64)
    inside = (y >= 0) & (y < classes) & (guess >= 0) & (guess < classes)
    return np.bincount(y[inside] * classes + guess[inside], minlength=classes**2).reshape(classes, classes)


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


def _cumulative(labels: np.ndarray, score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return true and false positives at each distinct threshold, the highest first."""
    order = np.argsort(-score, kind="stable")
    score, labels = score[order], labels[order].astype(np.float64)
    last = np.r_[np.flatnonzero(np.diff(score)), len(score) - 1]  # equal scores are decided together
    tp = np.cumsum(labels)[last]
    return tp, last + 1 - tp


def roc(labels: np.ndarray, score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the false and true positive rates, from (0, 0) to (1, 1)."""
    tp, fp = _cumulative(labels, score)
    return np.r_[0.0, fp / fp[-1]], np.r_[0.0, tp / tp[-1]]


def precision_recall(labels: np.ndarray, score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return recall, rising from 0, and the precision at each; the first precision is 1 by convention."""
    tp, fp = _cumulative(labels, score)
    return np.r_[0.0, tp / tp[-1]], np.r_[1.0, tp / (tp + fp)]


def area(across: np.ndarray, up: np.ndarray) -> float:
    """Return the area under a curve of straight pieces."""
    return float(np.sum(np.diff(across) * (up[1:] + up[:-1]) / 2))
