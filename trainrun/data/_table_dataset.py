"""Table -> `Dataset`: what all kinds of tables share once their columns are read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from trainrun.data import _columns, _table_examples
from trainrun.data._gaps import coded, filled, indicators
from trainrun.data._split import fitted, share_problems, sizes, split, standardizer
from trainrun.data._table_examples import Examples, SplitSettings, TableSource
from trainrun.data._table_settings import Fault, TableSettings
from trainrun.data.dataset import Dataset, Description, InputSpec, Split
from trainrun.data.lazy_array import View
from trainrun.errors import Problem, UserError
from trainrun.ui import console

if TYPE_CHECKING:
    import numpy as np

# A share of rows left out that is worth a warning.
MUCH = 0.1
# Categories that are more, and a larger share of the rows, are worth a warning.
FEW, UNIQUE = 20, 0.5
# What is added to a column's name for that of its indicator.
INDICATOR = " is missing"
# Such columns that are named.
NAMED = 10


def dataset(
    open_source: Callable[[], tuple[TableSource | None, list[Fault]]],
    settings: TableSettings,
    splitting: SplitSettings,
    standardize: bool,
    standardize_target: bool,
) -> Dataset:
    """Return a table's rows, split; numbers and categories are two inputs where there are both.

    Args:
        open_source: returns the table, or what keeps it from being read.
        settings: the columns as typed.
        splitting: the parts.
        standardize, standardize_target: as in `data.csv.csv`.

    Raises:
        UserError: all that is wrong with the table or the arguments.
    """
    import numpy as np

    source, settings, faults = _opened(open_source, settings, splitting)
    _raise(faults)
    examples, faults = _table_examples.examples(source, settings, splitting)
    _raise(faults)
    table, keep, labels, target = examples.table, examples.keep, examples.labels, examples.target
    _say(source, settings, examples)
    columns, weights = table.columns, None
    if settings.weight is not None:
        weights = columns[settings.weight].numbers[keep]
    parts = split(
        len(keep),
        validation=splitting.validation,
        test=splitting.test,
        seed=splitting.seed,
        labels=labels if splitting.stratify and target.classes else None,
        classes=target.classes,
    )
    numeric = [name for name in settings.inputs if columns[name].numbers is not None]
    categories = [name for name in settings.inputs if columns[name].numbers is None]
    record: dict[str, Any] = {
        "target": settings.target,
        "missing": {name: sum(c.missing.values()) for name, c in columns.items() if c.missing},
        "dropped_rows": table.rows - len(keep),
        "columns": {"numeric": numeric, "categorical": categories},
        "fill": {},
        "categories": {},
    }
    arrays: dict[str, list[np.ndarray]] = {}
    specs = []
    gaps = _incomplete(examples, settings)
    features = [*numeric, *(f"{name}{INDICATOR}" for name in gaps)]
    if numeric or gaps:
        # Column after column from the table to here, so that the numbers are in memory once.
        wide = np.empty((len(keep), len(numeric) + len(gaps)))
        for i, name in enumerate(numeric):
            numbers = columns[name].numbers if len(keep) == table.rows else columns[name].numbers[keep]
            wide[:, i] = filled(numbers, parts[0], settings.missing, name, record)
            columns[name].numbers = None
        if gaps:
            wide[:, len(numeric) :] = indicators(gaps, parts[0], record)
        views = [View.of(wide).part(part) for part in parts]
        if standardize:
            mean, std = standardizer(views[0])
            # An indicator that is rarely 1 would be far from 0 in deviations.
            mean[len(numeric) :], std[len(numeric) :] = 0.0, 1.0
            views = [v.standardized(mean, std) for v in views]
            record["standardize"] = {**fitted(mean, std), "columns": features}
        arrays["numeric"] = [np.asarray(v.cast("float32")) for v in views]
        del wide, views
        specs.append(InputSpec("numeric", "numeric", (len(features),)))
    if categories:
        codes = [coded(columns[c].codes, columns[c].texts, keep, parts[0], c, record) for c in categories]
        arrays["categorical"] = [np.stack(codes, axis=1)[part] for part in parts]
        counts = tuple(len(record["categories"][c]) for c in categories)
        specs.append(InputSpec("categorical", "categorical", (len(categories),), counts))
    ys = [labels[part] for part in parts]
    if standardize_target and target.kind == "real":
        # The labels stay in their unit; the model is given mean and deviation.
        record["standardize_target"] = fitted(*standardizer(ys[0]))
    return Dataset(
        source.name,
        "regression" if target.kind == "real" else "classification",
        tuple(specs),
        target,
        *_splits(specs, arrays, ys, [None if weights is None else weights[part] for part in parts]),
        features=tuple(features),
        preprocessing=record,
    )


def description(
    open_source: Callable[[], tuple[TableSource | None, list[Fault]]],
    arguments: Mapping[str, Any],
) -> Description:
    """Return what the header tells and, of a small table, its rows, which no seed changes.

    Args:
        open_source: as in `dataset`.
        arguments: of the dataset, as in its YAML; those that are no fields of `TableSettings` and `SplitSettings` are left out.
    """
    settings = TableSettings(**_of(TableSettings, arguments))
    splitting = SplitSettings(**_of(SplitSettings, arguments) | {"seed": 0})
    source, settings, faults = _opened(open_source, settings, splitting)
    if faults:
        return Description(problems=tuple(faults))
    if not source.is_small:
        known = {"regression": "real"}.get(settings.task)
        return Description("regression" if known else None, known)
    examples, faults = _table_examples.examples(source, settings, splitting)
    if faults:
        return Description(problems=tuple(faults))
    target, columns = examples.target, examples.table.columns
    numeric = [columns[name].numbers is not None for name in settings.inputs]
    has_numbers = any(numeric) or bool(_incomplete(examples, settings))
    return Description(
        "regression" if target.kind == "real" else "classification",
        target.kind,
        len(target.classes) or None,
        sizes(len(examples.keep), splitting.validation, splitting.test)[0],
        (*(("numeric",) if has_numbers else ()), *(() if all(numeric) else ("categorical",))),
        class_names=target.classes,
    )


def _incomplete(examples: Examples, settings: TableSettings) -> dict[str, np.ndarray]:
    """Return the features that get an indicator column, each with the examples whose value is missing, bool `[n]`."""
    if settings.missing != "auto":
        return {}
    columns, keep = examples.table.columns, examples.keep
    gaps = {name: ~columns[name].known()[keep] for name in settings.inputs if columns[name].missing}
    return {name: rows for name, rows in gaps.items() if rows.any()}


def _of(settings: type, arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {f.name: arguments[f.name] for f in fields(settings) if f.name in arguments}


def _raise(faults: Sequence[Fault]) -> None:
    if faults:
        raise UserError([Problem(f"data.{key}", message) for key, message in faults])


def _opened(
    open_source: Callable[[], tuple[TableSource | None, list[Fault]]],
    settings: TableSettings,
    splitting: SplitSettings,
) -> tuple[TableSource | None, TableSettings, list[Fault]]:
    """Return the table, the settings with its column names, and what is wrong with the arguments or the header."""
    source, faults = open_source()
    faults += settings.faults()
    if source is not None and not faults:
        settings, faults = settings.with_header(source.header)
    faults += share_problems(None, splitting.validation, splitting.test)
    return source, settings, faults


def _say(source: TableSource, settings: TableSettings, examples: Examples) -> None:
    """Say what was understood of the file, what became of missing values, and which classes may be one."""
    if source.understood():
        console.note(source.understood())
    same = _columns.same_number(examples.target.classes)
    if same:
        console.warn(
            f"data.target: {' and '.join(map(repr, same))} are the same number and two classes, as they stand in the file. "
            "If they are one, write them alike."
        )
    if examples.target.kind == "binary" and settings.positive in (None, _columns.RARER):
        _say_positive(examples)
    _say_unique(settings, examples)
    table, kept = examples.table, len(examples.keep)
    missing = {name: column.missing for name, column in table.columns.items() if column.missing}
    if not missing:
        return
    listed = ", ".join(
        f"{name} {sum(words.values())}{_columns.missing_words(words)}" for name, words in missing.items()
    )
    dropped = table.rows - kept
    left_out = f", {dropped} of {table.rows} rows left out" if dropped else ""
    say = console.warn if dropped > MUCH * table.rows else console.note
    texts = any(any(words) for name, words in missing.items() if table.columns[name].numbers is None)
    advice = _columns.OWN_VALUE if texts else ""
    say(f"data.missing={settings.missing}{left_out}; values missing: {listed}.{advice}")


def _say_positive(examples: Examples) -> None:
    """Say which class is the positive one, unless it is 1 besides 0."""
    negative, positive = examples.target.classes
    count, others = examples.counts[positive], examples.counts[negative]
    if (negative, positive) == ("0", "1") and count <= others:
        return
    advice = ", the more frequent one: precision, recall and AUC are about it" if count > others else ""
    console.note(
        f"data.target: the positive class is {_columns.shortened(positive)!r} ({count / (count + others):.0%} of the examples){advice}. "
        "data.positive names it."
    )


def _say_unique(settings: TableSettings, examples: Examples) -> None:
    """Warn of categories that hardly repeat: ids, dates, free text, numbers with units or separators."""
    unique = {}
    for name in settings.inputs:
        column = examples.table.columns[name]
        if column.numbers is None and len(column.texts) > max(FEW, UNIQUE * examples.table.rows):
            unique[name] = (
                f"{name} {len(column.texts)} in {examples.table.rows} rows ({_columns.shortened(column.texts[0])!r} …)"
            )
    if unique:
        first = list(unique)[:NAMED]
        more = f" and {len(unique) - NAMED} more columns" if len(unique) > NAMED else ""
        console.warn(
            f"different categories: {', '.join(unique[name] for name in first)}{more}. Categories that hardly repeat say nothing about new rows. "
            f"Leave them out: data.exclude=[{','.join(first)}]. Numbers are written as 1234.5, without units or separators."
        )


def _splits(
    specs: Sequence[InputSpec],
    arrays: dict[str, list[np.ndarray]],
    ys: list[np.ndarray],
    weights: list[np.ndarray | None],
) -> list[Split | None]:
    import numpy as np

    parts: list[Split | None] = []
    for i, (y, weight) in enumerate(zip(ys, weights, strict=True)):
        xs = {s.name: np.ascontiguousarray(arrays[s.name][i], dtype=s.dtype) for s in specs}
        x = xs if len(xs) > 1 else next(iter(xs.values()))
        y = y.astype("float64" if y.dtype.kind == "f" else "int64")
        parts.append(Split(x, y, None if weight is None else weight.astype("float32")) if len(y) else None)
    return parts
