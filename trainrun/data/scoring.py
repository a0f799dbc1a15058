"""A saved model on DataFrames: raw rows in, class names and probabilities, or numbers in their unit, out.

MLflow models carry a copy of this file and of those that it imports as their loader.
"""

from __future__ import annotations

import datetime
import json
import math
import zipfile
from collections.abc import Mapping, Sequence
from decimal import Decimal
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainrun.data import _notations
from trainrun.data._columns import number
from trainrun.data._notations import Notation

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
        blocks = [self.model(batch, training=False) for batch in rows]
        if isinstance(blocks[0], dict):
            output = {n: np.concatenate([np.asarray(block[n]) for block in blocks]) for n in blocks[0]}
        else:
            output = np.concatenate([np.asarray(block) for block in blocks])
        return pd.DataFrame(columns(output, self.record["target"]), index=frame.index)


def inputs(frame: pd.DataFrame, record: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Return the model's inputs by column: float64 (of dates seconds since 1970), or texts.

    Args:
        frame: raw rows.
        record: `preprocessing.json`.

    Raises:
        ValueError: a value is no number, or no date.
    """
    import numpy as np

    words = frozenset(record["missing_words"])
    made = {}
    for column in record["columns"]:
        values = frame[column["name"]]
        if column["kind"] in ("number", "date"):
            made[column["name"]] = _numbers(values, column, words)
            continue
        ordinal = Notation("ordinal", column["form"]).levels if column["kind"] == "ordinal" else ()
        known = frozenset([*column["categories"], *ordinal])
        kind = "O" if column["kind"] == "text" else "U"  # "U" gives each text the room of the longest
        different = [value for value in values.unique() if not _is_nan(value)]
        spelled = category_texts(different, column["name"], known, words)
        texts = dict(zip(different, spelled, strict=True))
        made[column["name"]] = np.array(["" if _is_nan(v) else texts[v] for v in values], kind)
    return made


def _numbers(values: pd.Series, column: Mapping[str, Any], words: frozenset[str]) -> np.ndarray:
    """Return a column of numbers or dates, NaN where a value is missing."""
    import numpy as np

    if values.dtype.kind == "M":
        seconds = values.to_numpy("datetime64[us]").astype("int64") / 1e6
        return np.where(values.isna(), np.nan, seconds)
    numbers = [value for word in words if (value := number(word)) is not None]
    if values.dtype.kind in "biuf":
        read_as = values.to_numpy("float64", na_value=np.nan)
        return np.where(np.isin(read_as, numbers), np.nan, read_as) if numbers else read_as
    notation = None if column["form"] is None else Notation(column["kind"], column["form"])

    def read(value: Any) -> float:
        if _is_nan(value):
            return math.nan
        if isinstance(value, int | float):
            return math.nan if value in numbers else float(value)
        if hasattr(value, "timestamp"):
            # Without a time zone, pandas and datetime would take it for local time.
            return (value if value.tzinfo else value.replace(tzinfo=datetime.UTC)).timestamp()
        text = str(value).strip()
        if text.lower() in words:
            return math.nan
        result = number(text) if notation is None else _notations.read(text, notation)
        if result is None:
            raise ValueError(f"column {column['name']}: {text!r} is no {column['kind']}")
        return result

    return np.array([read(value) for value in values], "float64")


def columns(output: Any, target: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Return a model's output as named columns: `prediction`, and of classes the probability of each.

    Args:
        output: probabilities `[n, outputs]`, or real numbers; a row of NaN has no prediction. Of several outputs, a dict by name.
        target: `kind`, `classes` and, of two classes, `threshold` of the data's target. Of several outputs, `named`: these of each.
    """
    import numpy as np

    if target.get("named"):
        return {
            column_name(column, name): values
            for name, of_output in target["named"].items()
            for column, values in columns(output[name], of_output).items()
        }
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
        decided[present] = np.array(classes, object)[
            (output[present, 0] > target.get("threshold", 0.5)).astype(int)
        ]
    else:
        decided[present] = np.array(classes, object)[probabilities[present].argmax(axis=1)]
    return {"prediction": decided} | {
        f"probability_{name}": p for name, p in zip(classes, probabilities.T, strict=True)
    }


def column_name(column: str, output: str) -> str:
    """Return the name of a column of one output of several: `prediction_churn`, `probability_churn_yes`."""
    word, mark, rest = column.partition("_")
    return f"{word}_{output}{mark}{rest}"


def _is_nan(value: Any) -> bool:
    # Whether NA differs from NA is NA, which has no truth value.
    return value is None or type(value).__name__ in ("NAType", "NaTType") or value != value


def category_texts(
    values: Sequence[Any], name: str, known: frozenset[str], words: frozenset[str]
) -> list[str]:
    """Return categories as a file has them: "true" for True, "7" or "7.0" for 7.0, whichever the model knows.

    Args:
        values: different ones, of which none is missing.
        name: the column's, for messages.
        known: the texts of the training file.
        words: texts that stand for missing values, in lower case.

    Raises:
        ValueError: a number may stand for another text of the training file: 1234 for "01234", or an id that float64 rounds.
    """
    numbers: dict[float, list[str]] = {}
    if not all(isinstance(value, str | bool) for value in values):
        for text in known:
            if (as_number := number(text)) is not None:
                numbers.setdefault(as_number, []).append(text)
    return [_category_text(value, name, known, words, numbers) for value in values]


def _category_text(
    value: Any,
    name: str,
    known: frozenset[str],
    words: frozenset[str],
    numbers: Mapping[float, Sequence[str]],
) -> str:
    if isinstance(value, str):
        text = value.strip()
        return "" if text.lower() in words else text
    if isinstance(value, bool) or type(value).__name__ == "bool":
        spellings = [str(value).lower(), str(value), str(value).upper()]
        return next((text for text in spellings if text in known), spellings[0])
    if isinstance(value, Integral):
        spellings, exact = [f"{int(value)}", f"{int(value)}.0"], Decimal(int(value))
    elif isinstance(value, Real):
        spellings = [f"{value:.0f}"] if math.isfinite(value) and float(value).is_integer() else []
        spellings, exact = [*spellings, repr(float(value))], None
    else:
        return str(value)
    if words.intersection(spellings):
        return ""
    found = next((text for text in spellings if text in known), None)
    others = [
        text
        for text in numbers.get(float(value), ())
        if text != found and (exact is None or Decimal(text) == exact)
    ]
    if others:
        same = " or ".join(repr(text) for text in sorted([found, *others] if found else others)[:3])
        raise ValueError(
            f"column {name} holds numbers, of which {value} may be {same} of the training data. "
            f"Read the column as text, e.g. pandas.read_csv(path, dtype={{{name!r}: str}})."
        )
    return found or spellings[0]
