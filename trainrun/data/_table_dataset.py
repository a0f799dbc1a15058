"""Turn a table into a `Dataset`; shared by all kinds of tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from trainrun.data import (
    _columns,
    _table_examples,
    _table_inputs,
    _table_notices,
    _table_split,
    _table_stored,
)
from trainrun.data._csv_format import CsvFormat
from trainrun.data._faults import Fault, raise_faults
from trainrun.data._split import fitted, share_problems, standardizer
from trainrun.data._split_settings import SplitSettings, settings_of
from trainrun.data._table_examples import Examples, TableSource
from trainrun.data._table_settings import TableSettings
from trainrun.data.dataset import Dataset, Description, InputSpec, Split
from trainrun.data.lazy_array import View
from trainrun.data.preprocessor import Preprocessor
from trainrun.data.profile import TableValues, Values
from trainrun.ui import console
from trainrun.util import background

if TYPE_CHECKING:
    import numpy as np

# Fraction of dropped rows above which a warning is printed.
MUCH = 0.1


def dataset(
    open_source: Callable[[], tuple[TableSource | None, list[Fault]]], arguments: Mapping[str, Any]
) -> Dataset:
    """Return a table's rows, split; numbers and categories are two inputs where there are both, each column of texts is one.

    Args:
        open_source: returns the table, or what keeps it from being read.
        arguments: of the dataset, as in `data.csv.csv`; others are left out.

    Raises:
        UserError: all that is wrong with the table or the arguments.
    """
    settings, splitting = settings_of(arguments)
    stored: Preprocessor | None = arguments["preprocessor"]
    source, settings, faults = _opened(open_source, settings, splitting, stored)
    raise_faults(faults)
    examples, settings, faults = _table_examples.examples(source, settings)
    raise_faults(faults)
    if stored is not None:
        examples, faults = _table_stored.fitted(examples, stored, settings)
        raise_faults(faults)
        _table_stored.warn_of_unknown(examples, stored)
    else:
        raise_faults(_table_notices.faults(examples, settings))
    digests = background.begin(examples.digests)
    parts, faults = _table_split.parts(examples, settings, splitting)
    raise_faults(faults)
    keep, target = examples.keep, examples.target
    sets = dict(zip(splitting.validation_sets or (), parts[3:], strict=True))
    inferred = {
        **_inferred(source, settings, splitting, examples, parts[:3], sets),
        "digests": digests.result(),
    }
    inferred["split"] = splitting.words(settings, source.own_files)
    weights = None if settings.weight is None else examples.table.columns[settings.weight].numbers[keep]
    record: dict[str, Any] = {
        "target": settings.target if len(settings.targets) == 1 else None,
        "missing": examples.missing(),
        "dropped_rows": examples.table.rows - len(keep),
        "file": CsvFormat.of(arguments).record(),
    }
    inputs = _table_inputs.inputs(examples, settings, parts, arguments["standardize"], record, stored)
    inferred["imputed"] = {
        name: {"missing": count, "value": record["fill"].get(name, "")}
        for name, count in record["missing"].items()
        if name in record["fill"] or name in record["columns"].get("text", ())
    }
    inferred["indicators"] = bool(record.get("indicators"))
    scalings = {
        of_one.target: _target_scaling(
            one.labels[parts[0]], of_one.target_transform, arguments["standardize_target"]
        )
        for of_one, one in examples.each(settings)
        if one.target.kind == "real"
    }
    if settings.is_named:
        record["outputs"] = scalings
    else:
        record |= scalings.get(settings.target, {})
    splits = _splits(
        inputs.specs,
        inputs.arrays,
        [examples.labels_at(part) for part in parts],
        [None if weights is None else weights[part] for part in parts],
    )
    return Dataset(
        source.name,
        target.task,
        inputs.specs,
        target,
        *splits[:3],
        features=inputs.features,
        preprocessing=record,
        inferred=inferred,
        fold_rows=keep[parts[1]] if splitting.folds else None,
        validation_sets=dict(zip(sets, splits[3:], strict=True)),
    )


def _target_scaling(train: np.ndarray, transform: str, standardize: bool) -> dict[str, Any]:
    """Return how a real target is scaled for training; the labels themselves keep their unit.

    Args:
        train: targets of the training part, `[n, outputs]`.
        transform: of the target.
        standardize: subtract the mean, divide by the deviation.

    Returns:
        `standardize_target` (`mean` and `std`; of ``log`` also what is added before the logarithm), and `target_factor`, by which the output is
        multiplied where the loss reads targets in their own unit and they are not negative.
    """
    import numpy as np

    if transform in _columns.LOGS:
        train = np.log(train + _columns.LOGS[transform])
    outputs = train.shape[1]
    scaling = fitted(*(standardizer(train) if standardize else (np.zeros(outputs), np.ones(outputs))))
    if transform in _columns.LOGS:
        return {"standardize_target": {**scaling, "log": _columns.LOGS[transform]}}
    if not standardize:
        return {}
    mean = train.mean(axis=0)
    factor = transform == "auto" and train.min() >= 0 and mean.min() > 0
    return {"standardize_target": scaling, **({"target_factor": mean.tolist()} if factor else {})}


def description(
    open_source: Callable[[], tuple[TableSource | None, list[Fault]]], arguments: Mapping[str, Any]
) -> Description:
    """Return what is known from the header and, for a small table, from its rows, independent of the seed.

    Args:
        open_source: as in `dataset`.
        arguments: of the dataset, as in its YAML, and its `preprocessor`, if there is one; others are left out.
    """
    settings, splitting = settings_of({**arguments, "seed": 0})
    stored: Preprocessor | None = arguments.get("preprocessor")
    source, settings, faults = _opened(open_source, settings, splitting, stored)
    if faults:
        return Description(problems=tuple(faults))
    if not source.is_small:
        known = None if settings.is_named or settings.task != "regression" else "real"
        return Description("regression" if known else None, known)
    examples, settings, faults = _table_examples.examples(source, settings)
    if stored is not None and not faults:
        examples, faults = _table_stored.fitted(examples, stored, settings)
    if not faults:
        parts, faults = _table_split.parts(examples, settings, splitting)
        faults += _table_notices.faults(examples, settings) if stored is None else []
    if faults:
        return Description(problems=tuple(faults))
    inputs = [examples.table.columns[name] for name in settings.inputs]
    gaps = _table_inputs.incomplete(examples, settings, stored)
    has_numbers = bool(gaps) or any(column.numbers is not None for column in inputs)
    return Description.of(
        examples.target,
        # How many rows the groups have depends on the seed.
        None if splitting.method(settings) == "group" else len(parts[0]),
        (
            *(("numeric",) if has_numbers else ()),
            *(("categorical",) if any(c.numbers is None and not c.is_text for c in inputs) else ()),
            *("tokens" for column in inputs if column.is_text),
        ),
    )


def values(
    open_source: Callable[[], tuple[TableSource | None, list[Fault]]], arguments: Mapping[str, Any]
) -> TableValues:
    """Return the columns of a table as they are understood; arguments as in `description`.

    Raises:
        UserError: with all faults of the table and the arguments.
    """
    source, settings, faults = _opened(open_source, *settings_of(arguments))
    raise_faults(faults)
    examples, settings, faults = _table_examples.examples(source, settings)
    raise_faults(faults)
    columns = {name: examples.table.columns[name] for name in settings.inputs}

    def kept(values: np.ndarray) -> np.ndarray:
        of_examples = examples.kept(values)
        return values if of_examples is values else examples.table.store(of_examples)

    return TableValues(
        [
            Values(
                name,
                column.kind,
                None if column.numbers is None else kept(column.numbers),
                None if column.numbers is not None else kept(column.codes),
                column.texts,
                column.is_date,
                None if column.integers is None else examples.kept(column.integers),
            )
            for name, column in columns.items()
        ],
        {", ".join(of_one.targets): (one.labels, one.target) for of_one, one in examples.each(settings)},
    )


def _opened(
    open_source: Callable[[], tuple[TableSource | None, list[Fault]]],
    settings: TableSettings,
    splitting: SplitSettings,
    stored: Preprocessor | None = None,
) -> tuple[TableSource | None, TableSettings, list[Fault]]:
    """Return the table, the settings with its column names, and the faults of the arguments and the header."""
    source, faults = open_source()
    faults += settings.faults()
    if stored is not None and source is not None and not faults:
        faults = _table_stored.header_faults(source.header, stored)
        faults += _table_stored.choice_faults(settings, stored)
        settings = _table_stored.with_stored(settings, stored)
    if source is not None and not faults:
        if (
            source.typed and settings.na_values is None
        ):  # it has null for what is missing, and words are words
            settings = replace(settings, na_values=())
        settings, faults = settings.with_header(source.header)
        faults += splitting.faults(settings)
    faults += share_problems(None, splitting.validation, splitting.test)
    return source, settings, faults


def _inferred(
    source: TableSource,
    settings: TableSettings,
    splitting: SplitSettings,
    examples: Examples,
    parts: Sequence[np.ndarray],
    sets: Mapping[str, np.ndarray],
) -> dict[str, Any]:
    """Return what was understood of a table, for `overview`; what is almost surely wrong is printed here as well."""
    if source.understood():
        console.note(source.understood(), fold=True)
    uneven = splitting.uneven(settings, source.own_files, [len(part) for part in parts])
    notices = [
        *_left_out(settings, examples),
        *uneven,
        *_table_notices.notices(examples, settings, parts, sets),
    ]
    for notice in notices:
        console.warn(notice)
    kinds: dict[str, list[str]] = {}
    for name in settings.inputs:
        kinds.setdefault(examples.table.columns[name].kind, []).append(name)
    return {
        "target": ", ".join(settings.targets) or None,
        "columns": kinds,
        "left_out": examples.table.rows - len(examples.keep),
        "empty": list(examples.empty),
        "notices": notices,
    }


def _left_out(settings: TableSettings, examples: Examples) -> Iterator[str]:
    """Yield a notice if many rows are left out, or if texts count as missing that may be values."""
    columns, rows = examples.table.columns, examples.table.rows
    missing = {name: column.missing for name, column in columns.items() if column.missing}
    dropped = rows - len(examples.keep)
    texts = any(any(words) for name, words in missing.items() if columns[name].numbers is None)
    if dropped > MUCH * rows or texts:
        listed = ", ".join(
            f"{name} {sum(words.values())}{_columns.missing_words(words)}" for name, words in missing.items()
        )
        left_out = f", {dropped} of {rows} rows left out" if dropped else ""
        advice = _columns.OWN_VALUE if texts else ""
        yield f"data.missing={settings.missing}{left_out}; values missing: {listed}.{advice}"


def _splits(
    specs: Sequence[InputSpec],
    arrays: dict[str, list[np.ndarray | View]],
    ys: list[np.ndarray | dict[str, np.ndarray]],
    weights: list[np.ndarray | None],
) -> list[Split | None]:
    parts: list[Split | None] = []
    for i, (y, weight) in enumerate(zip(ys, weights, strict=True)):
        xs = {s.name: arrays[s.name][i] for s in specs}
        x = xs if len(xs) > 1 else next(iter(xs.values()))
        part = Split(x, y, None if weight is None else weight.astype("float32"))
        parts.append(part if len(part) else None)
    return parts
