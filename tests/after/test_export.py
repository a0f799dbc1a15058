"""`trainrun export`: each format in its own runtime gives the predictions of the run's model, or nothing is kept."""

from __future__ import annotations

import json
import shutil

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from PIL import Image
from sklearn.datasets import load_iris

import trainrun
from trainrun.cli import main
from trainrun.errors import UserError
from trainrun.model import exporting, front, saving
from trainrun.run.exported import ExportError


def raw_rows() -> dict[str, tf.Tensor]:
    frame = pd.read_csv("new.csv")
    return {"age": tf.constant(frame[["age"]]), "city": tf.constant(frame[["city"]].astype(str))}


def probabilities() -> np.ndarray:
    return trainrun.load("buyers").predict(pd.read_csv("new.csv"))["probability_yes"].to_numpy()


def prepared(frame: pd.DataFrame, folder) -> dict[str, np.ndarray]:
    """Return arrays that numpy makes of raw rows by the record beside an export."""
    record = json.loads((folder / "preprocessing.json").read_text())
    by_name = {column["name"]: column for column in record["columns"]}
    mean, std = np.array(record["moments"]["numeric"])
    wide = np.stack([frame["age"].fillna(by_name["age"]["fill"]), frame["age"].isna()], axis=1)
    codes = [by_name["city"]["categories"].index(city) + 1 for city in frame["city"]]
    return {
        "numeric": ((wide - mean) / std).astype("float32"),
        "categorical": np.array(codes, "int32")[:, None],
    }


def in_runtime(format_name: str, path, arrays: dict[str, np.ndarray]) -> np.ndarray:
    """Return what the format's own runtime computes."""
    if format_name == "onnx":
        import onnxruntime

        return onnxruntime.InferenceSession(path).run(None, arrays)[0]
    if format_name == "litert":
        from ai_edge_litert.interpreter import Interpreter

        (output,) = Interpreter(str(path)).get_signature_runner("serving_default")(**arrays).values()
        return output
    import openvino

    exact = {"INFERENCE_PRECISION_HINT": "f32"}
    return openvino.compile_model(path, "CPU", exact)(arrays)[0]


def test_keras_and_savedmodel_take_raw_rows_without_trainrun(within, tmp_path, capsys):
    for name in ("keras", "savedmodel"):
        assert main(["export", "buyers", "--format", name, "-o", str(tmp_path / name)]) == 0
    printed = capsys.readouterr()
    assert "takes raw rows: age float64, city string" in printed.out and "loss" in printed.out
    loaded = keras.saving.load_model(tmp_path / "keras" / "model.keras")
    np.testing.assert_allclose(np.ravel(loaded(raw_rows())), probabilities(), atol=1e-6)
    served = tf.saved_model.load(str(tmp_path / "savedmodel" / "model"))
    (output,) = served.signatures["serving_default"](**raw_rows()).values()
    np.testing.assert_allclose(np.ravel(output), probabilities(), atol=1e-6)


@pytest.mark.parametrize("format_name", ["onnx", "litert", "openvino"])
def test_other_runtimes_take_the_arrays_that_the_record_beside_describes(
    within, tmp_path, capsys, format_name
):
    out = tmp_path / "out"
    assert main(["export", "buyers", "--format", format_name, "-o", str(out), "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["raw_rows"] is False and set(content["inputs"]) == {"categorical", "numeric"}
    arrays = prepared(pd.read_csv("new.csv"), out)
    output = in_runtime(format_name, out / content["file"], arrays)
    np.testing.assert_allclose(np.ravel(output), probabilities(), atol=1e-6)
    recorded = trainrun.load("buyers").metrics["test_loss"]
    assert content["before"]["value"] == pytest.approx(recorded, rel=1e-4)
    assert content["after"] == pytest.approx(recorded, rel=1e-4) and content["size"] < content["size_before"]
    # A target in its own unit, which Keras computes in float64; and weights in 16 bits.
    spending = trainrun.load("spending").export(format_name, "float16", out)
    output = in_runtime(format_name, out / content["file"], prepared(pd.read_csv("new.csv"), out))
    expected = trainrun.load("spending").predict(pd.read_csv("new.csv"))["prediction"].to_numpy()
    assert np.abs(np.ravel(output) - expected).max() < 0.01 * expected.std()
    assert spending.unit == "standard deviations" and 0 < spending.difference < 0.01


def test_weights_that_litert_leaves_as_they_are_are_no_quantization(within, tmp_path, capsys):
    typed = ["export", "buyers", "--format", "litert", "--quantize", "int8", "-o", str(tmp_path / "out")]
    assert main(typed) == 2
    assert "quantize: LiteRT leaves weights of fewer than 1,024" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("format_name", ["onnx", "litert", "openvino"])
def test_images_that_are_resized_in_training_are_exported_at_their_size(tmp_path, monkeypatch, format_name):
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    for i in range(12):
        path = tmp_path / "photos" / "ab"[i % 2] / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (11, 9, 3), "uint8")).save(path)
    overrides = ["data=image_folder", "data.path=photos", "data.size=[8,8]", "model=cnn", "model.filters=[3]", "trainer.epochs=1",
                 "trainer.batch_size=4", "tracking=none", "artifacts.plots=false", "artifacts.report=false"]  # fmt: skip
    run = trainrun.run(overrides)
    exported = run.export(format_name, output=tmp_path / "out")
    assert not exported.raw_rows
    assert exported.inputs["image"]["shape"] == [8, 8, 3]
    pixels = random.random((1, 8, 8, 3), "float32")
    output = in_runtime(format_name, tmp_path / "out" / exported.file, {"image": pixels})
    np.testing.assert_allclose(output, np.asarray(run.model(pixels)), atol=1e-5)


