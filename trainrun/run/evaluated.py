"""Evaluate a saved model: on a part of its run's data, or on a table or arrays that came later."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from trainrun.data import _equal_rows, profile, table_rows
from trainrun.data._columns import LOGS
from trainrun.data.dataset import Dataset, Split, TargetSpec
from trainrun.data.preprocessor import Moments, Preprocessor
from trainrun.errors import Problem, UserError
from trainrun.run import drift, other_data, scores, slices, worst_examples
from trainrun.run.saved_model import BATCH, SavedModel
from trainrun.trainer.pipeline import in_order
from trainrun.util import retracing, typed_names


def own_part(
    model: SavedModel,
    config: Mapping[str, Any],
    run_dir: Path,
    data: Dataset,
    by: str | None,
    other: tuple[str, SavedModel, Split] | None = None,
) -> scores.Scores:
    """Evaluate a model on the test part of its run's data, or the next that there is.

    Args:
        model, config, run_dir: of the run.
        data: as loaded for the run.
        by: a feature, or the target.
        other: directory and model of another run, and the same examples as that model takes them.

    Raises:
        UserError: there is no target, or no such column.
    """
    if data.target.kind == "none":
        raise UserError(Problem("data", f"{data.name} has no target to compare with."))
    part, split = data.held_out()
    places = _places(data, part)
    data = _as_trained(model.fitted, split, config)
    return _of_split(model, config, run_dir, data, split, by, part, other, places)


def on_other_data(
    model: SavedModel,
    config: Mapping[str, Any],
    run_dir: Path,
    data: Dataset,
    by: str | None,
    source: str,
    other: tuple[str, SavedModel, Split] | None = None,
) -> scores.Scores:
    """Evaluate a model on data that were read by the preprocessing of the training.

    Args:
        model, config, run_dir: of the run.
        data: of `other_data`: the test part is evaluated, or the next that there is.
        by: a feature, or the target.
        source: the data, in words.
        other: directory and model of another run, and the same examples as that model takes them.

    Raises:
        UserError: there is no such column.
    """
    part, split = data.held_out()
    if other is not None:
        _refuse_other_target(model, other[1])
    source = f"{'all rows' if part == 'train' else f'{part} part'} of {source}"
    places, left_out = _places(data, part), data.inferred.get("left_out", 0)
    data = _as_trained(model.fitted, split, config)
    return _of_split(model, config, run_dir, data, split, by, source, other, places, left_out=left_out)


def _of_split(
    model: SavedModel,
    config: Mapping[str, Any],
    run_dir: Path,
    data: Dataset,
    split: Split,
    by: str | None,
    source: str,
    other: tuple[str, SavedModel, Split] | None,
    places: tuple[np.ndarray, Sequence[str]],
    **about: Any,
) -> scores.Scores:
    """Evaluate a model on preprocessed examples; arguments as in `on_other_data`, the data with the target of the model.

    Args:
        places: see `_places`.
        about: further attributes of `Scores`.
    """
    column = None if by is None else slices.column(by, split, model.fitted)
    output = predicted(model, split)
    second: Any = None
    if other is not None:
        second = predicted(other[1], other[2])
        about |= {"against": other[0], "other_target": other[1].fitted.target}
    about["worst"] = _worst(data, split, output, model.fitted, *places)
    return scores.score(
        config, data, split, output, column, second, run=str(run_dir), source=source, by=by, **about
    )


def arrays(
    model: SavedModel,
    config: Mapping[str, Any],
    run_dir: Path,
    data: Any,
    by: str | None,
    other: tuple[str, SavedModel, Mapping[str, Any]] | None = None,
) -> scores.Scores:
    """Evaluate a model on labelled arrays, or on those of a file or folder.

    Args:
        model, config, run_dir: of the run.
        data: as `other_data.of_value` takes it.
        by: a feature, or the target.
        other: directory, model and config of another run.

    Raises:
        UserError: the data is faulty, or does not fit a model, or there is no such column.
    """
    own = other_data.of_value(data, config, model.fitted, str(run_dir))
    second = None
    if other is not None:
        name, saved_model, others_config = other
        theirs = other_data.of_value(data, others_config, saved_model.fitted, name)
        second = name, saved_model, theirs.train
    return on_other_data(model, config, run_dir, own, by, _name(data), second)


def _name(data: Any) -> str:
    """Return a file's path, or the type of data in memory."""
    return str(data) if isinstance(data, str | os.PathLike) else type(data).__name__


