"""The signature of a model in MLflow, and an example of its input."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainrun.data import _clock_times
from trainrun.data._date_texts import date_text
from trainrun.data._gaps import is_integer
from trainrun.data._large_integers import LARGEST_EXACT
from trainrun.data._notations import CURRENCY, Notation
from trainrun.data.dataset import TargetSpec
from trainrun.data.preprocessor import Column, Preprocessor
from trainrun.data.scoring import column_name

if TYPE_CHECKING:
    from mlflow.models import ModelSignature

EXAMPLE, SERVING_EXAMPLE = "input_example.json", "serving_input_example.json"
# Significant digits of a mean, and words of a text, that stand in an example.
DIGITS, WORDS = 4, 3


def of_arrays(about: Mapping[str, Any], fitted: Preprocessor | None) -> ModelSignature:
    """Return the signature of a model that takes arrays.

    Args:
        about: see `model_files.write_model`.
        fitted: its preprocessor; None: the file has none, and takes the arrays as they are in training.
    """
    import numpy as np
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec

    def spec(entry: Mapping[str, Any], dtype: str, name: str | None = None, shape: Any = None) -> TensorSpec:
        return TensorSpec(np.dtype(dtype), (-1, *(entry["shape"] if shape is None else shape)), name)

    def raw(entry: Mapping[str, Any], name: str | None) -> TensorSpec:
        step = {} if fitted is None else fitted.steps.get(entry["name"], {})
        if "vocabulary" in step:
            return spec(entry, "object", name, ())  # Keras' predict takes texts only as objects in one axis
        if fitted is not None and ("standardize" in step or entry["name"] in fitted.moments):
            return spec(entry, "float64", name)
        scale = step.get("scale", 1.0 if fitted is None else fitted.scales.get(entry["name"], 1.0))
        any_size = (-1, -1, entry["shape"][-1]) if step.get("resize") else None
        return spec(entry, "uint8" if scale == 1 / 255 else entry["dtype"], name, any_size)

    inputs = about["inputs"]
    named = about.get("named", len(inputs) > 1)
    outputs = [spec(about["output"], about["output"]["dtype"])] if about.get("output") else []
    outputs += [spec(entry, entry["dtype"], name) for name, entry in about.get("outputs", {}).items()]
    return ModelSignature(
        inputs=Schema([raw(entry, entry["name"] if named else None) for entry in inputs]),
        outputs=Schema(outputs) if outputs else None,
    )


def of_table(fitted: Preprocessor) -> ModelSignature:
    """Return the signature of a model that takes a table's columns by name."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema

    def columns(target: TargetSpec) -> list[tuple[Any, str]]:
        if target.named:
            of_outputs = {name: columns(spec) for name, spec in target.named.items()}
            return [(t, column_name(c, name)) for name, made in of_outputs.items() for t, c in made]
        if target.kind == "real" and target.outputs > 1:
            return [(DataType.double, f"prediction_{i}") for i in range(target.outputs)]
        if target.kind == "real":
            return [(DataType.double, "prediction")]
        return [
            (DataType.string, "prediction"),
            *((DataType.double, f"probability_{name}") for name in target.classes),
        ]

    return ModelSignature(
        inputs=Schema([ColSpec(_type(c), c.name) for c in fitted.columns]),
        outputs=Schema([ColSpec(kind, name) for kind, name in columns(fitted.target)]),
    )


def _type(column: Column) -> Any:
    """Return MLflow's type of a column: that in which pandas reads it from the file that the model was trained on."""
    from mlflow.types import DataType

    if column.typed:
        return DataType.datetime
    kind = _complete_type(column)
    if column.gaps == "none":
        return kind
    # pandas has no integers with gaps, and reads truth values with gaps, and what has a text such as "?", as texts.
    numbers = kind in (DataType.double, DataType.long) and column.gaps == "blank"
    # Ids that float64 rounds, as pandas reads a column with gaps, would be other categories.
    exact = all(abs(int(text)) <= LARGEST_EXACT for text in column.categories) if numbers else False
    return DataType.double if exact else DataType.string


def _complete_type(column: Column) -> Any:
    """Return the type of a column without its gaps."""
    from mlflow.types import DataType

    if column.kind == "number" and column.form is None:
        return DataType.long if column.whole else DataType.double
    if column.kind == "truth" and column.form == "false/true":
        return DataType.boolean
    whole = {
        "ordinal": lambda: Notation("ordinal", column.form).levels,
        "category": lambda: column.categories,
    }.get(column.kind, tuple)()
    return DataType.long if whole and all(map(is_integer, whole)) else DataType.string


def write_example(fitted: Preprocessor, folder: Path) -> dict[str, Any]:
    """Write a typical row, which is none of the data, into a model's folder; return what MLflow's record says of it."""
    split = {
        "columns": [c.name for c in fitted.columns],
        "data": [[_typical(c, fitted) for c in fitted.columns]],
    }
    (folder / EXAMPLE).write_text(json.dumps(split), encoding="utf-8")
    (folder / SERVING_EXAMPLE).write_text(json.dumps({"dataframe_split": split}), encoding="utf-8")
    return {
        "artifact_path": EXAMPLE,
        "serving_input_path": SERVING_EXAMPLE,
        "type": "dataframe",
        "pandas_orient": "split",
    }


def _typical(column: Column, fitted: Preprocessor) -> Any:
    """Return a value of a column as its file has it."""
    if column.kind == "category":
        text = column.fill if column.fill is not None else (*column.categories, "")[0]
        return int(text) if _type(column).name in ("long", "double") else text
    if column.kind == "text":
        step = next(fitted.steps[name] for name, text in fitted.of_texts.items() if text == column.name)
        return " ".join(
            [word for word in step["vocabulary"] if word.isalnum()][:WORDS] or step["vocabulary"][:WORDS]
        )
    if column.kind == "ordinal":
        levels = Notation("ordinal", column.form).levels
        return int(levels[0]) if _type(column).name in ("long", "double") else levels[0]
    if column.kind == "truth":
        return True if _type(column).name == "boolean" else str(column.form).split("/")[1]
    if column.kind == "date":
        return date_text(float(column.fill or 0.0))
    moments = dict(zip(fitted.features, fitted.moments["numeric"][0], strict=True)) if fitted.moments else {}
    value = float(f"{moments.get(column.name, column.fill or 0.0):.{DIGITS}g}")
    if column.form is None:
        return str(value) if column.gaps == "text" else round(value) if column.whole else value
    if column.form in _clock_times.FORMS:
        return _clock_times.text(value, column.form)
    sign = column.form[-1] if column.form[-1] in f"%{CURRENCY}" else ""
    decimal = "," if column.form.removesuffix(sign).endswith(",5") else "."
    return f"{value:.1f}".replace(".", decimal) + sign
