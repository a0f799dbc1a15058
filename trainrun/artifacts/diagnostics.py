"""What a model's predictions are worth: figures and curves, computed from labels and probabilities or numbers. Numpy only.

Every example counts once, whatever weight it has in training.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from trainrun.artifacts import curves
from trainrun.artifacts.score_curves import (
    THRESHOLD,
    Calibration,
    Curve,
    Ranked,
    Separation,
    calibrate,
    lifted,
    log_losses,
    precision_recall,
    roc_curve,
    separate,
    wilson,
)
from trainrun.artifacts.svg_chart import number
from trainrun.data.dataset import TargetSpec

# Scores that a curve is computed of: of more (the pixels of masks) an even selection.
SCORES = 200_000


@dataclass(frozen=True)
class Figure:
    """One number of the headline: its label, its value, and what it is to be compared with."""

    label: str
    value: float
    detail: str = ""


@dataclass(frozen=True)
class ClassFigures:
    """One class, or label.

    Args:
        name: of the class.
        examples: that are of it.
        true_positives: those of them that are predicted as such.
        predicted: examples that are predicted as such.
    """

    name: str
    examples: int
    true_positives: int
    predicted: int

    @property
    def recall(self) -> float:
        """The share of its examples that is found; NaN without examples."""
        return self.true_positives / self.examples if self.examples else np.nan

    @property
    def precision(self) -> float:
        """The share of the predicted ones that is right; NaN if none is predicted."""
        return self.true_positives / self.predicted if self.predicted else np.nan

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95% interval of the recall."""
        return wilson(self.true_positives, self.examples)


@dataclass(frozen=True)
class Residuals:
    """One output of a regression.

    Args:
        name: empty if there is but one.
        true, predicted: finite ones.
        bounds: ends of a robust axis for the residuals (predicted − true): the quartiles, and three times their distance beyond.
    """

    name: str
    true: np.ndarray
    predicted: np.ndarray
    bounds: tuple[float, float]

    @property
    def residuals(self) -> np.ndarray:
        """Predicted − true."""
        return self.predicted - self.true

    @property
    def beyond(self) -> int:
        """Residuals outside the bounds."""
        return int(np.sum((self.residuals < self.bounds[0]) | (self.residuals > self.bounds[1])))


@dataclass(frozen=True)
class Diagnostics:
    """All that the report shows of a model's predictions.

    Args:
        part: ``test``, ``validation`` or ``train``.
        examples: how many.
        headline: figures, those first that do not flatter.
        classes: of a classification.
        confusion: counts, true class by row, and the names of the classes; None for several labels an example.
        roc, precision_recall: for each class against the rest; of two classes for the positive one.
        separation, lift: of two classes; `lift` is by the share of the examples with the highest scores.
        calibration: of the positive class; of several classes, of the predicted one.
        outputs: of a regression.
        threshold: the probability above which the positive class is predicted.
        unit: what is counted: ``examples``, or ``pixels`` of a segmentation.
    """

    part: str
    examples: int
    headline: list[Figure] = field(default_factory=list)
    classes: list[ClassFigures] = field(default_factory=list)
    confusion: tuple[np.ndarray, Sequence[str]] | None = None
    roc: list[Curve] = field(default_factory=list)
    precision_recall: list[Curve] = field(default_factory=list)
    separation: Separation | None = None
    lift: Curve | None = None
    calibration: Calibration | None = None
    outputs: list[Residuals] = field(default_factory=list)
    threshold: float = THRESHOLD
    unit: str = "examples"


def diagnose(target: TargetSpec, y: np.ndarray, predictions: np.ndarray, part: str) -> Diagnostics | None:
    """Return figures and curves of predictions.

    Args:
        target: of the data.
        y: labels, as in `TargetSpec`.
        predictions: probabilities, or real numbers in the target's unit, as `plots.write` takes them.
        part: name of the split.

    Returns:
        None if there is nothing to compare with, or no prediction is a number.
    """
    p = curves.precise(predictions)
    if target.kind == "none" or not len(y):
        return None
    if target.kind == "real":
        return _regression(y, p, part)
    names = target.class_names
    scores = curves.per_class(p, target.kind)
    scores = scores.reshape(-1, scores.shape[-1])
    labels = np.asarray(y).reshape(len(scores), -1)
    known = np.isfinite(scores).all(axis=1) & (labels >= 0).all(axis=1)
    if not known.all():
        scores, labels = scores[known], labels[known]
    if not len(scores):
        return None
    if target.kind == "multilabel":
        return _multilabel(labels > 0.5, scores, names, part)
    return _classes(labels[:, 0].astype(np.int64), scores, target, part)


