"""Columns of the examples -> the model's inputs: one of numbers, one of categories, one for each text, fitted on the training set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from trainrun.data import _date_texts, _spool, _text_columns
from trainrun.data._gaps import as_pandas_reads, coded, filled, indicator, is_whole
from trainrun.data._split import fitted, standardizer
from trainrun.data._table_examples import Examples
from trainrun.data._table_settings import TableSettings
from trainrun.data.dataset import InputSpec
from trainrun.data.lazy_array import View
from trainrun.data.preprocessor import Preprocessor
from trainrun.util import threads

if TYPE_CHECKING:
    import numpy as np

    from trainrun.data._table import Column

# What is added to a column's name for that of its indicator.
INDICATOR = " is missing"
MINUTE = 60.0


def _is_timed(column: Column) -> bool:
    """Return whether dates have times of day."""
    return bool((column.numbers[column.known()] % _date_texts.DAY != 0).any())


@dataclass(frozen=True)
class ColumnRows:
    """Rows of a table whose columns are arrays of their own: the rows of a `View`.

    Args:
        columns: each `[n]`.
        dtype: of the rows.
    """

    columns: Sequence[np.ndarray]
    dtype: np.dtype

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows and columns."""
        return len(self), len(self.columns)

    def __len__(self) -> int:
        return len(self.columns[0])

    def __getitem__(self, key: Any) -> np.ndarray:
        import numpy as np

        first = self.columns[0][key]
        # Column by column in memory, as the numbers come and as they are standardized fastest.
        rows = np.empty((len(self.columns), len(first)), self.dtype).T
        rows[:, 0] = first
        for i, column in enumerate(self.columns[1:], 1):
            rows[:, i] = column[key]
        return rows


class Inputs(NamedTuple):
    """The inputs.

    Args:
        specs: of numbers and of categories where there are any, and of each column of texts.
        arrays: input's name -> its array in each part; of a large table a view of rows in a file.
        features: the names of the numbers: columns, parts of dates (``sold year``), indicators (``age is missing``).
    """

    specs: tuple[InputSpec, ...]
    arrays: dict[str, list[np.ndarray | View]]
    features: tuple[str, ...]


def incomplete(examples: Examples, settings: TableSettings, stored: Preprocessor | None = None) -> list[str]:
    """Return the features that get an indicator column."""
    if stored is not None:
        return list(stored.indicators)
    if settings.missing != "auto":
        return []
    columns = examples.table.columns
    if len(settings.inputs) == 1 and columns[settings.inputs[0]].is_text:
        return []  # an empty text says the same, and models of one text take no number beside it
    with_gaps = [name for name in settings.inputs if columns[name].missing]
    return [name for name in with_gaps if not examples.kept(columns[name].known()).all()]


