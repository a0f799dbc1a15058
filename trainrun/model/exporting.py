"""Write a trained model in a format of another runtime."""

from __future__ import annotations

import contextlib
import re
import shutil
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from trainrun.compat import keras_model_private
from trainrun.data.preprocessor import Preprocessor
from trainrun.errors import Problem, UserError
from trainrun.model import front, inspected_file, saving
from trainrun.model.export_formats import FORMATS
from trainrun.ui import console


@dataclass(frozen=True)
class Source:
    """A model that trainrun has saved.

    Args:
        path: the .keras file.
        raw: the model in it, which takes raw rows.
        arrays: the same without its front, which takes preprocessed arrays.
        fitted: the record of the preprocessing.
    """

    path: Path
    raw: keras.Model
    arrays: keras.Model
    fitted: Preprocessor

    def takes_raw(self, format_name: str) -> bool:
        """Return whether a format's runtime takes the raw rows of this model."""
        spec = FORMATS[format_name]
        return (spec.tables or not (self.fitted.table or self._resizes)) and not any(
            str(t.dtype) in spec.lacks for t in self.raw.inputs
        )

    @property
    def _resizes(self) -> bool:
        return any(step.get("resize") for step in self.fitted.steps.values())


def inputs(model: keras.Model) -> dict[str, Any]:
    """Return the inputs of a model by name: the column of a table, else the tensor's."""
    given = model.input
    if isinstance(given, Mapping):
        return dict(given)
    return {tensor.name: tensor for tensor in (given if isinstance(given, list) else [given])}


def identifier(name: str) -> str:
    """Return an input's name as exported models have it: letters, digits and underscores."""
    return re.sub(r"\W", "_", name, flags=re.ASCII)


