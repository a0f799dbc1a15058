"""Table -> `Dataset`: what all kinds of tables share once their columns are read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from trainrun.data import _columns, _table, _table_problems
from trainrun.data._gaps import coded, filled
from trainrun.data._split import class_problem, fitted, share_problems, sizes, split, standardizer
from trainrun.data._table import Table
from trainrun.data._table_settings import Fault, TableSettings
from trainrun.data.dataset import Dataset, Description, InputSpec, Split, TargetSpec
from trainrun.data.lazy_array import View
from trainrun.errors import Problem, UserError
from trainrun.ui import console

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

# A share of rows left out that is worth a warning.
MUCH = 0.1


class TableSource(Protocol):
    """One or several files of one table.

    Args:
        name: of the dataset.
        header: the names of the columns.
        typed: see `_table.convert`.
        is_small: whether the preflight reads it whole.
    """

    name: str
    header: Sequence[str]
    typed: bool
    is_small: bool

    def read(self, columns: Sequence[str]) -> tuple[pa.Table | None, list[Fault]]:
        """Return those columns, in that order, and the rows that are wrong as such; no table if it cannot be read."""

    def locate(self, rows: Sequence[int]) -> Mapping[int, str]:
        """Return the place of each of the rows that `read` returned, as a message names it."""

    def understood(self) -> str:
        """Return what was found out about the file and not stated, as a sentence; or nothing."""


@dataclass(frozen=True)
class SplitSettings:
    """The shares of the parts, and how they are drawn; see `_split.split`."""

    validation: float
    test: float
    stratify: bool
    seed: int

    @property
    def parts(self) -> int:
        return 1 + bool(self.validation) + bool(self.test)


@dataclass(frozen=True)
class Examples:
    """The rows that are examples, and their labels.

    Args:
        table: all rows.
        keep: indices of the examples.
        labels: class ids `[n]`, or numbers `[n, 1]`.
        target: what they mean.
        counts: of a class target: name -> examples, in the order of the ids.
    """

    table: Table
    keep: np.ndarray
    labels: np.ndarray
    target: TargetSpec
    counts: Mapping[str, int]


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
    examples, faults = _examples(source, settings, splitting)
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
    if numeric:
        # Column after column from the table to here, so that the numbers are in memory once.
        wide = np.empty((len(keep), len(numeric)))
        for i, name in enumerate(numeric):
            wide[:, i] = filled(columns[name].numbers[keep], parts[0], settings.missing, name, record)
            columns[name].numbers = None
        views = [View.of(wide).part(part) for part in parts]
        if standardize:
            mean, std = standardizer(views[0])
            views = [v.standardized(mean, std) for v in views]
            record["standardize"] = {**fitted(mean, std), "columns": numeric}
        arrays["numeric"] = [np.asarray(v.cast("float32")) for v in views]
        del wide, views
        specs.append(InputSpec("numeric", "numeric", (len(numeric),)))
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
        features=tuple(numeric),
        preprocessing=record,
    )


def description(
    open_source: Callable[[], tuple[TableSource | None, list[Fault]]],
    settings: TableSettings,
    splitting: SplitSettings,
) -> Description:
    """Return what the header tells and, of a small table, its rows. Arguments as in `dataset`."""
    source, settings, faults = _opened(open_source, settings, splitting)
    if faults:
        return Description(problems=tuple(faults))
    if not source.is_small:
        known = {"regression": "real"}.get(settings.task)
        return Description("regression" if known else None, known)
    examples, faults = _examples(source, settings, splitting)
    if faults:
        return Description(problems=tuple(faults))
    target, columns = examples.target, examples.table.columns
    numeric = [columns[name].numbers is not None for name in settings.inputs]
    return Description(
        "regression" if target.kind == "real" else "classification",
        target.kind,
        len(target.classes) or None,
        sizes(len(examples.keep), splitting.validation, splitting.test)[0],
        (*(("numeric",) if any(numeric) else ()), *(() if all(numeric) else ("categorical",))),
        class_names=target.classes,
    )


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


def _examples(
    source: TableSource, settings: TableSettings, splitting: SplitSettings
) -> tuple[Examples | None, list[Fault]]:
    """Return the examples, or all that is wrong with the rows."""
    raw, faults = source.read(settings.used)
    if raw is None:
        return None, faults
    table = _table.convert(raw, settings, source.typed)
    del raw
    faults += _table_problems.value_faults(table, settings, source.locate)
    if faults:
        return None, faults
    keep = _kept(table, settings)
    if not len(keep):
        message = "every row misses something, so none is left. Try data.missing=mean_or_mode, or fewer data.features."
        return None, [("missing", message)]
    labels, target, counts = _labels(table.columns[settings.target], settings, keep)
    faults += share_problems(len(keep), splitting.validation, splitting.test)
    if target.kind != "real" and len(counts) < 2:
        faults.append(
            (
                "target",
                f"column {settings.target} has one value only, {_columns.shortened(', '.join(counts))!r}; there is nothing to tell apart.",
            )
        )
    elif target.classes and splitting.stratify and (small := class_problem(counts, splitting.parts)):
        faults.append(("target", small))
    if settings.weight is not None:
        weights = table.columns[settings.weight].numbers[keep]
        if weights.min() < 0 or weights.max() == 0:
            message = f"column {settings.weight}: expected weights of at least 0, not all 0; the least is {weights.min():g}."
            faults.append(("weight", message))
    return Examples(table, keep, labels, target, counts), faults


def _kept(table: Table, settings: TableSettings) -> np.ndarray:
    """Return the indices of the rows that the missing-value policy leaves."""
    import numpy as np

    demanded = settings.used if settings.missing == "drop" else [settings.target]
    keep = np.ones(table.rows, bool)
    for name in [*demanded, *([settings.weight] if settings.weight is not None else [])]:
        keep &= table.columns[name].known()
    return np.flatnonzero(keep)


def _labels(
    column: _table.Column, settings: TableSettings, keep: np.ndarray
) -> tuple[np.ndarray, TargetSpec, dict[str, int]]:
    """Return class ids `[n]` or numbers `[n, 1]`, what they mean, and how many examples each class has."""
    import numpy as np

    numbers = None
    if column.numbers is not None:
        numbers = column.numbers[keep][:, None]
        if settings.task == "regression" or not _table.may_be_classes(numbers):
            return numbers, TargetSpec("real"), {}
        column = _table.encoded(column.values, settings)
    present, codes, counts = np.unique(column.codes[keep], return_inverse=True, return_counts=True)
    names = _columns.class_names([column.texts[i] for i in present])
    classes = _columns.class_order(set(names))
    if numbers is not None and len(classes) > _columns.CLASSES_UP_TO:
        return numbers, TargetSpec("real"), {}
    ids = {name: i for i, name in enumerate(classes)}
    id_of_text = np.array([ids[name] for name in names])
    examples = dict(zip(classes, np.bincount(id_of_text, counts).astype(int).tolist(), strict=True))
    kind = "binary" if len(classes) == 2 else "multiclass"
    return (
        id_of_text[codes],
        TargetSpec(kind, tuple(classes), 1 if kind == "binary" else len(classes)),
        examples,
    )


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
