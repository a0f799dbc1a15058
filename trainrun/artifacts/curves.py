"""The data of plots and diagnostics: scores by class, confusion counts, binary problems of a class against the rest, finite numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from trainrun.data.dataset import TargetSpec

# Classes of which a matrix and curves are made; of more, the most frequent ones.
MOST_CLASSES = 100
# Predictions of more numbers keep their type: those of thousands of classes are most of a run's memory.
PRECISE_UP_TO = 10_000_000


def precise(predictions: np.ndarray) -> np.ndarray:
    """Return predictions in float64, as long as they are not too many; a class's own scores are always computed with in float64."""
    predictions = np.asarray(predictions)
    return predictions if predictions.size > PRECISE_UP_TO else predictions.astype(np.float64)


def per_class(predictions: np.ndarray, kind: str) -> np.ndarray:
    """Return scores with one column per class: a binary `p` (`[…]` or `[…, 1]`) becomes `(1 − p, p)`."""
    if kind != "binary":
        return predictions
    p = predictions
    if p.ndim > 1 and p.shape[-1] == 2:
        return p
    p = p[..., 0] if p.ndim > 1 and p.shape[-1] == 1 else p
    return np.stack([1 - p, p], axis=-1)


def decided(scores: np.ndarray, target: TargetSpec) -> np.ndarray:
    """Return the predicted class ids `[…]` of scores with one column per class: the highest, of two classes by the decision threshold."""
    if target.kind == "binary":
        return (scores[..., 1] > target.threshold).astype(np.int64)
    return scores.argmax(-1)


def confusion(y: np.ndarray, guess: np.ndarray, classes: int) -> np.ndarray:
    """Return counts `[classes, classes]`: true class by row, predicted class by column; other labels are left out."""
    y, guess = np.asarray(y).ravel().astype(np.int64), np.asarray(guess).ravel().astype(np.int64)
    known = (y >= 0) & (y < classes) & (guess >= 0) & (guess < classes)
    pairs = y[known] * classes + guess[known]
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)


def accuracies(y: np.ndarray, guess: np.ndarray) -> tuple[float, float]:
    """Return the share of the examples that are right, and its mean over the classes; labels below 0 are left out."""
    y, guess = (np.asarray(ids).ravel().astype(np.int64) for ids in (y, guess))
    y, guess = y[y >= 0], guess[y >= 0]
    examples = np.bincount(y)
    right = np.bincount(y[guess == y], minlength=len(examples))
    known = examples > 0
    return right.sum() / max(len(y), 1), float(
        np.mean(right[known] / examples[known])
    ) if known.any() else 0.0


def frequent(counts: np.ndarray) -> np.ndarray:
    """Return the classes that are shown, ascending: all, or the `MOST_CLASSES` with most examples."""
    return np.sort(np.argsort(-np.asarray(counts), kind="stable")[:MOST_CLASSES])


def shown_confusion(y: np.ndarray, guess: np.ndarray, names: Sequence[str]) -> tuple[np.ndarray, list[str]]:
    """Return the counts of `confusion` among the classes that are shown, and the names of these."""
    y, guess = (np.asarray(ids).ravel().astype(np.int64) for ids in (y, guess))
    shown = frequent(np.bincount(y[y >= 0], minlength=len(names)))
    places = np.full(len(names) + 1, -1)  # The last one is that of the label -1.
    places[shown] = np.arange(len(shown))
    return confusion(places[y], places[guess], len(shown)), [names[i] for i in shown]


def finite_rows(y: np.ndarray, predictions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return true and predicted numbers as `[n, outputs]`, without examples that are not finite."""
    y = np.asarray(y, np.float64).reshape(len(y), -1)
    p = np.asarray(predictions, np.float64).reshape(len(y), -1)
    finite = np.isfinite(p).all(axis=1) & np.isfinite(y).all(axis=1)
    return y[finite], p[finite]


def against_the_rest(
    y: np.ndarray, scores: np.ndarray, names: Sequence[str], kind: str
) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Yield `(name, whether an example is of the class, score of the class)` for each class; binary: for class 1 only.

    A class without examples, or of all examples, has no curve and is left out, and so are the rarer ones of many classes.

    Raises:
        ValueError: a score is not a finite number.
    """
    if not np.isfinite(scores).all():
        raise ValueError("the predictions hold NaN or infinity")
    columns = scores.reshape(-1, scores.shape[-1])
    labels = np.asarray(y).reshape(-1, columns.shape[-1]) if kind == "multilabel" else np.asarray(y).ravel()
    size = columns.shape[-1]
    counts = (
        (labels > 0.5).sum(axis=0)
        if kind == "multilabel"
        else np.bincount(labels[labels >= 0], minlength=size)
    )
    for i in [1] if kind == "binary" else frequent(counts):
        positive = labels[:, i] > 0.5 if kind == "multilabel" else labels == i
        if positive.any() and not positive.all():
            yield str(names[i]), positive, columns[:, i].astype(np.float64)
