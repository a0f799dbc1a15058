"""The model of a config, built for the data, with the weights that are to be frozen."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import keras

from trainrun.compat import keras_model_private
from trainrun.config import optimizer_map
from trainrun.data.dataset import Dataset
from trainrun.errors import Problem, UserError
from trainrun.hardware import replicas
from trainrun.model import freezing, functional, lora, quantization_aware, variable_paths
from trainrun.optimizer import _groups
from trainrun.registry import declaration_reader
from trainrun.registry.construct import construct
from trainrun.trainer import model_steps
from trainrun.util import patterns
from trainrun.util.places import place


def built(
    config: Mapping[str, Any], data: Dataset, head: str | Mapping[str, str | None] | None
) -> keras.Model:
    """Return the model as its component builds it.

    Args:
        config: resolved and checked.
        data: as loaded.
        head: the activation of the last layer, for models whose head the data decides; of several outputs, a dict by name.

    Raises:
        UserError: it is no Keras model, or does not fit the data.
    """
    # `trainable` is a model's own argument only as a truth value.
    spec = {k: v for k, v in config["model"].items() if k != "trainable" or isinstance(v, bool)}
    model = construct(
        "model",
        spec,
        complete=True,
        inputs=data.inputs,
        target=data.target,
        head=head,
    )
    if not isinstance(model, keras.Model):
        text = f"expected a keras.Model, but {spec['name']} returned {type(model).__name__}."
        raise UserError(Problem("model", text))
    saves = declaration_reader.of("model", spec["name"]).saves
    if saves and model_steps.is_own(model, "train_step") and not model_steps.is_own(model, "call"):
        # Its steps call its parts, and the part that is saved is what predicts: nothing reads what the whole returns.
        model.call = lambda inputs, training=None, mask=None: inputs
    elif not model_steps.is_own(model, "call"):
        text = f"{place(type(model))}: {type(model).__name__} has no call. Write what it makes of a batch: def call(self, inputs)."
        raise UserError(Problem("model", text))
    output = getattr(model, "output", None) if data.target.named else {}
    if not isinstance(output, dict) or sorted(output) != sorted(data.target.named):
        text = f"expected a functional model whose output is a dict of {', '.join(data.target.named)}."
        raise UserError(Problem("model", text))
    return model


def compiled(model: keras.Model, **settings: Any) -> None:
    """Compile a model, whose class may have a `compile` of its own that makes optimizers and metrics.

    Args:
        model: built.
        settings: the arguments of `compile`.

    Raises:
        UserError: its own `compile` does not take them.
    """
    try:
        inspect.signature(model.compile).bind(**settings)
    except TypeError as error:
        own = type(model)
        text = (
            f"{place(own.compile)}: compile of {own.__name__}: {error}. It is called with {', '.join(settings)}. Write "
            "def compile(self, optimizer, **settings), call super().compile(optimizer, **settings), and make further optimizers there."
        )
        raise UserError(Problem("model", text)) from None
    with keras_model_private.unlocked(model):
        model.compile(**settings)


def saved_part(config: Mapping[str, Any], model: keras.Model) -> keras.Model | None:
    """Return the part of a model that its component names to be saved (`saves`), or None for the whole.

    Raises:
        UserError: it is no functional or Sequential model.
    """
    name = declaration_reader.of("model", config["model"]["name"]).saves
    if name is None:
        return None
    part = getattr(model, name, None)
    if not isinstance(part, keras.Model) or not functional.outputs(part):
        text = f"saves={name!r} names {type(part).__name__} of {type(model).__name__}; expected a functional or Sequential model with a keras.Input."
        raise UserError(Problem("model", text))
    return part


def freeze(config: Mapping[str, Any], model: keras.Model) -> None:
    """Add the adapters of `model.lora`, freeze the weights that `model.freeze` and `model.trainable` name, and round (`model.quantization_aware`).

    See `trainrun.model.lora`, `trainrun.model.freezing` and `trainrun.model.quantization_aware`.

    Raises:
        UserError: an expression matches no weight, or none is left to train.
    """
    frozen, trainable = (patterns.listed(config["model"].get(key)) for key in ("freeze", "trainable"))
    if (adapters := config["model"].get("lora")) is not None:
        trainable = [*lora.apply(model, adapters), *trainable]
    if frozen or trainable:
        freezing.apply(model, frozen, trainable)
    if (mode := config["model"].get("quantization_aware")) is not None:
        quantization_aware.apply(model, mode)


def in_float(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a config whose model computes with its weights as they are; itself where it does."""
    if config["model"].get("quantization_aware") is None:
        return config
    return {**config, "model": {**config["model"], "quantization_aware": None}}


def group(config: Mapping[str, Any], model: keras.Model) -> None:
    """Give the weights that `optimizer.groups` and `optimizer.map` name their own settings in a compiled model's optimizer.

    Raises:
        UserError: an expression matches no weight, a weight has no expression, or the optimizer cannot have groups.
    """
    groups = config["optimizer"].get("groups")
    if not groups and not optimizer_map.entries(config):
        return
    variables = {w.path: w.variable for w in variable_paths.weights(model)}
    if not groups:
        _divide(model, variables)
        return
    if problems := variable_paths.unmatched(_groups.KEY, groups, list(variables)):
        raise UserError(problems)
    _groups.apply([*replicas.leaves(model.optimizer)], groups, variables)


def with_map(model: keras.Model) -> Any:
    """Return the optimizer of a model compiled with `optimizer.map`; under mixed_float16 it is inside a `LossScaleOptimizer`."""
    return getattr(model.optimizer, "inner_optimizer", model.optimizer)


def _divide(model: keras.Model, variables: Mapping[str, Any]) -> None:
    """Name the weights for the optimizers of `optimizer.map`, each of which must have some, and each weight one."""
    multi = with_map(model)
    paths = [row.path for row in freezing.rows(model) if row.state != "measured"]
    problems = variable_paths.unmatched(optimizer_map.KEY, multi.patterns, paths)
    members = {path: multi.member(path) for path in paths}
    if without := [path for path, member in members.items() if member is None]:
        text = (
            f"no expression matches {variable_paths.shown(without)}. Add a last one for all others: .*: adam."
        )
        problems.append(Problem(optimizer_map.KEY, text))
    if not problems:
        for i, pattern in enumerate(multi.patterns):
            if i not in members.values():
                text = f"{pattern!r} is never the first that matches: those before it match all its weights. Write it before them."
                problems.append(Problem(optimizer_map.KEY, text))
    if problems:
        raise UserError(problems)
    multi.name_weights(variables)
