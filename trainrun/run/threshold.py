"""The decision threshold of two classes: chosen on the validation part by a criterion, with its bootstrap interval."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from trainrun.config.rules.threshold import words
from trainrun.data.dataset import Dataset, TargetSpec
from trainrun.data.preprocessor import Preprocessor
from trainrun.run import bootstrap
from trainrun.ui import console
from trainrun.util import plain_json

if TYPE_CHECKING:
    from trainrun.run.evaluation import Evaluation
    from trainrun.run.run_record import RunRecord
    from trainrun.trainer.job import Job

DRAWN = 50_000_000  # numbers of all bootstrap resamples


@dataclass(frozen=True)
class Threshold:
    """A decision threshold: the positive class is predicted above it.

    Args:
        value: the threshold.
        low, high: the 95% interval of the thresholds that bootstrap resamples of the examples choose.
        criterion: by which it is chosen, in words.
        score, score_low, score_high: the criterion's value at the threshold, and its 95% interval over the resamples.
        default: the criterion's value at 0.5.
        examples: by which it is chosen.
        resamples: of the intervals.
        reached: whether the precision or recall that is demanded is reached.
    """

    value: float
    low: float
    high: float
    criterion: str
    score: float
    score_low: float
    score_high: float
    default: float
    examples: int
    resamples: int
    reached: bool = True

    def line(self) -> str:
        """Return it in words."""
        return (
            f"decision threshold {self.value:.4g} (95% {self.low:.4g} to {self.high:.4g}) by {self.criterion} on {self.examples:,} "
            f"validation examples: {self.score:.4g} ({self.score_low:.4g} to {self.score_high:.4g}), {self.default:.4g} at 0.5"
        )


def choose(y: np.ndarray, p: np.ndarray, criterion: Any, seed: int) -> Threshold | None:
    """Return the threshold that is best by a criterion; of equally good ones the one nearest to 0.5.

    Candidates lie halfway between neighbouring probabilities, as in `sklearn.model_selection.TunedThresholdClassifierCV` those of a curve.

    Args:
        y: whether an example is of the positive class, bool `[n]`.
        p: its probability, `[n]`.
        criterion: as the config's `threshold`, no number.
        seed: of the bootstrap.

    Returns:
        None where the examples are of one class.
    """
    if y.all() or not y.any():
        return None
    order = np.argsort(-p, kind="stable")
    y, p = y[order], p[order].astype("float64")
    last = np.append(np.flatnonzero(np.diff(p)), len(p) - 1)  # of each distinct probability
    values = p[last]
    candidates = np.concatenate([[(1 + values[0]) / 2], (values[:-1] + values[1:]) / 2, [values[-1] / 2]])
    above = np.concatenate([[0], last + 1])  # examples above each candidate
    candidates, above = (a[: len(a) - (values[-1] <= 0)] for a in (candidates, above))
    nearest = np.argsort(np.abs(candidates - 0.5), kind="stable")
    at_default = int(np.searchsorted(-p, -0.5))

    def counted(weight: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return utilities and values of the candidates, and of 0.5 as the last."""
        hits = np.concatenate([[0], np.cumsum(weight * y)])
        all_of = np.concatenate([[0], np.cumsum(weight)])
        places = np.append(above, at_default)
        return _utility(criterion, hits[places], all_of[places] - hits[places], hits[-1], all_of[-1])

    def best(utility: np.ndarray) -> int:
        utility = np.nan_to_num(utility[:-1], nan=-np.inf)
        return int(nearest[utility[nearest].argmax()])

    utility, score, met = counted(np.ones(len(y)))
    chosen, resamples = best(utility), bootstrap.resamples(len(y), DRAWN)
    drawn, scores = [], []
    for places in bootstrap.draws(len(y), resamples, seed):
        weight = np.bincount(places, minlength=len(y))
        if 0 < (weight * y).sum() < len(y):
            utility, of_drawn, _ = counted(weight)
            drawn.append(candidates[best(utility)])
            scores.append(of_drawn[chosen])
    return Threshold(
        float(candidates[chosen]),
        *bootstrap.interval(drawn),
        words(criterion),
        float(score[chosen]),
        *bootstrap.interval(scores),
        float(score[-1]),
        len(y),
        resamples,
        bool(met[chosen]),
    )


