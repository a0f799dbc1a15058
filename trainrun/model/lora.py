"""Low-rank adapters: the weights of chosen layers stay, and beside each a product of two small matrices is trained.

Hu et al. 2021, LoRA: Low-Rank Adaptation of Large Language Models, https://arxiv.org/abs/2106.09685; by Keras' own `enable_lora`.
"""

from __future__ import annotations

import math
import re
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from trainrun.compat import keras_model_private
from trainrun.data import _npz_file
from trainrun.errors import Problem, UserError, first_line
from trainrun.model import functional, variable_paths
from trainrun.util import paths, patterns

KEY = "model.lora"
# Of a run's directory: its trained weights by path, which on top of the initial ones are its model.
FILE = "adapters.npz"
# Bytes of an array's header in the file.
_HEADER = 2**12
_SAME = "The model, rank and layers must be those of the run that wrote it."


def apply(model: keras.Model, settings: Mapping[str, Any]) -> list[str]:
    """Add adapters to the layers that `layers` matches, and return the paths of the weights that are then to be trained.

    These are the adapters and the output layer. The first product is zero, so that training begins at the model as it was.

    Args:
        model: built, with its initial weights.
        settings: ``rank``; ``layers``, regular expressions over paths of layers; ``alpha``, the product is multiplied by alpha / rank,
            default rank; ``weights``, a file that an earlier run has written, default none.

    Raises:
        UserError: an expression matches no layer that can have adapters, or the file does not fit.
    """
    able = _able(model)
    expressions = patterns.listed(settings["layers"])
    known = variable_paths.shown(list(able)) or "none of this model"
    unmatched = [e for e in expressions if not any(patterns.any_matches([e], path) for path in able)]
    if unmatched:
        text = f"matches no layer that can have adapters. These are {known}."
        raise UserError([Problem(f"{KEY}.layers", f"{expression!r} {text}") for expression in unmatched])
    for path, layer in able.items():
        if patterns.any_matches(expressions, path):
            try:
                layer.enable_lora(settings["rank"], settings.get("alpha"))
            except (ValueError, NotImplementedError) as error:  # a constraint, a quantized layer
                raise UserError(Problem(f"{KEY}.layers", f"{path}: {first_line(error)}")) from error
    heads = functional.heads(model)
    weights = variable_paths.weights(model)
    own = [w for w in weights if _is_adapter(w) or any(w.layer is head for head in heads)]
    trained = [
        w.path for w in own if not (_is_enabled(w.layer) and w.path.endswith(("/kernel", "/embeddings")))
    ]
    if (file := settings.get("weights")) is not None:
        _load(paths.expanded(file), weights, trained)
    return [re.escape(path) for path in trained]


def save(model: keras.Model, path: Path) -> None:
    """Write the trained weights of a model with adapters, unmerged, by path."""
    arrays = {w.path: w.variable.numpy() for w in variable_paths.weights(model) if w.variable.trainable}
    np.savez(path, **arrays)


def without_adapters(node: Any) -> Any:
    """Return a model's config for its file, whose kernels have the adapters' products in them: Keras merges what it saves."""
    if isinstance(node, Mapping):
        own = str(node.get("module", "")).startswith("keras.")
        return {
            k: without_adapters({i: v for i, v in value.items() if i not in ("lora_rank", "lora_alpha")})
            if own and k == "config" and isinstance(value, Mapping)
            else without_adapters(value)
            for k, value in node.items()
        }
    return [without_adapters(value) for value in node] if isinstance(node, list) else node


def has_adapters(model: keras.Model) -> bool:
    """Return whether a layer of a model has adapters."""
    return any(_is_enabled(layer) for layer in keras_model_private.all_layers(model))


def _able(model: keras.Model) -> dict[str, keras.Layer]:
    """Return path -> layer of those that can have adapters."""
    weights = variable_paths.weights(model)
    return {w.path.rpartition("/")[0]: w.layer for w in weights if hasattr(w.layer, "enable_lora")}


def _is_enabled(layer: Any) -> bool:
    return bool(getattr(layer, "lora_enabled", False))


def _is_adapter(weight: variable_paths.Weight) -> bool:
    return _is_enabled(weight.layer) and weight.path.rpartition("/")[2].startswith("lora_")


def _load(file: Path, weights: Sequence[variable_paths.Weight], needed: Sequence[str]) -> None:
    """Set the weights that a file has; no pickle in it is read, and no array of another size.

    Args:
        file: as `save` writes it.
        weights: of the model.
        needed: paths of those that the file must have.
    """
    key = f"{KEY}.weights"
    if fault := paths.fault(file, ".npz", f"{key}=outputs/runs/…/{FILE}"):
        raise UserError(Problem(key, fault))
    values, problems = {}, []
    try:
        with zipfile.ZipFile(file) as archive:
            entries = {entry.filename.removesuffix(".npy"): entry for entry in archive.infolist()}
            for weight in weights:
                entry, shape = entries.get(weight.path), tuple(weight.variable.shape)
                if entry is None:
                    if weight.path in needed:
                        problems.append(Problem(key, f"{file} has no {weight.path}. {_SAME}"))
                    continue
                with archive.open(entry) as content:
                    fits = entry.file_size <= 8 * math.prod(shape) + _HEADER
                    value = np.lib.format.read_array(content, allow_pickle=False) if fits else None
                if value is None or value.shape != shape or value.dtype.kind != "f":
                    problems.append(
                        Problem(
                            key,
                            f"{weight.path} in {file} is not {variable_paths.dimensions(shape)} numbers. {_SAME}",
                        )
                    )
                values[weight.path] = value
    except _npz_file.DAMAGED as error:
        raise UserError(
            Problem(key, f"{file} is damaged: {first_line(error)}. Save or copy it anew.")
        ) from error
    if problems:
        raise UserError(problems)
    for weight in weights:
        if weight.path in values:
            weight.variable.assign(values[weight.path])
