"""A model's initial weights taken from a file, by path and shape; every weight is accounted for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import keras
import numpy as np

from trainrun.errors import Problem, UserError
from trainrun.model import functional, variable_paths
from trainrun.model.source_file import KEY, SKIP
from trainrun.model.variable_paths import NAMED, Weight
from trainrun.util import patterns


@dataclass(frozen=True)
class Row:
    """What became of one weight.

    Args:
        path: of the weight.
        outcome: ``loaded``; ``resized``: as many rows as both have are loaded; ``skipped``: it is in the file, and not taken;
            ``new``: it is not in the file; ``unused``: it is in the file, and not in the model.
        shape: in the model; of an unused one in the file.
        reason: why it was not loaded as it is; empty where it was.
    """

    path: str
    outcome: Literal["loaded", "resized", "skipped", "new", "unused"]
    shape: tuple[int, ...]
    reason: str = ""


def apply(
    model: keras.Model,
    stored: Mapping[str, np.ndarray],
    skip: Sequence[str] = (),
    other_targets: Mapping[str, str] | None = None,
) -> list[Row]:
    """Set the weights that a file has, and return a row for each weight of both; none is set if one does not fit.

    An output layer is new where its shape is another, or the file's model predicts something else. Of an embedding with
    another number of rows the first ones are loaded.

    Args:
        model: built.
        stored: of `stored_weights.read`.
        skip: regular expressions; weights whose paths they match are not loaded.
        other_targets: output, empty of the only one -> why the file's output layer means something else; None: none does.

    Raises:
        UserError: a weight has another shape in the file, an expression matches none, or no weight is loaded.
    """
    weights = variable_paths.weights(model)
    paths = [w.path for w in weights]
    if problems := variable_paths.unmatched(SKIP, skip, paths):
        raise UserError(problems)
    new_heads = _new_heads(model, weights, stored, other_targets or {})
    rows, assignments, misfits = [], [], []
    for weight in weights:
        value, shape = _stored(stored, weight), tuple(weight.variable.shape)
        if value is None:
            rows.append(Row(weight.path, "new", shape, "not in the file"))
            continue
        fits = value.shape == shape
        if patterns.any_matches(skip, weight.path):
            rows.append(Row(weight.path, "skipped", shape, f"{SKIP} matches it"))
        elif weight.path in new_heads:
            rows.append(Row(weight.path, "new", shape, new_heads[weight.path]))
        elif fits:
            rows.append(Row(weight.path, "loaded", shape))
            assignments.append((weight.variable, value))
        elif _resizable(weight, value):
            count = min(len(value), shape[0])
            rows.append(
                Row(weight.path, "resized", shape, f"the first {count} of the file's {len(value)} rows")
            )
            assignments.append(
                (weight.variable, np.concatenate([value[:count], weight.variable.numpy()[count:]]))
            )
        else:
            misfits.append(f"{weight.path} is {_shape(value)} in the file and {_shape(weight.variable)} here")
    if misfits:
        raise UserError(_misfit(misfits))
    if not assignments:
        raise UserError(_nothing(stored, weights))
    for variable, value in assignments:
        variable.assign(value.astype(keras.backend.standardize_dtype(variable.dtype)))
    taken = {p for w in weights for p in (w.path, w.place)}
    rows += [Row(p, "unused", v.shape, "not in this model") for p, v in stored.items() if p not in taken]
    return rows


def _new_heads(
    model: keras.Model,
    weights: Sequence[Weight],
    stored: Mapping[str, np.ndarray],
    other_targets: Mapping[str, str],
) -> dict[str, str]:
    """Return why weights of output layers begin anew, by path: of the whole layer, since a bias is nothing without its kernel."""
    reasons = {}
    for name, layers in functional.heads_by_output(model).items():
        of_layers = [w for w in weights if any(w.layer is layer for layer in layers)]
        values = [(_stored(stored, w), w.variable.shape) for w in of_layers]
        odd = [value for value, shape in values if value is not None and value.shape != tuple(shape)]
        if reason := f"the file's output layer has {_shape(odd[0])}" if odd else other_targets.get(name):
            reasons |= {w.path: reason for w in of_layers}
    return reasons


def counted(rows: Sequence[Row]) -> str:
    """Return how many weights were loaded, resized, skipped, new or unused, in words."""
    counts = {o: sum(r.outcome == o for r in rows) for o in ("loaded", "resized", "skipped", "new", "unused")}
    return ", ".join(f"{n} {outcome}" for outcome, n in counts.items() if n)


def _stored(stored: Mapping[str, np.ndarray], weight: Weight) -> np.ndarray | None:
    value = stored.get(weight.path)
    return stored.get(weight.place) if value is None else value


def _resizable(weight: Weight, value: np.ndarray) -> bool:
    """Return whether a weight is a table of an embedding that differs in its number of rows only."""
    return isinstance(weight.layer, keras.layers.Embedding) and value.shape[1:] == tuple(
        weight.variable.shape[1:]
    )


def _misfit(misfits: Sequence[str]) -> Problem:
    shown = "; ".join(misfits[:NAMED]) + (
        f"; and {len(misfits) - NAMED} more" if len(misfits) > NAMED else ""
    )
    layers = list(dict.fromkeys(m.split(" is ")[0].rpartition("/")[0] for m in misfits))
    named = layers[0] if len(layers) == 1 else f"({'|'.join(layers[:NAMED])})"
    return Problem(
        KEY,
        f"{shown}. Build the model with the sizes of the file, or begin these weights anew: {SKIP}='{named}/.*'.",
    )


def _nothing(stored: Mapping[str, np.ndarray], weights: Sequence[Weight]) -> Problem:
    return Problem(
        KEY,
        f"no weight of the file would be loaded. It has {variable_paths.shown(list(stored))}; the model has {variable_paths.shown([w.path for w in weights])}. "
        "Choose the model that the file was made by.",
    )


def _shape(value: Any) -> str:
    return variable_paths.dimensions(value.shape) or "a single number"
