"""Loss and metrics of predictions with their bootstrap intervals, of all rows and of groups of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from trainrun.config import outputs
from trainrun.config.rules import heads
from trainrun.data.dataset import Dataset, Split, TargetSpec
from trainrun.registry import declaration_reader, direction
from trainrun.registry.construct import construct
from trainrun.run import bootstrap, label_encoding, metric_adapter, metrics, slices, threshold
from trainrun.run.drift import Drift
from trainrun.run.target_scaling import Unit
from trainrun.trainer.job import Plan
from trainrun.util import plain_json

# Bootstrap resamples of a slice, at most; numbers that are drawn for all rows.
OF_SLICE, DRAWN = 200, 200_000_000


@dataclass(frozen=True)
class Score:
    """A metric, and the interval that holds 95% of its values over bootstrap resamples of the rows; NaN where it is undefined."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Slice:
    """The metrics of a group of rows.

    Args:
        name: the column's value, or its range.
        rows: how many.
        metrics: name -> score.
    """

    name: str
    rows: int
    metrics: Mapping[str, Score]


@dataclass(frozen=True)
class Scores:
    """An evaluation.

    Args:
        run: the run's directory.
        source: the part of the run's data (``test``, ``validation``, ``train``), a file, or ``DataFrame``.
        rows: how many were evaluated.
        metrics: `loss`, without penalties on weights, and the run's metrics.
        resamples: of the intervals of all rows.
        left_out: rows without a target or a prediction.
        in_training: rows of a file that are equal to a training row, target included; 0 if so many may be so by chance.
        missing, unknown: column -> values that are missing, or that the training part did not have; of a file.
        by: the column of the slices.
        slices: the metrics of each of its values.
        drift: column -> population stability index against the training set, of a file.
        against: another run's directory, evaluated on the same rows.
        thresholds: output -> the decision threshold of the metrics `…_at_threshold`, where the run has one; of one output, an empty name.
        differences: name -> the other run's metric minus this one's, with the paired bootstrap interval.
        worst: the examples with the greatest errors, the worst first: `place` (in the part or file, counted from 0), `true`, `predicted`,
            `error` (log loss, or absolute error) and `values` by column.
    """

    run: str
    source: str
    rows: int
    metrics: Mapping[str, Score]
    resamples: int
    left_out: int = 0
    in_training: int = 0
    missing: Mapping[str, int] = field(default_factory=dict)
    unknown: Mapping[str, int] = field(default_factory=dict)
    by: str | None = None
    slices: Sequence[Slice] = ()
    drift: Mapping[str, Drift] = field(default_factory=dict)
    against: str | None = None
    differences: Mapping[str, Score] = field(default_factory=dict)
    thresholds: Mapping[str, float] = field(default_factory=dict)
    worst: Sequence[Mapping[str, Any]] = ()

    def plain(self) -> dict[str, Any]:
        """Return it as plain data, for JSON; an undefined number is null."""
        content = asdict(self) | {"drift": {name: d.psi for name, d in self.drift.items()}}
        return plain_json.without_nan(content)


def score(
    config: Mapping[str, Any],
    data: Dataset,
    split: Split,
    output: Any,
    column: Sequence[Any] | None = None,
    other: Any = None,
    other_target: TargetSpec | None = None,
    **about: Any,
) -> Scores:
    """Return loss and metrics of a model's output with their intervals.

    Args:
        config: of the run.
        data: its task, target, and scaling of the target.
        split: the labels, and weights.
        output: probabilities, or real numbers in the target's unit, `[n, …]`; rows with NaN are left out. Of several outputs, a dict by
            name.
        column: the values, one a row, whose groups are evaluated, too.
        other: the output of another model for the same rows; rows that lack either one's are left out.
        other_target: of that model, with its decision threshold; None: as the data's.
        about: the other arguments of `Scores`.
    """
    output = _arrays(output)
    both = [output] if other is None else [output, _arrays(other)]
    whole = len(split)
    missing = [np.isnan(a.reshape(whole, -1)).any(axis=1) for a in keras.tree.flatten(both)]
    present = np.flatnonzero(~np.logical_or.reduce(missing))
    if len(present) < whole:
        output, *others = keras.tree.map_structure(lambda a: a[present], both)
        other, split = others[0] if others else None, split.part(present)
        column = None if column is None else [column[i] for i in present]
    measured = measuring(config, data, split, output)
    resamples = bootstrap.resamples(sum(a.size for a in keras.tree.flatten(output)), DRAWN)
    seed, slices_of = config["seed"], []
    for name, rows in slices.groups(column).items() if column is not None else ():
        of_rows = _resampled(measured, rows, min(resamples, OF_SLICE), seed)
        slices_of.append(Slice(name, len(rows), _intervals(of_rows)))
    every = np.arange(len(split))
    values = _resampled(measured, every, resamples, seed)
    if other is not None:
        # The same resamples for both: what is hard for both cancels.
        theirs = data if other_target is None else replace(data, target=other_target)
        others = _resampled(measuring(config, theirs, split, other), every, resamples, seed)
        about["differences"] = _intervals({name: others[name] - values[name] for name in values})
    return Scores(
        rows=len(split),
        metrics=_intervals(values),
        thresholds={
            name: one.target.threshold
            for name, one in data.each().items()
            if threshold.is_set(outputs.of(config, name), one.target)
        },
        resamples=resamples,
        slices=slices_of,
        **{**about, "left_out": about.get("left_out", 0) + whole - len(split)},
    )


def _arrays(output: Any) -> Any:
    if isinstance(output, Mapping):
        return {name: np.asarray(of_one) for name, of_one in output.items()}
    return np.asarray(output)


