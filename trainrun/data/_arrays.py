"""Arrays as loaded -> `Dataset`: split, standardize, record what was fitted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from trainrun.data._split import share_problems, sizes, split, standardized
from trainrun.dataset import Dataset, Description, InputSpec, Split, TargetSpec, Task

if TYPE_CHECKING:
    import numpy as np


def dataset(
    name: str,
    task: Task,
    spec: InputSpec,
    x: np.ndarray,
    target: TargetSpec,
    y: np.ndarray,
    *,
    validation: float,
    test: float,
    seed: int,
    features: Sequence[str] = (),
    standardize: bool = False,
    standardize_target: bool = False,
    weight: np.ndarray | None = None,
    stratify: bool = True,
    preprocessing: dict[str, Any] | None = None,
) -> Dataset:
    """Return the split dataset of one input array.

    Args:
        name, task, features: as in `Dataset`.
        spec, x: the input, `[n, *shape]`.
        target, y: class ids, or real numbers `[n, outputs]`.
        validation, test, seed: of the split; classes are stratified unless `stratify` is false.
        standardize: give numeric columns mean 0 and deviation 1, by the training part.
        standardize_target: record mean and deviation of a real target, by which the model learns it; the labels
            themselves, and what is measured and predicted, stay in their unit.
        weight: one an example, or None.
        preprocessing: what was done before, for the record.
    """
    import numpy as np

    labels = y if stratify and target.kind in ("binary", "multiclass") and not target.shape else None
    indices = split(
        len(y), validation=validation, test=test, seed=seed, labels=labels, classes=target.classes
    )
    record = dict(preprocessing or {})
    xs, ys = [x[i] for i in indices], [y[i] for i in indices]
    if standardize and spec.kind == "numeric":
        xs, record["standardize"] = standardized(xs)
        record["standardize"]["columns"] = list(features)
    if standardize_target and target.kind == "real":
        record["standardize_target"] = standardized(ys)[1]
    dtype = "float32" if target.kind in ("real", "none", "multilabel") else "int64"
    weights = [None if weight is None else weight[i].astype("float32") for i in indices]
    parts = [
        Split(np.ascontiguousarray(a, dtype=spec.dtype), np.ascontiguousarray(b, dtype=dtype), w)
        if len(b)
        else None
        for a, b, w in zip(xs, ys, weights, strict=True)
    ]
    return Dataset(name, task, (spec,), target, *parts, features=tuple(features), preprocessing=record)


def description(
    task: Task,
    target: str,
    classes: int | None,
    examples: int,
    inputs: tuple[str, ...],
    validation: float,
    test: float,
) -> Description:
    """Return what is known of a dataset of so many examples before it is loaded."""
    problems = share_problems(examples, validation, test)
    train = None if problems else sizes(examples, validation, test)[0]
    return Description(task, target, classes, train, inputs, problems)
