"""A model that was saved before: a .keras file, loaded in safe mode."""

from __future__ import annotations

import importlib
import json
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras

from trainrun.data.dataset import InputSpec, TargetSpec
from trainrun.errors import Problem, UserError
from trainrun.util import paths
from trainrun.util.declarations import declare

# Our files whose layers a saved model may hold; Keras finds a class only once its file is imported.
OWN_LAYERS = {"Parabola": "trainrun.model.quadratic"}
KEY = "model.path"
# Classes whose configs hold code, or have a file's code run.
CODE = ("Lambda", "__lambda__", "TFSMLayer", "TorchModuleWrapper", "FlaxLayer", "JaxLayer")
# How Keras writes values that JSON does not have.
VALUES = (
    "__keras_tensor__",
    "__tensor__",
    "__numpy__",
    "__bytes__",
    "__ellipsis__",
    "__slice__",
    "__tuple__",
)
# The modules whose classes a model is made of, and the names that it may take from `keras` itself.
MODULES = tuple(
    f"{package}.{part}"
    for package in ("keras", "keras.src")
    for part in (
        "layers", "models", "activations", "initializers", "regularizers", "constraints", "dtype_policies", "quantizers",
        "random", "ops",
    )
)  # fmt: skip
ROOT = ("Model", "Sequential", "Functional", "DTypePolicy", "FloatDTypePolicy", "QuantizedDTypePolicy")
LARGEST_CONFIG = 50_000_000
DAMAGED = (zipfile.BadZipFile, zlib.error, ValueError, OSError, EOFError, RuntimeError)


@declare(inputs=("numeric", "categorical", "image", "tokens"), trained=True, states_output=True)
def file(
    inputs: tuple[InputSpec, ...],
    target: TargetSpec,
    head: str | None,
    *,
    path: str | None = None,
    trainable: bool = True,
    output: str | None = None,
) -> keras.Model:
    """Return the model in a file, held against the data; it keeps its own head.

    Nothing in the file is run as code: layers that hold Python code are refused.

    Args:
        inputs, target: of the data.
        head: not read; the file's last layer stands.
        path: the .keras file.
        trainable: False: keep all weights as they are.
        output: what it predicts for classes: ``probabilities``, ``logits`` or ``scores``. None: read from its graph, else
            from what it predicts. The run reads it, not this function.

    Raises:
        UserError: there is no such file, it is no model, holds code, or does not fit the data.
    """
    where = _checked(path)
    try:
        model = keras.saving.load_model(where, compile=False, safe_mode=True)
    except Exception as error:
        raise _fault(
            f"{where} cannot be loaded: {_first_line(error)} Save it anew with model.save, under a Keras no newer than this one."
        ) from error
    if not isinstance(model, keras.Model):
        raise _fault(f"{where} holds a {type(model).__name__}, not a model.")
    if problems := [*_input_problems(model, inputs, where), *_output_problems(model, target, where)]:
        raise UserError(problems)
    model.trainable = trainable
    return model


def _fault(message: str) -> UserError:
    return UserError(Problem(KEY, message))


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") + "." if lines else type(error).__name__ + "."


def _checked(path: str | None) -> Path:
    """Return the path of a file that looks like a model without code in it."""
    fault = paths.fault(path, ".keras", "model.path=outputs/runs/…/model.keras")
    where = paths.expanded(path or "")
    if fault is not None:
        inside = where / "model.keras"
        raise _fault(fault.replace("Name one file in it.", f"Try {inside}.") if inside.exists() else fault)
    if where.suffix != ".keras":
        raise _fault(
            f"expected a file ending in .keras, got {where.name}. Load it in Python and save it with model.save('model.keras')."
        )
    try:
        config = _config(where)
        nodes = list(_nodes(config.get("config")))
    except (*DAMAGED, KeyError, RecursionError) as error:
        raise _fault(
            f"{where} is no Keras model, or is damaged: {_first_line(error)} Save or copy it anew."
        ) from error
    # How it was compiled is not read: losses and optimizers are this run's.
    for node in nodes:
        if node.get("class_name") in OWN_LAYERS:
            importlib.import_module(OWN_LAYERS[node["class_name"]])
    if code := sorted({_called(n) for n in nodes if n.get("class_name") in CODE}):
        # A lambda stands within its layer, which has a name.
        code = [name for name in code if not name.startswith("function")] or code
        raise _fault(
            f"{where} holds Python code in the {' and the '.join(code)}, which is not run. "
            "Replace it by a layer of Keras or by a registered layer of a plug-in, and save the model anew."
        )
    if unknown := sorted({_named(n) for n in nodes if not _known(n)}):
        raise _fault(
            f"{where} holds {', '.join(unknown)}, which is no layer of Keras and of no plug-in that is loaded; nothing else "
            "is imported. Name the file that registers it: plugins=[./my_layers.py]."
        )
    return where


