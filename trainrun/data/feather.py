"""Your own table: a Feather file (Arrow IPC), whose columns have types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from trainrun.data import _arrow_source, _table_dataset
from trainrun.data.dataset import Dataset, Description
from trainrun.data.preprocessor import Preprocessor
from trainrun.data.profile import TableValues
from trainrun.util.arguments import Count, Decay, Index, Name


def feather(
    *,
    path: str | None = None,
    target: Name | Sequence[Name] | None = None,
    positive: Name | Mapping[Name, Name] | None = "rarer",
    features: Sequence[Name] | None = None,
    exclude: Sequence[Name] | None = None,
    categorical: Sequence[Name] | None = None,
    text: Sequence[Any] | Mapping[str, Any] | None = None,
    dates: Sequence[Any] | Mapping[str, str] | None = None,
    ordinal: Mapping[str, Sequence[Any]] | None = None,
    label_separator: str | None = None,
    missing: str = "auto",
    formats: str = "auto",
    task: str | Mapping[str, str] = "auto",
    na_values: Sequence[Name] | None = None,
    weight: Name | None = None,
    split: str = "auto",
    group: Name | None = None,
    time: Name | None = None,
    part: Name | None = None,
    validation_path: str | None = None,
    test_path: str | None = None,
    validation_sets: Mapping[str, str] | None = None,
    folds: Count | None = None,
    fold: Index | None = None,
    validation: Decay = 0.2,
    test: Decay = 0.2,
    stratify: bool = True,
    standardize: bool = True,
    standardize_target: bool = True,
    target_transform: Any = "auto",
    seed: int = 42,
    preprocessor: Preprocessor | None = None,
) -> Dataset:
    """Return the rows, split; if there are numeric and categorical columns, they are two inputs.

    Columns of numbers are numbers, columns of text, truth values and dictionaries are categories, null and NaN are missing. All
    else is as in `data.csv.csv`.

    Args:
        path: the file; or a folder, or a pattern (``data/*.feather``), of files with the same columns, read in the order of their
            names.
        target, positive, features, exclude, weight: as in `data.csv.csv`.
        categorical: features to take as categories; the others are what their types say.
        text, dates, ordinal, label_separator, missing, formats, task: as in `data.csv.csv`.
        na_values: values that stand for a missing one, besides null, NaN and an empty text; None: no others.
        split, group, time, part, validation_path, test_path, validation_sets, folds, fold: as in `data.csv.csv`.
        validation, test, stratify, standardize, standardize_target, seed, preprocessor: as in `data.csv.csv`.

    Raises:
        UserError: with all faults of the file and the arguments.
    """
    arguments = locals()
    return _table_dataset.dataset(_arrow_source.opener("feather", arguments), arguments)


def describe(**arguments: Any) -> Description:
    """Return what the columns' names and types tell and, of a small file, its rows; arguments as in `feather`."""
    return _table_dataset.description(_arrow_source.opener("feather", arguments), arguments)


def values(**arguments: Any) -> TableValues:
    """Return the columns as they are understood; arguments as in `feather`."""
    return _table_dataset.values(_arrow_source.opener("feather", arguments), arguments)
