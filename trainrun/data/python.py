"""Your own data from a function of yours: a DataFrame, arrays or a source of batches, split and understood as those of a file are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from trainrun.data import _in_memory, _named_arrays, _table_dataset
from trainrun.data._array_faults import choice_faults, key_faults, keys_of, shape_faults, value_faults
from trainrun.data._faults import Fault, raise_faults
from trainrun.data._handed_over import InMemory
from trainrun.data._in_memory import MemorySource
from trainrun.data._named_arrays import ArraySettings
from trainrun.data._split import share_problems
from trainrun.data._split_settings import SplitSettings
from trainrun.data._table_files import SETS
from trainrun.data.dataset import Dataset, Description
from trainrun.data.preprocessor import Preprocessor
from trainrun.errors import Problem, UserError
from trainrun.util.arguments import Count, Decay, Index, Name, Reference

MISSING = (
    'expected the name of a function that is registered by @trainrun.register("data", "mine"), got null.'
)


def python(
    *,
    function: Annotated[Any, Reference("data")] = None,
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
    task: Any = "auto",
    na_values: Sequence[Name] | None = None,
    x: str | Sequence[str] = "x",
    y: str | Sequence[str] | None = "y",
    kind: Any = None,
    weight: Any = None,
    split: str = "auto",
    group: Name | None = None,
    time: Name | None = None,
    part: Name | None = None,
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
    """Return what a registered function returns, split.

    The function returns a DataFrame (pandas, polars or pyarrow), which is understood as `data.parquet.parquet` does; arrays by name or
    a tuple ``(x, y)`` or ``(x, y, weight)``, which are understood as `data.npz.npz` does; these by part,
    ``{"train": (x, y), "test": (x, y)}``, of which only a part that is missing is split off, with further ones by name,
    ``"validation_sets": {"hard": (x, y)}``; a `tf.data.Dataset`, a
    `keras.utils.PyDataset`, a generator, an iterator or an object with rows, whose batches or examples ``(x, y)`` are read once into arrays, so that
    order, resume and preprocessing are those of arrays; or a `Dataset`, which is split already.

    Args:
        function: the registered name, or its name and arguments: ``{name: mine, years: 3}``.
        target: of a table, the column to predict; of ``(DataFrame, Series)`` the Series, unless it is set.
        positive, features, exclude, categorical, text, dates, ordinal, label_separator, missing, formats: of a table, as in `data.csv.csv`.
        na_values: of a table, as in `data.parquet.parquet`.
        task: as in `data.csv.csv`.
        x, y, kind: of arrays by name, as in `data.npz.npz`.
        weight: the column, or the key of the array, with the weight of each example in the loss, or None.
        split, group, time, part, folds, fold: of a table, as in `data.csv.csv`.
        validation, test, stratify, standardize, standardize_target, seed, preprocessor: as in `data.csv.csv`.

    Raises:
        UserError: with all faults of the data and the arguments.
    """
    arguments = locals()
    if function is None:  # The preflight check knows whether a function is named.
        raise UserError(Problem("data.function", f"the function has returned None; {_in_memory.EXPECTED}."))
    if isinstance(function, Dataset):
        return function
    value = _in_memory.understood(function)
    if value.table is not None:
        roles = {"target": target, "weight": weight}
        roles = {key: value.roles.get(key) if role is None else role for key, role in roles.items()}
        own = [
            name for name, rows in zip(Dataset.PARTS, value.rows, strict=False) if rows and name != "train"
        ]
        source = MemorySource("python", value.table, own_files=own, part_sizes=value.rows)
        sets = {SETS: dict.fromkeys(value.sets)}
        return _table_dataset.dataset(lambda: (source, []), {**arguments, **roles, **sets})
    of_tables = {"split": split != "auto", "group": group, "time": time, "part": part, "folds": folds}
    if chosen := [key for key, value in of_tables.items() if value]:
        raise UserError(Problem(f"data.{chosen[0]}", "it divides tables; arrays are divided at random."))
    keys = {"x": x, "y": y, "weight": weight, **value.roles}
    settings = ArraySettings(
        keys_of(keys["x"]), keys_of(keys["y"]), keys["weight"], kind, task, standardize, standardize_target
    )
    raise_faults([*_array_faults(value, settings), *share_problems(None, validation, test)])
    splitting = SplitSettings(validation, test, stratify, seed, validation_sets=dict.fromkeys(value.sets))
    return _named_arrays.dataset("python", value.arrays, settings, splitting, value.rows)


def describe(*, function: Any = None, validation: Decay = 0.2, test: Decay = 0.2, **_: Any) -> Description:
    """Return the faults of the arguments; the function has not run yet."""
    faults = [("function", MISSING)] if function is None else []
    return Description(problems=(*faults, *share_problems(None, validation, test)))


def _array_faults(value: InMemory, settings: ArraySettings) -> list[Fault]:
    """Return the faults of arrays: keys that do not exist, shapes, types and values."""
    arrays, roles = value.arrays, (settings.x, settings.y, settings.weight)
    faults = choice_faults(settings.kind, settings.task, settings.x, settings.y, settings.weight)
    faults += key_faults(*roles, arrays, "there is no array", "There are")
    rows = dict(zip((*Dataset.PARTS, *value.sets), value.rows, strict=False))
    return faults or shape_faults(arrays, *roles) or value_faults(arrays, *roles, rows)