def _utility(
    criterion: Any, tp: np.ndarray, fp: np.ndarray, positives: float, examples: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return what is to be maximized, the criterion's value, and whether its condition is met, for counts `[candidates]`."""
    fn, always = positives - tp, np.ones(len(tp), bool)
    with np.errstate(divide="ignore", invalid="ignore"):
        precision, recall = np.where(tp + fp > 0, tp / (tp + fp), np.nan), tp / positives
        if criterion == "f1":
            value = 2 * tp / (2 * tp + fp + fn)
            return value, value, always
        if criterion == "balanced_accuracy":
            value = (recall + 1 - fp / (examples - positives)) / 2
            return value, value, always
    if "fp" in criterion:
        value = (criterion["fp"] * fp + criterion["fn"] * fn) / examples
        return -value, value, always
    ((name, least),) = criterion.items()
    bound, other = (precision, recall) if name == "precision" else (recall, precision)
    met = np.nan_to_num(bound, nan=-1.0) >= least
    # Where nothing meets the condition, what comes closest to it.
    return np.where(met, 1 + np.nan_to_num(other, nan=0.0), np.nan_to_num(bound, nan=0.0) - 1), other, met


def rates(y: np.ndarray, p: np.ndarray, threshold: float) -> dict[str, float]:
    """Return the metrics of decisions at a threshold, as scikit-learn's; NaN where they are undefined.

    Args:
        y: whether an example is of the positive class, bool `[n]`.
        p: its probability, `[n]`.
        threshold: above which the positive class is predicted.
    """
    guess = p > threshold
    tp, fp = int((y & guess).sum()), int((~y & guess).sum())
    fn, tn = int((y & ~guess).sum()), int((~y & ~guess).sum())

    def share(part: float, whole: float) -> float:
        return part / whole if whole else float("nan")

    recall = share(tp, tp + fn)
    return {
        "accuracy_at_threshold": share(tp + tn, len(y)),
        "balanced_accuracy_at_threshold": (recall + share(tn, tn + fp)) / 2,
        "precision_at_threshold": share(tp, tp + fp),
        "recall_at_threshold": recall,
        "f1_at_threshold": share(2 * tp, 2 * tp + fp + fn),
    }


def is_set(config: Mapping[str, Any], target: TargetSpec) -> bool:
    """Return whether a run has a decision threshold of its own."""
    return config.get("threshold") is not None and target.kind == "binary" and not target.shape


def settle(config: Mapping[str, Any], job: Job, record: RunRecord, measured: Evaluation) -> Job:
    """Return the job with the decision threshold of each target of two classes; all that is known of it is recorded.

    Args:
        config: of the run.
        job: with the trained model, on one device.
        record: gets the thresholds, with interval and criterion; of several outputs a dict by name.
        measured: gets the metrics of decisions.
    """
    data, criterion = job.dataset, config.get("threshold")
    chosen = {name for name, one in data.each().items() if is_set(config, one.target)}
    if not chosen:
        return job
    parts = {"val_": "validation", "test_": "test"}
    output = {
        prefix: measured.output(job, part) for prefix, part in parts.items() if getattr(job, part) is not None
    }
    records, figures, targets = {}, {}, {}
    for name, one in data.each().items():
        if name not in chosen:
            continue
        compared = {
            prefix: (one.parts[parts[prefix]].y == 1, np.ravel(of[name] if name else of))
            for prefix, of in output.items()
        }
        value, label, interval = criterion, f"{name}_" if name else "", ()
        if isinstance(criterion, int | float):
            records[name] = {"value": float(criterion)}
        else:
            picked = choose(*compared["val_"], criterion, config["seed"])
            if picked is None:
                console.warn("all validation examples are of one class: the decision threshold stays 0.5.")
                continue
            console.note(f"{name}: {picked.line()}" if name else picked.line())
            if not picked.reached:
                console.warn(
                    f"no threshold reaches {picked.criterion.partition(', ')[2]} on the validation part."
                )
            records[name], value = plain_json.without_nan(asdict(picked)), picked.value
            ends = picked.low, picked.high
            interval = tuple(map(float, ends)) if np.isfinite(ends).all() else ()
        targets[name] = replace(one.target, threshold=float(value), threshold_interval=interval)
        figures[f"{label}threshold"] = float(value)
        for prefix, (y, p) in compared.items():
            figures |= {f"{prefix}{label}{key}": number for key, number in rates(y, p, value).items()}
    job = replace(job, dataset=_with(data, targets))
    measured.metrics |= figures
    if records:
        record.threshold = records.get("", records)
        record.event("threshold", chosen=record.threshold)
        record.recorder.artifacts([Preprocessor.of(job.dataset).write(record.run_dir)])
    return job


def _with(data: Dataset, targets: Mapping[str, TargetSpec]) -> Dataset:
    """Return the dataset with other targets by output."""
    if not data.target.named:
        return replace(data, target=targets.get("", data.target))
    return replace(data, target=replace(data.target, named={**data.target.named, **targets}))
