"""The raw-row front of a saved model: Keras layers that do to raw data what was done to the training data.

The whole is a functional model of Keras' own layers and operations around the trained one, so that `keras.saving.load_model`
loads it without trainrun. A table's columns are inputs by name, `[batch, 1]`: numbers (float64, NaN where one is missing), dates
(seconds since 1970, likewise) and texts ("" where one is missing). Classes come out as probabilities, real targets in their unit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from trainrun.data import _vectorized_text
from trainrun.data._notations import DAY, HOUR, TRUTH, Notation
from trainrun.data.preprocessor import Column, Preprocessor
from trainrun.model import array_front, functional
from trainrun.model.keras_file import RAW_ROWS

# Texts of a column without any category: a lookup needs one.
NO_CATEGORY = "\1"  # not "\0", which numpy reads as an empty text
# Name of the layer that makes probabilities of the trained model's output.
PROBABILITIES = f"{RAW_ROWS}.probabilities"
# Index of a missing text in a lookup; that of an unknown one follows.
MISSING = 0


def over(
    core: keras.Model, fitted: Preprocessor, probabilities: str | Mapping[str, str] = "identity"
) -> keras.Model:
    """Return a model that takes raw data and shares the weights of `core`; `core` itself where nothing is to be done.

    Args:
        core: functional, with one output, or a dict of outputs by name.
        fitted: what its inputs were made by.
        probabilities: the function from its output to probabilities: ``identity``, ``sigmoid`` or ``softmax``; of several outputs, a dict by
            name.
    """
    several = isinstance(probabilities, Mapping)
    functions = dict(probabilities) if several else {"": probabilities}
    is_identity = set(functions.values()) == {"identity"}
    inputs, encoded = _table(fitted) if fitted.table else _arrays(core, fitted)
    if inputs is None and is_identity:
        return core
    if inputs is None:
        inputs = encoded = {t.name: keras.Input(t.shape[1:], dtype=t.dtype, name=t.name) for t in core.inputs}
    if core.name in inputs:
        ends = core.output if several else core.outputs[0]
        core = keras.Model(core.inputs, ends, name=f"{core.name}_{RAW_ROWS}")
    names = [tensor.name for tensor in core.inputs]
    output = core([encoded[name] for name in names] if len(names) > 1 else next(iter(encoded.values())))
    made = {
        name: one if functions[name] == "identity" else _probabilities(functions[name], name)(one)
        for name, one in (output if several else {"": output}).items()
    }
    output = made if several else made[""]
    if not fitted.table and len(inputs) == 1:
        inputs = next(iter(inputs.values()))
    return keras.Model(inputs, output, name=RAW_ROWS)


def _probabilities(function: str, output: str) -> keras.layers.Layer:
    return layers.Activation(function, dtype="float32", name=_probabilities_name(output))


def _probabilities_name(output: str) -> str:
    return f"{PROBABILITIES}_{output}" if output else PROBABILITIES


def core(model: keras.Model) -> keras.Model:
    """Return the trained model inside its front, or the model itself if it has none."""
    inside = [layer for layer in model.layers if isinstance(layer, keras.Model)]
    return inside[0] if model.name == RAW_ROWS and len(inside) == 1 else model


def on_arrays(model: keras.Model) -> keras.Model:
    """Return the trained model without its front, but with the probabilities that the front makes of its output."""
    inside = core(model)
    ends = inside.output if isinstance(inside.output, dict) else {"": inside.outputs[0]}
    last = {layer.name: layer for layer in model.layers}
    made = {
        name: last[_probabilities_name(name)](end)
        for name, end in ends.items()
        if _probabilities_name(name) in last
    }
    if inside is model or not made:
        return inside
    return functional.ending_in(inside, made.get("", {**ends, **made}))


def _arrays(core: keras.Model, fitted: Preprocessor) -> tuple[dict[str, Any] | None, dict[str, Any]]:
    """Return the raw inputs and the encoded ones of a model of arrays; None where they are the same."""
    # The only input may have another name in a model from elsewhere, and in one of a plug-in.
    names = {t.name: t.name if len(core.inputs) > 1 else fitted.inputs[0].name for t in core.inputs}
    if fitted.steps:
        made = {
            t.name: array_front.encoded(t, fitted.steps.get(names[t.name], {}), RAW_ROWS) for t in core.inputs
        }
        return tuple({name: pair[i] for name, pair in made.items()} for i in (0, 1))
    if not (fitted.moments or fitted.scales):
        return None, {}
    raw, encoded = {}, {}
    for tensor in core.inputs:
        name = names[tensor.name]
        dtype = "float64" if name in fitted.moments else tensor.dtype
        raw[tensor.name] = encoded[tensor.name] = keras.Input(tensor.shape[1:], dtype=dtype, name=tensor.name)
        if name in fitted.scales:
            scale = layers.Rescaling(fitted.scales[name], dtype="float32", name=f"{RAW_ROWS}.{name}_scale")
            encoded[tensor.name] = scale(raw[tensor.name])
        elif name in fitted.moments:
            encoded[tensor.name] = _standardized(raw[tensor.name], fitted, name)
    return raw, encoded


def _table(fitted: Preprocessor) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a table's columns as inputs by name, and the arrays that are made of them."""
    inputs = {
        c.name: keras.Input((1,), dtype="float64" if c.kind in ("number", "date") else "string", name=name)
        for c, name in zip(fitted.columns, _input_names(fitted.columns), strict=True)
    }
    encoded = {}
    # Columns of 0 and 1 by the name of the column that they tell of: where its value is missing.
    missing: dict[str, Any] = {}
    if fitted.categories:
        indices = _lookups(inputs, fitted)
        absent = _absent(indices, fitted.categories)
        missing |= {
            c.name: absent[:, i : i + 1]
            for i, c in enumerate(fitted.categories)
            if c.name in fitted.indicators
        }
        encoded["categorical"] = _codes(indices, absent, fitted.categories)
    for name, column in fitted.of_texts.items():
        encoded[name], missing[column] = _tokens(inputs[column], fitted, name)
    if fitted.features:
        encoded["numeric"] = _standardized(_features(inputs, fitted, missing), fitted, "numeric")
    return inputs, encoded