def _places(data: Dataset, part: str) -> tuple[np.ndarray, Sequence[str]]:
    """Return the row of each example of a part, in its table or else in the part, and its file, where it is one."""
    count = len(data.parts[part])
    rows, files = (data.inferred.get(key, {}).get(part, ()) for key in ("rows", "files"))
    if len(rows) != count:  # they are no items, or the part was reduced
        return np.arange(count), ()
    return (np.arange(count) if data.inferred["target"] is None else rows), files


def _worst(
    data: Dataset,
    split: Split,
    output: Any,
    fitted: Preprocessor,
    rows: np.ndarray,
    files: Sequence[str] = (),
) -> list[dict[str, Any]]:
    """Return the worst examples as plain data, by the row and the file of each one."""
    columns, examples = worst_examples.worst(data, split, output, fitted)
    found = [(e.place, e._replace(place=int(rows[e.place])).plain(columns)) for e in examples]
    return [
        {**plain, "values": {"file": files[at], **plain["values"]}} if files else plain for at, plain in found
    ]


def _refuse_other_target(model: SavedModel, other: SavedModel) -> None:
    def kinds(target: TargetSpec) -> tuple:
        return target.kind, tuple(target.classes), [(k, kinds(v)) for k, v in target.named.items()]

    if kinds(model.fitted.target) != kinds(other.fitted.target):
        raise UserError(Problem("against", "it predicts another target, or other classes."))


@retracing.unannounced()
def predicted(model: SavedModel, split: Split) -> Any:
    """Return a model's probabilities, or numbers in the target's unit, for a part of its run's data; a dict of several outputs."""
    return keras.tree.map_structure(np.asarray, model.model.predict(in_order(split, BATCH), verbose=0))


def table(
    model: SavedModel,
    config: Mapping[str, Any],
    run_dir: Path,
    data: Any,
    by: str | None,
    other: tuple[str, SavedModel] | None = None,
    train: Split | None = None,
) -> scores.Scores:
    """Evaluate a model on a table, by the preprocessing of the training.

    Args:
        model, config, run_dir: of the run.
        data: the path of a file, a DataFrame, or arrays by column.
        by: a column of the table.
        other: directory and model of another run.
        train: the run's training set, to compare columns and rows with.

    Raises:
        UserError: the table does not fit the model.
    """
    fitted, further = model.fitted, [] if by is None else [by]
    labelled = table_rows.labelled(table_rows.open_rows(data, fitted), fitted, config["data"], further)
    split = Split(labelled.rows.x, labelled.y, labelled.weight)
    about: dict[str, Any] = {}
    second = None
    if train is not None:
        about["drift"] = drift.of(train, split, fitted)
        about["in_training"] = _equal_rows.more_than_chance(profile.hashes(split), profile.hashes(train))
    if other is not None:
        _refuse_other_target(model, other[1])
        of_other = other[1].fitted
        rows = table_rows.open_rows(data, of_other, announces=False)
        theirs = table_rows.labelled(rows, of_other, config["data"])
        if theirs.rows.count != labelled.rows.count:
            text = "it leaves out other rows of the file, for which training has nothing to impute."
            raise UserError(Problem("against", text))
        second, about["against"] = other[1].on_arrays(theirs.rows.x), other[0]
        about["other_target"] = other[1].fitted.target
    dataset, output = _as_trained(fitted, split, config), model.on_arrays(split.x)
    return scores.score(
        config,
        dataset,
        split,
        output,
        None if by is None else labelled.rows.further.column(by).to_pylist(),
        second,
        **about,
        run=str(run_dir),
        source=_name(data),
        by=by,
        left_out=labelled.left_out,
        missing=labelled.rows.missing,
        unknown=labelled.rows.unknown,
        worst=_worst(dataset, split, output, fitted, labelled.places),
    )


def _as_trained(fitted: Preprocessor, split: Split, config: Mapping[str, Any]) -> Dataset:
    """Return rows as a dataset with the target and its scale of a training."""
    transform = config["data"].get("target_transform")
    by_target = transform if isinstance(transform, Mapping) else {}
    named = {typed_names.resolve(key, fitted.target.named): word for key, word in by_target.items()}

    def scaling(moments: Moments | None, word: Any) -> dict[str, Any]:
        if moments is None:
            return {}
        mean, std = moments
        log = {"log": LOGS[word]} if word in LOGS else {}
        return {"standardize_target": {"mean": list(mean), "std": list(std), **log}}

    of_outputs = {
        name: scaling(moments, named.get(name) if by_target else transform)
        for name, moments in fitted.target_scales.items()
    }
    alone = next(iter(by_target.values()), transform)
    return Dataset(
        fitted.data,
        fitted.task,
        fitted.inputs,
        fitted.target,
        split,
        preprocessing={
            **scaling(fitted.target_scale, alone),
            **({"outputs": of_outputs} if of_outputs else {}),
        },
    )
