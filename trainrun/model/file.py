"""A saved model: a `.keras` file, loaded in safe mode."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import keras

from trainrun.data.dataset import InputSpec, TargetSpec
from trainrun.errors import Problem, UserError
from trainrun.model import front, keras_file
from trainrun.util import paths
from trainrun.util.declarations import declare

# Layers of trainrun, and the modules that register them with Keras; imported when a file contains one.
OWN_LAYERS = {"Parabola": "trainrun.model.quadratic"}
KEY = "model.path"
# Classes whose configs contain code, or which run the code of another file.
CODE_CLASSES = ("Lambda", "__lambda__", "TFSMLayer", "TorchModuleWrapper", "FlaxLayer", "JaxLayer")
# Class names that Keras uses for values which JSON cannot represent.
VALUE_CLASSES = (
    "__keras_tensor__",
    "__tensor__",
    "__numpy__",
    "__bytes__",
    "__ellipsis__",
    "__slice__",
    "__tuple__",
)
# Modules whose classes a model may consist of, and the names that it may use from `keras` itself.
ALLOWED_MODULES = tuple(
    f"{package}.{part}"
    for package in ("keras", "keras.src")
    for part in (
        "layers", "models", "activations", "initializers", "regularizers", "constraints", "dtype_policies", "quantizers",
        "random", "ops",
    )
)  # fmt: skip
ALLOWED_NAMES = (
    "Model",
    "Sequential",
    "Functional",
    "DTypePolicy",
    "FloatDTypePolicy",
    "QuantizedDTypePolicy",
)
# Arguments of layers that have at least so many weights: Keras creates them before it reads those of the file.
SIZES = ("units", "filters", "output_dim")


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
        path: the .keras file.
        trainable: False freezes all weights; default True.
        output: what the model predicts for classes: ``probabilities``, ``logits`` or ``scores``; default None: inferred
            from its graph, else from its predictions. Used by the run, not by this function.

    Raises:
        UserError: there is no such file, it is not a model, contains code, or does not fit the data.
    """
    file_path = _checked(path)
    try:
        model = keras.saving.load_model(file_path, compile=False, safe_mode=True)
    except Exception as error:
        raise _error(
            f"{file_path} cannot be loaded: {_first_line(error)} Save it anew with model.save, under a Keras no newer than this one."
        ) from error
    if not isinstance(model, keras.Model):
        raise _error(f"{file_path} holds a {type(model).__name__}, not a model.")
    model = front.core(model)
    if problems := [*_input_problems(model, inputs, file_path), *_output_problems(model, target, file_path)]:
        raise UserError(problems)
    model.trainable = trainable
    return model


def _error(message: str) -> UserError:
    return UserError(Problem(KEY, message))


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") + "." if lines else type(error).__name__ + "."


def _checked(path: str | None) -> Path:
    """Return the path of the file.

    Raises:
        UserError: the file is not a Keras model, or its config names code or classes that are not allowed.
    """
    problem = paths.fault(path, ".keras", "model.path=outputs/runs/…/model.keras")
    file_path = paths.expanded(path or "")
    if problem is not None:
        inside = file_path / "model.keras"
        raise _error(
            problem.replace("Name one file in it.", f"Try {inside}.") if inside.exists() else problem
        )
    if file_path.suffix != ".keras":
        raise _error(
            f"expected a file ending in .keras, got {file_path.name}. Load it in Python and save it with model.save('model.keras')."
        )
    try:
        config, unpacked_bytes = keras_file.read(file_path)
        # Without `compile_config`: the run compiles the model itself.
        nodes = list(_nodes(config.get("config")))
        if too_large := [n for n in map(_size, nodes) if n > unpacked_bytes]:
            raise ValueError(
                f"a layer has {too_large[0]:,} units, and the whole file has {unpacked_bytes:,} bytes"
            )
    except keras_file.READ_ERRORS as error:
        raise _error(
            f"{file_path} is no Keras model, or is damaged: {_first_line(error)} Save or copy it anew."
        ) from error
    for node in nodes:
        if node.get("class_name") in OWN_LAYERS:
            importlib.import_module(OWN_LAYERS[node["class_name"]])
    if code := sorted({_layer_name(n) for n in nodes if n.get("class_name") in CODE_CLASSES}):
        # Name the layer that contains a lambda, not the lambda, which has no name.
        code = [name for name in code if not name.startswith("function")] or code
        raise _error(
            f"{file_path} holds Python code in the {' and the '.join(code)}, which is not run. "
            "Replace it by a layer of Keras or by a registered layer of a plug-in, and save the model anew."
        )
    if unknown := sorted({_import_path(n) for n in nodes if not _is_allowed(n)}):
        raise _error(
            f"{file_path} holds {', '.join(unknown)}, which is no layer of Keras and of no plug-in that is loaded; nothing "
            "else is imported. Name the file that registers it: plugins=[./my_layers.py]."
        )
    return file_path