def _features(inputs: Mapping[str, Any], fitted: Preprocessor, missing: Mapping[str, Any]) -> Any:
    """Return all numbers of a table `[batch, features]`, float64: columns, parts of dates, indicators."""
    columns, pool = [*fitted.numbers, *fitted.dates], []
    if columns:
        texts = {"truth": _truth, "ordinal": _ranks}
        read = [texts[c.kind](inputs[c.name], c) if c.kind in texts else inputs[c.name] for c in columns]
        raw = _side_by_side(read)
        gaps = ops.isnan(raw)
        numbers = _imputed(raw, gaps, columns)
        pool = [(c.name, numbers[:, i : i + 1]) for i, c in enumerate(fitted.numbers)]
        missing = {
            c.name: gaps[:, i : i + 1] for i, c in enumerate(columns) if c.name in fitted.indicators
        } | {**missing}
        if not fitted.dates and not fitted.indicators:
            return numbers
        for i, column in enumerate(fitted.dates, len(fitted.numbers)):
            parts = _date_parts(numbers[:, i : i + 1])
            pool += [(f"{column.name} {part}", parts[part]) for part in column.parts]
    for name, trained in fitted.indicators.items():
        pool.append((name, ops.cast(missing[name], "float64") * float(trained)))
    return _side_by_side([tensor for _, tensor in pool])


def _lookups(inputs: Mapping[str, Any], fitted: Preprocessor) -> Any:
    """Return indices `[batch, columns]`, int64, of texts: 0 missing, 1 unknown, then categories, then missing words."""
    words, columns = _spellings(fitted.missing_words), fitted.categories
    # Columns of the same categories share a lookup: thousands of lookups take minutes to make, save and load.
    alike: dict[tuple[str, ...], list[int]] = {}
    for i, column in enumerate(columns):
        alike.setdefault((*(column.categories or [NO_CATEGORY]), *words), []).append(i)
    indices = _side_by_side(
        [
            layers.StringLookup(vocabulary=list(known), mask_token="", name=f"{RAW_ROWS}.code_{group[0]}")(
                _side_by_side([inputs[columns[i].name] for i in group])
            )
            for known, group in alike.items()
        ]
    )
    order = [i for group in alike.values() for i in group]
    return indices if order == sorted(order) else ops.take(indices, np.argsort(order), axis=1)


