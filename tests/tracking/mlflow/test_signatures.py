"""Models of tables in MLflow: typed columns, an example, raw rows in and class names out."""

from __future__ import annotations

import json
import re
import sys

import mlflow
import numpy as np
import pandas as pd

from trainrun.data.csv import csv as load
from trainrun.data.parquet import parquet as load_parquet
from trainrun.data.preprocessor import Preprocessor
from trainrun.model import front, functional, mlp, saving
from trainrun.run.saved_model import SavedModel
from trainrun.tracking.mlflow.model_files import write_model


def test_pyfunc_takes_raw_rows_and_gives_class_names(tmp_path):
    random = np.random.default_rng(0)
    rows = 40
    table = pd.DataFrame(
        {
            "age": [None if i % 7 == 0 else float(i) for i in range(rows)],
            "kids": random.integers(0, 4, rows),
            "size": ["?" if i % 6 == 0 else i / 4 for i in range(rows)],
            "zip": ["" if i % 8 == 3 else str(100 + i % 3) for i in range(rows)],
            "pets": ["" if i % 10 == 3 else ["true", "false"][i % 2] for i in range(rows)],
            "income": [f"{v:,.2f}" for v in random.normal(5e4, 9e3, rows)],
            "share": [f"{v:.1f}%" for v in random.normal(0, 9, rows)],
            "start": [f"{v // 60}:{v % 60:02}" for v in random.integers(0, 24 * 60, rows)],
            "member": random.integers(0, 2, rows).astype(bool),
            "sold": [f"2024-{i % 12 + 1:02}-{i % 28 + 1:02}" for i in range(rows)],
            "city": [None if i % 9 == 0 else ["Oslo", "Rome"][i % 2] for i in range(rows)],
            "note": [None if i % 8 == 0 else f"Good, {i % 5}!" for i in range(rows)],
            "buys": [["no", "yes"][i % 3 == 0] for i in range(rows)],
        }
    )
    table.to_csv(tmp_path / "own.csv", index=False)
    data = load(path=str(tmp_path / "own.csv"), target="buys", text=["note"], categorical=["zip"])
    fitted = Preprocessor.of(data)
    core = functional.over(mlp.mlp(data.inputs, data.target, "sigmoid", units=[4]), data.inputs)
    saving.save(front.over(core, fitted), tmp_path / "m.keras", fitted)
    about = {"inputs": [], "output": {"dtype": "float32", "shape": [1]}}
    write_model(tmp_path / "model", tmp_path / "m.keras", about, None)
    loaded = mlflow.pyfunc.load_model(str(tmp_path / "model"))
    types = {c.name: c.type.name for c in loaded.metadata.signature.inputs}
    assert types == {
        "age": "double", "kids": "long", "size": "string", "zip": "double", "pets": "string", "income": "string",
        "share": "string", "start": "string", "member": "boolean", "sold": "string",
        "city": "string", "note": "string",
    }  # fmt: skip
    frame = pd.read_csv(tmp_path / "own.csv")
    predicted = loaded.predict(frame)
    nullable = frame.convert_dtypes().astype(object)
    assert nullable["age"][0] is pd.NA
    pd.testing.assert_frame_equal(loaded.predict(nullable), predicted)
    expected = SavedModel.load(tmp_path / "m.keras").predict(str(tmp_path / "own.csv")).columns()
    assert list(predicted) == list(expected) == ["prediction", "probability_no", "probability_yes"]
    assert list(predicted["prediction"]) == list(expected["prediction"])
    np.testing.assert_allclose(predicted["probability_yes"], expected["probability_yes"], atol=1e-6)
    example = loaded.predict(loaded.input_example)
    assert next(iter(example["prediction"])) in ("no", "yes")
    served = json.loads((tmp_path / "model" / "serving_input_example.json").read_text())["dataframe_split"]
    assert served["columns"] == list(types) and served["data"][0][list(types).index("member")] is True
    assert "good" in served["data"][0][-1].split()
    assert re.fullmatch(r"\d+:\d\d", served["data"][0][list(types).index("start")])
    carried = [name for name in sys.modules if name.startswith("trainrun_scoring")]
    assert carried  # the model came with its own code
    for path in (tmp_path / "model" / "code").rglob("*.py"):
        assert "import trainrun\n" not in path.read_text() and "from trainrun." not in path.read_text()


def test_ids_missing_codes_and_times_with_an_offset_are_those_of_the_file(tmp_path):
    rows = 60
    ids = 10**17 + np.arange(rows) % 3  # of which float64 holds one only
    local = pd.date_range("2024-03-01", periods=rows, freq="7h", tz="Asia/Tokyo")
    table = pd.DataFrame(
        {
            "id": ids.astype(str),
            "some": ["" if i % 9 == 0 else text for i, text in enumerate(ids.astype(str))],
            "code": ["-9" if i % 7 == 0 else str(i % 4) for i in range(rows)],
            "age": ["-9" if i % 5 == 0 else str(i) for i in range(rows)],
            "at": [time.isoformat() for time in local],
            "buys": [["no", "yes"][i % 2] for i in range(rows)],
        }
    )
    table.to_csv(tmp_path / "own.csv", index=False)
    data = load(
        path=str(tmp_path / "own.csv"), target="buys", categorical=["id", "some", "code"], na_values=["-9"]
    )
    fitted = Preprocessor.of(data)
    core = functional.over(mlp.mlp(data.inputs, data.target, "sigmoid", units=[4]), data.inputs)
    saving.save(front.over(core, fitted), tmp_path / "m.keras", fitted)
    write_model(tmp_path / "model", tmp_path / "m.keras", {"inputs": [], "output": {}}, None)
    loaded = mlflow.pyfunc.load_model(str(tmp_path / "model"))
    assert {c.name: c.type.name for c in loaded.metadata.signature.inputs} == {
        "id": "long", "some": "string", "code": "long", "age": "long", "at": "string",
    }  # fmt: skip
    expected = SavedModel.load(str(tmp_path / "m.keras")).predict(str(tmp_path / "own.csv")).output.ravel()
    frame = pd.read_csv(tmp_path / "own.csv", dtype={"some": str})
    for at in (frame["at"], pd.Series(list(local), dtype=object)):
        predicted = loaded.predict(frame.assign(at=at))
        np.testing.assert_allclose(predicted["probability_yes"], expected, atol=1e-6)


def test_whole_numbers_of_a_real_type_are_real(tmp_path):
    numbers = np.arange(40) % 7
    table = pd.DataFrame(
        {"real": numbers.astype(float), "whole": numbers, "buys": np.where(numbers > 3, "yes", "no")}
    )
    table.to_parquet(tmp_path / "own.parquet")
    fitted = Preprocessor.of(data := load_parquet(path=str(tmp_path / "own.parquet"), target="buys"))
    core = functional.over(mlp.mlp(data.inputs, data.target, "sigmoid", units=[4]), data.inputs)
    saving.save(front.over(core, fitted), tmp_path / "m.keras", fitted)
    write_model(tmp_path / "model", tmp_path / "m.keras", {"inputs": [], "output": {}}, None)
    loaded = mlflow.pyfunc.load_model(str(tmp_path / "model"))
    expected = SavedModel.load(str(tmp_path / "m.keras")).predict(table).output.ravel()
    predicted = loaded.predict(table[["real", "whole"]])["probability_yes"]  # MLflow refuses other types
    np.testing.assert_allclose(predicted, expected, atol=1e-6)