def objective(config: Mapping[str, Any], measured: Sequence[str]) -> str:
    """Return the metric by which a run is judged: the sweep's objective, else the loss, else the first one that is measured."""
    named = (config.get("sweep") or {}).get("objective")
    named = direction.bare(named if isinstance(named, str) else (named or ["loss"])[0])
    return next(name for name in (named, "loss", *measured) if name in measured)


def _resampled(
    measured: Callable[[np.ndarray], dict[str, float]], rows: np.ndarray, resamples: int, seed: int
) -> dict[str, np.ndarray]:
    """Return each metric of some rows, then of as many rows drawn from them with replacement, again and again: `[1 + resamples]`."""
    values = [measured(rows), *(measured(rows[p]) for p in bootstrap.draws(len(rows), resamples, seed))]
    return {name: np.array([v[name] for v in values]) for name in values[0]}


def _intervals(values: Mapping[str, np.ndarray]) -> dict[str, Score]:
    """Return metrics with the percentiles over their resamples; arguments as `_resampled` returns them."""
    return {name: Score(float(value), *bootstrap.interval(drawn)) for name, (value, *drawn) in values.items()}


def measuring(
    config: Mapping[str, Any], data: Dataset, split: Split, output: Any
) -> Callable[[np.ndarray], dict[str, float]]:
    """Return a function from rows to `loss` and the run's metrics of them.

    Of a run with a decision threshold of its own, also the metrics of decisions at it (`threshold.rates`).

    Args:
        config, data, split: as in `score`.
        output: as in `score`, without NaN.
    """
    if data.target.named:
        return _of_outputs(config, data, split, output)
    target, unit = data.target, Unit.of(data)
    plan = Plan(1, len(split), 1, len(split), config["seed"], shuffle=False)
    reported = "real" if target.kind in ("real", "none") else "probabilities"
    spec = heads.loss_spec(config["loss"], data.task, target.kind)
    demands = declaration_reader.of("loss", spec["name"])
    form = label_encoding.choose(demands.labels, target)
    data = replace(data, train=split)  # its weights decide the metrics' types
    built = metrics.build(config["metric"], data, form, reported, plan)
    # A saved model gives probabilities, from which the scores of several classes are known up to a constant only.
    scores_are_lost = demands.predictions == ("scores",) and target.kind == "multiclass"
    if not demands.whole_batch and not scores_are_lost:
        built.insert(0, _loss(spec, data, form, reported, plan))
    y = split.y if unit is None else unit.standard(split.y)
    arrays = [label_encoding.encode(y, target, form), output if unit is None else unit.standard(output)]
    weight = label_encoding.weights(split.y, target, split.weight)
    arrays += [] if weight is None else [weight]
    for metric in built:
        metric.update_state(*(array[:1] for array in arrays))  # makes the variables

    def measure(rows: Any) -> dict[str, Any]:
        drawn = [tf.gather(array, rows) for array in tensors]
        results: dict[str, Any] = {}
        for metric in built:
            metric.reset_state()
            metric.update_state(*drawn)
            result = metric.result()
            if metric.name == "loss" and weight is not None:
                # Keras divides a weighted loss by the number of rows, a weighted metric by the sum of their weights.
                result *= tf.cast(tf.reduce_mean(drawn[-1]), result.dtype)
            results |= result if isinstance(result, dict) else {metric.name: result}
        return results

    tensors = [tf.constant(array) for array in arrays]
    if not config["trainer"].get("run_eagerly"):
        measure = tf.function(measure, input_signature=[tf.TensorSpec([None], tf.int64)])
    positive, p = (split.y == 1, output.ravel()) if threshold.is_set(config, target) else (None, None)

    def both(rows: np.ndarray) -> dict[str, float]:
        measured = {k: float(v) for k, v in measure(tf.constant(rows, tf.int64)).items()}
        if positive is None:
            return measured
        return measured | threshold.rates(positive[rows], p[rows], target.threshold)

    return both


def _of_outputs(
    config: Mapping[str, Any], data: Dataset, split: Split, output: Mapping[str, np.ndarray]
) -> Callable[[np.ndarray], dict[str, float]]:
    """Return a function from rows to the metrics of each output, by its name, and `loss`, the weighted sum of the outputs' losses."""
    weights = config.get("loss_weights") or {}
    each = {
        name: measuring(outputs.of(config, name), one, split.output(name), output[name])
        for name, one in data.each().items()
    }

    def measure(rows: np.ndarray) -> dict[str, float]:
        measured = {name: of_one(rows) for name, of_one in each.items()}
        values = {f"{name}_{metric}": v for name, of_one in measured.items() for metric, v in of_one.items()}
        if not all("loss" in of_one for of_one in measured.values()):
            return values
        return {"loss": sum(weights.get(name, 1.0) * v["loss"] for name, v in measured.items()), **values}

    return measure


def _loss(
    spec: Mapping[str, Any], data: Dataset, form: str, reported: str, plan: Plan
) -> keras.metrics.Metric:
    """Return the loss as a metric of what a saved model gives."""
    reads = declaration_reader.of("loss", spec["name"]).predictions
    read = reported if not reads or reported in reads or "any" in reads else reads[0]
    # The output is as the loss reads it from here on, whatever the model's own head gave.
    spec = {k: None if k == "from_logits" else v for k, v in spec.items()}
    runtime = label_encoding.arguments(data.target, form, read, reads)
    loss = construct("loss", spec, complete=True, **plan.lengths(), **runtime)
    if isinstance(loss, keras.losses.Loss):
        loss.reduction = None
    metric = keras.metrics.MeanMetricWrapper(loss, name="loss")
    return metric_adapter.adapt(metric, data.target, labels=(form, form), predictions=(reported, reads))
