"""A dataset of TensorFlow Datasets by its name, as arrays; one that is prepared in a folder needs no network."""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainrun.data import _named_arrays, _tensorflow, _tfds_folder
from trainrun.data._array_faults import choice_faults, keys_of, shape_faults, value_faults
from trainrun.data._faults import Fault, raise_faults
from trainrun.data._named_arrays import ArraySettings
from trainrun.data._split import share_problems
from trainrun.data._split_settings import SplitSettings
from trainrun.data._table_split import PART_NAMES
from trainrun.data.dataset import Dataset, Description
from trainrun.errors import Problem, UserError, did_you_mean, first_line
from trainrun.ui import console
from trainrun.util import paths
from trainrun.util.arguments import Decay

if TYPE_CHECKING:
    import numpy as np

EXTRA = "data=tfds needs the package tensorflow-datasets. Install it: pip install 'trainrun[tfds]'."
# A dataset, its config and its version; names of communities (`user:dataset`) would fetch code of theirs.
NAME = re.compile(r"[a-z]\w*(/[\w.-]+)?(:\d[\w.*]*)?")
# Classes that a prepared folder may name.
OWN_CLASSES = "tensorflow_datasets."


def tfds(
    *,
    dataset: str | None = None,
    data_dir: str | None = None,
    download: bool = False,
    x: str | Sequence[str] | None = None,
    y: str | None = None,
    kind: Any = None,
    task: str = "auto",
    validation: Decay = 0.2,
    test: Decay = 0.2,
    stratify: bool = True,
    standardize: bool = True,
    standardize_target: bool = True,
    seed: int = 42,
) -> Dataset:
    """Return the dataset's arrays; its splits `train`, `validation` and `test` are the parts, others are split off.

    Args:
        dataset: its name, with config and version where it has any: ``mnist``, ``imdb_reviews/plain_text:1.0.0``.
        data_dir: the folder in which it is prepared, or is to be; None: ``~/tensorflow_datasets``.
        download: download and prepare it, unless that has been done.
        x: the inputs' keys, one or a list; None: those that the dataset names for supervised learning.
        y: the target's key; None: as `x`.
        kind, task: as in `data.npz.npz`.
        validation, test: fractions of the training split; 0: no such set. A split of that name is that part.
        stratify, standardize, standardize_target, seed: as in `data.npz.npz`.

    Raises:
        UserError: with all faults of the dataset and the arguments.
    """
    raise_faults(_faults(dataset, data_dir, download, x, y, kind, task, validation, test))
    builder = _prepared(dataset, data_dir, download)
    # A prepared dataset keeps no order of its features.
    named = _tfds_folder.Keys(
        sorted(builder.info.features), (builder.info.supervised_keys or (None, None))[:2]
    )
    (keys, target), faults = named.chosen(x, y)
    raise_faults(faults)
    parts = {PART_NAMES[name]: name for name in builder.info.splits if name in PART_NAMES}
    if 0 not in parts:
        message = f"{dataset} has no split for training; it has {', '.join(builder.info.splits)}."
        raise UserError(Problem("data.dataset", message))
    if unused := [name for name in builder.info.splits if name not in parts.values()]:
        console.note(f"splits that are not used: {', '.join(unused)}", fold=True)
    arrays, rows = _arrays_of(builder, parts, [*keys, target])
    settings = ArraySettings(keys, (target,), None, kind, task, standardize, standardize_target)
    faults = shape_faults(arrays, keys, target, None) or value_faults(arrays, keys, target, None)
    raise_faults(faults)
    names = tuple(getattr(builder.info.features[target], "names", None) or ())
    splitting = SplitSettings(validation, test, stratify, seed)
    name = dataset.partition(":")[0].partition("/")[0]
    return _named_arrays.dataset(name, arrays, settings, splitting, rows, names)


def describe(
    *,
    dataset: str | None = None,
    data_dir: str | None = None,
    download: bool = False,
    x: str | Sequence[str] | None = None,
    y: str | None = None,
    kind: Any = None,
    task: str = "auto",
    validation: Decay = 0.2,
    test: Decay = 0.2,
    **_: Any,
) -> Description:
    """Return the faults of the arguments and of the folder; what the arrays are is known when TensorFlow Datasets is imported."""
    return Description(
        problems=tuple(_faults(dataset, data_dir, download, x, y, kind, task, validation, test))
    )


