"""Turn arrays by name into a `Dataset`: images, tokens, categories or numbers, and a target."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from trainrun.data import _arrays, _image_range, _measured, _one_hot, _unseen_classes
from trainrun.data._array_faults import each
from trainrun.data._columns import CLASSES_UP_TO
from trainrun.data._faults import raise_faults
from trainrun.data._split import sizes
from trainrun.data._split_settings import SplitSettings
from trainrun.data.dataset import Dataset, Description, InputSpec, TargetSpec
from trainrun.data.lazy_array import Rows, View
from trainrun.errors import Problem, UserError
from trainrun.ui import console
from trainrun.util import look_alikes

if TYPE_CHECKING:
    import numpy as np

# Larger ids are refused: the model would need an embedding row for each.
LARGEST_ID = 10_000_000
Input = tuple[InputSpec, View, dict[str, Any]]


@dataclass(frozen=True)
class ArraySettings:
    """Which arrays are inputs, target and weights, and how they are to be read.

    Args:
        x: the keys of the inputs.
        y: the keys of the targets; empty: there is nothing to predict.
        weight: the key of the examples' weights, one for each target by its key, or None.
        kind: of the inputs: one for all, one by key, or None: inferred from types and shapes.
        task: of the targets: ``classification``, ``regression`` or ``auto``, or one by key.
        standardize, standardize_target: as in `_arrays.dataset`.
    """

    x: tuple[str, ...] = ("x",)
    y: tuple[str, ...] = ("y",)
    weight: Any = None
    kind: Any = None
    task: Any = "auto"
    standardize: bool = True
    standardize_target: bool = True

    def kind_of(self, key: str) -> str | None:
        """Return the kind that is set for an input, or None."""
        return self.kind.get(key) if isinstance(self.kind, Mapping) else self.kind


def dataset(
    name: str,
    arrays: Mapping[str, Rows],
    settings: ArraySettings,
    splitting: SplitSettings,
    rows: Sequence[int] = (),
    classes: Sequence[str] = (),
) -> Dataset:
    """Return the split dataset of arrays without faults.

    Args:
        name: of the dataset.
        arrays: by key.
        settings: the roles of the arrays.
        splitting: the parts.
        rows: as in `_arrays.own_parts`, with those of the sets that `splitting` names; empty: no part stands on its own.
        classes: the names of class ids; empty: the ids.

    Raises:
        UserError: the arrays do not have the kind that the settings name, the target has one class, or a part that stands on its own
            has a class that the training part lacks.
    """
    inputs = _inputs(arrays, settings)
    spec = inputs[0][0]
    target, labels = _target(arrays, settings, spec)
    if classes and target.kind in ("binary", "multiclass"):
        target = replace(target, classes=tuple(classes[int(name)] for name in target.classes))
    records = {spec.name: record for spec, _, record in inputs if record}
    single = len(inputs) == 1
    rows = rows or (len(arrays[settings.x[0]]), 0, 0)
    parts = _arrays.own_parts(labels, target, splitting, rows)
    sets = tuple(splitting.validation_sets or ())
    unseen_by_own, unseen_by_drawn = _unseen_classes.faults_and_notices(labels, target, parts, rows, sets)
    raise_faults(unseen_by_own)
    one_hot = _one_hot.notices(labels, target, settings.y) if settings.task == "auto" else ()
    notices = [*unseen_by_drawn, *one_hot, *_image_range.notices(inputs)]
    for notice in notices:
        console.warn(notice)
    made = _arrays.of_parts(
        name,
        {spec: values for spec, values, _ in inputs},
        target,
        labels,
        parts,
        sets=sets,
        features=[f"x{i}" for i in range(spec.shape[0])] if single and spec.kind == "numeric" else (),
        standardize=settings.standardize,
        standardize_target=settings.standardize_target,
        weight=_weights(arrays, settings),
        preprocessing=inputs[0][2] if single else {"inputs": records},
    )
    return replace(made, inferred={"notices": notices}) if notices else made


def description(
    arrays: Mapping[str, Rows], settings: ArraySettings, splitting: SplitSettings, rows: Sequence[int]
) -> Description:
    """Return the description of arrays without faults.

    Args:
        arrays, settings, splitting, rows: as in `dataset`.
    """
    try:
        specs = [spec for spec, _, _ in _inputs(arrays, settings)]
        target, _ = _target(arrays, settings, specs[0])
    except UserError as error:
        return Description(problems=tuple((p.key.removeprefix("data."), p.message) for p in error.problems))
    shares = _arrays.undrawn(splitting, rows)
    examples = sizes(rows[0], shares.validation, shares.test)[0]
    return Description.of(target, examples, tuple(spec.kind for spec in specs))


def _target(
    arrays: Mapping[str, Rows], settings: ArraySettings, spec: InputSpec
) -> tuple[TargetSpec, _arrays.Labels]:
    """Return the target and its values; of several, both by name.

    Raises:
        UserError: as `target_of`, of several with the array's key.
    """
    import numpy as np

    if not settings.y:
        return TargetSpec("none"), np.zeros((len(arrays[settings.x[0]]), 1), "float32")
    read, problems = {}, []
    for key in settings.y:
        task = settings.task.get(key, "auto") if isinstance(settings.task, Mapping) else settings.task
        try:
            read[key] = target_of(arrays[key], task, spec)
        except UserError as error:
            prefix = f"array {key!r}: " if len(settings.y) > 1 else ""
            problems += [Problem(p.key, prefix + p.message) for p in error.problems]
    if problems:
        raise UserError(problems)
    if len(read) == 1:
        return read[settings.y[0]]
    specs = {key: target for key, (target, _) in read.items()}
    return TargetSpec("named", outputs=len(specs), named=specs), {key: y for key, (_, y) in read.items()}


def _weights(arrays: Mapping[str, Rows], settings: ArraySettings) -> _arrays.Labels | None:
    """Return the examples' weights; of weights by target, a dict with ones for a target that has none."""
    import numpy as np

    if not isinstance(settings.weight, Mapping):
        return None if settings.weight is None else arrays[settings.weight]
    ones = np.ones(len(arrays[settings.y[0]]), "float32")
    return {key: arrays[settings.weight[key]] if key in settings.weight else ones for key in settings.y}


