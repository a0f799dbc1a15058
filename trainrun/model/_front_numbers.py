"""Columns of numbers, truth values, ranks and dates in a raw-row front: the numbers that the trained model reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from keras import layers, ops

from trainrun.data._date_texts import DAY, HOUR
from trainrun.data._notations import TRUTH, Notation
from trainrun.data.preprocessor import Column, Preprocessor
from trainrun.model.keras_file import RAW_ROWS

Named = tuple[Any, Sequence[Any]]  # a matrix, and the names of its columns


def features(inputs: Mapping[str, Any], fitted: Preprocessor, missing: Sequence[Named]) -> Any:
    """Return all numbers of a table `[batch, features]`, float64: columns, parts of dates, indicators."""
    columns, features = [*fitted.numbers, *fitted.dates], []
    if columns:
        raw, names = _read(inputs, columns), [c.name for c in columns]
        gaps = ops.isnan(raw)
        numbers = _imputed(raw, gaps, columns)
        known, missing = [(numbers, names)], [(gaps, names), *missing]
        if fitted.dates:
            parts = _date_parts(numbers[:, len(fitted.numbers) :]).items()
            known += [(tensor, [(c.name, part) for c in fitted.dates]) for part, tensor in parts]
        of_dates = [(c.name, part) for c in fitted.dates for part in c.parts]
        features.append(picked(known, [*(c.name for c in fitted.numbers), *of_dates]))
    if fitted.indicators:
        trained = np.array([[float(was) for was in fitted.indicators.values()]])
        features.append(ops.cast(picked(missing, list(fitted.indicators)), "float64") * trained)
    return side_by_side(features)


def picked(matrices: Sequence[Named], names: Sequence[Any]) -> Any:
    """Return columns in the order of their names: some operations, not some for each of thousands of columns."""
    at = {name: i for i, name in enumerate(name for _, of_matrix in matrices for name in of_matrix)}
    order = [at[name] for name in names]
    joined = side_by_side([matrix for matrix, _ in matrices])
    return joined if order == list(range(len(at))) else ops.take(joined, np.array(order), axis=1)


def side_by_side(tensors: Sequence[Any]) -> Any:
    return ops.concatenate(tensors, axis=1) if len(tensors) > 1 else tensors[0]


def spellings(words: Sequence[str]) -> list[str]:
    """Return words that stand for a missing value as they are usually written; a lookup does not ignore case."""
    spelled = ((w, w.upper(), w.capitalize(), w.title(), w.replace("nan", "NaN")) for w in words)
    return [text for text in dict.fromkeys(text for texts in spelled for text in texts) if text]


def _read(inputs: Mapping[str, Any], columns: Sequence[Column]) -> Any:
    """Return columns of numbers, truth values, ranks and dates as numbers `[batch, columns]`, float64, NaN where one is missing."""
    alike: dict[str, list[Column]] = {}
    for column in columns:
        key = {"truth": "truth", "ordinal": column.form}.get(column.kind) or ""
        alike.setdefault(key, []).append(column)
    known = []
    for i, (key, group) in enumerate(alike.items()):
        texts = side_by_side([inputs[c.name] for c in group])
        if key:
            texts = _truth(texts) if key == "truth" else _ranks(texts, key, f"{RAW_ROWS}.ranks_{i}")
        known.append((texts, [c.name for c in group]))
    return picked(known, [c.name for c in columns])


def _ranks(texts: Any, form: str, name: str) -> Any:
    """Return the ranks of ordinal texts, NaN of others, float64."""
    levels = Notation("ordinal", form).levels
    index = layers.StringLookup(vocabulary=levels, mask_token="", name=name)(texts)
    rank = ops.cast(ops.subtract(index, 2), "float64")
    return ops.where(ops.less(index, 2), float("nan"), rank)


def _truth(texts: Any) -> Any:
    """Return 0 and 1 of texts that stand for them, NaN of others, float64."""
    false, true = ([*spellings([pair[i] for pair in TRUTH]), str(i)] for i in (0, 1))
    words = [*false, *true]
    index = layers.StringLookup(vocabulary=words, mask_token="", name=f"{RAW_ROWS}.truth")(texts)
    value = ops.cast(ops.greater(index, len(false) + 1), "float64")
    return ops.where(ops.greater(index, 1), value, float("nan"))


def _imputed(numbers: Any, gaps: Any, columns: Sequence[Column]) -> Any:
    """Return numbers `[batch, columns]` with the missing ones of columns that have a value for them imputed."""
    if all(c.fill is None for c in columns):
        return numbers
    fill = np.array([[c.fill or 0.0 for c in columns]])
    fills = np.array([[c.fill is not None for c in columns]])
    return ops.where(ops.logical_and(gaps, fills), fill, numbers)


def _date_parts(seconds: Any) -> dict[str, Any]:
    """Return the parts of dates by name, float64, as `trainrun.data._date_texts.date_parts`.

    Args:
        seconds: since 1970, float64.

    Reference:
        Hinnant, chrono-Compatible Low-Level Date Algorithms, `civil_from_days`: the year begins in March, so that the day which
        leap years have is its last one.
    """
    number = ops.floor(seconds / DAY)
    days = number + 719_468.0  # since the first of March of the year 0
    era = ops.floor(days / 146_097.0)
    of_era = days - era * 146_097.0
    year_of_era = ops.floor(
        (of_era - ops.floor(of_era / 1460.0) + ops.floor(of_era / 36_524.0) - ops.floor(of_era / 146_096.0))
        / 365.0
    )
    of_year = of_era - (365.0 * year_of_era + ops.floor(year_of_era / 4.0) - ops.floor(year_of_era / 100.0))
    month_from_march = ops.floor((5.0 * of_year + 2.0) / 153.0)
    next_year = ops.cast(ops.greater(month_from_march, 9.5), "float64")
    return {
        "year": year_of_era + era * 400.0 + next_year,
        "month": month_from_march + 3.0 - 12.0 * next_year,
        "day": of_year - ops.floor((153.0 * month_from_march + 2.0) / 5.0) + 1.0,
        "weekday": number + 3.0 - 7.0 * ops.floor((number + 3.0) / 7.0),
        HOUR: (seconds - number * DAY) / 3600.0,
    }
