"""Turn loaded arrays into a `Dataset`: split, standardize, record the fitted values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from trainrun.data._split import fitted, share_problems, sizes, split, standardizer
from trainrun.data.dataset import Dataset, Description, InputSpec, Split, TargetSpec, Task
from trainrun.data.lazy_array import View

if TYPE_CHECKING:
    import numpy as np

# Larger inputs, in bytes, stay in their file or array, and each batch is made on access.
IN_MEMORY = 64 * 2**20


def dataset(
    name: str,
    task: Task,
    spec: InputSpec,
    x: np.ndarray | View,
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
        standardize: scale numeric columns to mean 0 and standard deviation 1, fitted on the training set.
        standardize_target: record mean and standard deviation of a real target, with which the model scales it; labels,
            metrics and predictions keep their unit.
        weight: one weight per example, or None.
        preprocessing: record of earlier preprocessing.
    """
    import numpy as np

    labels = y if stratify and target.kind in ("binary", "multiclass") and not target.shape else None
    indices = split(
        len(y), validation=validation, test=test, seed=seed, labels=labels, classes=target.classes
    )
    record = dict(preprocessing or {})
    whole = x if isinstance(x, View) else View.of(x)
    xs, ys = [whole.part(i) for i in indices], [y[i] for i in indices]
    if standardize and spec.kind == "numeric":
        mean, std = standardizer(xs[0])
        xs = [v.standardized(mean, std) for v in xs]
        record["standardize"] = {**fitted(mean, std), "columns": list(features)}
    if standardize_target and target.kind == "real":
        record["standardize_target"] = fitted(*standardizer(ys[0]))
    xs = [v.cast(spec.dtype) for v in xs]
    if sum(v.nbytes for v in xs) <= IN_MEMORY:
        xs = [np.asarray(v) for v in xs]
    # Real targets stay float64: float32 would round what is left after the mean is taken off.
    dtype = {"real": "float64", "none": "float32", "multilabel": "float32"}.get(target.kind, "int64")
    weights = [None if weight is None else weight[i].astype("float32") for i in indices]
    parts = [
        Split(a, np.ascontiguousarray(b, dtype=dtype), w) if len(b) else None
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
    """Return the description of a dataset whose number of examples is known before it is loaded."""
    problems = share_problems(examples, validation, test)
    train = None if problems else sizes(examples, validation, test)[0]
    return Description(task, target, classes, train, inputs, problems)
