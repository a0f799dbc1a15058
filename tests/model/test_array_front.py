"""The raw front of models of images, texts and arrays by name: equal to the training path, without trainrun."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from PIL import Image

import trainrun
from trainrun.data.preprocessor import Preprocessor
from trainrun.model import front, functional, mlp, saving
from trainrun.tracking.mlflow.model_files import write_model

RNG = np.random.default_rng(1)
TEXTS = [f"Some {RNG.choice(['good', 'bad'])} film, number {i % 7}!" for i in range(40)]


def texts(folder):
    (folder / "t.csv").write_text("text,y\n" + "".join(f'"{t}",{i % 2}\n' for i, t in enumerate(TEXTS)))
    data = trainrun.build("data", "text", path=str(folder / "t.csv"), text="text", target="y", split="time")
    return data, np.array(TEXTS[:24], dtype=object)


def images(folder):
    raw = RNG.integers(0, 256, (12, 20, 30, 3), dtype="uint8")
    for i, pixels in enumerate(raw):
        (folder / "p" / "ab"[i // 6]).mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(folder / "p" / "ab"[i // 6] / f"{i:02}.png")
    path = str(folder / "p")
    return trainrun.build("data", "image_folder", path=path, size=9, validation=0, test=0), raw


def arrays(folder):
    x = {
        "picture": RNG.integers(0, 256, (30, 4, 5, 3), dtype="uint8"),
        "size": RNG.normal(3, 2, (30, 2)),
        "ids": RNG.integers(0, 9, (30, 3), dtype="int32"),
    }
    np.savez(folder / "a.npz", **x, y=np.arange(30) % 2)
    data = trainrun.build(
        "data",
        "npz",
        path=str(folder / "a.npz"),
        x=list(x),
        kind={"ids": "categorical"},
        validation=0,
        test=0,
    )
    return data, x


def windows(folder):
    values = RNG.normal(50, 9, (40, 2)).round(3)
    (folder / "s.csv").write_text("a,b\n" + "".join(f"{a},{b}\n" for a, b in values))
    path = str(folder / "s.csv")
    data = trainrun.build("data", "timeseries", path=path, target="a", window=5, validation=0, test=0)
    return data, np.stack([values[i : i + 5] for i in range(35)])


@pytest.mark.parametrize("make", [texts, images, arrays, windows])
def test_raw_data_give_the_predictions_of_the_training_path(inside, make):
    import mlflow

    data, raw = make(inside)
    core = functional.over(mlp.mlp(data.inputs, data.target, None, units=[4], dropout=0.5), data.inputs)
    fitted = Preprocessor.from_json(Preprocessor.of(data).to_json())
    saving.save(front.over(core, fitted, "sigmoid"), inside / "model.keras", fitted)
    loaded = keras.saving.load_model("model.keras")
    about = {"inputs": [{"name": s.name, "dtype": s.dtype, "shape": s.shape} for s in data.inputs]}
    write_model(inside / "logged", inside / "model.keras", about, None)
    served = mlflow.pyfunc.load_model(str(inside / "logged")).predict(raw)
    raw = raw if isinstance(raw, dict) else keras.ops.convert_to_tensor(raw)
    expected = 1 / (1 + np.exp(-core.predict(data.train.x, verbose=0)))
    for predicted in (loaded.predict(raw, verbose=0), np.array(loaded(raw)), served):  # without dropout
        assert predicted == pytest.approx(expected, abs=1e-6)
    if len(data.inputs) == 1:  # which a plug-in's model names as it likes
        other = keras.Input(data.inputs[0].shape, dtype=data.inputs[0].dtype, name="other")
        named = front.over(keras.Model(other, core(other)), fitted, "sigmoid")
        assert np.array(named(raw)) == pytest.approx(expected, abs=1e-6)
