"""A model or weights of another run: the data is preprocessed by what that run has recorded, or refused with the reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from trainrun.config import stored_record
from trainrun.data.cache import DatasetCache
from trainrun.data.dataset import Dataset, Split, TargetSpec
from trainrun.data.lazy_array import View
from trainrun.data.preprocessor import Preprocessor
from trainrun.errors import Problem, UserError, listed
from trainrun.model.source_file import KEY as INIT_FROM
from trainrun.model.source_file import TEACHER
from trainrun.run import class_order, own_data
from trainrun.ui import console

Rows = np.ndarray | View


def load(config: Mapping[str, Any], cache: DatasetCache | None) -> Dataset:
    """Return the data of a config, preprocessed as for the run whose model or weights it begins with, or learns from, where there is one.

    Raises:
        UserError: the data is faulty, or does not fit the file.
    """
    key, source, stored = _first(config)
    teachers = stored_record.of_source(config, TEACHER)
    if stored is None:
        key, source, stored = TEACHER, TEACHER, teachers
    elif teachers is not None and _inputs(teachers) != _inputs(stored):
        text = f"its model reads data that was preprocessed otherwise than {source} does. Take a teacher that was trained on the same data."
        raise UserError(Problem(TEACHER, text))
    if stored is None:
        return own_data.load(config, cache)
    target = _undecided(stored.target)
    positive = config["data"].get("positive")
    if key != INIT_FROM:
        data = own_data.load(config, cache, replace(stored, target=target))
        return applied(class_order.as_stored(data, target, positive), stored, key, source)
    # The target is the data's own: where it is another one, so is the output layer.
    data = own_data.load(config, cache, replace(stored, target=TargetSpec("none")))
    return class_order.as_stored(applied(data, stored, key, source), target, positive)


def _first(config: Mapping[str, Any]) -> tuple[str, str, Preprocessor | None]:
    """Return the key and the words of the model or weights that a run begins with, and what is recorded of their preprocessing."""
    if config["model"]["name"] == "file":
        return "model.path", "model=file", stored_record.of_model_file(config["model"].get("path"))
    return INIT_FROM, INIT_FROM, stored_record.of_source(config)


def surely_fits(config: Mapping[str, Any], data: Dataset) -> bool:
    """Return whether the records tell that the models of `model=file` and `teacher` fit the data; False: only loading them tells.

    Args:
        config: resolved and checked.
        data: of `load`.
    """
    records = []
    if config["model"]["name"] == "file":
        records.append(_first(config)[2])
    if config.get(TEACHER) is not None:
        records.append(stored_record.of_source(config, TEACHER))
    return all(r is not None and _form(r) == _form(data) for r in records)


def _form(data: Dataset | Preprocessor) -> tuple:
    """Return what a model's inputs and outputs depend on."""
    target = _undecided(data.target)
    return {s.name: (s.kind, s.shape, s.cardinalities) for s in data.inputs}, target, dict(target.named)


def _undecided(target: TargetSpec) -> TargetSpec:
    """Return a target without the decision threshold, which is that of other weights."""
    named = {name: _undecided(of_output) for name, of_output in target.named.items()}
    return replace(target, threshold=TargetSpec.threshold, threshold_interval=(), named=named)


def _inputs(fitted: Preprocessor) -> tuple:
    """Return what is done to the inputs."""
    return fitted.columns, fitted.moments, fitted.scales, fitted.steps, fitted.indicators


def applied(
    data: Dataset, stored: Preprocessor, key: str = "model.path", source: str = "model=file"
) -> Dataset:
    """Return a dataset whose inputs are preprocessed as stored.

    Args:
        data: a table that was read with the stored preprocessor, or arrays that were standardized by their own training part.
        stored: of the file.
        key, source: of the config, and in words, for messages.

    Raises:
        UserError: the data is of another form, or its classes are others.
    """
    own = Preprocessor.of(data)
    if (problem := _problem(own, stored, key)) is not None:
        raise UserError(problem)
    _say_differences(own, stored, source)
    if own.table or own.moments == stored.moments:
        return data
    console.note(
        f"{source}: numbers are standardized by the means and deviations in its file, not by those of this data."
    )

    def changed(x: Rows, name: str) -> Rows:
        (was_mean, was_std), (mean, std) = (
            [np.array(values) for values in fitted.moments.get(name, ((0.0,), (1.0,)))]
            for fitted in (own, stored)
        )
        if name not in {**own.moments, **stored.moments}:
            return x
        if isinstance(x, View):
            return x.standardized(mean, std)
        return ((x.astype("float64") * was_std + was_mean - mean) / std).astype(x.dtype)

    def part(split: Split | None) -> Split | None:
        if split is None:
            return None
        if isinstance(split.x, dict):
            return replace(split, x={name: changed(x, name) for name, x in split.x.items()})
        return replace(split, x=changed(split.x, data.inputs[0].name))

    return replace(
        data,
        train=part(data.train),
        validation=part(data.validation),
        test=part(data.test),
        validation_sets={name: part(split) for name, split in data.validation_sets.items()},
        preprocessing=_with_moments(data, stored),
    )


