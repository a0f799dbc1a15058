"""A `.keras` file is inspected before Keras loads it, because it may have been received: every door that loads one comes here."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras

from trainrun.compat import keras_private
from trainrun.errors import Problem, UserError
from trainrun.model import keras_file
from trainrun.util import hub_preset

# Layers of trainrun, and the modules that register them with Keras; imported when a file contains one.
OWN_LAYERS = {"Parabola": "trainrun.model.quadratic", "HubTokens": "trainrun.data.hub_tokens"}
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
PACKAGES = ("keras", "keras.src")
# Modules whose classes a model may consist of or be compiled with, and the names that it may use from `keras` itself.
ALLOWED_MODULES = tuple(
    f"{package}.{part}"
    for package in PACKAGES
    for part in (
        "layers", "models", "activations", "initializers", "regularizers", "constraints", "dtype_policies", "quantizers",
        "random", "ops",
    )
)  # fmt: skip
COMPILED_MODULES = tuple(f"{p}.{part}" for p in PACKAGES for part in ("losses", "metrics", "optimizers"))
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


def load(file_path: Path, key: str, compiled: bool = False) -> keras.Model:
    """Return the model of a file, in safe mode.

    No code in the file is run: layers that contain Python code, and names of modules that models do not consist of, are refused.

    Args:
        file_path: ends in .keras.
        key: for messages.
        compiled: with the optimizer, loss and metrics that it was compiled with.

    Raises:
        UserError: it is no Keras model, or is damaged, contains code, or does not load.
    """
    inspect(file_path, key, compiled)
    keras_private.cache_attributes_that_saving_skips()
    keras_private.flatten_inputs_once()
    try:
        with built_by_their_call():
            model = keras.saving.load_model(file_path, compile=compiled, safe_mode=True)
    except Exception as error:
        raise _error(
            key,
            f"{file_path} cannot be loaded: {_first_line(error)} Save it anew with model.save, under a Keras no newer than this one.",
        ) from error
    if not isinstance(model, keras.Model):
        raise _error(key, f"{file_path} holds a {type(model).__name__}, not a model.")
    return model


@contextmanager
def built_by_their_call() -> Iterator[None]:
    """Leave out Keras' warnings of layers without `build`, which the call of the model that is loaded builds, and of inputs named x/y, whose tensors cannot be."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"`build\(\)` was called on layer", UserWarning)
        warnings.filterwarnings("ignore", r"When providing `inputs` as a dict, all keys", UserWarning)
        yield


def inspect(file_path: Path, key: str, compiled: bool = False) -> None:
    """Refuse a file that is not a Keras model, or whose config names code or classes that are not allowed.

    Args:
        file_path, key, compiled: see `load`.

    Raises:
        UserError: it is one.
    """
    try:
        config, unpacked_bytes = keras_file.read(file_path)
        nodes = list(hub_preset.nodes({k: v for k, v in config.items() if compiled or k != "compile_config"}))
        if strange := [n["class_name"] for n in nodes if not isinstance(n["class_name"], str)]:
            raise ValueError(f"its config names a class {strange[0]!r:.60}")
        if too_large := [n for n in map(_size, nodes) if n > unpacked_bytes]:
            raise ValueError(
                f"a layer has {too_large[0]:,} units, and the whole file has {unpacked_bytes:,} bytes"
            )
    except keras_file.READ_ERRORS as error:
        raise _error(
            key, f"{file_path} is no Keras model, or is damaged: {_first_line(error)} Save or copy it anew."
        ) from error
    if any(str(n.get("registered_name")).startswith("keras_hub>") for n in nodes):
        if not hub_preset.is_installed():
            raise _error(key, f"{file_path} holds layers of Keras Hub; {hub_preset.EXTRA}")
        importlib.import_module("keras_hub")
    for node in nodes:
        if node.get("class_name") in OWN_LAYERS:
            importlib.import_module(OWN_LAYERS[node["class_name"]])
    if code := sorted({_layer_name(n) for n in nodes if n.get("class_name") in CODE_CLASSES}):
        # Name the layer that contains a lambda, not the lambda, which has no name.
        code = [name for name in code if not name.startswith("function")] or code
        raise _error(
            key,
            f"{file_path} holds Python code in the {' and the '.join(code)}, which is not run. "
            "Replace it by a layer of Keras or by a registered layer of a plug-in, and save the model anew.",
        )
    if strange := unknown(nodes, compiled):
        raise _error(
            key,
            f"{file_path} holds {', '.join(strange)}, which is no layer of Keras and of no plug-in that is loaded; nothing "
            "else is imported. Name the file that registers it: plugins=[./my_layers.py].",
        )


def unknown(nodes: Iterable[dict[str, Any]], compiled: bool = False) -> list[str]:
    """Return the dotted paths of what configs name and models do not consist of.

    Args:
        nodes: of the configs, with a `class_name`.
        compiled: see `load`.
    """
    return sorted({_import_path(n) for n in nodes if not _is_allowed(n, compiled)})


def _error(key: str, message: str) -> UserError:
    return UserError(Problem(key, message))


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") + "." if lines else type(error).__name__ + "."


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


def _is_allowed(node: dict[str, Any], compiled: bool) -> bool:
    """Return whether a node names a registered object, or an object of Keras that models consist of.

    Keras itself imports any name of its own packages except for a list of exclusions, so also its tools for files and
    downloads; this is a list of inclusions instead.
    """
    name, module, registered = node["class_name"], node.get("module"), node.get("registered_name")
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
    allowed = (*ALLOWED_MODULES, *COMPILED_MODULES) if compiled else ALLOWED_MODULES
    return isinstance(module, str) and any(module == m or module.startswith(f"{m}.") for m in allowed)
