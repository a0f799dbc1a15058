"""Raw rows that a model's raw-row front (`trainrun.model.front`) encodes to given examples: the inverse of the preprocessing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from trainrun.data import _vectorized_text
from trainrun.data._date_texts import DAY, HOUR
from trainrun.data._notations import Notation
from trainrun.data.preprocessor import Preprocessor

# A text that no vocabulary and no list of categories has: a character for private use.
UNKNOWN_TEXT = "\ue000"


def of(x: np.ndarray | Mapping[str, np.ndarray], fitted: Preprocessor) -> dict[str, np.ndarray]:
    """Return raw rows by input: numbers (float64, of dates seconds since 1970), texts, pixels.

    Numbers are those of the file within the rounding of float32. What was imputed without an indicator stands as imputed. Of tokens
    with n-grams the words alone come back, of those of a preset its tokenizer's text.

    Args:
        x: examples as `Split.x` holds them, in memory.
        fitted: of their model.
    """
    arrays = x if isinstance(x, Mapping) else {fitted.inputs[0].name: x}
    if fitted.table:
        return _table(arrays, fitted)
    return {name: _array(name, array, fitted) for name, array in arrays.items()}


def exact(fitted: Preprocessor) -> bool:
    """Return whether the front makes the same examples of these rows again."""
    return not any(step.get("ngrams") or "tokenizer" in step for step in fitted.steps.values())


def _array(name: str, array: np.ndarray, fitted: Preprocessor) -> np.ndarray:
    step = fitted.steps.get(name, {})
    if "tokenizer" in step:
        from trainrun.data import hub_tokens

        layer = _vectorized_text.layer_of(step)
        return np.array([[text] for text in hub_tokens.texts(layer, array)], object)
    if "vocabulary" in step:
        words = _vectorized_text.tokens_of(step, UNKNOWN_TEXT)
        between = "" if step["split"] == "character" else " "
        used = [[words[i] for i in row if i and (" " not in words[i] or not step["ngrams"])] for row in array]
        return np.array([[between.join(row)] for row in used], object)
    scale = step.get("scale", fitted.scales.get(name))
    if scale is not None:
        return (array / np.float32(scale)).astype("float32")
    if "standardize" in step:
        return _raw_numbers(array, step["standardize"]["mean"], step["standardize"]["std"])
    if name in fitted.moments:
        return _raw_numbers(array, *fitted.moments[name])
    return array


def _raw_numbers(array: np.ndarray, mean: Sequence[float], std: Sequence[float]) -> np.ndarray:
    return array.astype("float64") * np.array(std) + np.array(mean)


def _table(arrays: Mapping[str, np.ndarray], fitted: Preprocessor) -> dict[str, np.ndarray]:
    raw: dict[str, Any] = {}
    missing: dict[str, np.ndarray] = {}
    if "numeric" in arrays:
        numbers = _array("numeric", arrays["numeric"], fitted).astype("float64")
        columns = iter(numbers.T)
        raw |= {c.name: next(columns) for c in fitted.numbers}
        raw |= {c.name: _seconds({part: next(columns) for part in c.parts}) for c in fitted.dates}
        missing = {name: next(columns) > 0.5 for name in fitted.indicators}
    for column in (*fitted.numbers, *fitted.dates):
        gaps = missing.get(column.name, np.zeros(len(raw[column.name]), bool))
        values = np.where(gaps, np.nan, raw[column.name])
        if column.kind == "truth":
            false, true = str(column.form).split("/")
            # An imputed one may be a mean.
            values = np.where(np.isclose(values, 1), true, np.where(np.abs(values) < 1e-5, false, ""))
        if column.kind == "ordinal":
            levels = np.array([*Notation("ordinal", column.form).levels, ""], object)
            rank = np.nan_to_num(values, nan=-1.0).round().astype("int64")
            # Rank 0 comes back as 1e-8, say; an imputed one may be a mean.
            values = levels[np.where(np.abs(values - rank) < 1e-5, rank, -1)]
        raw[column.name] = np.round(values) if column.whole else values
    for i, column in enumerate(fitted.categories):
        texts = np.array([UNKNOWN_TEXT, *column.categories], object)[arrays["categorical"][:, i]]
        raw[column.name] = np.where(missing.get(column.name, False), "", texts)
    raw |= {column: _array(name, arrays[name], fitted)[:, 0] for name, column in fitted.of_texts.items()}
    return {
        name: (values if values.dtype.kind == "f" else values.astype(object))[:, None]
        for name, values in raw.items()
    }


def _seconds(parts: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return seconds since 1970 of dates, from their parts."""
    year, month, day = (
        np.nan_to_num(parts[name]).round().astype("int64") for name in ("year", "month", "day")
    )
    months = (year - 1970).astype("datetime64[Y]").astype("datetime64[M]") + (month - 1)
    days = (months.astype("datetime64[D]") + (day - 1)).astype("int64")
    # Midnight comes back as -1e-7, say, which would be the day before.
    hours = np.clip(parts.get(HOUR, 0.0), 0, 24 - 1e-6)
    return np.where(np.isnan(parts["year"]), np.nan, days * DAY + hours * 3600)