def inputs(
    examples: Examples,
    settings: TableSettings,
    parts: Sequence[np.ndarray],
    standardize: bool,
    record: dict[str, Any],
    stored: Preprocessor | None = None,
) -> Inputs:
    """Return the inputs; the table's columns are given back on the way, so that numbers are in memory once.

    Args:
        examples: the rows.
        settings: their columns.
        parts: indices of the training, validation and test examples.
        standardize: as in `data.csv.csv`.
        record: what was fitted is added to it: `columns` by kind (`numeric`, `categorical`, `text`), and for prediction on new rows:
            `fill` (the value in place of a missing one; of a date, as text), `notations` (column -> `_notations.Notation.form`), `dates`
            (column -> its parts, which follow the numeric columns in their order), `indicators` (column -> whether it was
            fitted, else always 0; they follow the dates), `categories` (column -> texts in the order of their codes) and `standardize`
            (mean and deviation of each of `features`), `inputs` (input of a text -> as `_vectorized_text.vectorized` returns it).
            `whole` lists the numeric columns of integers, none of which is missing, `typed` the dates that are no texts, `missing_words` the texts that stand for a missing value,
            `gaps` how a column has them (`Column.gaps`).
        stored: what was fitted on another table, in place of fitting; the columns are of its kinds.
    """
    import numpy as np

    columns = examples.table.columns
    dated = [name for name in settings.inputs if columns[name].is_date]
    numeric = [name for name in settings.inputs if columns[name].numbers is not None and name not in dated]
    texts = [name for name in settings.inputs if columns[name].is_text]
    categories = [name for name in settings.inputs if columns[name].numbers is None and name not in texts]
    gaps = incomplete(examples, settings, stored)
    record |= {
        "table": True,
        "columns": {"numeric": numeric, "categorical": categories, **({"text": texts} if texts else {})},
        "fill": {},
        "categories": {},
        "notations": {
            name: columns[name].notation.form for name in settings.inputs if columns[name].notation
        },
        "whole": [
            name
            for name in numeric
            if not (columns[name].notation or columns[name].typed)
            and as_pandas_reads(columns[name].missing) == "none"
            and is_whole(columns[name].numbers)
        ],
        "typed": [name for name in dated if columns[name].typed],
        "missing_words": sorted(settings.missing_words),
        "gaps": {
            name: gaps_in_file
            for name in settings.inputs
            if (gaps_in_file := as_pandas_reads(columns[name].missing)) != "none"
        },
        **(stored.record() if stored is not None else {}),
    }
    specs: list[InputSpec] = []
    arrays, features, store = {}, (), examples.table.store
    made = np.asarray if store is _spool.in_memory else lambda view: View.of(store(view))
    if numeric or dated or gaps:
        wide, features = _numbers(examples, settings, parts, numeric, dated, gaps, record)
        views = [View.of(wide).part(part) for part in parts]
        if standardize and stored is None:
            mean, std = standardizer(views[0])
            # An indicator that is rarely 1 would be far from 0 in deviations.
            first = len(features) - len(gaps)
            mean[first:], std[first:] = 0.0, 1.0
            record["standardize"] = {**fitted(mean, std), "columns": list(features)}
        if (moments := record.get("standardize")) is not None:
            mean, std = np.array(moments["mean"]), np.array(moments["std"])
            views = [v.standardized(mean, std) for v in views]
        arrays["numeric"] = [made(v.cast("float32")) for v in views]
        specs.append(InputSpec("numeric", "numeric", (len(features),)))
    if categories:
        codes = ColumnRows(
            [
                store(
                    coded(
                        examples.kept(columns[name].codes),
                        columns[name].texts,
                        parts[0],
                        settings.missing,
                        name,
                        record,
                    )
                )
                for name in categories
            ],
            np.dtype("int32"),
        )
        arrays["categorical"] = [made(View.of(codes).part(part)) for part in parts]
        counts = tuple(len(record["categories"][c]) for c in categories)
        specs.append(InputSpec("categorical", "categorical", (len(categories),), counts))
    steps = record.setdefault("inputs", {}) if texts else {}
    for column, name in zip(texts, _text_columns.input_names(texts), strict=True):
        words = np.array([*columns[column].texts, ""], object)  # the last one, -1, is that of a missing value
        of_rows = words[examples.kept(columns[column].codes)].tolist()
        form, stored_step = settings.text[column], steps.get(name, {})
        ids, steps[name] = _text_columns.tokens(of_rows, parts[0], column, form, stored_step)
        rows = View.of(store(ids))
        arrays[name] = [made(rows.part(part)) for part in parts]
        specs.append(_text_columns.spec(name, ids, steps[name]))
    return Inputs(tuple(specs), arrays, features)


def _numbers(
    examples: Examples,
    settings: TableSettings,
    parts: Sequence[np.ndarray],
    numeric: Sequence[str],
    dated: Sequence[str],
    gaps: Sequence[str],
    record: dict[str, Any],
) -> tuple[ColumnRows, tuple[str, ...]]:
    """Return all numbers, float64 `[n, features]`, and their names; see `inputs`."""
    import numpy as np

    columns, store = examples.table.columns, examples.table.store
    record.setdefault("dates", {})
    # Before the columns are given back. A model's own indicators have been fitted.
    indicators = [
        store(indicator(name, ~examples.kept(columns[name].known()), parts[0], record)) for name in gaps
    ]

    def complete(name: str, unit: float = 0.0) -> tuple[np.ndarray, dict[str, Any]]:
        numbers, columns[name].numbers = columns[name].numbers, None
        kept = examples.kept(numbers)
        own = {"fill": {n: record["fill"][n] for n in (name,) if n in record["fill"]}}
        values = filled(kept, parts[0], settings.missing, name, own, unit)
        return values if values is numbers else store(values), own["fill"]

    dates: dict[str, np.ndarray] = {}
    for name in dated:
        of_stored = record["dates"].get(name)
        timed = _is_timed(columns[name]) if of_stored is None else _date_texts.HOUR in of_stored
        seconds, fill = complete(name, MINUTE if timed else _date_texts.DAY)
        record["fill"] |= fill
        if name in record["fill"]:
            record["fill"][name] = _date_texts.date_text(record["fill"][name])
        of_date = _date_texts.date_parts(seconds, timed)
        record["dates"][name] = list(of_date)
        dates |= {f"{name} {part}": store(values) for part, values in of_date.items()}
    numbers = []
    for of_column, fill in threads.each(complete, numeric):
        numbers.append(of_column)
        record["fill"] |= fill
    values = [*numbers, *dates.values(), *indicators]
    features = (*numeric, *dates, *(f"{name}{INDICATOR}" for name in gaps))
    return ColumnRows(values, np.dtype("float64")), features
