"""The model's last layer: what the loss wants it to be, and what its output means."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from trainrun.data.dataset import Dataset
from trainrun.errors import Problem
from trainrun.loss.auto import auto as auto_loss
from trainrun.registry import option_files
from trainrun.util.declarations import LossDeclaration

ACTIVATION = {"binary": "sigmoid", "multilabel": "sigmoid", "multiclass": "softmax"}


def loss_spec(spec: Mapping[str, Any], data: Dataset) -> Mapping[str, Any]:
    """Return the loss's name and arguments; `auto` is resolved by the task."""
    if spec["name"] == "auto":
        return option_files.find("loss", auto_loss(data.task, data.target.kind)).arguments
    return spec


def activation(demands: LossDeclaration, spec: Mapping[str, Any], data: Dataset) -> str | None:
    """Return the activation of the model's last layer: what the loss reads decides."""
    if data.target.kind in ("real", "none"):
        return "softplus" if "positive" in demands.predictions else None
    if demands.predictions == ("scores",) or spec.get("from_logits") is True:
        return None
    return ACTIVATION[data.target.kind]


def meaning(model: keras.Model, demands: LossDeclaration, data: Dataset) -> str:
    """Return what the model's output means, by its last layer: a model from a file or YAML has its own head."""
    if data.target.kind in ("real", "none"):
        return "real"
    activation = getattr(getattr(model.layers[-1], "activation", None), "__name__", "linear")
    if activation in ("sigmoid", "softmax"):
        return "probabilities"
    return "scores" if demands.predictions == ("scores",) else "logits"


def to_probabilities(output: str, data: Dataset) -> str:
    return ACTIVATION.get(data.target.kind, "identity") if output in ("logits", "scores") else "identity"


def shape_problem(model: keras.Model, data: Dataset) -> Problem | None:
    """Say so if the model's own output cannot be held against the labels."""
    wanted = (None, *data.target.shape, data.target.outputs)
    got = tuple(model.output_shape) if not isinstance(model.output_shape, list | dict) else None
    if data.target.kind == "none" or got is None or len(got) != len(wanted) or got[-1] in (None, wanted[-1]):
        return None
    return Problem(
        "model",
        f"its last layer has {got[-1]} units; data={data.name} needs {wanted[-1]} "
        f"({len(data.target.classes) or data.target.outputs} {'classes' if data.target.classes else 'outputs'}). "
        "Change the last layer, or take a model whose head the data decides.",
    )