def _inputs(arrays: Mapping[str, Rows], settings: ArraySettings) -> list[Input]:
    single = len(settings.x) == 1
    return [input_of(None if single else key, arrays[key], settings.kind_of(key)) for key in settings.x]


def input_of(name: str | None, x: Rows, kind: str | None) -> Input:
    """Return an input's spec, its values and the record of their preprocessing.

    Args:
        name: of the input; None: that of its kind.
        x: the array.
        kind: see `_array_faults.KINDS`; None: inferred.

    Raises:
        UserError: the array is not of that kind.
    """
    import numpy as np

    whole, axes = x.dtype.kind in "iu", len(x.shape)
    limits: tuple[np.ndarray, np.ndarray] | None = None
    if whole and axes == 2 and kind not in ("numeric", "image"):
        limits = _limits(x)
    if kind is None:
        if (x.dtype == np.uint8 and axes >= 3) or axes in (3, 4):
            kind = "image"
            if axes == 3 and x.dtype != np.uint8 and x.shape[1] != x.shape[2]:
                way_out = "data.kind=sequence" if name is None else f"data.kind={{{name}: sequence}}"
                shown = f"{name or 'x'}, {x.dtype} [n, {x.shape[1]}, {x.shape[2]}]"
                console.note(f"{shown}, is taken for images in grey; sequences of numbers are {way_out}")
        else:
            kind = "tokens" if limits is not None and limits[0].min() >= 0 else "numeric"
    if kind == "sequence":
        if axes != 3 or x.dtype.kind == "b":
            message = (
                f"sequences need numbers with three axes, [n, steps, numbers]; got {x.dtype} {list(x.shape)}."
            )
            raise UserError(Problem("data.x", message))
        return InputSpec(name or "numeric", "numeric", x.shape[1:]), View.of(x), {}
    name = kind if name is None else name
    if kind == "numeric":
        shape = (math.prod(x.shape[1:]),)
        return InputSpec(name, "numeric", shape), View.of(x, shape), {}
    if kind == "image":
        shape = (*x.shape[1:], 1) if axes == 3 else x.shape[1:]
        if len(shape) != 3:
            message = f"images need three or four axes, [n, height, width, channels]; got {list(x.shape)}."
            raise UserError(Problem("data.x", message))
        scale = 1 / 255 if x.dtype == np.uint8 else 1.0
        return InputSpec(name, "image", shape), View.of(x, shape, scale), {"scale": scale}
    if limits is None or limits[0].min() < 0:
        message = f"{kind} need whole numbers from 0 on, with two axes; got {x.dtype} {list(x.shape)}. Or data.kind=numeric."
        raise UserError(Problem("data.x", message))
    if limits[1].max() >= LARGEST_ID:
        message = f"{kind} of up to {limits[1].max():,} would need as many rows to look them up in. Number them from 0 without gaps."
        raise UserError(Problem("data.x", message))
    highest = limits[1].astype("int64") + 1
    values = tuple(highest.tolist()) if kind == "categorical" else (int(highest.max()),)
    return InputSpec(name, kind, x.shape[1:], values), View.of(x), {}


