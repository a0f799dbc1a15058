"""A saved model: a `.keras` file, loaded in safe mode."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import keras

from trainrun.data.dataset import InputSpec, TargetSpec
from trainrun.errors import Problem, UserError
from trainrun.model import front, inspected_file, source_file
from trainrun.util.declarations import declare

KEY = source_file.PATH


@declare(inputs=("numeric", "categorical", "image", "tokens"), trained=True, states_output=True)
def file(
    inputs: tuple[InputSpec, ...],
    target: TargetSpec,
    head: str | None,
    *,
    path: str | None = None,
    trainable: bool = True,
    output: Literal["probabilities", "logits", "scores"] | None = None,
) -> keras.Model:
    """Load a model from a file and check its inputs and outputs against the data; it keeps its output layer.

    A model that trainrun has saved is taken out of its raw-row front: the data is preprocessed as the file says before.

    No code in the file is run: layers that contain Python code are refused.

    Args:
        inputs, target: specs of the data.
        head: not used.
        path: a run's directory, or the .keras file.
        trainable: False freezes all weights; default True.
        output: what the model predicts for classes: ``probabilities``, ``logits`` or ``scores``; default None: inferred
            from its graph, else from its predictions. Used by the run, not by this function.

    Raises:
        UserError: there is no such file, it is not a model, contains code, or does not fit the data.
    """
    if (fault := source_file.fault(path, KEY)) is not None:
        raise UserError(Problem(KEY, fault))
    model = load(source_file.located(path), inputs, target, KEY)
    model.trainable = trainable
    return model


def load(file_path: Path, inputs: tuple[InputSpec, ...], target: TargetSpec, key: str) -> keras.Model:
    """Return the model of a file, taken out of its raw-row front.

    Args:
        file_path: ends in .keras.
        inputs, target: specs of the data.
        key: of the config, for messages.

    Raises:
        UserError: it is not a model, contains code, or does not fit the data.
    """
    model = front.core(inspected_file.load(file_path, key))
    texts = [*_input_problems(model, inputs, file_path), *_output_problems(model, target, file_path)]
    if texts:
        raise UserError([Problem(key, text) for text in texts])
    return model


def _fits(shape: tuple[int | None, ...], expected: tuple[int, ...]) -> bool:
    """Return whether a model's shape, in which None is any size, is the expected one."""
    return len(shape) == len(expected) and all(
        s is None or s == e for s, e in zip(shape, expected, strict=True)
    )


def _input_problems(model: keras.Model, inputs: tuple[InputSpec, ...], path: Path) -> Iterator[str]:
    if len(model.inputs) != len(inputs):
        yield f"{path} takes {len(model.inputs)} inputs; the data has {len(inputs)} ({', '.join(s.name for s in inputs)})."
        return
    by_name = {t.name: t for t in model.inputs}
    for position, spec in enumerate(inputs):
        if len(inputs) > 1 and spec.name not in by_name:
            yield f"{path} has no input {spec.name}; it has {', '.join(by_name)}."
            continue
        tensor = by_name[spec.name] if len(inputs) > 1 else model.inputs[position]
        if not _fits(tuple(tensor.shape[1:]), spec.shape):
            yield f"{path} takes {spec.name} of shape {list(tensor.shape[1:])}; the data has {spec.kind} {list(spec.shape)}."


def _output_problems(model: keras.Model, target: TargetSpec, path: Path) -> Iterator[str]:
    if target.kind == "none":
        return
    wanted = dict(target.named) or {"": target}
    output = getattr(model, "output", None)  # a Sequential has none until it is called
    by_name = output if isinstance(output, dict) else {"": model.outputs[0]}
    if by_name.keys() != wanted.keys() or len(model.outputs) != len(wanted):
        has = ", ".join(name for name in by_name if name) or f"{len(model.outputs)}, without names"
        needs = ", ".join(target.named) or "one"
        yield f"{path} has other outputs than the data: {has}; expected {needs}."
        return
    for name, one in wanted.items():
        shape, expected = tuple(by_name[name].shape[1:]), (*one.shape, one.outputs)
        if not _fits(shape, expected):
            means = f"{len(one.classes)} classes" if one.classes else f"{one.outputs} numbers to predict"
            of_output = f" of {name}" if name else ""
            text = f"{path} gives {list(shape)} for an example{of_output}; the data needs {list(expected)} ({means})."
            yield text
