"""Turn loaded arrays into a `Dataset`: split, standardize, record the fitted values."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from trainrun.data._split import fitted, share_problems, sizes, split, standardizer
from trainrun.data.dataset import Dataset, Description, InputKind, InputSpec, Split, TargetSpec
from trainrun.data.lazy_array import View

if TYPE_CHECKING:
    import numpy as np

    from trainrun.data._split_settings import SplitSettings

# Of one target, or of several by name.
Labels = Any
# Larger inputs, in bytes, stay in their file or array, and each batch is made on access.
IN_MEMORY = 64 * 2**20


def dataset(
    name: str,
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
        name, features: as in `Dataset`.
        spec, x: the input, `[n, *shape]`.
        target, y: class ids, or real numbers `[n, outputs]`.
        validation, test, seed: of the split; classes are stratified unless `stratify` is false.
        standardize: scale numeric columns to mean 0 and standard deviation 1, fitted on the training set.
        standardize_target: record mean and standard deviation of a real target, with which the model scales it; labels,
            metrics and predictions keep their unit.
        weight: one weight per example, or None.
        preprocessing: record of earlier preprocessing.
    """
    from trainrun.data._split_settings import SplitSettings  # not for `description`

    splitting = SplitSettings(validation, test, stratify, seed)
    return of_parts(
        name,
        {spec: x},
        target,
        y,
        parts(y, target, splitting),
        features=features,
        standardize=standardize,
        standardize_target=standardize_target,
        weight=weight,
        preprocessing=preprocessing,
    )


def parts(
    y: Labels, target: TargetSpec, splitting: SplitSettings
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the indices of the training, validation and test examples.

    Args:
        y, target: the labels and their meaning; those of classes are stratified if the settings say so, of several targets the first one
            with classes.
        splitting: the shares.

    Raises:
        UserError: nothing would be left to train on, or a class is too small to be in every part.
    """
    y, target = _leading(y, target)
    stratified = splitting.stratify and _has_classes(target)
    return split(
        len(y),
        validation=splitting.validation,
        test=splitting.test,
        seed=splitting.seed,
        labels=y if stratified else None,
        classes=target.classes,
    )


def _leading(y: Labels, target: TargetSpec) -> tuple[np.ndarray, TargetSpec]:
    """Return the first of several targets that has classes, else the first; of one target, itself."""
    if not target.named:
        return y, target
    name = next((name for name, one in target.named.items() if _has_classes(one)), next(iter(target.named)))
    return y[name], target.named[name]


def _has_classes(target: TargetSpec) -> bool:
    return target.kind in ("binary", "multiclass") and not target.shape


def own_parts(
    y: Labels, target: TargetSpec, splitting: SplitSettings, rows: Sequence[int]
) -> tuple[np.ndarray, ...]:
    """Return the parts of examples that stand one part after another; one that the data has not is split off the training part.

    Args:
        y, target, splitting: as in `parts`.
        rows: training, validation and test examples that the data has of its own, then those of further validation sets.

    Raises:
        UserError: as `parts`.
    """
    import numpy as np

    shares = undrawn(splitting, rows)
    ends = np.cumsum(rows)
    y, target = _leading(y, target)
    drawn = parts(y[: rows[0]], target, shares)
    own = [np.arange(end - count, end, dtype="int64") for end, count in zip(ends, rows, strict=True)]
    return drawn[0], *(own[i] if rows[i] else drawn[i] for i in (1, 2)), *own[3:]


def undrawn(splitting: SplitSettings, rows: Sequence[int]) -> SplitSettings:
    """Return the settings without the shares of parts that the data has of its own; arguments as in `own_parts`."""
    validation, test = (
        0.0 if own else share
        for own, share in zip(rows[1:3], (splitting.validation, splitting.test), strict=True)
    )
    return dataclasses.replace(splitting, validation=validation, test=test)


def of_parts(
    name: str,
    inputs: Mapping[InputSpec, np.ndarray | View],
    target: TargetSpec,
    y: Labels,
    indices: Sequence[np.ndarray],
    *,
    sets: Sequence[str] = (),
    features: Sequence[str] = (),
    standardize: bool = False,
    standardize_target: bool = False,
    weight: Labels | None = None,
    preprocessing: dict[str, Any] | None = None,
) -> Dataset:
    """Return the dataset of one or several inputs, split.

    Args:
        name, target, y, features, standardize, standardize_target, weight, preprocessing: as in `dataset`.
        inputs: each with its values, `[n, *shape]`; labels of several targets, and maybe their weights, are dicts by name.
        indices: of the examples of the training, validation and test part, an empty one is no part; then of each further validation set.
        sets: names of these.
    """
    import numpy as np

    record = dict(preprocessing or {})
    values: dict[str, list[np.ndarray | View]] = {}
    for spec, x in inputs.items():
        whole = x if isinstance(x, View) else View.of(x)
        views = [whole.part(i) for i in indices]
        if standardize and spec.kind == "numeric" and len(spec.shape) == 1:
            mean, std = standardizer(views[0])
            views = [v.standardized(mean, std) for v in views]
            done = {**fitted(mean, std), "columns": list(features)}
            if len(inputs) == 1:
                record["standardize"] = done
            else:
                record.setdefault("inputs", {}).setdefault(spec.name, {})["standardize"] = done
        values[spec.name] = [v.cast(spec.dtype) for v in views]
    if sum(v.nbytes for views in values.values() for v in views) <= IN_MEMORY:
        values = {name: [np.asarray(v) for v in views] for name, views in values.items()}
    each = {name: (y[name], one) for name, one in target.named.items()} or {"": (y, target)}
    scalings = {
        name: {"standardize_target": fitted(*standardizer(labels[indices[0]]))}
        for name, (labels, one) in each.items()
        if standardize_target and one.kind == "real"
    }
    record |= {"outputs": scalings} if target.named else scalings.get("", {})
    weight_of = weight if isinstance(weight, Mapping) else {} if weight is None else {"": weight}
    splits: list[Split | None] = []
    for part, index in enumerate(indices):
        xs = {name: views[part] for name, views in values.items()}
        x = xs if len(xs) > 1 else next(iter(xs.values()))
        weights = {name: of_one[index].astype("float32") for name, of_one in weight_of.items()}
        labels = {
            name: np.ascontiguousarray(labels[index], dtype=one.dtype) for name, (labels, one) in each.items()
        }
        of_part = Split(x, labels.get("", labels), weights.get("", weights or None))
        splits.append(of_part if len(index) else None)
    return Dataset(
        name,
        target.task,
        tuple(inputs),
        target,
        *splits[:3],
        features=tuple(features),
        preprocessing=record,
        validation_sets=dict(zip(sets, splits[3:], strict=True)),
    )


def description(
    target: TargetSpec, examples: int, kind: InputKind, validation: float, test: float
) -> Description:
    """Return the description of a dataset whose target and number of examples are known before it is loaded.

    Args:
        target, validation, test: as in `dataset`.
        examples: of all parts.
        kind: of the input.
    """
    if problems := share_problems(examples, validation, test):
        return Description(problems=problems)
    return Description.of(target, sizes(examples, validation, test)[0], (kind,))
