"""Your own arrays: a .npz file with the inputs and the targets."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from trainrun.data import _arrays, _named_arrays, _npz_file
from trainrun.data._array_faults import choice_faults, keys_of, roles, value_faults
from trainrun.data._faults import Fault, raise_faults
from trainrun.data._named_arrays import ArraySettings
from trainrun.data._split import share_problems, sizes
from trainrun.data._split_settings import SplitSettings
from trainrun.data._table_files import PATHS, set_key
from trainrun.data.dataset import Dataset, Description
from trainrun.data.lazy_array import JoinedRows, Rows
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
    validation_path: str | None = None,
    test_path: str | None = None,
    validation_sets: Mapping[str, str] | None = None,
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
        validation_path, test_path: files of those parts, with the same arrays; None: they are split off.
        validation_sets: files of further validation sets by name, ``{hard: hard.npz}``.
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
    splitting = SplitSettings(validation, test, stratify, seed, validation_sets=validation_sets)
    files, faults = _opened((path, validation_path, test_path), settings, splitting)
    raise_faults([*faults, *share_problems(None, validation, test)])
    arrays, faults = _read(files, settings)
    raise_faults(faults)
    return _named_arrays.dataset(Path(str(path)).stem, arrays, settings, splitting, _rows(files, settings))


def describe(
    *,
    path: str | None = None,
    x: str | Sequence[str] = "x",
    y: str | Sequence[str] | None = "y",
    weight: Any = None,
    kind: Any = None,
    task: Any = "auto",
    validation_path: str | None = None,
    test_path: str | None = None,
    validation_sets: Mapping[str, str] | None = None,
    validation: Decay = 0.2,
    test: Decay = 0.2,
    **_: Any,
) -> Description:
    """Return what is known from shapes and dtypes and, if the arrays are small, from their values."""
    settings = ArraySettings(keys_of(x), keys_of(y), weight, kind, task)
    splitting = SplitSettings(validation, test, validation_sets=validation_sets)
    files, faults = _opened((path, validation_path, test_path), settings, splitting)
    rows = () if faults else _rows(files, settings)
    shares = _arrays.undrawn(splitting, rows) if rows else splitting
    faults += share_problems(rows[0] if rows else None, shares.validation, shares.test)
    if faults:
        return Description(problems=tuple(faults))
    keys = [key for _, key in roles(settings.x, y, None)]
    if sum(math.prod(file.arrays[key].shape) for file in files for key in keys) > SMALL:
        return Description(examples=sizes(rows[0], shares.validation, shares.test)[0])
    arrays, faults = _read(files, settings)
    if faults:
        return Description(problems=tuple(faults))
    return _named_arrays.description(arrays, settings, splitting, rows)


class _File(NamedTuple):
    """A file of one part.

    Args:
        part: 0 training, 1 validation, 2 test, then the further validation sets.
        argument: that names the file.
        path: as typed; None: the argument names none.
        arrays: their metadata.
    """

    part: int
    argument: str
    path: str | None
    arrays: dict[str, _npz_file.Array]

    def faults(self, found: Sequence[Fault]) -> list[Fault]:
        """Return faults of this file; of another one than that of the training part, with its argument and name."""
        if self.part == 0:
            return list(found)
        named = [
            text if self.path is None or self.path in text else f"{self.path}: {text}" for _, text in found
        ]
        return [(self.argument, text) for text in named]


def _opened(
    paths: Sequence[str | None], settings: ArraySettings, splitting: SplitSettings
) -> tuple[list[_File], list[Fault]]:
    """Return the files with their headers, and what is wrong with them or with the arguments.

    Args:
        paths: of the training, validation and test part.
        settings: the roles of the arrays.
        splitting: names the files of further validation sets.
    """
    faults = choice_faults(settings.kind, settings.task, settings.x, settings.y, settings.weight)
    faults += splitting.set_faults()
    named = [
        *zip(PATHS, paths, strict=True),
        *((set_key(name), p) for name, p in (splitting.validation_sets or {}).items()),
    ]
    files: list[_File] = []
    for part, (argument, path) in enumerate(named):
        if path is None and part in (1, 2):
            continue
        path = None if path is None else str(path)
        known, wrong = _npz_file.headers(path, settings.x, settings.y, settings.weight)
        files.append(_File(part, argument, path, known))
        faults += files[-1].faults(wrong)
    return files, faults or [fault for file in files[1:] for fault in _differences(file, files[0], settings)]


def _differences(file: _File, first: _File, settings: ArraySettings) -> Iterator[Fault]:
    """Yield a fault for each array of another type or shape than that of the training part."""
    for _, key in roles(settings.x, settings.y, settings.weight):
        own, expected = (_form(one.arrays[key]) for one in (file, first))
        if own != expected:
            message = f"array {key!r} is {' '.join(own)}, that of {first.path} {' '.join(expected)}. Save both alike."
            yield from file.faults([(key, message)])


def _form(array: _npz_file.Array) -> tuple[str, str]:
    """Return what the type means, and the shape."""
    kinds = {"i": "int", "f": "float", "U": "text", "S": "bytes"}
    shape = ", ".join(("n", *map(str, array.shape[1:])))
    return kinds.get(array.dtype.kind, str(array.dtype)), f"[{shape}]"


def _rows(files: Sequence[_File], settings: ArraySettings) -> list[int]:
    """Return the number of examples of the training, validation and test part, then of each further validation set."""
    counts = {file.part: file.arrays[settings.x[0]].shape[0] for file in files}
    return [counts.get(part, 0) for part in range(max(3, *(part + 1 for part in counts)))]


def _read(files: Sequence[_File], settings: ArraySettings) -> tuple[dict[str, Rows], list[Fault]]:
    """Return the arrays, those of all files one after another, and what is wrong with their values."""
    import numpy as np

    others = [key for _, key in roles((), settings.y, settings.weight)]
    read, faults = [], []
    for file in files:
        arrays, wrong = _npz_file.load(file.path, settings.x, others, file.arrays)
        try:
            wrong = wrong or value_faults(arrays, settings.x, settings.y, settings.weight)
        except ValueError as error:
            wrong = [("path", _npz_file.damaged(file.path, error))]
        read.append(arrays)
        faults += file.faults(wrong)
    if faults or len(read) == 1:
        return read[0], faults
    joined: dict[str, Rows] = {key: JoinedRows([arrays[key] for arrays in read]) for key in settings.x}
    return joined | {key: np.concatenate([arrays[key] for arrays in read]) for key in others}, []
