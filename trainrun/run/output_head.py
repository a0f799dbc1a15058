"""The model's last layer: the activation that the loss needs, and the meaning of its output."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from trainrun.config.rules import heads
from trainrun.data.dataset import Dataset
from trainrun.errors import Problem, UserError
from trainrun.model import functional, output_kind
from trainrun.model.variables import untouched
from trainrun.registry import declaration_reader
from trainrun.ui import console
from trainrun.util.declarations import LossDeclaration

# Number of examples whose predictions are examined if the model's graph does not show what they are.
EXAMINED = 64


def meaning(
    model: keras.Model,
    spec: Mapping[str, Any],
    loss: Mapping[str, Any],
    demands: LossDeclaration,
    data: Dataset,
    name: str = "",
) -> str:
    """Return the meaning of the model's output; models from files, plug-ins and YAML have their own heads.

    A declared meaning takes precedence, then the graph. Without either, the predictions for the first examples decide, and a
    note says so.

    Args:
        model: as built.
        spec, loss: the config's nodes.
        demands: what the loss declares.
        data: the data, with the target of this output.
        name: of the output; empty: the only one.

    Returns:
        ``real``, ``probabilities``, ``logits``, ``scores`` or ``embedding``.

    Raises:
        UserError: the loss reads something else.
    """
    if data.target.kind in ("real", "none"):
        return "real"
    declared = declaration_reader.of("model", spec["name"])
    stated = spec.get("output") if declared.states_output else declared.output
    if stated == "embedding":
        if not {"any"}.issuperset(demands.predictions):
            reads = " or ".join(demands.predictions)
            text = f'loss={loss["name"]} reads {reads}; model={spec["name"]} gives vectors (output="embedding"). Take a plug-in\'s loss with predictions="any".'
            raise UserError(Problem("loss", text))
        return stated
    outputs = [model.output[name]] if name else functional.outputs(model)
    by_graph = output_kind.is_probabilities(outputs[0]) if len(outputs) == 1 else None
    before = heads.before(demands)
    if stated is not None:
        output = before if stated in ("logits", "scores") else stated
        if by_graph is not None and by_graph != (output == "probabilities"):
            ends = "probabilities" if by_graph else "no probabilities"
            console.warn(
                f"the output of model={spec['name']} is stated as {stated}; by its layers it ends in {ends}"
            )
    elif by_graph is not None:
        output = "probabilities" if by_graph else before
    else:
        output = "probabilities" if _look_like_probabilities(model, data, name) else before
        console.note(
            f"model={spec['name']}: its output is read as {output}, by what it predicts for the first examples; "
            + (
                "model.output= says otherwise"
                if declared.states_output
                else "output= of its register says otherwise"
            )
        )
    asked = heads.activation(demands, loss, data.target.kind) is not None
    # The output differs from that of trainrun's head, so the model has its own.
    problems = heads.contradiction(output, spec["name"], loss, demands)
    if (output == "probabilities") != asked and (refused := list(problems)):
        raise UserError(refused)
    return output


def _look_like_probabilities(model: keras.Model, data: Dataset, name: str) -> bool:
    """Return whether predictions lie in [0, 1] and, for one class of several, sum to 1."""
    x = functional.few(model, data.train, EXAMINED).x
    with untouched(model):
        output = model(x, training=False)
        predicted = keras.ops.convert_to_numpy(output[name] if name else output).astype("float64")
    inside = bool(np.isfinite(predicted).all() and predicted.min() >= 0 and predicted.max() <= 1)
    if data.target.kind == "multiclass":
        return inside and bool(np.allclose(predicted.sum(axis=-1), 1, atol=1e-3))
    return inside


def to_probabilities(output: str, data: Dataset) -> str:
    """Return the activation that makes probabilities of the model's output, ``identity`` where it gives them."""
    return (
        heads.ACTIVATION.get(data.target.kind, "identity") if output in ("logits", "scores") else "identity"
    )


def shape_problem(model: keras.Model, data: Dataset, own_loss: bool) -> Problem | None:
    """Return the problem if the shape of a functional model's output does not match the labels, else None.

    Args:
        model: functional.
        data: with the labels.
        own_loss: the loss is a plug-in's, which may read an output of more axes than the labels have.
    """
    expected = (None, *data.target.shape, data.target.outputs)
    got = None if isinstance(model.output_shape, list | dict) else tuple(model.output_shape)
    if data.target.kind == "none" or got is None or len(got) < len(expected):
        return None
    if len(got) > len(expected):
        has, needed = (str(["batch", *shape[1:]]).replace("'", "") for shape in (got, expected))
        text = f"its output has the shape {has}; data={data.name} needs {needed}. Put a Flatten or a pooling layer before its last layer."
        return None if own_loss else Problem("model", text)
    if got[-1] in (None, expected[-1]):
        return None
    return Problem(
        "model",
        f"its last layer has {got[-1]} units; data={data.name} needs {expected[-1]} "
        f"({len(data.target.classes) or data.target.outputs} {'classes' if data.target.classes else 'outputs'}). "
        "Change the last layer, or take a model whose head the data decides.",
    )
