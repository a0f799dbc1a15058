"""The metrics of a run, each wrapped so that it gets labels and predictions in the form that it declares."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from trainrun.data.dataset import Dataset
from trainrun.errors import Problem, UserError
from trainrun.metric.auto import auto as auto_metrics
from trainrun.registry import declaration_reader, option_files
from trainrun.registry.construct import construct, resolve
from trainrun.run import label_encoding, metric_adapter
from trainrun.run.target_scaling import Unit
from trainrun.trainer.job import Plan
from trainrun.ui import console


def build(
    nodes: Mapping[str, Any], data: Dataset, form: str, output: str, plan: Plan, mixed: bool = False
) -> list[keras.metrics.Metric]:
    """Return the metrics; one that reads other forms than the loss and the model produce is wrapped.

    Args:
        nodes: the config's `metric` node, name -> spec.
        data: the data, for class counts.
        form: the form of the labels that the loss reads.
        output: the model's output: ``probabilities``, ``logits``, ``scores`` or ``real``.
        plan: for run-time values (`total_steps`, `steps_per_epoch`).
        mixed: an augmentation mixes the labels of training batches; a metric counts the class with the largest share.
    """
    return [
        _metric(name, spec, data, form, output, plan, mixed) for name, spec in _specs(nodes, data).items()
    ]


def say_undefined(nodes: Mapping[str, Any], data: Dataset, output: str) -> None:
    """Warn of the metrics that will be NaN because a split has examples of one class only.

    Args:
        nodes: the config's `metric` node.
        data: as loaded, with the target of the output.
        output: its name; empty: the only one.
    """
    names = [
        f"{output}_{name}" if output else name
        for name, spec in _specs(nodes, data).items()
        if declaration_reader.of("metric", spec["name"]).needs_both_classes
        and spec.get("curve", "ROC") == "ROC"
    ]
    if data.target.kind != "binary" or not names:
        return
    for part, prefix in (("train", ""), ("validation", "val_"), ("test", "test_")):
        split = getattr(data, part)
        if split is not None and len(split) and (split.y == split.y.flat[0]).all():
            undefined = ", ".join(f"{prefix}{name}" for name in names)
            first = int(split.y.flat[0])
            only = data.target.classes[first] if data.target.classes else first
            console.warn(
                f"all {len(split):,} {part} examples are of class {only}: {undefined} is undefined (NaN), and ranks and stops "
                "nothing. Take a larger or stratified part."
            )


def _specs(nodes: Mapping[str, Any], data: Dataset) -> dict[str, Mapping[str, Any]]:
    """Return name -> node of each metric, `auto` resolved by the data."""
    specs: dict[str, Mapping[str, Any]] = {}
    for name, spec in nodes.items():
        if spec.get("name") == "auto":
            for chosen in auto_metrics(data.task, data.target.kind):
                option = option_files.find("metric", chosen)
                specs.setdefault(option.name, option.arguments)
        else:
            specs[name] = spec
    return specs


def _metric(
    name: str, spec: Mapping[str, Any], data: Dataset, form: str, output: str, plan: Plan, mixed: bool
) -> keras.metrics.Metric:
    demands = declaration_reader.of("metric", spec["name"])
    reads = demands.predictions
    if output == "embedding" and not {"any"}.issuperset(reads):
        text = f'it reads {" or ".join(reads)}; the model gives vectors. Take metric=none, or a plug-in\'s with predictions="any".'
        raise UserError(Problem(f"metric.{name}", text))
    metric_form = label_encoding.choose(demands.labels, data.target, prefer=form)
    weighted = data.train.weight is not None
    runtime = {
        **plan.lengths(),
        **label_encoding.arguments(data.target, metric_form, output, reads, weighted),
        "name": name,
    }
    unit = Unit.of(data)
    if unit is not None and resolve("metric", spec)[0].origin == "keras":
        # In the target's own unit a square, or the sum of an epoch, may exceed float32.
        runtime["dtype"] = "float64"
    metric = construct("metric", spec, key=f"metric.{name}", complete=True, **runtime)
    metric = metric_adapter.adapt(
        metric, data.target, labels=(form, metric_form), predictions=(output, reads), mixed=mixed
    )
    return metric if unit is None else unit.metric(metric, demands)