def _tokens(texts: Any, fitted: Preprocessor, name: str) -> tuple[Any, Any]:
    """Return the token ids `[batch, length]` of a column of texts, int32, and where a text is missing, `[batch, 1]`.

    Args:
        texts: the column.
        fitted: by which its tokens are made.
        name: of the trained model's input.
    """
    words = layers.StringLookup(
        vocabulary=[NO_CATEGORY, *_spellings(fitted.missing_words)],
        mask_token="",
        name=f"{RAW_ROWS}.{name}_missing",
    )
    absent = ops.not_equal(words(texts), MISSING + 1)
    ids = _vectorized_text.layer_of(fitted.steps[name], f"{RAW_ROWS}.{name}_tokens")(texts)
    return ops.cast(ops.where(absent, 0, ids), "int32"), absent


def _absent(indices: Any, columns: Sequence[Column]) -> Any:
    """Return where a text is missing, from indices of lookups."""
    last = np.array([[len(c.categories or [NO_CATEGORY]) + 1 for c in columns]], "int64")
    return ops.logical_or(ops.equal(indices, MISSING), ops.greater(indices, last))


def _codes(indices: Any, absent: Any, columns: Sequence[Column]) -> Any:
    """Return category codes, int32, from indices of lookups."""
    fill = np.array([[c.fill_code for c in columns]], "int64")
    return ops.cast(ops.where(absent, fill, ops.subtract(indices, 1)), "int32")


def _ranks(texts: Any, column: Column) -> Any:
    """Return the ranks of ordinal texts, NaN of others, float64."""
    levels = Notation("ordinal", column.form).levels
    index = layers.StringLookup(vocabulary=levels, mask_token="", name=f"{RAW_ROWS}.{texts.name}_rank")(texts)
    rank = ops.cast(ops.subtract(index, 2), "float64")
    return ops.where(ops.less(index, 2), float("nan"), rank)


def _truth(texts: Any, column: Column) -> Any:
    """Return 0 and 1 of texts that stand for them, NaN of others, float64."""
    false, true = ([*_spellings([pair[i] for pair in TRUTH]), str(i)] for i in (0, 1))
    index = layers.StringLookup(
        vocabulary=[*false, *true], mask_token="", name=f"{RAW_ROWS}.{texts.name}_truth"
    )(texts)
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
    """Return the parts of dates by name, float64, as `trainrun.data._notations.date_parts`.

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


def _standardized(numbers: Any, fitted: Preprocessor, name: str) -> Any:
    """Return the numbers of an input with means subtracted and divided by deviations in float64, as float32."""
    if name not in fitted.moments:
        return ops.cast(numbers, "float32")
    return array_front.standardized(numbers, *fitted.moments[name], prefix=f"{RAW_ROWS}.{name}")


def _side_by_side(tensors: Sequence[Any]) -> Any:
    return ops.concatenate(tensors, axis=1) if len(tensors) > 1 else tensors[0]


def _spellings(words: Sequence[str]) -> list[str]:
    """Return words that stand for a missing value as they are usually written; a lookup does not ignore case."""
    spelled = ((w, w.upper(), w.capitalize(), w.title(), w.replace("nan", "NaN")) for w in words)
    return [text for text in dict.fromkeys(text for texts in spelled for text in texts) if text]


def _input_names(columns: Sequence[Column]) -> list[str]:
    """Return the name of each column's input layer: its own, without the one letter that Keras does not take."""
    names: list[str] = []
    for column in columns:
        name = column.name.replace("/", "_")
        while name in names or (name != column.name and any(name == c.name for c in columns)):
            name += "_"
        names.append(name)
    return names
