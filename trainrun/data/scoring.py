"""A saved model on DataFrames: raw rows in, class names and probabilities, or numbers in their unit, out.

MLflow models carry a copy of this file as their loader, so it imports nothing of trainrun.
"""

from __future__ import annotations

import json
import math
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

# Rows that a model predicts at once.
BATCH = 1024


def _load_pyfunc(path: str) -> RawRowModel:
    """Return the model of an MLflow folder, as `mlflow.pyfunc` asks for it.

    Args:
        path: the folder `data` of the model.
    """
    return RawRowModel(Path(path) / "model.keras")


class RawRowModel:
    """A `.keras` file that trainrun has saved of a table.

    Args:
        path: the file.
    """

    def __init__(self, path: Path):
        import keras

        with zipfile.ZipFile(path) as archive:
            self.record = json.loads(archive.read("preprocessing.json"))
        self.model = keras.saving.load_model(path, compile=False, safe_mode=True)

    def predict(self, data: Any, params: Mapping[str, Any] | None = None) -> pd.DataFrame:
        """Return one row of named columns for each row of raw data.

        Args:
            data: a DataFrame, or what makes one, with the columns of the table; further ones are ignored.
            params: not used.
        """
        import numpy as np
        import pandas as pd
        import tensorflow as tf

        frame = data if isinstance(data, pd.DataFrame) else pd.DataFrame(data)
        raw = inputs(frame, self.record)
        # Not as arrays, of which Keras casts float64 to float32.
        rows = tf.data.Dataset.from_tensor_slices(raw).batch(BATCH)
        output = np.concatenate([np.asarray(self.model(batch, training=False)) for batch in rows])
        return pd.DataFrame(columns(output, self.record["target"]), index=frame.index)


def inputs(frame: pd.DataFrame, record: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Return the model's inputs by column: float64, or texts.

    Args:
        frame: raw rows.
        record: `preprocessing.json`.
    """
    import numpy as np
    import pandas as pd

    def numbers(values: pd.Series) -> np.ndarray:
        if values.dtype == object or isinstance(values.dtype, pd.StringDtype):
            values = values.map(lambda v: None if _stands_for_none(v, words) else v)
        return np.asarray(pd.to_numeric(values), "float64")

    def texts(values: pd.Series, known: frozenset[str]) -> np.ndarray:
        different = {
            value: category_text(value, known, words) for value in values.unique() if not _is_nan(value)
        }
        return np.array(["" if _is_nan(v) else different[v] for v in values], dtype=object)

    words = frozenset(record["missing_words"])
    return {
        c["name"]: numbers(frame[c["name"]])
        if c["kind"] == "number"
        else texts(frame[c["name"]], frozenset(c["categories"])).astype("U")
        for c in record["columns"]
    }


def columns(output: np.ndarray, target: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Return a model's output as named columns: `prediction`, and of classes the probability of each.

    Args:
        output: probabilities `[n, outputs]`, or real numbers; a row of NaN has no prediction.
        target: `kind` and `classes` of the data's target; one label an example.
    """
    import numpy as np

    classes = [str(name) for name in target["classes"]]
    if target["kind"] == "real":
        names = (
            ["prediction"] if output.shape[1] == 1 else [f"prediction_{i}" for i in range(output.shape[1])]
        )
        return dict(zip(names, output.T, strict=True))
    probabilities = output
    if target["kind"] == "binary":
        probabilities = np.concatenate([1 - output, output], axis=1)
    present = ~np.isnan(probabilities).any(axis=1)
    decided = np.full(len(output), None, dtype=object)
    if target["kind"] == "multilabel":
        decided[present] = [
            ";".join(name for name, p in zip(classes, row, strict=True) if p > 0.5)
            for row in probabilities[present]
        ]
    elif target["kind"] == "binary":
        decided[present] = np.array(classes, object)[(output[present, 0] > 0.5).astype(int)]
    else:
        decided[present] = np.array(classes, object)[probabilities[present].argmax(axis=1)]
    return {"prediction": decided} | {
        f"probability_{name}": p for name, p in zip(classes, probabilities.T, strict=True)
    }


def _is_nan(value: Any) -> bool:
    return value is None or value != value or type(value).__name__ in ("NAType", "NaTType")


def _stands_for_none(value: Any, words: frozenset[str]) -> bool:
    return _is_nan(value) or (isinstance(value, str) and value.strip().lower() in words)


def category_text(value: Any, known: frozenset[str], words: frozenset[str]) -> str:
    """Return a category as a file has it: "true" for True, "7" or "7.0" for 7.0, whichever the model knows."""
    if isinstance(value, str):
        text = value.strip()
        return "" if text.lower() in words else text
    if isinstance(value, bool) or type(value).__name__ == "bool":
        spellings = [str(value).lower(), str(value), str(value).upper()]
    elif isinstance(value, float) or hasattr(value, "is_integer"):
        spellings = [f"{value:.0f}"] if math.isfinite(value) and float(value).is_integer() else []
        spellings.append(repr(float(value)))
    else:
        spellings = [str(value)]
    return next((text for text in spellings if text in known), spellings[0])
