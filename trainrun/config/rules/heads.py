"""What the model's output means and what the loss reads: probabilities, logits or scores."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from trainrun.data.dataset import Description
from trainrun.errors import Problem
from trainrun.loss.auto import auto as auto_loss
from trainrun.model import source_file, written_head
from trainrun.registry import declaration_reader, option_files
from trainrun.util.declarations import LossDeclaration

ACTIVATION = {"binary": "sigmoid", "multilabel": "sigmoid", "multiclass": "softmax"}


def problems(config: Mapping[str, Any], data: Description) -> Iterator[Problem]:
    """The loss must fit the output of a model with a head of its own, as far as YAML and file declare it."""
    if data.task is None or data.target not in ACTIVATION:
        return
    loss, model = loss_spec(config["loss"], data.task, data.target), config["model"]
    demands = declaration_reader.of("loss", loss["name"])
    output = _written(model, data, demands)
    if output in ("probabilities", before(demands)) and (output == "probabilities") != (
        activation(demands, loss, data.target) is not None
    ):
        yield from contradiction(output, model["name"], loss, demands)


def loss_spec(spec: Mapping[str, Any], task: str, target: str, mixed: bool = False) -> Mapping[str, Any]:
    """Return the loss's name and arguments; `auto` is resolved by the task.

    Args:
        spec: the config's node.
        task, target: of the data.
        mixed: an augmentation mixes labels, so that they are shares of classes.
    """
    if spec["name"] == "auto" and mixed and target == "multiclass":
        return option_files.find("loss", "categorical_crossentropy").arguments
    if spec["name"] == "auto":
        return option_files.find("loss", auto_loss(task, target)).arguments
    return spec


def activation(demands: LossDeclaration, spec: Mapping[str, Any], target: str) -> str | None:
    """Return the activation of the last layer, which the predictions that the loss reads decide."""
    if target in ("real", "none"):
        return "softplus" if "positive" in demands.predictions else None
    if demands.predictions == ("scores",) or spec.get("from_logits") is True:
        return None
    return ACTIVATION[target]


def contradiction(
    output: str, model: str, loss: Mapping[str, Any], demands: LossDeclaration
) -> Iterator[Problem]:
    """Yield the problem if a loss reads something else than the model gives.

    Args:
        output: of a model that has a head of its own: ``probabilities``, ``logits`` or ``scores``.
        model: its name.
        loss: the config's node, `auto` resolved.
        demands: what the loss declares.
    """
    reads, from_logits = demands.predictions, loss.get("from_logits")
    gives = f"model={model} gives {output}"
    ends = "a last activation of sigmoid or softmax" if output != "probabilities" else "no last activation"
    if from_logits is not None and from_logits != (output == "logits"):
        meant = "logits" if from_logits else "probabilities"
        yield Problem(
            "loss.from_logits",
            f"{str(from_logits).lower()} means that the loss reads {meant}; {gives}. Leave loss.from_logits null, or give the "
            f"model {ends}.",
        )
    elif reads and "any" not in reads and output not in reads:
        yield Problem(
            "loss",
            f"loss={loss['name']} reads {' or '.join(reads)}; {gives}. Give it {ends}, or take another loss.",
        )


def before(demands: LossDeclaration) -> str:
    """Return what a head without a last activation gives to a loss: ``scores`` or ``logits``."""
    return "scores" if demands.predictions == ("scores",) else "logits"


def _written(model: Mapping[str, Any], data: Description, demands: LossDeclaration) -> str | None:
    """Return the output of a model with a head of its own as declared in its config or file; None if only building the model reveals it."""
    stated = model.get("output")
    units = {"binary": 1, "multiclass": data.classes, "multilabel": data.outputs}[data.target]
    ends: bool | None = None
    if model["name"] == "layers" and isinstance(model.get("layers"), list) and units is not None:
        own = model.get("add_head") is not True
        ends = written_head.of_layers(model["layers"], units) if own else None
    elif model["name"] == "file" and isinstance(model.get("path"), str):
        if source_file.fault(model["path"], source_file.PATH) is not None:  # `rules.initial` says it
            return None
        from trainrun.model import keras_file  # few configs need it

        try:
            ends = written_head.of_file(
                keras_file.core(keras_file.read(source_file.located(model["path"]))[0])
            )
        except keras_file.READ_ERRORS:
            return None
    if stated is not None and (ends is not None or model["name"] == "file"):
        return before(demands) if stated in ("logits", "scores") else stated
    return None if ends is None else "probabilities" if ends else before(demands)
