"""Your own arrays: a .npz file with the inputs and the targets."""

from __future__ import annotations

import math
import struct
import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainrun import paths
from trainrun.data import _arrays
from trainrun.data._lines import CLASSES_UP_TO, TASKS
from trainrun.data._split import share_problems, sizes
from trainrun.dataset import Dataset, Description, InputSpec, TargetSpec
from trainrun.errors import Problem, UserError, did_you_mean

if TYPE_CHECKING:
    import numpy as np

KINDS = ("numeric", "image", "tokens", "categorical")
# The preflight reads targets up to so many values, of larger arrays the shape only.
SMALL = 2_000_000
# More different tokens or categories are no vocabulary, but numbers.
LARGEST_ID = 10_000_000

# What a damaged or foreign zip file may raise: zlib's error is none of the others, an encrypted entry is a
# RuntimeError, and one packed in a way that this Python does not know a NotImplementedError.
DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    ValueError,
    OSError,
    EOFError,
    RuntimeError,
    struct.error,
    OverflowError,
)

Fault = tuple[str, str]


def npz(
    *,
    path: str | None = None,
    x: str = "x",
    y: str = "y",
    weight: str | None = None,
    kind: str | None = None,
    task: str = "auto",
    validation: float = 0.2,
    test: float = 0.2,
    stratify: bool = True,
    standardize: bool = True,
    standardize_target: bool = True,
    seed: int = 42,
) -> Dataset:
    """Return the file's arrays, split. Nothing in the file is run: pickled objects are refused.

    What the input is, unless `kind` says: bytes or four axes are images (bytes are divided by 255), three axes are
    images of one channel; two axes are tokens if they hold whole numbers from 0 on, numbers otherwise.

    What the target is, unless `task` says: true and false, text, or at most 20 different whole numbers are classes,
    one an example or (with the image's height and width) one a pixel; 0 and 1 in `[n, labels]` are several labels;
    anything else is numbers.

    Args:
        path: the file.
        x: the inputs' key: `[n, d]`, `[n, height, width]` or `[n, height, width, channels]`.
        y: the targets' key: `[n]`, `[n, outputs]` or `[n, height, width]`.
        weight: the key of each example's weight in the loss, `[n]`, or None.
        kind: ``numeric``, ``image``, ``tokens`` or ``categorical``; None: told by type and shape.
        task: ``classification``, ``regression`` or ``auto``.
        validation, test: shares of all examples; 0: no such part.
        stratify: keep the classes' shares in each part.
        standardize: give each column of numbers mean 0 and deviation 1, by the training part.
        standardize_target: learn a target of numbers in deviations from its mean; metrics and predictions stay
            in its unit.
        seed: of the split.

    Raises:
        UserError: all that is wrong with the file or the arguments.
    """
    path = None if path is None else str(path)
    _raise([*_headers(path, x, y, weight, kind, task)[1], *share_problems(None, validation, test)])
    arrays, faults = _load(path, [k for k in (x, y, weight) if k])
    _raise(faults)
    if task == "regression":
        arrays[y] = arrays[y].astype("float64") if arrays[y].dtype.kind in "iub" else arrays[y]
    _raise(_value_faults(arrays, x, y, weight))
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
    validation: float = 0.2,
    test: float = 0.2,
    **_: Any,
) -> Description:
    """Return what shapes and types tell and, if it is small, the target."""
    path = None if path is None else str(path)
    shapes, faults = _headers(path, x, y, weight, kind, task)
    faults += share_problems(shapes[x][0][0] if not faults else None, validation, test)
    if faults:
        return Description(problems=tuple(faults))
    examples = sizes(shapes[x][0][0], validation, test)[0]
    if math.prod(shapes[x][0]) + math.prod(shapes[y][0]) > SMALL:
        return Description(examples=examples)
    arrays, faults = _load(path, [x, y])
    if not faults:
        if task == "regression":
            arrays[y] = arrays[y].astype("float64") if arrays[y].dtype.kind in "iub" else arrays[y]
        faults = _value_faults(arrays, x, y, None)
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