def write(source: Source, format_name: str, path: Path, quantize: str | None) -> None:
    """Write a model in a format.

    Args:
        source: the model.
        format_name: of `export_formats.FORMATS`.
        path: the file, or of ``savedmodel`` the folder; it ends as the format's.
        quantize: of the format's quantizations; None: as trained.

    Raises:
        UserError: the format has no operation for a layer of the model.
    """
    raw = source.takes_raw(format_name)
    try:
        with _quiet():
            if format_name == "keras" and quantize is None:
                shutil.copyfile(source.path, path)
            elif format_name == "keras":
                saving.save(_loadable(_quantized(source, quantize)), path, source.fitted)
            elif format_name == "savedmodel":
                model = source.raw if quantize is None else _quantized(source, quantize)
                _export(model, path, "tf_saved_model")
            else:
                _WRITERS[format_name](source.raw if raw else source.arrays, path, quantize)
    except UserError:
        raise
    except Exception as error:  # whatever a converter raises
        lines = [line for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
        raise UserError(
            Problem("format", f"the model cannot be converted to {format_name}: {lines[0]}")
        ) from error


def _export(model: keras.Model, path: Path, format_name: str, **options: Any) -> None:
    """Let Keras export a model, its inputs named by `identifier`."""

    def spec(name: str, tensor: Any) -> tf.TensorSpec:
        return tf.TensorSpec((None, *tensor.shape[1:]), tensor.dtype, name=identifier(name))

    specs = {name: spec(name, tensor) for name, tensor in inputs(model).items()}
    given = model.input
    structure = specs if isinstance(given, Mapping) else list(specs.values())
    signature = [structure] if isinstance(given, Mapping | list) else structure
    # Keras exports to ONNX only what was called once.
    model(keras.tree.map_structure(_one_row, given))
    model.export(path.as_posix(), format=format_name, verbose=False, input_signature=signature, **options)


def _one_row(tensor: Any) -> tf.Tensor:
    shape = (1, *(side or 1 for side in tensor.shape[1:]))
    return tf.fill(shape, "") if tensor.dtype == "string" else tf.zeros(shape, tensor.dtype)


def _quantized(source: Source, mode: str) -> keras.Model:
    """Return another copy of the model whose dense and embedding layers have weights of fewer bits."""
    model = inspected_file.load(source.path, "model")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # one for each layer that stays as it is
        front.core(model).quantize(mode)
    layers = keras_model_private.all_layers(model)
    if not any(getattr(layer.dtype_policy, "quantization_mode", None) for layer in layers):
        raise UserError(Problem("quantize", f"the model has no layer that Keras quantizes to {mode}."))
    return model


def _loadable(model: keras.Model) -> keras.Model:
    """Return a quantized model, or refuse one that Keras can save but not load: attention, whose config lacks the types of its layers (Keras 3.15)."""
    kinds = (keras.layers.MultiHeadAttention, keras.layers.GroupQueryAttention)
    found = [layer.path for layer in keras_model_private.all_layers(model) if isinstance(layer, kinds)]
    if found:
        text = (
            f"Keras {keras.__version__} cannot load a .keras file of quantized attention ({', '.join(found[:3])}"
            f"{' …' if found[3:] else ''}). Take --format savedmodel, or leave the quantization out."
        )
        raise UserError(Problem("quantize", text))
    return model


def _onnx(model: keras.Model, path: Path, quantize: str | None) -> None:
    import onnx

    _export(model, path, "onnx")
    if quantize == "float16":
        from onnxruntime.transformers.float16 import convert_float_to_float16

        onnx.save(convert_float_to_float16(onnx.load(path), keep_io_types=True), path)
    elif quantize == "int8":
        from onnxruntime.quantization import QuantType, quantize_dynamic

        full = path.with_name(f"full-{path.name}")
        path.rename(full)
        quantize_dynamic(full, path, weight_type=QuantType.QInt8)
        full.unlink()


def _litert(model: keras.Model, path: Path, quantize: str | None) -> None:
    # Without TensorFlow's own operations, which the runtime does not have.
    target: dict[str, Any] = {"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS]}
    if quantize == "float16":
        target["supported_types"] = [tf.float16]
    options = {} if quantize is None else {"optimizations": [tf.lite.Optimize.DEFAULT]}
    _export(_unrolled(model, "float32"), path, "litert", target_spec=target, **options)
    if quantize == "int8":
        from ai_edge_litert.interpreter import Interpreter

        tensors = Interpreter(model_path=str(path)).get_tensor_details()
        if not any(tensor["dtype"] == np.int8 for tensor in tensors):
            text = "LiteRT leaves weights of fewer than 1,024 numbers in float32, and the model has no larger ones. Leave it out."
            raise UserError(Problem("quantize", text))


def _unrolled(model: keras.Model, float64: str = "float64") -> keras.Model:
    """Return a model with the same weights, without loops: those over a batch of unknown size are not converted everywhere.

    Args:
        model: its recurrent layers are unrolled.
        float64: what layers compute in that computed in float64, which LiteRT has not.
    """
    config = model.get_config()
    changed = _unrolled_config(config, float64)
    if changed == config:
        return model
    made = type(model).from_config(changed)
    made.set_weights(model.get_weights())
    return made


def _unrolled_config(tree: Any, float64: str) -> Any:
    """Return a config with the changes of `_unrolled`."""
    if isinstance(tree, Mapping):
        return {
            k: True if k == "unroll" and v is False else _unrolled_config(v, float64) for k, v in tree.items()
        }
    if isinstance(tree, list | tuple):
        return type(tree)(_unrolled_config(v, float64) for v in tree)
    return float64 if isinstance(tree, str) and tree == "float64" else tree


def _openvino(model: keras.Model, path: Path, quantize: str | None) -> None:
    import openvino

    full = path.with_name(f"full-{path.name}")
    _export(_unrolled(model), full, "openvino")
    made = openvino.Core().read_model(full)
    # Of unrolled layers also what nothing uses is an output.
    unused = [
        r
        for r in made.get_results()
        if not any(n.startswith("Identity") for n in r.input(0).get_source_output().get_names())
    ]
    if len(made.outputs) - len(unused) == len(model.outputs):
        for result in unused:
            made.remove_result(result)
    for node in made.inputs:
        name = identifier(next(iter(node.get_names())))
        node.get_node().set_friendly_name(name)
        node.get_tensor().set_names({name})
    openvino.save_model(made, path, compress_to_fp16=quantize == "float16")
    del made  # its weights are mapped from the file
    full.unlink()
    full.with_suffix(".bin").unlink()


_WRITERS = {"onnx": _onnx, "litert": _litert, "openvino": _openvino}


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep back what converters print and warn about among themselves."""
    with warnings.catch_warnings(), console.hushed():
        warnings.simplefilter("ignore")
        yield