def _classes(y: np.ndarray, scores: np.ndarray, target: TargetSpec, part: str) -> Diagnostics:
    names, binary, guess = target.class_names, target.kind == "binary", curves.decided(scores, target)
    counts = (np.bincount(ids, minlength=len(names)).tolist() for ids in (y, y[guess == y], guess))
    classes = [ClassFigures(*figures) for figures in zip(names, *counts, strict=True)]
    right, most = float(np.mean(guess == y)), max(classes, key=lambda c: c.examples)
    recalls = [c for c in classes if c.examples]
    log_loss = float(np.mean(log_losses(scores[np.arange(len(y)), y].astype(np.float64))))
    headline = [
        Figure("accuracy", right, f"always {most.name!r}: {most.examples / len(y):.1%}"),
        Figure(
            "balanced accuracy",
            float(np.mean([c.recall for c in recalls])),
            f"chance: {1 / len(recalls):.1%}",
        ),
    ]
    worst = classes[1] if binary else min(recalls, key=lambda c: c.recall)
    label = f"recall of {worst.name!r}" if binary else f"least recall, {worst.name!r}"
    headline.append(Figure(label, worst.recall, f"finds {worst.true_positives:,} of {worst.examples:,}"))
    if binary:
        detail = (
            f"{worst.true_positives:,} of {worst.predicted:,} predicted ones"
            if worst.predicted
            else "none is predicted"
        )
        headline.append(Figure(f"precision of {worst.name!r}", worst.precision, detail))
    if binary and target.threshold != THRESHOLD:
        headline.append(
            Figure("decision threshold", target.threshold, f"{worst.name!r} is predicted above it")
        )
    headline.append(Figure("log loss", log_loss, "less is better"))
    few = _selection(len(scores))
    against = curves.against_the_rest(y[few], scores[few], names, target.kind)
    problems = [Ranked.of(*p, target.threshold) for p in against]
    roc, average = [*map(roc_curve, problems)], [*map(precision_recall, problems)]
    separation = lift = None
    if binary and problems:
        separation, lift = separate(problems[0]), lifted(problems[0])
        of, score = y == 1, scores[:, 1]
        headline += [
            Figure("area under ROC", roc[0].area, "chance: 0.5"),
            Figure("average precision", average[0].area, f"chance: {of.mean():.3f}"),
            Figure(
                "Brier score",
                float(np.mean((score - of) ** 2)),
                f"always the share: {of.mean() * (1 - of.mean()):.4f}",
            ),
        ]
    confidence, correct = (
        (scores[few, 1], y[few] == 1) if binary else (scores[few].max(-1), guess[few] == y[few])
    )
    return Diagnostics(
        part,
        len(y),
        headline,
        classes,
        curves.shown_confusion(y, guess, names),
        roc,
        average,
        separation,
        lift,
        calibrate(correct, confidence),
        threshold=target.threshold,
        unit="pixels" if target.shape else "examples",
    )


def _multilabel(y: np.ndarray, scores: np.ndarray, names: Sequence[str], part: str) -> Diagnostics:
    guess = scores > THRESHOLD
    classes = [
        ClassFigures(name, int(y[:, i].sum()), int((y & guess)[:, i].sum()), int(guess[:, i].sum()))
        for i, name in enumerate(names)
    ]
    recalls = [c.recall for c in classes if c.examples]
    headline = [
        Figure(
            "all labels right",
            float(np.mean((y == guess).all(axis=1))),
            f"always the most frequent ones: {np.unique(y, axis=0, return_counts=True)[1].max() / len(y):.1%}",
        ),
        Figure("mean recall", float(np.mean(recalls)) if recalls else np.nan, "over the labels"),
    ]
    few = _selection(len(scores))
    problems = [Ranked.of(*p) for p in curves.against_the_rest(y[few], scores[few], names, "multilabel")]
    roc, average = [*map(roc_curve, problems)], [*map(precision_recall, problems)]
    return Diagnostics(part, len(y), headline, classes, None, roc, average)


def _regression(y: np.ndarray, p: np.ndarray, part: str) -> Diagnostics | None:
    y, p = curves.finite_rows(y, p)
    if not len(y):
        return None
    errors = p - y
    spread = float(np.sum((y - y.mean(axis=0)) ** 2))
    deviation = float(np.sqrt(np.mean((y - y.mean(axis=0)) ** 2)))
    headline = [
        Figure(
            "mean absolute error",
            float(np.mean(np.abs(errors))),
            f"always the median: {number(np.mean(np.abs(y - np.median(y, axis=0))))}",
        ),
        Figure("median absolute error", float(np.median(np.abs(errors)))),
        Figure(
            "root mean squared error",
            float(np.sqrt(np.mean(errors**2))),
            f"always the mean: {number(deviation)}",
        ),
        Figure("mean error", float(np.mean(errors)), "predicted − true"),
    ]
    if spread:
        headline.insert(0, Figure("R²", 1 - float(np.sum(errors**2)) / spread, "always the mean: 0"))
    outputs = []
    for i in range(y.shape[1]):
        low, high = np.quantile(errors[:, i], [0.25, 0.75])
        reach = 3 * (high - low)
        bounds = (
            max(float(low - reach), float(errors[:, i].min())),
            min(float(high + reach), float(errors[:, i].max())),
        )
        outputs.append(Residuals(f"output {i}" if y.shape[1] > 1 else "", y[:, i], p[:, i], bounds))
    return Diagnostics(part, len(y), headline, outputs=outputs)


def _selection(count: int) -> np.ndarray | slice:
    return (
        slice(None)
        if count <= SCORES
        else np.unique(np.linspace(0, count - 1, min(count, SCORES)).astype(np.int64))
    )
