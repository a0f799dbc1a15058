"""TFRecord files of `tf.train.Example`: features by name, read from the files at any position."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from trainrun.data import _arrays, _named_arrays, _record_index, _record_rows, _table_files
from trainrun.data._array_faults import choice_faults, key_faults, keys_of, roles, shape_faults, value_faults
from trainrun.data._faults import Fault, raise_faults
from trainrun.data._named_arrays import ArraySettings
from trainrun.data._record_index import RecordIndex, Records
from trainrun.data._record_rows import FeatureSpec, RecordRows
from trainrun.data._split import share_problems, sizes
from trainrun.data._split_settings import SplitSettings
from trainrun.data._table_files import Paths
from trainrun.data.dataset import Dataset, Description
from trainrun.ui import console
from trainrun.util.arguments import Decay

ENDINGS = (".tfrecord", ".tfrecords", ".record")
# Bytes of files whose records the preflight check counts, and whose checksums it computes.
COUNTED, SMALL = 200_000_000, 2_000_000


def tfrecord(
    *,
    path: str | None = None,
    features: Any = None,
    x: str | Sequence[str] | None = None,
    y: str | Sequence[str] = "label",
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
    """Return the records' features, split. Of inputs of more than 64 MB only the position of each record is in memory.

    Args:
        path: the file; or a folder, or a pattern (``data/train.tfrecord-*``), of files that are read in the order of their names. They
            are not compressed.
        features: name -> dtype, or ``{dtype: …, shape: […]}``: ``float32`` and ``int64``; ``uint8``, as raw bytes; ``image``, an encoded
            image of the shape height, width, channels; ``text``, for targets.
        x: the inputs' features, one or a list; None: all but target and weight.
        y: the target's feature, or a list of features, each of which is an output of that name.
        weight: the feature with each example's weight in the loss, or None; of several targets also one by target.
        kind, task: as in `data.npz.npz`.
        validation_path, test_path: files of those parts, as `path`; None: they are split off.
        validation_sets: those of further validation sets by name.
        validation, test, stratify, standardize, standardize_target, seed: as in `data.npz.npz`.

    Raises:
        UserError: with all faults of the files, the records and the arguments.
    """
    paths = _table_files.paths_of(locals())
    import numpy as np

    settings = ArraySettings(keys_of(x), keys_of(y), weight, kind, task, standardize, standardize_target)
    splitting = SplitSettings(validation, test, stratify, seed, validation_sets=validation_sets)
    opened, faults = _opened(paths, features, settings)
    raise_faults([*faults, *splitting.set_faults(), *share_problems(None, validation, test)])
    files, parts, specs, settings = opened
    index, faults = _record_index.index(files)
    raise_faults(faults or _first_faults(index, specs, parts, [*paths]))
    keys = settings.x
    records = Records(index)
    for notice in _record_rows.transparency(records.read(np.array([0]))[0], specs):
        console.warn(f"data.features: {notice}")
    arrays: dict[str, Any] = {key: RecordRows(records, specs[key]) for key in keys}
    arrays |= _record_rows.checked(index, [specs[key] for _, key in roles((), y, weight)])
    raise_faults(shape_faults(arrays, keys, y, weight) or value_faults(arrays, keys, y, weight))
    training = [file for file, part in zip(files, parts, strict=True) if part == 0]
    return _named_arrays.dataset(
        _table_files.name(training, str(path)), arrays, settings, splitting, _rows(index, parts)
    )


def describe(
    *,
    path: str | None = None,
    features: Any = None,
    x: str | Sequence[str] | None = None,
    y: str | Sequence[str] = "label",
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
    """Return what the files' records tell without TensorFlow: their number, their features, damaged ones."""
    paths = _table_files.paths_of(locals())
    settings = ArraySettings(keys_of(x), keys_of(y), weight, kind, task)
    opened, faults = _opened(paths, features, settings)
    faults += [
        *SplitSettings(validation_sets=validation_sets).set_faults(),
        *share_problems(None, validation, test),
    ]
    if faults:
        return Description(problems=tuple(faults))
    files, parts, specs, settings = opened
    size = sum(file.stat().st_size for file in files)
    if size > COUNTED:
        return Description()
    index, faults = _record_index.index(files, thorough=size <= SMALL)
    faults = faults or _first_faults(index, specs, parts, [*paths])
    if faults:
        return Description(problems=tuple(faults))
    own = _rows(index, parts)
    shares = _arrays.undrawn(SplitSettings(validation, test), own)
    if faults := share_problems(own[0], shares.validation, shares.test):
        return Description(problems=tuple(faults))
    images = [specs[key].dtype == "image" for key in settings.x]
    several = len(settings.y) > 1
    real = not several and (
        task == "regression" or (task == "auto" and specs[settings.y[0]].dtype == "float32")
    )
    return Description(
        "regression" if real else None,
        "real" if real else None,
        examples=sizes(own[0], shares.validation, shares.test)[0],
        inputs=("image",) * len(images) if all(images) and kind is None else None,
    )


