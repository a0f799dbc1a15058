"""Curves of a binary problem's scores: ROC, precision-recall, Kolmogorov-Smirnov, lift, calibration. Numpy only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

THRESHOLD = 0.5  # above which a class is predicted, where the target has no other
BINS = 10  # of a calibration curve, of equally many examples each
LEAST = 1e-7  # of a probability whose logarithm is taken, as Keras has it
Z = 1.959964  # of the normal distribution, for 95 %


@dataclass(frozen=True)
class Curve:
    """A curve: its name, its points, the area below it (or the average precision), and its point at the decision threshold."""

    name: str
    x: np.ndarray
    y: np.ndarray
    area: float
    decision: tuple[float, float] | None = None


@dataclass(frozen=True)
class Separation:
    """The Kolmogorov-Smirnov curve: of each score, the share of both classes up to it.

    Args:
        scores: ascending.
        positives, negatives: shares.
        statistic: the greatest difference.
        at: the score there.
    """

    scores: np.ndarray
    positives: np.ndarray
    negatives: np.ndarray
    statistic: float
    at: float


@dataclass(frozen=True)
class Calibration:
    """Bins of equally many examples: mean probability, share that is right, Wilson's interval of it, examples.

    Args:
        predicted, observed, low, high, examples: one number a bin.
        error: the expected calibration error: the mean distance, weighted by examples.
    """

    predicted: np.ndarray
    observed: np.ndarray
    low: np.ndarray
    high: np.ndarray
    examples: np.ndarray
    error: float


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """Return Wilson's 95% interval of a share; NaN without trials."""
    if not trials:
        return np.nan, np.nan
    share, z2 = successes / trials, Z**2 / trials
    middle, half = share + z2 / 2, Z * np.sqrt(share * (1 - share) / trials + z2 / trials / 4)
    return float((middle - half) / (1 + z2)), float((middle + half) / (1 + z2))


def log_losses(probability: np.ndarray) -> np.ndarray:
    """Return the log loss of examples from the probability that each one's true class, or label, got."""
    return -np.log(np.clip(probability, LEAST, 1.0))


@dataclass(frozen=True)
class Ranked:
    """The examples of a binary problem by score; both classes have some.

    Args:
        name: of the positive class.
        scores: distinct ones, descending.
        hits, misses: positives and negatives with at least that score.
        decided: those above the decision threshold: hits and misses.
    """

    name: str
    scores: np.ndarray
    hits: np.ndarray
    misses: np.ndarray
    decided: tuple[int, int]

    @classmethod
    def of(cls, name: str, positive: np.ndarray, score: np.ndarray, threshold: float = THRESHOLD) -> Ranked:
        """Sort the examples."""
        order = np.argsort(-score, kind="stable")
        score, positive = score[order], positive[order]
        last = np.append(np.flatnonzero(np.diff(score)), len(score) - 1)
        hits = np.cumsum(positive)[last]
        above = int(np.searchsorted(-score, -threshold))
        return cls(
            name,
            score[last],
            hits,
            last + 1 - hits,
            (int(positive[:above].sum()), int((~positive[:above]).sum())),
        )


def roc_curve(ranked: Ranked) -> Curve:
    """Return the true against the false positive rate."""
    hits, misses = ranked.hits, ranked.misses
    x, y = np.append(0, misses) / misses[-1], np.append(0, hits) / hits[-1]
    area = float(np.sum(np.diff(x) * (y[1:] + y[:-1]) / 2))
    return Curve(
        ranked.name, x, y, area, (ranked.decided[1] / int(misses[-1]), ranked.decided[0] / int(hits[-1]))
    )


def precision_recall(ranked: Ranked) -> Curve:
    """Return precision against recall; `area` is the average precision: the precisions, weighted by the gain of recall."""
    recall, precision = ranked.hits / ranked.hits[-1], ranked.hits / (ranked.hits + ranked.misses)
    hits, above = ranked.decided[0], sum(ranked.decided)
    decision = (hits / int(ranked.hits[-1]), hits / above) if above else None
    area = float(np.sum(np.diff(recall, prepend=0.0) * precision))
    return Curve(ranked.name, np.append(0.0, recall), np.append(precision[0], precision), area, decision)


def separate(ranked: Ranked) -> Separation:
    """Return the Kolmogorov-Smirnov curve."""
    positives, negatives = (
        1 - np.append(0, counts[:-1])[::-1] / counts[-1] for counts in (ranked.hits, ranked.misses)
    )
    scores = ranked.scores[::-1]
    i = int(np.argmax(np.abs(negatives - positives)))
    return Separation(scores, positives, negatives, float(abs(negatives[i] - positives[i])), float(scores[i]))


def lifted(ranked: Ranked) -> Curve:
    """Return how many times more positives than by chance are among the examples with the highest scores; `area`: in the first tenth."""
    counts = ranked.hits + ranked.misses
    total = int(counts[-1])
    taken, lift = counts / total, ranked.hits / counts / (ranked.hits[-1] / total)
    tenth = int(np.argmin(np.abs(taken - 0.1)))
    shown = taken >= min(max(0.01, 10 / total), taken[-1])  # the first few are noise
    return Curve(ranked.name, taken[shown], lift[shown], float(lift[tenth]))


def calibrate(correct: np.ndarray, probability: np.ndarray) -> Calibration:
    """Return how often what has a probability is true, by bins of equally many examples."""
    order = np.argsort(probability, kind="stable")
    bins = [b for b in np.array_split(order, BINS) if len(b)]
    predicted = np.array([probability[b].mean() for b in bins])
    examples, hits = np.array([len(b) for b in bins]), np.array([correct[b].sum() for b in bins])
    low, high = np.array([wilson(int(h), int(n)) for h, n in zip(hits, examples, strict=True)]).T
    observed = hits / examples
    error = float(np.sum(np.abs(observed - predicted) * examples) / len(probability))
    return Calibration(predicted, observed, low, high, examples, error)
