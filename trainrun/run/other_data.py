"""Data with labels other than a run's own, read by the preprocessing of its training: by a config, arrays, .npz files and folders."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from trainrun.data import _measured, image_folder, npz, python, text
from trainrun.data.dataset import Dataset, Split, TargetSpec
from trainrun.data.preprocessor import Preprocessor
from trainrun.errors import Problem, UserError, listed
from trainrun.run import item_blocks, own_data, stored_preprocessing
from trainrun.util import paths

CLASSES = ("binary", "multiclass")
# Nothing is fitted on these rows, and none is held out.
WHOLE: dict[str, Any] = {"validation": 0, "test": 0}


def of_config(config: Mapping[str, Any], fitted: Preprocessor, run_dir: str) -> Dataset:
    """Return the data of a config as a run's model takes them.

    Args:
        config: of the run, with other settings of the data.
        fitted, run_dir: of the run.

    Raises:
        UserError: the data is faulty, or of another form, or has other classes.
    """
    with _measured.by_model():
        data = own_data.load(config, None, fitted)
    return _as_trained(data, fitted, run_dir)


def takes(data: Any, spec: Mapping[str, Any], fitted: Preprocessor) -> bool:
    """Return whether data is no table of columns to a model: arrays, an .npz file, a folder, or a table of texts, images or times.

    Args:
        data: a path or a value.
        spec, fitted: the `data` of the run's config, and its preprocessing.
    """
    if item_blocks.takes(data, spec, fitted):
        return True
    if fitted.table or hasattr(data, "columns"):
        return False
    if not isinstance(data, str | os.PathLike):
        return True
    path = paths.expanded(data)
    return path.suffix == ".npz" or path.is_dir()


def of_value(data: Any, config: Mapping[str, Any], fitted: Preprocessor, run_dir: str) -> Dataset:
    """Return labelled arrays, or those of a file or folder, as a run's model takes them; all rows are the training part.

    Args:
        data: the path of an .npz file with the run's keys (`data.x`, `data.y`), of a folder for each class of images or texts, of a table
            with the run's columns of texts, images or times, or it as a DataFrame, arrays by these keys, or ``(x, y)`` or ``(x, y, weight)``.
        config, fitted, run_dir: of the run.

    Raises:
        UserError: the data is faulty, or of another form, or has other classes.
    """
    if hasattr(data, "columns"):
        with tempfile.TemporaryDirectory() as folder:
            file = os.path.join(folder, "data.feather")
            data.reset_index(drop=True).to_feather(file)
            return of_value(file, config, fitted, run_dir)
    with _measured.by_model():
        loaded = _loaded(data, config, fitted)
    return _as_trained(loaded, fitted, run_dir)


def _loaded(data: Any, config: Mapping[str, Any], fitted: Preprocessor) -> Dataset:
    """Return labelled arrays, or those of a file or folder, as they are; arguments as in `of_value`."""
    spec = config["data"]
    if item_blocks.takes(data, spec, fitted) and not item_blocks.are_texts(data, spec):
        return own_data.load(_whole(config, str(data), fitted), None, fitted)
    if not isinstance(data, str | os.PathLike):
        return python.python(function=data, **_roles(spec, fitted))
    path = os.fspath(data)
    if paths.expanded(path).suffix == ".npz":
        return npz.npz(path=path, **_roles(spec, fitted))
    if not paths.expanded(path).is_dir():
        message = f"expected a folder with a folder for each class; {path} is one file, which does not say its class."
        raise UserError(Problem("input", message))
    if fitted.inputs[0].kind == "image":
        if fitted.target.shape:
            message = f"a folder does not say where its masks are. Name both: data.path={path} data.mask=masks/ data.validation=0 data.test=0."
            raise UserError(Problem("input", message))
        *size, channels = fitted.inputs[0].shape
        resize = fitted.steps.get(fitted.inputs[0].name, {}).get("resize")
        form = {"size": size if resize else None, "channels": channels, "resize": resize or "stretch"}
        return image_folder.image_folder(path=path, **form, **WHOLE)
    return text.text(path=path, encoding=spec.get("encoding"), preprocessor=fitted, **WHOLE)


def _whole(config: Mapping[str, Any], path: str, fitted: Preprocessor) -> dict[str, Any]:
    """Return a run's config with another table of texts, images or times, of which nothing is held out."""
    spec = config["data"]
    undivided = dict.fromkeys(
        (
            "validation_path",
            "test_path",
            "validation_sets",
            "group",
            "part",
            "folds",
            "fold",
            "max_train_size",
        )
    )
    own = {"time": None, "split": "random"}
    if spec["name"] == "timeseries":
        own = item_blocks.columns_of_windows(fitted)
    changed = {k: v for k, v in {**undivided, **own, **WHOLE, "path": path}.items() if k in spec}
    return {**config, "data": {**spec, **changed}}


