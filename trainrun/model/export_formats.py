"""The formats that a trained model is exported to: files, packages, quantizations. A table; the work is done in `exporting`."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from trainrun.errors import Problem, UserError, did_you_mean

# The greatest difference between predictions that is accepted, by quantization; see `trainrun.run.exported`.
BOUNDS: Mapping[str | None, float] = {None: 0.001, "float16": 0.01, "float8": 0.1, "int8": 0.1, "int4": 0.25}
EXTRA = "pip install 'trainrun[export]'"


@dataclass(frozen=True)
class Format:
    """One format.

    Args:
        file: the model's file or folder in the folder of an export.
        quantize: the quantizations that were tried and verified.
        packages: name of a module -> the package that has it, besides TensorFlow and Keras.
        lacks: types of inputs that its runtime does not take, or not to their last digits.
        tables: whether it has the operations that encode a table's rows, texts and what is missing, and that resize images.
    """

    file: str
    quantize: Sequence[str] = ()
    packages: Mapping[str, str] = field(default_factory=dict)
    lacks: frozenset[str] = frozenset()
    tables: bool = False


FORMATS: Mapping[str, Format] = {
    "keras": Format("model.keras", ("int8", "int4", "float8"), tables=True),
    "savedmodel": Format("model", ("int8", "int4", "float8"), tables=True),
    "onnx": Format(
        "model.onnx",
        ("float16", "int8"),
        {"onnx": "onnx", "tf2onnx": "tf2onnx", "onnxruntime": "onnxruntime"},
        frozenset({"string"}),  # tables: tf2onnx multiplies what is missing by 0, which leaves NaN
    ),
    "litert": Format(
        "model.tflite",
        ("float16", "int8"),
        {"ai_edge_litert": "ai-edge-litert"},
        frozenset({"string", "float64"}),
    ),
    "openvino": Format("model.xml", ("float16",), {"openvino": "openvino"}, frozenset({"string", "float64"})),
}


def find(name: str, quantize: str | None = None) -> Format:
    """Return a format.

    Args:
        name: of the format.
        quantize: the number format of its weights; None: that of the training.

    Raises:
        UserError: there is no such format, it does not have this quantization, or a package is missing.
    """
    if name not in FORMATS:
        known = ", ".join(FORMATS)
        raise UserError(
            Problem("format", f"expected one of {known}, got {name!r}.{did_you_mean(name, FORMATS)}")
        )
    made, problems = FORMATS[name], []
    if quantize is not None and quantize not in made.quantize:
        pairs = "; ".join(f"{n}: {', '.join(f.quantize)}" for n, f in FORMATS.items())
        problems.append(Problem("quantize", f"{name} has no {quantize!r} here. There are {pairs}."))
    missing = [p for module, p in made.packages.items() if importlib.util.find_spec(module) is None]
    if missing:
        problems.append(Problem("format", f"{name} needs {', '.join(missing)}: {EXTRA}"))
    if problems:
        raise UserError(problems)
    return made