def _faults(
    dataset: str | None,
    data_dir: str | None,
    download: bool,
    x: str | Sequence[str] | None,
    y: str | None,
    kind: Any,
    task: str,
    validation: float,
    test: float,
) -> list[Fault]:
    faults = choice_faults(kind, task, keys_of(x) or tuple(kind if isinstance(kind, Mapping) else ()))
    faults += share_problems(None, validation, test)
    if dataset is None or not NAME.fullmatch(str(dataset)):
        faults.append(
            ("dataset", f"expected the name of a dataset, mnist or glue/sst2:2.0.0, got {dataset}.")
        )
    if data_dir is not None and not paths.expanded(data_dir).is_dir():
        faults.append(("data_dir", f"there is no folder {data_dir}. Create it, or leave it out."))
    elif data_dir is not None and dataset is not None and (foreign := _foreign_class(dataset, data_dir)):
        message = f"{foreign[0]} names the class {foreign[1]!r}, which is not of TensorFlow Datasets; it is not imported."
        faults.append(("data_dir", message))
    if importlib.util.find_spec("tensorflow_datasets") is None:
        faults.append(("name", EXTRA))
    if not faults and not download:
        faults += _tfds_folder.faults(str(dataset), data_dir, x, y)
    return faults


def _foreign_class(dataset: str, data_dir: str) -> tuple[Path, str] | None:
    """Return a file of a prepared dataset that names a class of another package, and the class; None: there is none."""
    folder = paths.expanded(data_dir) / re.split("[/:]", dataset)[0]
    for file in sorted(folder.glob("**/features.json")):
        try:
            names = _class_names(json.loads(paths.content(file)))
        except (OSError, ValueError, RecursionError):
            continue  # TensorFlow Datasets says so
        for name in names:
            if not name.startswith(OWN_CLASSES):
                return file, name
    return None


def _class_names(node: Any) -> list[str]:
    """Return the classes that a record of features names, at any depth."""
    if isinstance(node, list):
        return [name for item in node for name in _class_names(item)]
    if not isinstance(node, dict):
        return []
    keys = ("pythonClassName", "python_class_name", "type")
    own = [str(node[key]) for key in keys if "." in str(node.get(key, ""))]
    return own + [name for item in node.values() for name in _class_names(item)]


def _prepared(dataset: str, data_dir: str | None, download: bool) -> Any:
    """Return the builder of a dataset that is prepared.

    Raises:
        UserError: there is no such dataset, it is not prepared, or it cannot be downloaded.
    """
    _tensorflow.imported()
    import tensorflow_datasets

    folder = None if data_dir is None else str(paths.expanded(data_dir))
    where = folder or _tfds_folder.DEFAULT
    try:
        builder = tensorflow_datasets.builder(dataset, data_dir=folder)
        if download:
            builder.download_and_prepare()
    except tensorflow_datasets.core.registered.DatasetNotFoundError as error:
        near = did_you_mean(dataset, tensorflow_datasets.list_builders(with_community_datasets=False))
        message = f"there is no dataset {dataset}, neither in {where} nor in TensorFlow Datasets.{near}"
        raise UserError(Problem("data.dataset", message)) from error
    # Of the dataset's own code, of HTTP clients, of the file system.
    except Exception as error:
        raise UserError(
            Problem("data.dataset", f"{dataset} cannot be loaded: {first_line(error)}.")
        ) from error
    if not builder.info.splits:
        raise UserError(Problem("data.dataset", _tfds_folder.not_prepared(dataset, data_dir)))
    return builder


def _arrays_of(
    builder: Any, parts: Mapping[int, str], keys: Sequence[str]
) -> tuple[dict[str, np.ndarray], list[int]]:
    """Return the arrays by key, one part after another, and the examples of each part.

    Raises:
        UserError: the examples of a feature differ in shape, or are texts.
    """
    import numpy as np
    import tensorflow_datasets

    read: dict[str, list[np.ndarray]] = {key: [] for key in keys}
    rows = [0, 0, 0]
    for part, name in sorted(parts.items()):
        try:
            whole = tensorflow_datasets.as_numpy(builder.as_dataset(split=name, batch_size=-1))
        except Exception as error:
            message = f"the split {name} cannot be read as arrays: {first_line(error)}. Images of one size, numbers and labels are read."
            raise UserError(Problem("data.dataset", message)) from error
        for key in keys:
            values = whole[key]
            if not isinstance(values, np.ndarray) or values.dtype.kind == "O":
                message = f"{key} holds {_what(values)}; expected numbers or images of one size. Save texts as a table: data=text."
                raise UserError(Problem("data.x", message))
            read[key].append(values)
        rows[part] = len(read[keys[0]][-1])
    return {key: np.concatenate(values) for key, values in read.items()}, rows


def _what(values: Any) -> str:
    return "texts" if getattr(values, "dtype", None) is not None else "examples of different length"