def _opened(
    paths: Paths, features: Any, settings: ArraySettings
) -> tuple[tuple[list[Path], list[int], dict[str, FeatureSpec], ArraySettings] | None, list[Fault]]:
    """Return the files, the part of each, the features that are read, and the settings with the inputs' names; or the faults."""
    files, parts, faults = _table_files.find_parts(paths, ENDINGS, "my_data.tfrecord")
    if features is None and not faults:
        suggestion, faults = _suggested(files[0])
        return None, faults or [("features", f"expected what a record has, got null.{suggestion}")]
    known, wrong = _record_rows.specs(features)
    faults += wrong
    if wrong:
        return None, faults
    y, weight = settings.y, settings.weight
    others = {key for _, key in roles((), y, weight)}
    keys = settings.x or tuple(name for name in known if name not in others)
    if keys:
        faults += key_faults(keys, y, weight, known, "data.features has no")
    else:
        faults.append(("x", "no feature is left to predict from. Name more data.features."))
    faults += choice_faults(settings.kind, settings.task, keys, y, weight)
    read = {key: known[key] for _, key in roles(keys, y, weight) if key in known}
    return (files, parts, read, replace(settings, x=keys)), faults


def _suggested(file: Path) -> tuple[str, list[Fault]]:
    """Return the setting that the first record suggests, or what is wrong with the file."""
    import numpy as np

    index, faults = _record_index.index([file]) if file.stat().st_size <= COUNTED else (None, [])
    if faults or not index:
        return "", faults
    return _record_rows.suggestion(Records(index).read(np.array([0]))[0]), []


def _first_faults(
    index: RecordIndex, specs: Mapping[str, FeatureSpec], parts: Sequence[int], arguments: Sequence[str]
) -> list[Fault]:
    """Return which parts have no records, or what the first record of each file has otherwise than it should; `parts` of each file, `arguments` of each part."""
    import numpy as np

    rows = _rows(index, parts)
    if empty := [part for part in sorted({*parts}) if not rows[part]]:
        files = (index.paths[parts.index(part)] for part in empty)
        return [(arguments[part], f"{file} has no records.") for part, file in zip(empty, files, strict=True)]
    firsts = [first for first, end in zip(index.first, index.first[1:], strict=False) if end > first]
    records = Records(index).read(np.array(firsts))
    faults = [
        fault
        for first, record in zip(firsts, records, strict=True)
        for fault in _record_rows.record_faults(record, index.place(first), specs)
    ]
    return faults[: _table_files.NAMED]


def _rows(index: RecordIndex, parts: Sequence[int]) -> list[int]:
    """Return the records of the training, validation and test part, and of each further set; `parts` of each file."""
    rows = [0] * max(3, 1 + max(parts))
    for part, first, end in zip(parts, index.first, index.first[1:], strict=False):
        rows[part] += end - first
    return rows