def _size(node: dict[str, Any]) -> int:
    """Return a lower bound of the number of a layer's weights."""
    inside = node.get("config")
    sizes = [inside.get(key) for key in SIZES] if isinstance(inside, dict) else []
    return max((n for n in sizes if isinstance(n, int)), default=0)


def _layer_name(node: dict[str, Any]) -> str:
    """Return class and name of a node's layer, for a message."""
    config = node.get("config")
    if node["class_name"] == "__lambda__":
        return "function (lambda)"
    return f"{node['class_name']} layer {config.get('name', '?') if isinstance(config, dict) else '?'}"


def _import_path(node: dict[str, Any]) -> str:
    """Return the dotted path of the object that Keras would build for a node."""
    name = node.get("config") if node["class_name"] == "function" else node["class_name"]
    return f"{node['module']}.{name}" if node.get("module") else str(name)


def _is_allowed(node: dict[str, Any]) -> bool:
    """Return whether a node names a registered object, or an object of Keras that models consist of.

    Keras itself imports any name of its own packages except for a list of exclusions, so also its tools for files and
    downloads; this is a list of inclusions instead.
    """
    name, module, registered = str(node["class_name"]), node.get("module"), node.get("registered_name")
    if name.startswith("__"):
        return name in VALUE_CLASSES
    if isinstance(registered, str) and keras.saving.get_registered_object(registered) is not None:
        return True
    if module is None:
        # Keras looks up such a name among its initializers, activations … only.
        return "module" not in node and not registered
    if module == "builtins":
        return name == "function"  # an activation, by name
    if module == "keras":
        return name in ALLOWED_NAMES
    return isinstance(module, str) and any(module == m or module.startswith(f"{m}.") for m in ALLOWED_MODULES)


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    """Yield every mapping with a `class_name` in a saved config."""
    if isinstance(tree, dict):
        if "class_name" in tree:
            yield tree
        for value in tree.values():
            yield from _nodes(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from _nodes(value)


def _fits(shape: tuple[int | None, ...], expected: tuple[int, ...]) -> bool:
    """Return whether a model's shape, in which None is any size, is the expected one."""
    return len(shape) == len(expected) and all(
        s is None or s == e for s, e in zip(shape, expected, strict=True)
    )


def _input_problems(model: keras.Model, inputs: tuple[InputSpec, ...], path: Path) -> Iterator[Problem]:
    if len(model.inputs) != len(inputs):
        yield Problem(
            KEY,
            f"{path} takes {len(model.inputs)} inputs; the data has {len(inputs)} ({', '.join(s.name for s in inputs)}).",
        )
        return
    by_name = {t.name: t for t in model.inputs}
    for position, spec in enumerate(inputs):
        if len(inputs) > 1 and spec.name not in by_name:
            yield Problem(KEY, f"{path} has no input {spec.name}; it has {', '.join(by_name)}.")
            continue
        tensor = by_name[spec.name] if len(inputs) > 1 else model.inputs[position]
        if not _fits(tuple(tensor.shape[1:]), spec.shape):
            yield Problem(
                KEY,
                f"{path} takes {spec.name} of shape {list(tensor.shape[1:])}; the data has {spec.kind} {list(spec.shape)}.",
            )


def _output_problems(model: keras.Model, target: TargetSpec, path: Path) -> Iterator[Problem]:
    expected = (*target.shape, target.outputs)
    if target.kind == "none":
        return
    if len(model.outputs) != 1:
        yield Problem(KEY, f"{path} has {len(model.outputs)} outputs; one is expected.")
    elif not _fits(tuple(model.outputs[0].shape[1:]), expected):
        means = f"{len(target.classes)} classes" if target.classes else f"{target.outputs} numbers to predict"
        yield Problem(
            KEY,
            f"{path} gives {list(model.outputs[0].shape[1:])} for an example; the data needs {list(expected)} ({means}).",
        )