def _limits(x: Rows) -> tuple[np.ndarray, np.ndarray]:
    """Return each column's minimum and maximum."""
    import numpy as np

    limits = [(block.min(axis=0), block.max(axis=0)) for _, block in each(x)]
    return np.min([low for low, _ in limits], axis=0), np.max([high for _, high in limits], axis=0)


def target_of(y: np.ndarray, task: str, spec: InputSpec) -> tuple[TargetSpec, np.ndarray]:
    """Return the target's spec and its values: class ids, or numbers `[n, outputs]`.

    Args:
        y: the array.
        task: ``classification``, ``regression`` or ``auto``.
        spec: the first input.

    Raises:
        UserError: the array has one class only, or no shape of class labels.
    """
    import numpy as np

    if task == "regression" and y.dtype.kind in "iub":
        y = y.astype("float64")
    y = y[:, 0] if y.ndim == 2 and y.shape[1] == 1 and y.dtype.kind != "f" else y
    if y.dtype.kind == "S":
        y = np.char.decode(y, "utf-8")
    discrete = y.dtype.kind in "bU" or task == "classification"
    if y.dtype.kind in "iu":
        discrete = discrete or len(np.unique(y)) <= CLASSES_UP_TO
    if task == "regression" and y.dtype.kind in "US":
        message = "the target is text, which is no number to predict. Take data.task=classification."
        raise UserError(Problem("data.y", message))
    if not discrete or task == "regression":
        y = y.reshape(len(y), -1)
        return TargetSpec("real", (), y.shape[1]), y
    if y.ndim == 2 and y.dtype.kind != "U" and np.isin(y, (0, 1)).all():
        names = tuple(f"label {i}" for i in range(y.shape[1]))
        return TargetSpec("multilabel", names, y.shape[1]), y
    if y.ndim not in (1, 3) or (y.ndim == 3 and y.shape[1:] != spec.shape[:2]):
        message = f"class labels need the shape [n], or [n, height, width] of the images; got {list(y.shape)}. One-hot labels: numpy.argmax(y, -1)."
        raise UserError(Problem("data.y", message))
    present, ids = np.unique(y, return_inverse=True)
    if len(present) < 2 and not _measured.is_by_model():
        message = f"there is one class only, {present[0]}; there is nothing to tell apart."
        raise UserError(Problem("data.y", message))
    names = tuple(str(int(c)) if y.dtype.kind in "iub" else str(c) for c in present)
    if (alike := look_alikes.pair(names)) is not None:
        message = (
            f"the classes {alike[0]!r} and {alike[1]!r}: {look_alikes.difference(*alike)}. Make them one."
        )
        raise UserError(Problem("data.y", message))
    kind = "binary" if len(names) == 2 else "multiclass"
    return TargetSpec(kind, names, 1 if kind == "binary" else len(names), y.shape[1:]), ids.reshape(y.shape)
