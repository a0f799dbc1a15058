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

from trainrun.compat import keras_private
from trainrun.data import _vectorized_text
from trainrun.data.preprocessor import Column, Preprocessor
from trainrun.model import _front_numbers, array_front, functional
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
    keras_private.flatten_inputs_once()
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
    # Columns of 0 and 1, by the name of the column that they tell of: where its value is missing.
    missing: list[_front_numbers.Named] = []
    if fitted.categories:
        indices = _lookups(inputs, fitted)
        absent = _absent(indices, fitted.categories)
        missing.append((absent, [c.name for c in fitted.categories]))
        encoded["categorical"] = _codes(indices, absent, fitted.categories)
    for name, column in fitted.of_texts.items():
        encoded[name], absent = _tokens(inputs[column], fitted, name)
        missing.append((absent, [column]))
    if fitted.features:
        encoded["numeric"] = _standardized(
            _front_numbers.features(inputs, fitted, missing), fitted, "numeric"
        )
    return inputs, encoded


def _lookups(inputs: Mapping[str, Any], fitted: Preprocessor) -> Any:
    """Return indices `[batch, columns]`, int64, of texts: 0 missing, 1 unknown, then categories, then missing words."""
    words, columns = _front_numbers.spellings(fitted.missing_words), fitted.categories
    # Columns of the same categories share a lookup: thousands of lookups take minutes to make, save and load.
    alike: dict[tuple[str, ...], list[int]] = {}
    for i, column in enumerate(columns):
        alike.setdefault((*(column.categories or [NO_CATEGORY]), *words), []).append(i)
    indices = [
        (
            layers.StringLookup(vocabulary=list(known), mask_token="", name=f"{RAW_ROWS}.code_{group[0]}")(
                _front_numbers.side_by_side([inputs[columns[i].name] for i in group])
            ),
            group,
        )
        for known, group in alike.items()
    ]
    return _front_numbers.picked(indices, range(len(columns)))


def _tokens(texts: Any, fitted: Preprocessor, name: str) -> tuple[Any, Any]:
    """Return the token ids `[batch, length]` of a column of texts, int32, and where a text is missing, `[batch, 1]`.

    Args:
        texts: the column.
        fitted: by which its tokens are made.
        name: of the trained model's input.
    """
    words = layers.StringLookup(
        vocabulary=[NO_CATEGORY, *_front_numbers.spellings(fitted.missing_words)],
        mask_token="",
        name=f"{RAW_ROWS}.{name}_missing",
    )
    absent = ops.not_equal(words(texts), MISSING + 1)
    step, of_nothing = fitted.steps[name], 0
    layer = _vectorized_text.layer_of(step, f"{RAW_ROWS}.{name}_tokens")
    if "tokenizer" in step:  # start and end tokens, and another id of padding
        of_nothing = ops.convert_to_numpy(layer(ops.convert_to_tensor([""])))
    ids = layer(texts)
    return ops.cast(ops.where(absent, of_nothing, ids), "int32"), absent


def _absent(indices: Any, columns: Sequence[Column]) -> Any:
    """Return where a text is missing, from indices of lookups."""
    last = np.array([[len(c.categories or [NO_CATEGORY]) + 1 for c in columns]], "int64")
    return ops.logical_or(ops.equal(indices, MISSING), ops.greater(indices, last))


def _codes(indices: Any, absent: Any, columns: Sequence[Column]) -> Any:
    """Return category codes, int32, from indices of lookups."""
    fill = np.array([[c.fill_code for c in columns]], "int64")
    return ops.cast(ops.where(absent, fill, ops.subtract(indices, 1)), "int32")


def _standardized(numbers: Any, fitted: Preprocessor, name: str) -> Any:
    """Return the numbers of an input with means subtracted and divided by deviations in float64, as float32."""
    if name not in fitted.moments:
        return ops.cast(numbers, "float32")
    return array_front.standardized(numbers, *fitted.moments[name], prefix=f"{RAW_ROWS}.{name}")


def _input_names(columns: Sequence[Column]) -> list[str]:
    """Return the name of each column's input layer: its own, without the one letter that Keras does not take."""
    names: list[str] = []
    for column in columns:
        name = column.name.replace("/", "_")
        while name in names or (name != column.name and any(name == c.name for c in columns)):
            name += "_"
        names.append(name)
    return names