def _with_moments(data: Dataset, stored: Preprocessor) -> dict[str, Any]:
    """Return the record of a dataset of arrays with the stored means and deviations."""

    def of(record: Mapping[str, Any], name: str) -> dict[str, Any]:
        kept = {k: v for k, v in record.items() if k != "standardize"}
        if name in stored.moments:
            mean, std = stored.moments[name]
            kept["standardize"] = {"mean": list(mean), "std": list(std), "columns": list(data.features)}
        return kept

    if len(data.inputs) == 1:
        return of(data.preprocessing, data.inputs[0].name)
    inputs = data.preprocessing.get("inputs", {})
    return {**data.preprocessing, "inputs": {s.name: of(inputs.get(s.name, {}), s.name) for s in data.inputs}}


def _problem(own: Preprocessor, stored: Preprocessor, key: str) -> Problem | None:
    """Return why data does not fit a stored preprocessor, or None."""
    if stored.table != own.table:
        forms = {True: "the columns of a table", False: "arrays"}
        return Problem(
            key,
            f"the model was trained on {forms[stored.table]} ({stored.data}); data={own.data} has {forms[own.table]}. "
            "Take data of that form, or train a new model.",
        )
    if [s.name for s in own.inputs] != [s.name for s in stored.inputs]:
        if key == "model.path":
            return None  # the model's loader says that its inputs are others
        names = [", ".join(s.name for s in p.inputs) for p in (stored, own)]
        return Problem(
            key,
            f"the model was trained on the inputs {names[0]} ({stored.data}); data={own.data} has {names[1]}. "
            "Take data with these inputs, or another run.",
        )
    for name in own.moments.keys() & stored.moments.keys():
        counts = [len(p.moments[name][0]) for p in (stored, own)]
        if counts[0] != counts[1]:
            return Problem(
                key,
                f"the model was trained on {counts[0]} numbers an example ({stored.data}); those of data={own.data} are {counts[1]}. "
                "Take data with the same columns, or train a new model.",
            )
    vocabularies = [
        {name: list(step["vocabulary"]) for name, step in fitted.steps.items() if "vocabulary" in step}
        for fitted in (own, stored)
    ]
    if vocabularies[0] != vocabularies[1]:
        return Problem(
            key,
            f"the model has a vocabulary of its own ({stored.data}), and data={own.data} has other ids of tokens. Take data=text, "
            "which reads texts by the model's vocabulary, or train a new model.",
        )
    if key != INIT_FROM and (problem := _other_classes(own.target, stored.target)) is not None:
        return problem
    if stored.scales != own.scales:
        return Problem(
            key,
            f"the model was trained on pixels times {_factors(stored)} ({stored.data}); those of data={own.data} are taken times "
            f"{_factors(own)}. Save the images in the same range and type.",
        )
    return None


def _other_classes(own: TargetSpec, stored: TargetSpec) -> Problem | None:
    """Return why the classes of data are not those of a model, which would be taken for them in their order, or None."""
    pairs = [(one, stored.named[name]) for name, one in own.named.items() if name in stored.named]
    problems = (_other_classes_of_one(*pair) for pair in pairs or [(own, stored)])
    return next(filter(None, problems), None)


def _other_classes_of_one(own: TargetSpec, stored: TargetSpec) -> Problem | None:
    if own.classes == stored.classes or not own.classes or not stored.classes:
        return None
    if set(own.classes) == set(stored.classes):
        text = f"the positive class of the model is {stored.classes[-1]!r}. Leave data.positive out."
        return Problem("data.positive", text)
    strange = [name for name in own.classes if name not in stored.classes]
    if strange and not _numbered(own, stored):
        text = (
            f"the model knows the classes {listed(stored.classes)}; the data also has {listed(strange)}. Leave them out, or take "
            "init_from, with which the output layer is new."
        )
        return Problem("data", text)
    return None


def _numbered(own: TargetSpec, stored: TargetSpec) -> bool:
    """Return whether the classes of one of two targets are the ids of those of the other, which have names."""
    ids = [str(i) for i in range(len(own.classes))]
    numbers = [all(name.isdecimal() for name in one.classes) for one in (own, stored)]
    alike = len(own.classes) == len(stored.classes)
    return alike and not all(numbers) and ids in (list(own.classes), list(stored.classes))


def _say_differences(own: Preprocessor, stored: Preprocessor, source: str) -> None:
    """Warn of classes and columns of arrays that are named, and images that are resized, otherwise than those that the model was trained on."""
    # With `init_from`, the output layer of other classes is a new one; a teacher of other classes is refused.
    names = (
        () if source in (INIT_FROM, TEACHER) else (("classes", own.target.classes, stored.target.classes),)
    )
    if len(own.features) == len(stored.features):
        names += (("columns", own.features, stored.features),)
    for what, own_names, stored_names in names:
        if own_names and stored_names and list(own_names) != list(stored_names):
            console.warn(
                f"{source} was trained on the {what} {listed(stored_names)} ({stored.data}); those of data={own.data} are {listed(own_names)}, "
                "and are taken for them in this order."
            )
    for name in own.steps.keys() & stored.steps.keys():
        ways = [fitted.steps[name].get("resize") for fitted in (stored, own)]
        if all(ways) and ways[0] != ways[1]:
            console.warn(
                f"{source} was trained on images resized by data.resize={ways[0]} ({stored.data}); those of data={own.data} are by {ways[1]}."
            )


def _factors(fitted: Preprocessor) -> str:
    return " and ".join(f"{fitted.scales.get(s.name, 1.0):g}" for s in fitted.inputs if s.kind == "image")
