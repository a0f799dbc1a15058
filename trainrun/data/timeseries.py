"""Your own time series: windows of a table's rows, and the values that follow each. The latest are held out."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from trainrun.data import _arrays, _measured, _open_table, _series_rows
from trainrun.data._csv_format import CsvFormat
from trainrun.data._faults import Fault, raise_faults
from trainrun.data._header_names import exclusion
from trainrun.data._series_rows import SeriesRows
from trainrun.data._split import fitted, share_problems, standardizer
from trainrun.data._split_settings import settings_of
from trainrun.data._table import Column
from trainrun.data._table_files import SETS, set_key
from trainrun.data._windows import Cut, Windows, cut, joined
from trainrun.data.dataset import Dataset, Description, InputSpec, TargetSpec
from trainrun.data.lazy_array import View
from trainrun.data.preprocessor import Preprocessor
from trainrun.errors import listed
from trainrun.ui import console
from trainrun.util.arguments import Count, Decay, Index, Name

if TYPE_CHECKING:
    import numpy as np

    from trainrun.data._table_examples import TableSource

# Name of the model's input.
INPUT = "window"


def timeseries(
    *,
    path: str | None = None,
    target: Name | None = None,
    time: Name | None = None,
    series: Name | None = None,
    features: Sequence[Name] | None = None,
    exclude: Sequence[Name] | None = None,
    window: Count = 24,
    horizon: Count = 1,
    stride: Count = 1,
    missing: Literal["auto", "error"] = "auto",
    na_values: Sequence[Name] | None = None,
    delimiter: str | None = None,
    encoding: str | None = None,
    validation_sets: Mapping[str, str] | None = None,
    validation: Decay = 0.2,
    test: Decay = 0.2,
    folds: Count | None = None,
    fold: Index | None = None,
    max_train_size: Count | None = None,
    standardize: bool = True,
    standardize_target: bool = True,
    preprocessor: Preprocessor | None = None,
) -> Dataset:
    """Return windows `[window, columns]` of a table's rows, and the `horizon` values of the target that follow each.

    The first column of a window is the target's own past. The latest times are the test set, those before them the validation
    set; means and deviations are those of the rows before both.

    Args:
        path: the table: CSV, Parquet or Feather.
        target: the column to predict, numbers.
        time: the column of times or dates by which rows are sorted; None: the order of the rows.
        series: the column that says which of several series a row belongs to; None: one series.
        features: columns seen besides the target's past; None: all other numbers.
        exclude: columns to leave out.
        window: rows that the model sees.
        horizon: rows after them whose target it predicts, one output each.
        stride: rows from one window to the next.
        missing: ``auto``: a missing value is the last one before it in its series; before the first one, the median of the training
            rows. Missing values of the target are seen so, not predicted. ``error``: they are refused.
        na_values, delimiter, encoding: as in `data.csv.csv`.
        validation_sets: further tables by name, each a validation set with all of its windows.
        validation, test: fractions of the times; 0: no such set.
        folds: backtest: the times before the test set are one block more than folds, and fold i is validated on block i + 1, trained on
            those before it; None: `validation` is a fraction.
        fold: which fold, from 0; a sweep (``-m``) trains on all of them.
        max_train_size: how many times before the validation set are trained on (a rolling origin); None: all (an expanding one).
        standardize: scale each column to mean 0 and standard deviation 1, fitted on the training set.
        standardize_target: scale the target likewise; metrics and predictions stay in its unit.
        preprocessor: what was fitted on other windows of as many columns, in place of fitting.

    Raises:
        UserError: with all faults of the table and the arguments.
    """
    import numpy as np

    arguments = locals()
    rows, faults = _read(arguments)
    windows, wrong = _cut(rows, arguments)
    step = {} if preprocessor is None else dict(preprocessor.steps.get(INPUT, {}))
    if rows is not None:
        rows = rows.ordered([*step.get("fill", ())])
    sets, wrong_sets = _sets(rows, arguments)
    raise_faults([*faults, *wrong, *wrong_sets])
    notes = [*rows.notes, *rows.too_short(window + horizon)]
    notes += _left_out(windows)
    notes += [
        f"{name}: {note}" for name, (of_set, w) in sets.items() for note in (*of_set.notes, *_left_out(w))
    ]
    for note in notes:
        console.note(note)
    names, settings = rows.columns, rows.settings
    # Another number of columns is refused where the model is built.
    fits_anew = len(step.get("fill", ())) != len(names)
    if fits_anew:
        step = {"fill": _medians(rows, windows)}
    values = rows.filled(step["fill"])
    if fits_anew and standardize:
        step["standardize"] = {**fitted(*standardizer(values[windows.training_rows])), "columns": names}
    of_sets = ((of_set.filled(step["fill"]), windows_of_set) for of_set, windows_of_set in sets.values())
    values, starts, parts = joined(values, windows, of_sets)
    x = View.of(Windows(values, starts, window))
    if moments := step.get("standardize"):
        x = x.standardized(np.array(moments["mean"]), np.array(moments["std"]))
    y = Windows(values[:, :1], starts + window, horizon)[:][:, :, 0]
    data = _arrays.of_parts(
        rows.name,
        {InputSpec(INPUT, "numeric", x.shape[1:]): x},
        TargetSpec("real", (), horizon),
        y,
        parts,
        sets=tuple(sets),
        features=names,
        standardize_target=standardize_target,
        preprocessing={"target": settings.target, "inputs": {INPUT: step}},
    )
    inferred = {
        "target": settings.target,
        "columns": {"numbers": names},
        "split": f"by {settings.time or 'the order of the rows'}",
        "notices": notes,
        "digests": {name: Column(values[:, i]).digest() for i, name in enumerate(names)},
    }
    if folds is None:
        return dataclasses.replace(data, inferred=inferred)
    inferred["split"] += f", fold {fold} of {folds}"
    first_predicted = windows.starts[windows.parts[1]] + window
    return dataclasses.replace(data, inferred=inferred, fold_rows=rows.places[first_predicted])


def describe(**arguments: Any) -> Description:
    """Return what the table tells; arguments as in `timeseries`."""
    arguments = {k: p.default for k, p in inspect.signature(timeseries).parameters.items()} | arguments
    rows, faults = _read(arguments)
    windows, wrong = _cut(rows, arguments)
    if faults := [*faults, *wrong, *_sets(rows, arguments)[1]]:
        return Description(problems=tuple(faults))
    return Description.of(TargetSpec("real", (), arguments["horizon"]), len(windows.parts[0]), ("numeric",))


def _sets(
    rows: SeriesRows | None, arguments: Mapping[str, Any]
) -> tuple[dict[str, tuple[SeriesRows, Cut]], list[Fault]]:
    """Return the rows and windows of each further validation set, or their faults.

    Args:
        rows: of the table, whose columns the sets have; None: it is faulty, and they are not read.
        arguments: as in `timeseries`.
    """
    undivided = {"validation": 0, "test": 0, "folds": None, "fold": None, "max_train_size": None}
    read: dict[str, Any] = {}
    faults = settings_of(arguments)[1].set_faults()
    for name, path in {} if rows is None or faults else (arguments[SETS] or {}).items():
        of_set = {**arguments, **undivided, "path": path, "features": rows.columns[1:]}
        with _measured.by_model():  # its target may have one value
            found, wrong = _read(of_set)
        windows, none = _cut(found, of_set)
        faults += [(set_key(name), message) for _, message in [*wrong, *none]]
        read[name] = found, windows
    return read, faults


def _left_out(windows: Cut) -> list[str]:
    """Return a note on the windows that are left out because a value to predict is missing."""
    return (
        [f"windows left out, as a value to predict is missing: {windows.unknown:,}"]
        if windows.unknown
        else []
    )


def _medians(rows: SeriesRows, windows: Cut) -> dict[str, float]:
    """Return the median of each column in the training rows.

    Raises:
        UserError: a column has no value there.
    """
    import numpy as np

    training = rows.values[windows.training_rows]
    empty = [name for name, of in zip(rows.columns, training.T, strict=True) if np.isnan(of).all()]
    if empty:
        message = f"no training row has a value of {listed(empty)}. Leave it out: {exclusion(empty)}."
        raise_faults([("missing", message)])
    return dict(zip(rows.columns, np.nanmedian(training, axis=0).tolist(), strict=True))


def ending(
    source: TableSource, arguments: Mapping[str, Any], fill: Mapping[str, float]
) -> tuple[Windows, np.ndarray]:
    """Return the windows of a table, and for each of its rows the number of the window that ends there.

    Args:
        source: the table.
        arguments: as in `timeseries`; which part a row belongs to is no matter.
        fill: what stands for a value that is missing before the first one of a series, column by column.

    Returns:
        The number is -1 where fewer rows than a window has have come up to the row in its series.

    Raises:
        UserError: with all faults of the table.
    """
    import numpy as np

    rows, faults = _read(arguments, source)
    raise_faults(faults)
    window = arguments["window"]
    last = np.arange(window - 1, len(rows.series))
    last = last[rows.series[last] == rows.series[last - window + 1]]
    ends = np.full(len(rows.series), -1)
    ends[rows.places[last]] = np.arange(len(last))
    if (notice := rows.after_the_last_known()) is not None:
        console.warn(notice)
    return Windows(rows.filled(fill), last - window + 1, window), ends


def _read(
    arguments: Mapping[str, Any], source: TableSource | None = None
) -> tuple[SeriesRows | None, list[Fault]]:
    """Return the rows, or the faults of the table.

    Args:
        arguments: as in `timeseries`.
        source: the table; None: that of `path`.
    """
    # A series is what a group is in other tables.
    settings = dataclasses.replace(settings_of(arguments)[0], group=arguments["series"], task="regression")
    faults = settings.faults()
    if source is None:
        source, of_file = _open_table.by_settings({"path": arguments["path"]}, CsvFormat.of(arguments))
        faults = [*of_file, *faults]
    if faults:
        return None, faults
    settings, faults = settings.with_header(source.header)
    # The target's own past is enough.
    faults = [fault for fault in faults if settings.inputs or fault[0] != "features"]
    if faults:
        return None, [("series" if key == "group" else key, message) for key, message in faults]
    return _series_rows.read(source, settings)


def _cut(rows: SeriesRows | None, arguments: Mapping[str, Any]) -> tuple[Cut | None, list[Fault]]:
    """Return the windows, or the faults of their settings; arguments as in `timeseries`."""
    import numpy as np

    _, splitting = settings_of(arguments)
    held_out = 0.0 if splitting.folds else splitting.validation, splitting.test
    if faults := [*share_problems(None, *held_out), *splitting.fold_faults()]:
        return None, faults
    if rows is None:
        return None, []
    window, horizon, stride = (arguments[key] for key in ("window", "horizon", "stride"))
    longest = int(np.bincount(np.unique(rows.series, return_inverse=True)[1]).max())
    if longest < window + horizon:
        message = f"the longest series has {longest} rows; a window of {window} and {horizon} to predict need {window + horizon}."
        return None, [("window", f"{message} Take a smaller one.")]
    folds = (splitting.fold, splitting.folds) if splitting.folds else None
    made = cut(rows.series, rows.times, window, horizon, stride, held_out, folds, arguments["max_train_size"])
    known = Windows(rows.known[:, None], made.starts + window, horizon)[:].all(axis=(1, 2))
    parts = tuple(part[known[part]] for part in made.parts)
    unknown = sum(map(len, made.parts)) - sum(map(len, parts))
    made = dataclasses.replace(made, parts=parts, unknown=unknown)
    shares = (1, splitting.folds or splitting.validation, splitting.test)
    for part, name, share in zip(made.parts, ("training", "validation", "test"), shares, strict=True):
        if share and not len(part):
            way_out = "Take fewer folds" if folds else "Take other shares"
            message = f"the {name} part has no window whose {horizon} values to predict lie in its time. {way_out}, or a smaller window."
            return None, [("window", message)]
    return made, []