def _roles(spec: Mapping[str, Any], fitted: Preprocessor) -> dict[str, Any]:
    """Return the arguments for arrays: the keys and kinds of the training, which another file's values might not show."""
    kinds = {
        s.name: "sequence" if s.kind == "numeric" and len(s.shape) > 1 else s.kind for s in fitted.inputs
    }
    single, named = len(kinds) == 1, fitted.target.named
    tasks = {name: _task(target) for name, target in named.items()}
    return {
        "x": spec.get("x") or ("x" if single else list(kinds)),
        "y": spec.get("y") or (list(named) if named else "y"),
        "weight": spec.get("weight"),
        "kind": next(iter(kinds.values())) if single else kinds,
        "task": tasks or _task(fitted.target),
        **WHOLE,
    }


def _task(target: TargetSpec) -> str:
    return "regression" if target.kind == "real" else "classification"


def _as_trained(data: Dataset, fitted: Preprocessor, run_dir: str) -> Dataset:
    """Return a dataset with the inputs and the class ids of a training.

    Raises:
        UserError: it is of another form, or has other classes, or no target.
    """
    if data.target.kind == "none":
        raise UserError(Problem("data", f"{data.name} has no target to compare with."))
    problems = []
    for own, trained in zip(data.inputs, fitted.inputs, strict=False):
        if own.kind == trained.kind and own.shape != trained.shape:
            message = f"{own.name}: an example has the shape {list(own.shape)}; those of {run_dir} have {list(trained.shape)}."
            problems.append(Problem("data", message))
    if problems:
        raise UserError(problems)
    targets = [(None, data.target, fitted.target)]
    if fitted.target.named and data.target.named.keys() == fitted.target.named.keys():
        targets = [(k, data.target.named[k], of_run) for k, of_run in fitted.target.named.items()]
    ids = {name: _ids(own, of_run, run_dir) for name, own, of_run in targets}

    def labels(y: Any) -> Any:
        if isinstance(y, dict):
            return {name: _mapped(array, ids[name]) for name, array in y.items()}
        return _mapped(y, ids[None])

    def part(split: Split | None) -> Split | None:
        return None if split is None else replace(split, y=labels(split.y))

    target = replace(fitted.target, shape=data.target.shape)
    same = replace(
        data, target=target, train=part(data.train), validation=part(data.validation), test=part(data.test)
    )
    return stored_preprocessing.applied(same, fitted, "data", run_dir)


def _ids(own: TargetSpec, trained: TargetSpec, run_dir: str) -> np.ndarray | None:
    """Return the id in the training of each class, or None if the labels are the same.

    Raises:
        UserError: there are other classes, or the target is of another kind.
    """
    names, known = own.class_names, trained.class_names
    if own.kind in CLASSES and trained.kind in CLASSES:
        if set(names) <= set(known):
            return np.array([known.index(name) for name in names])
        numbered = [str(i) for i in range(len(known))]
        if set(names) <= set(numbered):  # ids of classes that have names
            return np.array([int(name) for name in names])
    elif (own.kind, own.outputs) == (trained.kind, trained.outputs):
        return None
    words = [
        listed(t.class_names) if t.kind in CLASSES else f"{t.kind} (outputs: {t.outputs})"
        for t in (trained, own)
    ]
    raise UserError(Problem("data", f"the target is {words[1]}; that of {run_dir} is {words[0]}."))


def _mapped(y: np.ndarray, ids: np.ndarray | None) -> np.ndarray:
    """Return labels with the ids of the training; -1 is a label that is missing."""
    return y if ids is None else np.where(y < 0, y, ids[y])