def test_measurements_are_raw_in_onnx(within, tmp_path):
    exported = trainrun.load("first").export("onnx", output=tmp_path / "out")
    assert exported.raw_rows
    values = load_iris().data
    output = in_runtime("onnx", tmp_path / "out" / "model.onnx", {"numeric": values})
    loaded = keras.saving.load_model("outputs/runs/first/model.keras", compile=False)
    np.testing.assert_allclose(output, loaded(tf.constant(values)), atol=1e-6)


def test_what_differs_by_more_than_the_bound_is_not_kept_and_a_former_export_stays(within, tmp_path, capsys):
    run, out = trainrun.load("buyers"), tmp_path / "out"
    for mode in ("float8", "int8"):
        quantized = run.export("keras", mode, out)
        assert quantized.difference > 1e-6
        loaded = keras.saving.load_model(out / "model.keras")
        difference = np.abs(np.ravel(loaded(raw_rows())) - probabilities()).max()
        assert difference == pytest.approx(quantized.difference, abs=0.01)
    before = sorted((p.name, p.stat().st_mtime_ns) for p in out.iterdir())
    typed = ["export", "buyers", "--format", "keras", "--quantize", "int4", "--bound", "1e-9", "-o", str(out)]
    assert main(typed) == 1
    assert "of probability, more than 1e-09" in capsys.readouterr().err
    with pytest.raises(ExportError):
        run.export("savedmodel", "int8", tmp_path / "other", bound=1e-9)
    assert before == sorted((p.name, p.stat().st_mtime_ns) for p in out.iterdir())
    assert [p.name for p in tmp_path.iterdir()] == ["out"]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    with pytest.raises(UserError, match=r"has no export\.json"):
        run.export("keras", output=tmp_path / "mine")


def test_unknown_formats_quantizations_and_missing_packages_are_told_together(within, monkeypatch, capsys):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    for arguments, messages in (
        (["onxx"], ["Did you mean onnx?"]),
        (
            ["litert", "--quantize", "int4"],
            ["litert: float16, int8", "needs ai-edge-litert: pip install 'trainrun[export]'"],
        ),
        (["keras", "--rows", "0"], ["expected a positive integer"]),
        (["keras", "--rows", "many"], ["expected a positive integer, got 'many'"]),
        (["keras", "--bound", "-1"], ["expected a positive number"]),
    ):
        assert main(["export", "buyers", "--format", *arguments]) == 2
        printed = capsys.readouterr().err
        assert all(message in " ".join(printed.split()) for message in messages), printed


def test_a_quantization_that_loses_more_than_the_metric_s_interval_says_so(within, tmp_path, capsys):
    run_dir = tmp_path / "brittle"
    shutil.copytree(within / "outputs/runs/first", run_dir)
    saved = trainrun.load(str(run_dir)).saved
    first, second = [x for x in front.core(saved.raw).layers if isinstance(x, keras.layers.Dense)][:2]
    # A unit that is always 0 changes no prediction, but int8 scales each column by its greatest weight.
    kernel, bias = first.get_weights()
    kernel[:, 0], bias[0] = 0, 0
    first.set_weights([kernel, bias])
    kernel, bias = second.get_weights()
    kernel[0] = 1e4
    second.set_weights([kernel, bias])
    saving.save(saved.raw, run_dir / "model.keras", saved.fitted)
    typed = ["export", str(run_dir), "--format", "keras", "--quantize", "int8", "--bound", "1"]
    assert main([*typed, "-o", str(tmp_path / "out")]) == 0
    content = json.loads((tmp_path / "out/export.json").read_text())
    warning = " ".join(capsys.readouterr().err.split())
    assert "loss is worse than the original's by more than its 95% bootstrap interval" in warning
    # By the runtime itself: what is kept predicts nearly the same of all flowers.
    predicted = keras.saving.load_model(tmp_path / "out/model.keras")(tf.constant(load_iris().data))
    assert np.ptp(predicted, axis=0).max() < 0.05
    assert content["worse"] and content["after"] > content["before"]["high"]


@pytest.mark.filterwarnings("ignore::UserWarning:keras")  # of layers that Keras does not quantize
def test_quantized_attention_is_refused_where_keras_cannot_load_it(tmp_path):
    path, given = tmp_path / "model.keras", keras.Input((3, 8))
    model = keras.Model(given, keras.layers.MultiHeadAttention(2, 4, name="heads")(given, given))
    model.save(path)
    with pytest.raises(UserError, match=r"quantized attention \(heads\).*savedmodel"):
        exporting.write(exporting.Source(path, model, model, None), "keras", tmp_path / "out.keras", "int8")
    model.quantize("int8")
    model.save(path)
    with pytest.raises(ValueError, match="could not be loaded"):  # once it can, the refusal can go
        keras.saving.load_model(path)
