"""Run an exported model in its own runtime: a function from arrays by input name to the output."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from trainrun.model import inspected_file
from trainrun.model.exporting import identifier, inputs
from trainrun.ui import console

# From input name (`exporting.identifier`) -> array `[batch, …]` to the output `[batch, …]`, of several outputs a dict by name.
Run = Callable[[Mapping[str, np.ndarray]], Any]


def _alone(outputs: Mapping[str, np.ndarray]) -> Any:
    """Return the only output, or all by name."""
    return dict(outputs) if len(outputs) > 1 else next(iter(outputs.values()))


def of_model(model: keras.Model) -> Run:
    """Return a Keras model as a compiled function."""
    names, given = list(inputs(model)), model.input

    @tf.function(reduce_retracing=True)
    def call(tensors: Any) -> Any:
        return model(tensors, training=False)

    def run(feed: Mapping[str, np.ndarray]) -> Any:
        # Not as arrays, of which Keras casts float64 to float32.
        tensors = {name: tf.constant(feed[identifier(name)]) for name in names}
        if not isinstance(given, Mapping):
            tensors = [*tensors.values()] if isinstance(given, list) else tensors[names[0]]
        return keras.tree.map_structure(np.asarray, call(tensors))

    return run


def load(format_name: str, path: Path) -> Run:
    """Return an exported model as a function.

    Args:
        format_name: of `export_formats.FORMATS`.
        path: the file or folder.
    """
    return _LOADERS[format_name](path)


def _keras(path: Path) -> Run:
    return of_model(inspected_file.load(path, "model"))


def _savedmodel(path: Path) -> Run:
    # The loaded object owns the variables: the function keeps it.
    loaded = tf.saved_model.load(path.as_posix())

    def run(feed: Mapping[str, np.ndarray]) -> Any:
        signature = loaded.signatures["serving_default"]
        outputs = signature(**{name: tf.constant(array) for name, array in feed.items()})
        return _alone({name: output.numpy() for name, output in outputs.items()})

    return run


def _onnx(path: Path) -> Run:
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return lambda feed: _alone(dict(zip(names, session.run(None, dict(feed)), strict=True)))


def _litert(path: Path) -> Run:
    from ai_edge_litert.interpreter import Interpreter

    with console.hushed():  # it names its own kernels
        runner = Interpreter(path.as_posix()).get_signature_runner("serving_default")

    return lambda feed: _alone(runner(**feed))


def _openvino(path: Path) -> Run:
    import openvino

    # Otherwise processors that have bfloat16 compute in it, with three digits.
    compiled = openvino.compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    names = [next(iter(output.get_names()), "") for output in compiled.outputs]
    return lambda feed: _alone(
        {name: np.array(array) for name, array in zip(names, compiled(dict(feed)).values(), strict=True)}
    )


_LOADERS = {
    "keras": _keras,
    "savedmodel": _savedmodel,
    "onnx": _onnx,
    "litert": _litert,
    "openvino": _openvino,
}