def _config(where: Path) -> dict[str, Any]:
    """Return what a .keras file says of its model; a file that would not fit into memory is not unpacked."""
    with zipfile.ZipFile(where) as archive:
        unpacked = sum(entry.file_size for entry in archive.infolist())
        if (too_large := paths.room(unpacked)) is not None:
            raise ValueError(f"unpacked, {too_large}")
        if archive.getinfo("config.json").file_size > LARGEST_CONFIG:
            raise ValueError(f"its config.json has more than {LARGEST_CONFIG:,} bytes")
        config = json.loads(archive.read("config.json"))
    if not isinstance(config, dict):
        raise ValueError("its config.json holds no model")
    return config


def _called(node: dict[str, Any]) -> str:
    inside = node.get("config")
    if node["class_name"] == "__lambda__":
        return "function (lambda)"
    return f"{node['class_name']} layer {inside.get('name', '?') if isinstance(inside, dict) else '?'}"


def _named(node: dict[str, Any]) -> str:
    """Return what a node would have Keras build, as Python would import it."""
    inside = node.get("config") if node["class_name"] == "function" else node["class_name"]
    return f"{node['module']}.{inside}" if node.get("module") else str(inside)


def _known(node: dict[str, Any]) -> bool:
    """Return whether a node names a registered object, or a part of a model that is Keras' own.

    Keras itself follows any name of its own packages, its tools for files and downloads among them, but for a list
    of exceptions; here the list is of what models are made of.
    """
    name, module, registered = str(node["class_name"]), node.get("module"), node.get("registered_name")
    if name.startswith("__"):
        return name in VALUES
    if isinstance(registered, str) and keras.saving.get_registered_object(registered) is not None:
        return True
    if module is None:
        # Keras looks such a name up among its initializers, activations … only.
        return "module" not in node and not registered
    if module == "builtins":
        return name == "function"  # an activation, by name
    if module == "keras":
        return name in ROOT
    return isinstance(module, str) and any(module == m or module.startswith(f"{m}.") for m in MODULES)


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


def _fits(got: tuple[int | None, ...], wanted: tuple[int, ...]) -> bool:
    return len(got) == len(wanted) and all(g is None or g == w for g, w in zip(got, wanted, strict=True))


def _input_problems(model: keras.Model, inputs: tuple[InputSpec, ...], where: Path) -> Iterator[Problem]:
    if len(model.inputs) != len(inputs):
        yield Problem(
            KEY,
            f"{where} takes {len(model.inputs)} inputs; the data has {len(inputs)} ({', '.join(s.name for s in inputs)}).",
        )
        return
    by_name = {t.name: t for t in model.inputs}
    for position, spec in enumerate(inputs):
        if len(inputs) > 1 and spec.name not in by_name:
            yield Problem(KEY, f"{where} has no input {spec.name}; it has {', '.join(by_name)}.")
            continue
        tensor = by_name[spec.name] if len(inputs) > 1 else model.inputs[position]
        if not _fits(tuple(tensor.shape[1:]), spec.shape):
            yield Problem(
                KEY,
                f"{where} takes {spec.name} of shape {list(tensor.shape[1:])}; the data has {spec.kind} {list(spec.shape)}.",
            )


def _output_problems(model: keras.Model, target: TargetSpec, where: Path) -> Iterator[Problem]:
    wanted = (*target.shape, target.outputs)
    if target.kind == "none":
        return
    if len(model.outputs) != 1:
        yield Problem(KEY, f"{where} has {len(model.outputs)} outputs; one is expected.")
    elif not _fits(tuple(model.outputs[0].shape[1:]), wanted):
        means = f"{len(target.classes)} classes" if target.classes else f"{target.outputs} numbers to predict"
        yield Problem(
            KEY,
            f"{where} gives {list(model.outputs[0].shape[1:])} for an example; the data needs {list(wanted)} ({means}).",
        )
