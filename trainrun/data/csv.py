"""Your own table: a CSV file with a header. Categories and numbers are told apart, faults named by line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainrun.data import _columns, _header, _lines, _table
from trainrun.data._columns import Wanted
from trainrun.data._gaps import coded, filled
from trainrun.data._split import class_problem, fitted, share_problems, sizes, split, standardizer
from trainrun.data.dataset import Dataset, Description, InputSpec, Split, TargetSpec
from trainrun.data.lazy_array import View
from trainrun.errors import Problem, UserError
from trainrun.ui import console
from trainrun.util import paths
from trainrun.util.arguments import Decay

if TYPE_CHECKING:
    import numpy as np

# The preflight reads files up to this size whole (about half a second), of larger ones the header only.
SMALL = 2_000_000
# A share of rows left out that is worth a warning.
MUCH = 0.1


def csv(
    *,
    path: str | None = None,
    target: str | None = None,
    features: Sequence[str] | None = None,
    categorical: Sequence[str] | None = None,
    missing: str = "error",
    task: str = "auto",
    na_values: Sequence[str] | None = None,
    delimiter: str = ",",
    weight: str | None = None,
    validation: Decay = 0.2,
    test: Decay = 0.2,
    stratify: bool = True,
    standardize: bool = True,
    standardize_target: bool = True,
    seed: int = 42,
) -> Dataset:
    """Return the file's rows, split; numbers and categories are two inputs where there are both.

    What a column is: numbers, if more than half of its values are (the others are then faults, named by line);
    otherwise categories.
    Everything is fitted on the training part only: fillings, categories, means and deviations. A category that it
    does not have gets code 0, "unknown".

    Args:
        path: the file, text in UTF-8, its first line the columns' names.
        target: the column to predict.
        features: the columns to predict from; None: all others.
        categorical: those of them that are categories, all others being numbers; None: told by their values.
        missing: ``error``; ``drop`` leaves out rows that miss anything; ``mean_or_mode`` and ``median_or_mode``
            fill numbers with the mean or median and categories with the most frequent. A row without target or
            weight is dropped by all but ``error``.
        task: ``classification``, ``regression``, or ``auto``: classification if the target is text or has at most
            20 different whole numbers.
        na_values: the texts that stand for a missing value, in any case, besides the empty field; None: NA, N/A, NaN, null,
            none and ?. An empty list: only the empty field does.
        delimiter: what parts the fields; ``tab`` for a tab.
        weight: a column with each example's weight in the loss, or None.
        validation, test: shares of all examples; 0: no such part.
        stratify: keep the classes' shares in each part.
        standardize: give each column of numbers mean 0 and deviation 1.
        standardize_target: learn a target of numbers in deviations from its mean; metrics and predictions stay
            in its unit.
        seed: of the split.

    Raises:
        UserError: all that is wrong with the file or the arguments.
    """
    import numpy as np

    wanted = Wanted(target, features, categorical, weight, missing, task, na_values)
    path, weight = None if path is None else str(path), wanted.weight
    delimiter = _header.separator(delimiter)
    found = _header.look(path, delimiter, wanted)
    found.faults += share_problems(None, validation, test)
    _raise(found.faults)
    try:
        table = _table.read(path, delimiter, wanted, found)
    except _table.Odd as error:
        _raise(_lines.scan(path, delimiter, wanted, found).faults)
        raise UserError(Problem("data.path", f"{path} cannot be read as CSV: {error}")) from error
    if (table.missing and missing == "error") or any(
        sum(words.values()) == _length(table) for words in table.missing.values()
    ):
        _raise(_lines.scan(path, delimiter, wanted, found).faults)
    inputs = wanted.inputs(found.header)
    keep = _kept(table, wanted, inputs)
    _say_missing(table, wanted, len(keep))
    labels, spec = _target(table, wanted, keep)
    weights = table.numbers[weight][keep] if weight else None
    if weights is not None and (weights.min() < 0 or weights.max() == 0):
        raise UserError(
            Problem(
                "data.weight",
                f"column {weight}: expected weights of at least 0, not all 0; the least is {weights.min():g}.",
            )
        )
    parts = split(
        len(keep),
        validation=validation,
        test=test,
        seed=seed,
        labels=labels if stratify and spec.classes else None,
        classes=spec.classes,
    )
    record: dict[str, Any] = {
        "target": wanted.target,
        "missing": {name: sum(words.values()) for name, words in table.missing.items()},
        "dropped_rows": _length(table) - len(keep),
    }
    numeric = [c for c in inputs if c in table.numbers]
    categories = [c for c in inputs if c in table.texts]
    record["columns"] = {"numeric": numeric, "categorical": categories}
    record["fill"], record["categories"] = {}, {}
    arrays: dict[str, list[np.ndarray]] = {}
    specs = []
    if numeric:
        # Column after column from the table to here, so that the numbers are in memory once.
        wide = np.empty((len(keep), len(numeric)))
        for i, c in enumerate(numeric):
            wide[:, i] = filled(table.numbers.pop(c)[keep], parts[0], missing, c, record)
        views = [View.of(wide).part(part) for part in parts]
        if standardize:
            mean, std = standardizer(views[0])
            views = [v.standardized(mean, std) for v in views]
            record["standardize"] = {**fitted(mean, std), "columns": numeric}
        arrays["numeric"] = [np.asarray(v.cast("float32")) for v in views]
        del wide, views
        specs.append(InputSpec("numeric", "numeric", (len(numeric),)))
    if categories:
        codes = [coded(*table.texts[c], keep, parts[0], c, record) for c in categories]
        arrays["categorical"] = [np.stack(codes, axis=1)[part] for part in parts]
        counts = tuple(len(record["categories"][c]) for c in categories)
        specs.append(InputSpec("categorical", "categorical", (len(categories),), counts))
    ys = [labels[part] for part in parts]
    if standardize_target and spec.kind == "real":
        # The labels stay in their unit; the model is given mean and deviation.
        record["standardize_target"] = fitted(*standardizer(ys[0]))
    return Dataset(
        Path(path).stem,
        "regression" if spec.kind == "real" else "classification",
        tuple(specs),
        spec,
        *_splits(specs, arrays, ys, [None if weights is None else weights[part] for part in parts]),
        features=tuple(numeric),
        preprocessing=record,
    )


def describe(
    *,
    path: str | None = None,
    target: str | None = None,
    features: Sequence[str] | None = None,
    categorical: Sequence[str] | None = None,
    missing: str = "error",
    task: str = "auto",
    na_values: Sequence[str] | None = None,
    delimiter: str = ",",
    weight: str | None = None,
    validation: Decay = 0.2,
    test: Decay = 0.2,
    stratify: bool = True,
    **_: Any,
) -> Description:
    """Return what the header tells and, of a small file, its rows."""
    wanted = Wanted(target, features, categorical, weight, missing, task, na_values)
    path = None if path is None else str(path)
    delimiter = _header.separator(delimiter)
    found = _header.look(path, delimiter, wanted)
    shares = share_problems(None, validation, test)
    if found.faults or shares:
        return Description(problems=(*found.faults, *shares))
    if paths.expanded(path).stat().st_size > SMALL:
        known = {"regression": "real"}.get(task)
        return Description("regression" if known else None, known)
    _lines.scan(path, delimiter, wanted, found)
    if not found.faults:
        found.faults += share_problems(found.rows, validation, test)
        small = (
            class_problem(found.classes, 1 + bool(validation) + bool(test))
            if stratify and missing == "error"
            else None
        )
        found.faults += [("target", small)] if small else []
    if found.faults:
        return Description(problems=tuple(found.faults))
    kind = "real" if not found.classification else "binary" if len(found.classes) == 2 else "multiclass"
    return Description(
        "classification" if found.classification else "regression",
        kind,
        len(found.classes) or None,
        sizes(found.rows, validation, test)[0],
        tuple(kind for kind in ("numeric", "categorical") if getattr(found, kind)),
        class_names=tuple(found.classes),
    )


def _raise(faults: Sequence[tuple[str, str]]) -> None:
    if faults:
        raise UserError([Problem(f"data.{key}", message) for key, message in faults])


def _length(table: _table.Table) -> int:
    return len(next(iter(table.numbers.values()), next(iter(table.texts.values()), ((),))[0]))


def _kept(table: _table.Table, wanted: Wanted, inputs: Sequence[str]) -> np.ndarray:
    """Return the indices of the rows that the missing-value policy leaves."""
    import numpy as np

    demanded = [
        wanted.target,
        *([wanted.weight] if wanted.weight else []),
        *(inputs if wanted.missing == "drop" else []),
    ]
    keep = np.ones(_length(table), bool)
    for name in demanded:
        keep &= ~np.isnan(table.numbers[name]) if name in table.numbers else table.texts[name][0] >= 0
    if not keep.any():
        raise UserError(
            Problem(
                "data.missing",
                "every row misses something, so none is left. Try data.missing=mean_or_mode, or fewer data.features.",
            )
        )
    return np.flatnonzero(keep)


def _say_missing(table: _table.Table, wanted: Wanted, kept: int) -> None:
    """Say what became of missing values, and what was taken for one."""
    if not table.missing:
        return
    rows = _length(table)
    listed = ", ".join(
        f"{name} {sum(words.values())}{_columns.written_out(words)}" for name, words in table.missing.items()
    )
    dropped = f", {rows - kept} of {rows} rows left out" if kept < rows else ""
    say = console.warn if rows - kept > MUCH * rows else console.note
    texts = any(text for name in table.texts for text in table.missing.get(name, ()))
    advice = _columns.OWN_VALUE if texts else ""
    say(f"data.missing={wanted.missing}{dropped}; values missing: {listed}.{advice}")


def _target(table: _table.Table, wanted: Wanted, keep: np.ndarray) -> tuple[np.ndarray, TargetSpec]:
    """Return class ids `[n]` or numbers `[n, 1]`, and what they mean."""
    import numpy as np

    name = wanted.target
    if name in table.numbers:
        values = table.numbers[name][keep]
        if wanted.task == "regression":
            return values[:, None], TargetSpec("real")
        unique, codes, counts = np.unique(values, return_inverse=True, return_counts=True)
        # Many different numbers are no classes; do not name them all to find out.
        shown = unique[: _columns.CLASSES_UP_TO + 1]
        texts = [_columns.class_name(repr(float(v))) for v in shown]
    else:
        codes, all_texts = table.texts[name]
        present, codes, counts = np.unique(codes[keep], return_inverse=True, return_counts=True)
        texts = [all_texts[i] for i in present]
    is_class, classes = _columns.classes_of(
        dict(zip(texts, counts.tolist(), strict=False)), name in table.numbers, wanted.task
    )
    if not is_class:
        return values[:, None], TargetSpec("real")
    if len(classes) < 2:
        raise UserError(Problem("data.target", _columns.one_class(name, classes)))
    ids = {c: i for i, c in enumerate(classes)}
    labels = np.array([ids[_columns.class_name(t)] for t in texts])[codes]
    if len(classes) == 2:
        return labels, TargetSpec("binary", tuple(classes))
    return labels, TargetSpec("multiclass", tuple(classes), len(classes))


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
