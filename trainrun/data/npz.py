"""Your own arrays: a .npz file with the inputs and the targets."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainrun.data import _arrays
from trainrun.data._columns import CLASSES_UP_TO
from trainrun.data._npz_file import Fault, each, headers, load, value_faults
from trainrun.data._split import share_problems, sizes
from trainrun.data.dataset import Dataset, Description, InputSpec, TargetSpec
from trainrun.data.lazy_array import Rows, View
from trainrun.errors import Problem, UserError
from trainrun.util.arguments import Decay

if TYPE_CHECKING:
    import numpy as np

# The preflight check reads arrays up to this number of values, of larger ones only the shape.
SMALL = 2_000_000
# Larger ids are refused: the model would need an embedding row for each.
LARGEST_ID = 10_000_000


def npz(
    *,
    path: str | None = None,
    x: str = "x",
    y: str = "y",
    weight: str | None = None,
    kind: str | None = None,
    task: str = "auto",
    validation: Decay = 0.2,
    test: Decay = 0.2,
    stratify: bool = True,
    standardize: bool = True,
    standardize_target: bool = True,
    seed: int = 42,
) -> Dataset:
    """Return the file's arrays, split. No code in the file is executed: pickled objects are refused.

    The kind of the input, unless `kind` sets it: uint8 or four axes are images (uint8 is divided by 255), three axes are
    images of one channel; two axes are tokens if all values are whole numbers from 0 on, otherwise numeric.

    The kind of the target, unless `task` sets it: booleans, text, or at most 20 distinct whole numbers are classes, one
    per example or (with the image's height and width) one per pixel; 0 and 1 in `[n, labels]` are multilabel; anything
    else is a regression target.

    Args:
        path: the file.
        x: the inputs' key: `[n, d]`, `[n, height, width]` or `[n, height, width, channels]`.
        y: the targets' key: `[n]`, `[n, outputs]` or `[n, height, width]`.
        weight: the key of each example's weight in the loss, `[n]`, or None.
        kind: ``numeric``, ``image``, ``tokens`` or ``categorical``; None: inferred from dtype and shape.
        task: ``classification``, ``regression`` or ``auto``.
        validation, test: fractions of all examples; 0: no such set.
        stratify: keep the proportions of the classes in each set.
        standardize: scale each numeric column to mean 0 and standard deviation 1, fitted on the training set.
        standardize_target: scale a regression target to mean 0 and standard deviation 1; metrics and predictions stay
            in its unit.
        seed: of the split.

    Raises:
        UserError: with all faults of the file and the arguments.
    """
    path = None if path is None else str(path)
    known, faults = headers(path, x, y, weight, kind, task)
    _raise([*faults, *share_problems(None, validation, test)])
    arrays, faults = load(path, x, [k for k in (y, weight) if k], known)
    _raise(faults)
    if task == "regression":
        arrays[y] = arrays[y].astype("float64") if arrays[y].dtype.kind in "iub" else arrays[y]
    _raise(value_faults(path, arrays, x, y, weight))
    spec, values, record = _input(arrays[x], kind)
    meaning, labels = _target(arrays[y], task, spec)
    return _arrays.dataset(
        Path(path).stem,
        "segmentation" if meaning.shape else "regression" if meaning.kind == "real" else "classification",
        spec,
        values,
        meaning,
        labels,
        features=[f"x{i}" for i in range(spec.shape[0])] if spec.kind == "numeric" else (),
        validation=validation,
        test=test,
        standardize=standardize,
        standardize_target=standardize_target,
        weight=arrays[weight] if weight else None,
        stratify=stratify,
        seed=seed,
        preprocessing=record,
    )


def describe(
    *,
    path: str | None = None,
    x: str = "x",
    y: str = "y",
    weight: str | None = None,
    kind: str | None = None,
    task: str = "auto",
    validation: Decay = 0.2,
    test: Decay = 0.2,
    **_: Any,
) -> Description:
    """Return what is known from shapes and dtypes and, if the arrays are small, from their values."""
    path = None if path is None else str(path)
    shapes, faults = headers(path, x, y, weight, kind, task)
    faults += share_problems(shapes[x].shape[0] if not faults else None, validation, test)
    if faults:
        return Description(problems=tuple(faults))
    examples = sizes(shapes[x].shape[0], validation, test)[0]
    if math.prod(shapes[x].shape) + math.prod(shapes[y].shape) > SMALL:
        return Description(examples=examples)
    arrays, faults = load(path, x, [y], shapes)
    if not faults:
        if task == "regression":
            arrays[y] = arrays[y].astype("float64") if arrays[y].dtype.kind in "iub" else arrays[y]
        faults = value_faults(path, arrays, x, y, None)
    try:
        _raise(faults)
        spec = _input(arrays[x], kind)[0]
        meaning = _target(arrays[y], task, spec)[0]
    except UserError as error:
        return Description(problems=tuple((p.key.removeprefix("data."), p.message) for p in error.problems))
    what = "segmentation" if meaning.shape else "regression" if meaning.kind == "real" else "classification"
    return Description(what, meaning.kind, len(meaning.classes) or None, examples, (spec.kind,))


def _raise(faults: list[Fault]) -> None:
    if faults:
        raise UserError([Problem(f"data.{key}", message) for key, message in faults])


def _input(x: Rows, kind: str | None) -> tuple[InputSpec, View, dict[str, Any]]:
    """Return the input's spec, its values and the record of their preprocessing."""
    import numpy as np

    whole, axes = x.dtype.kind in "iu", len(x.shape)
    limits: tuple[np.ndarray, np.ndarray] | None = None
    if whole and axes == 2 and kind not in ("numeric", "image"):
        limits = _limits(x)
    if kind is None:
        if (x.dtype == np.uint8 and axes >= 3) or axes in (3, 4):
            kind = "image"
        else:
            kind = "tokens" if limits is not None and limits[0].min() >= 0 else "numeric"
    if kind == "numeric":
        shape = (math.prod(x.shape[1:]),)
        return InputSpec("numeric", "numeric", shape), View.of(x, shape), {}
    if kind == "image":
        shape = (*x.shape[1:], 1) if axes == 3 else x.shape[1:]
        if len(shape) != 3:
            raise UserError(
                Problem(
                    "data.x",
                    f"images need three or four axes, [n, height, width, channels]; got {list(x.shape)}.",
                )
            )
        scale = 1 / 255 if x.dtype == np.uint8 else 1.0
        return InputSpec("image", "image", shape), View.of(x, shape, scale), {"scale": scale}
    if limits is None or limits[0].min() < 0:
        raise UserError(
            Problem(
                "data.x",
                f"{kind} need whole numbers from 0 on, with two axes; got {x.dtype} {list(x.shape)}. Or data.kind=numeric.",
            )
        )
    if limits[1].max() >= LARGEST_ID:
        raise UserError(
            Problem(
                "data.x",
                f"{kind} of up to {limits[1].max():,} would need as many rows to look them up in. Number them from 0 without gaps.",
            )
        )
    highest = limits[1].astype("int64") + 1
    values = tuple(highest.tolist()) if kind == "categorical" else (int(highest.max()),)
    return InputSpec(kind, kind, x.shape[1:], values), View.of(x), {}


def _limits(x: Rows) -> tuple[np.ndarray, np.ndarray]:
    """Return each column's minimum and maximum."""
    import numpy as np

    limits = [(block.min(axis=0), block.max(axis=0)) for _, block in each(x)]
    return np.min([low for low, _ in limits], axis=0), np.max([high for _, high in limits], axis=0)


def _target(y: np.ndarray, task: str, spec: InputSpec) -> tuple[TargetSpec, np.ndarray]:
    """Return the target's spec and its values."""
    import numpy as np

    y = y[:, 0] if y.ndim == 2 and y.shape[1] == 1 and y.dtype.kind != "f" else y
    if y.dtype.kind == "S":
        y = np.char.decode(y, "utf-8")
    discrete = y.dtype.kind in "bU" or task == "classification"
    if y.dtype.kind in "iu":
        discrete = discrete or len(np.unique(y)) <= CLASSES_UP_TO
    if task == "regression" and y.dtype.kind in "US":
        raise UserError(
            Problem(
                "data.y", "the target is text, which is no number to predict. Take data.task=classification."
            )
        )
    if not discrete or task == "regression":
        y = y.reshape(len(y), -1)
        return TargetSpec("real", (), y.shape[1]), y
    if y.ndim == 2 and y.dtype.kind != "U" and np.isin(y, (0, 1)).all():
        names = tuple(f"label {i}" for i in range(y.shape[1]))
        return TargetSpec("multilabel", names, y.shape[1]), y
    if y.ndim not in (1, 3) or (y.ndim == 3 and y.shape[1:] != spec.shape[:2]):
        raise UserError(
            Problem(
                "data.y",
                f"class labels need the shape [n], or [n, height, width] of the images; got {list(y.shape)}. One-hot labels: numpy.argmax(y, -1).",
            )
        )
    classes, ids = np.unique(y, return_inverse=True)
    if len(classes) < 2:
        raise UserError(
            Problem("data.y", f"there is one class only, {classes[0]}; there is nothing to tell apart.")
        )
    names = tuple(str(int(c)) if y.dtype.kind in "iub" else str(c) for c in classes)
    return TargetSpec(
        "binary" if len(names) == 2 else "multiclass",
        names,
        1 if len(names) == 2 else len(names),
        y.shape[1:],
    ), ids.reshape(y.shape)