def _headers(
    path: str | None, x: str, y: str, weight: str | None, kind: str | None, task: str
) -> tuple[dict[str, tuple[tuple[int, ...], np.dtype]], list[Fault]]:
    """Return each array's shape and type, read without the arrays, and what is wrong so far."""
    import numpy as np

    faults: list[Fault] = []
    if kind is not None and kind not in KINDS:
        faults.append(
            (
                "kind",
                f"expected null or one of {', '.join(KINDS)}, got {kind!r}.{did_you_mean(str(kind), KINDS)}",
            )
        )
    if task not in TASKS:
        faults.append(
            ("task", f"expected one of {', '.join(TASKS)}, got {task!r}.{did_you_mean(str(task), TASKS)}")
        )
    fault = paths.fault(path, ".npz", "data.path=my_data.npz")
    if fault:
        return {}, [*faults, ("path", fault)]
    where = paths.expanded(path)
    sizes_there: dict[str, int] = {}
    shapes: dict[str, tuple[tuple[int, ...], np.dtype]] = {}
    try:
        with zipfile.ZipFile(where) as archive:
            for entry in archive.infolist():
                name = entry.filename
                if not name.endswith(".npy"):
                    continue
                with archive.open(entry) as file:
                    version = np.lib.format.read_magic(file)
                    read = (
                        np.lib.format.read_array_header_1_0
                        if version == (1, 0)
                        else np.lib.format.read_array_header_2_0
                    )
                    shape, _, dtype = read(file)
                    shapes[name.removesuffix(".npy")] = (shape, dtype)
                    sizes_there[name.removesuffix(".npy")] = entry.file_size - file.tell()
    except DAMAGED as error:
        return {}, [
            *faults,
            (
                "path",
                f"{where} is no .npz file, or is damaged: {_first_line(error)}. Write it with numpy.savez(path, x=…, y=…).",
            ),
        ]
    for argument, key in (("x", x), ("y", y), ("weight", weight)):
        if key is None:
            continue
        if key not in shapes:
            faults.append(
                (
                    argument,
                    f"{where} has no array {key!r}.{did_you_mean(key, shapes)} It has {', '.join(shapes) or 'none'}.",
                )
            )
        elif shapes[key][1].hasobject:
            faults.append(
                (
                    argument,
                    f"array {key!r} holds Python objects, which are never loaded. Save plain numbers or text.",
                )
            )
        elif not shapes[key][0]:
            faults.append((argument, f"array {key!r} is a single value; expected one for each example."))
        elif (needed := math.prod(shapes[key][0]) * shapes[key][1].itemsize) != sizes_there[key]:
            faults.append(
                (
                    argument,
                    f"{where} is damaged: array {key!r} is said to have the shape {list(shapes[key][0])}, {needed:,} bytes; "
                    f"{sizes_there[key]:,} are there. Write it anew.",
                )
            )
        elif too_large := paths.room(needed):
            faults.append((argument, f"array {key!r}: {too_large}. Save a part of it."))
    if faults:
        return shapes, faults
    n = shapes[x][0][0]
    if 0 in shapes[x][0]:
        faults.append(("x", f"array {x!r} holds no examples: its shape is {list(shapes[x][0])}."))
    faults += [
        (argument, f"array {key!r} has {shapes[key][0][0]} examples, {x!r} has {n}.")
        for argument, key in (("y", y), ("weight", weight))
        if key is not None and shapes[key][0][0] != n
    ]
    if shapes[x][1].kind not in "fiub":
        faults.append(("x", f"array {x!r} is of type {shapes[x][1]}; expected numbers."))
    if shapes[y][1].kind not in "fiubUS":
        faults.append(("y", f"array {y!r} is of type {shapes[y][1]}; expected numbers or text."))
    if weight is not None and (shapes[weight][1].kind not in "fiu" or len(shapes[weight][0]) != 1):
        faults.append(
            (
                "weight",
                f"array {weight!r} is {shapes[weight][1]} {list(shapes[weight][0])}; expected one number an example.",
            )
        )
    return shapes, faults


def _load(path: str, keys: list[str]) -> tuple[dict[str, np.ndarray], list[Fault]]:
    import numpy as np

    try:
        with np.load(paths.expanded(path), allow_pickle=False) as file:
            return {k: file[k] for k in keys}, []
    except MemoryError as error:
        return {}, [("path", f"{path} does not fit into memory: {_first_line(error)}. Save a part of it.")]
    except DAMAGED as error:
        return {}, [("path", f"{path} is damaged: {_first_line(error)}. Write it anew.")]


def _first_line(error: BaseException) -> str:
    said = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
    return said.partition(": <ast.")[0]  # where Python's parser of literals found something else


def _value_faults(arrays: dict[str, np.ndarray], x: str, y: str, weight: str | None) -> list[Fault]:
    import numpy as np

    faults = []
    for argument, key in (("x", x), ("y", y), ("weight", weight)):
        if key is None or arrays[key].dtype.kind != "f":
            continue
        bad = ~np.isfinite(arrays[key].reshape(len(arrays[key]), -1)).all(axis=1)
        if bad.any():
            message = f"array {key!r}: {bad.sum()} of {len(bad)} examples hold NaN or infinity, the first is example {bad.argmax()}. Fill or drop them."
            faults.append((argument, message))
    if weight is not None and not faults and (arrays[weight].min() < 0 or arrays[weight].max() == 0):
        faults.append(("weight", f"array {weight!r}: expected weights of at least 0, not all 0."))
    return faults


def _input(x: np.ndarray, kind: str | None) -> tuple[InputSpec, np.ndarray, dict[str, Any]]:
    """Return the input's meaning, its values and what was done to them."""
    import numpy as np

    whole = x.dtype.kind in "iu"
    if kind is None:
        if (x.dtype == np.uint8 and x.ndim >= 3) or x.ndim in (3, 4):
            kind = "image"
        else:
            kind = "tokens" if whole and x.ndim == 2 and x.min() >= 0 else "numeric"
    if kind == "numeric":
        x = x.reshape(len(x), -1)
        return InputSpec("numeric", "numeric", x.shape[1:]), x, {}
    if kind == "image":
        if x.ndim == 3:
            x = x[..., None]
        if x.ndim != 4:
            raise UserError(
                Problem(
                    "data.x",
                    f"images need three or four axes, [n, height, width, channels]; got {list(x.shape)}.",
                )
            )
        scale = 1 / 255 if x.dtype == np.uint8 else 1.0
        return (
            InputSpec("image", "image", x.shape[1:]),
            x.astype("float32") * np.float32(scale),
            {"scale": scale},
        )
    if not whole or x.ndim != 2 or x.min() < 0:
        raise UserError(
            Problem(
                "data.x",
                f"{kind} need whole numbers from 0 on, with two axes; got {x.dtype} {list(x.shape)}. Or data.kind=numeric.",
            )
        )
    if x.max() >= LARGEST_ID:
        raise UserError(
            Problem(
                "data.x",
                f"{kind} of up to {x.max():,} would need as many rows to look them up in. Number them from 0 without gaps.",
            )
        )
    highest = x.max(axis=0).astype("int64") + 1
    values = tuple(highest.tolist()) if kind == "categorical" else (int(highest.max()),)
    return InputSpec(kind, kind, x.shape[1:], values), x, {}


def _target(y: np.ndarray, task: str, spec: InputSpec) -> tuple[TargetSpec, np.ndarray]:
    """Return the target's meaning and its values."""
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
