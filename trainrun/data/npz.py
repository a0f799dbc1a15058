"""Your own arrays: a .npz file with the inputs and the targets."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from trainrun.data import _named_arrays, _npz_file
from trainrun.data._array_faults import choice_faults, keys_of, roles, value_faults
from trainrun.data._faults import Fault, raise_faults
from trainrun.data._named_arrays import ArraySettings
from trainrun.data._split import share_problems, sizes
from trainrun.data._split_settings import SplitSettings
from trainrun.data.dataset import Dataset, Description
from trainrun.data.lazy_array import Rows
from trainrun.util.arguments import Decay

# The preflight check reads arrays up to this number of values, of larger ones only the shape.
SMALL = 2_000_000


def npz(
    *,
    path: str | None = None,
    x: str | Sequence[str] = "x",
    y: str | Sequence[str] | None = "y",
    weight: Any = None,
    kind: Any = None,
    task: Any = "auto",
    validation: Decay = 0.2,
    test: Decay = 0.2,
    stratify: bool = True,
    standardize: bool = True,
    standardize_target: bool = True,
    seed: int = 42,
) -> Dataset:
    """Return the file's arrays, split. No code in the file is executed: pickled objects are refused.

    The kind of an input, unless `kind` sets it: uint8 or four axes are images (uint8 is divided by 255), three axes are
    images of one channel; two axes are tokens if all values are whole numbers from 0 on, otherwise numeric.

    The kind of the target, unless `task` sets it: booleans, text, or at most 20 distinct whole numbers are classes, one
    per example or (with the image's height and width) one per pixel; 0 and 1 in `[n, labels]` are multilabel; anything
    else is a regression target.

    Args:
        path: the file.
        x: the inputs' key, or a list of keys, each of which is an input of that name: `[n, d]`, `[n, height, width]` or
            `[n, height, width, channels]`.
        y: the target's key: `[n]`, `[n, outputs]` or `[n, height, width]`; or a list of keys, each of which is an output of that name; None: there is
            nothing to predict, and a plug-in's model has a loss of its own.
        weight: the key of each example's weight in the loss, `[n]`, or None; of several targets also one by key.
        kind: ``numeric``, ``image``, ``tokens``, ``categorical``, or ``sequence`` (numbers of several steps, taken as they are); of several inputs by key; None: inferred from dtype and
            shape.
        task: ``classification``, ``regression`` or ``auto``; of several targets also by key.
        validation, test: fractions of all examples; 0: no such set.
        stratify: keep the proportions of the classes in each set.
        standardize: scale each numeric column to mean 0 and standard deviation 1, fitted on the training set.
        standardize_target: scale a regression target to mean 0 and standard deviation 1; metrics and predictions stay
            in its unit.
        seed: of the split.

    Raises:
        UserError: with all faults of the file and the arguments.
    """
    settings = ArraySettings(keys_of(x), keys_of(y), weight, kind, task, standardize, standardize_target)
    known, faults = _opened(path, settings)
    raise_faults([*faults, *share_problems(None, validation, test)])
    arrays, faults = _read(path, settings, known)
    raise_faults(faults)
    splitting = SplitSettings(validation, test, stratify, seed)
    return _named_arrays.dataset(Path(str(path)).stem, arrays, settings, splitting)


def describe(
    *,
    path: str | None = None,
    x: str | Sequence[str] = "x",
    y: str | Sequence[str] | None = "y",
    weight: Any = None,
    kind: Any = None,
    task: Any = "auto",
    validation: Decay = 0.2,
    test: Decay = 0.2,
    **_: Any,
) -> Description:
    """Return what is known from shapes and dtypes and, if the arrays are small, from their values."""
    settings = ArraySettings(keys_of(x), keys_of(y), weight, kind, task)
    known, faults = _opened(path, settings)
    n = None if faults else known[settings.x[0]].shape[0]
    faults += share_problems(n, validation, test)
    if faults:
        return Description(problems=tuple(faults))
    if sum(math.prod(known[key].shape) for _, key in roles(settings.x, y, None)) > SMALL:
        return Description(examples=sizes(n, validation, test)[0])
    arrays, faults = _read(path, settings, known)
    if faults:
        return Description(problems=tuple(faults))
    return _named_arrays.description(arrays, settings, SplitSettings(validation, test))


def _opened(path: str | None, settings: ArraySettings) -> tuple[dict[str, _npz_file.Array], list[Fault]]:
    """Return the file's headers, and what is wrong with them or with the arguments."""
    faults = choice_faults(settings.kind, settings.task, settings.x, settings.y, settings.weight)
    known, wrong = _npz_file.headers(
        None if path is None else str(path), settings.x, settings.y, settings.weight
    )
    return known, [*faults, *wrong]


def _read(
    path: str, settings: ArraySettings, known: dict[str, _npz_file.Array]
) -> tuple[dict[str, Rows], list[Fault]]:
    """Return the arrays, and what is wrong with their values."""
    others = [key for _, key in roles((), settings.y, settings.weight)]
    arrays, faults = _npz_file.load(str(path), settings.x, others, known)
    if faults:
        return {}, faults
    try:
        return arrays, value_faults(arrays, settings.x, settings.y, settings.weight)
    except ValueError as error:
        return {}, [("path", _npz_file.damaged(str(path), error))]
