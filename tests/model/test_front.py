"""The raw-row front of saved models: raw columns in, the same as the training path, without trainrun."""

from __future__ import annotations

import csv
import json
import zipfile
from datetime import UTC, datetime

import keras
import numpy as np
import pytest

from trainrun.data.csv import csv as load
from trainrun.data.dataset import Dataset, InputSpec, Split, TargetSpec
from trainrun.data.preprocessor import FILE, Preprocessor
from trainrun.model import front, functional, mlp, raw_examples, saving
from trainrun.model._inputs import encode_columns
from trainrun.model.file import file as from_file

ROWS = 120


def rows() -> list[dict[str, str]]:
    """Return raw rows: numbers, gaps written in three ways, categories of which some are rare, truth values."""
    random = np.random.default_rng(3)
    return [
        {
            "age": "" if i % 17 == 0 else str(random.integers(18, 80)),
            "born (s, €)": "NA" if i % 11 == 0 else f"{1.6e9 + random.normal() * 10:.3f}",
            "city": "" if i % 13 == 0 else f"rare {i}" if i % 20 == 1 else ["Oslo", "Rome", "null"][i % 3],
            "member": "" if i % 31 == 0 else ["true", "false"][i % 2],
            "share": f"{random.normal() * 10:.1f}%",
            "start": "" if i % 19 == 0 else f"{i * 7 % 24:02}:{i * 11 % 60:02}",
            "sold": "" if i % 23 == 0 else f"{1890 + 2 * i}-{i % 12 + 1:02}-{i % 28 + 1:02} {i % 24:02}:30",
            "day": f"{i % 28 + 1}/{i % 12 + 1}/2024",
            "note": ["", "NA", f"Good, {i}!", "bad bad GOOD fine so-so"][i * 7 % 4]
            if i % 3
            else f"fine {i % 9}",
            "row": str(i + 1),
            "y": f"{random.normal():.3f}",
            "buys": ["no", "yes", "later"][int(random.integers(3))],
        }
        for i in range(ROWS)
    ]


def raw(rows: list[dict[str, str]], columns) -> dict[str, np.ndarray]:
    """Return columns as a user has them: numbers with NaN for gaps, texts as they stand."""

    def number(text: str, column) -> float:
        if text in ("", "NA"):
            return float("nan")
        if column.kind == "date":
            form = "%d/%m/%Y" if "/" in text else "%Y-%m-%d %H:%M"
            return datetime.strptime(text, form).replace(tzinfo=UTC).timestamp()
        if ":" in text:
            return int(text[:2]) + int(text[3:]) / 60
        return float(text.rstrip("%"))

    return {
        c.name: np.array([number(r[c.name], c) for r in rows])
        if c.kind in ("number", "date")
        else np.array([r[c.name] for r in rows])
        for c in columns
    }


@pytest.mark.parametrize(
    "arguments",
    [
        {"target": "buys"},
        {"target": "buys", "missing": "auto"},
        {"target": "y", "missing": "median_or_mode", "standardize": False, "features": ["age", "city"]},
        {"target": "y", "missing": "auto", "features": ["city"]},
        {"target": "buys", "features": ["born (s, €)"]},
        {"target": "y", "features": ["city", "age"], "categorical": ["age", "city"]},
        {
            "target": "buys",
            "missing": "auto",
            "text": {
                "note": {"max_tokens": 6, "sequence_length": 3, "standardize": "lower", "ngrams": 2},
                "city": {"tokens": "character"},
            },
        },
        {"target": "y", "features": ["note"], "text": ["note"]},
    ],
    ids=[
        "all",
        "indicators",
        "as-they-are",
        "indicator-of-categories",
        "one-number",
        "categories",
        "texts",
        "one-text",
    ],
)
def test_front_and_model_equal_the_training_path_on_every_row(tmp_path, arguments):
    everything = rows()
    with open(tmp_path / "own.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, everything[0])
        writer.writeheader()
        writer.writerows(everything)
    arguments = {"missing": "mean_or_mode", "weight": "row", **arguments}
    used = (arguments["target"], *arguments.get("text", ()))
    arguments["exclude"] = [c for c in ("y", "buys", "note") if c not in used]
    data = load(path=str(tmp_path / "own.csv"), **arguments)
    core = functional.over(mlp.mlp(data.inputs, data.target, None, units=[8]), data.inputs)
    for variable in core.variables:
        variable.assign(np.random.default_rng(0).normal(size=variable.shape))
    fitted = Preprocessor.of(data)
    activation = "softmax" if data.target.classes else "identity"
    saving.save(front.over(core, fitted, activation), tmp_path / "m.keras", fitted)
    with zipfile.ZipFile(tmp_path / "m.keras") as archive:
        assert "trainrun" not in archive.read("config.json").decode()
        assert Preprocessor.from_json(archive.read(FILE)) == fitted
    loaded = keras.saving.load_model(tmp_path / "m.keras", safe_mode=True)
    assert set(loaded.input) == {c.name for c in fitted.columns}
    for split in (data.train, data.validation, data.test):
        those = [everything[int(w) - 1] for w in split.weight]
        output = np.asarray(
            loaded({k: keras.ops.convert_to_tensor(v) for k, v in raw(those, fitted.columns).items()})
        )
        expected = keras.ops.softmax(core(split.x)) if data.target.classes else core(split.x)
        np.testing.assert_allclose(output, np.asarray(expected), rtol=1e-6, atol=1e-6)
        again = {k: keras.ops.convert_to_tensor(v) for k, v in raw_examples.of(split.x, fitted).items()}
        np.testing.assert_allclose(np.asarray(loaded(again)), np.asarray(expected), rtol=1e-5, atol=1e-5)
    inside = from_file(data.inputs, data.target, None, path=str(tmp_path / "m.keras"))
    np.testing.assert_array_equal(np.asarray(inside(data.test.x)), np.asarray(core(data.test.x)))


def test_columns_of_the_same_categories_share_a_lookup(tmp_path):
    random, answers = np.random.default_rng(3), ["no", "yes", "maybe"]
    frame = {name: random.choice(answers, 90) for name in ("a", "c", "e")} | {
        "b": random.choice(["x", "y"], 90)
    }
    lines = [
        ",".join((*names, label))
        for *names, label in zip(*(frame[n] for n in "abce"), ["u", "v", "w"] * 30, strict=True)
    ]
    (tmp_path / "t.csv").write_text("\n".join(["a,b,c,e,kind", *lines]))
    data = load(path=str(tmp_path / "t.csv"), target="kind", validation=0, test=0)
    core = functional.over(mlp.mlp(data.inputs, data.target, None, units=[3]), data.inputs)
    whole = front.over(core, Preprocessor.of(data))
    assert sum(isinstance(layer, keras.layers.StringLookup) for layer in whole.layers) == 2
    raw = {name: np.array(texts)[:, None] for name, texts in frame.items()}
    predicted = whole({name: keras.ops.convert_to_tensor(texts) for name, texts in raw.items()})
    np.testing.assert_allclose(np.asarray(predicted), np.asarray(core(data.train.x)), atol=1e-6)


def test_one_hot_codes_of_columns_lie_side_by_side():
    codes = np.array([[0, 3, 1], [2, 0, 0], [1, 1, 1]], "int32")
    (made,) = encode_columns(InputSpec("categorical", "categorical", (3,), (3, 4, 2)), codes)
    eyes = [np.eye(size)[codes[:, i]] for i, size in enumerate((3, 4, 2))]
    np.testing.assert_array_equal(np.asarray(made), np.concatenate(eyes, axis=1))


@pytest.mark.parametrize("name", ["digits", "iris"])
def test_front_of_arrays_takes_pixels_and_measurements_as_they_come(name):
    from sklearn import datasets

    import trainrun

    bunch = getattr(datasets, f"load_{name}")()
    values = bunch.images[..., None] if name == "digits" else bunch.data
    data = trainrun.build("data", name, validation=0, test=0)
    core = mlp.mlp(data.inputs, data.target, "softmax", units=[4])
    np.testing.assert_allclose(
        np.asarray(front.over(core, Preprocessor.of(data))(values)), np.asarray(core(data.train.x)), atol=1e-6
    )


def test_front_of_several_arrays_preprocesses_each():
    from trainrun.data._named_arrays import ArraySettings, dataset
    from trainrun.data._split_settings import SplitSettings

    random = np.random.default_rng(0)
    arrays = {
        "photo": random.integers(0, 256, (20, 4, 4, 1)).astype("uint8"),
        "size": random.normal(50, 9, (20, 2)),
        "y": np.arange(20) % 2,
    }
    data = dataset(
        "own",
        arrays,
        ArraySettings(("photo", "size"), "y", None, None, "auto", True, True),
        SplitSettings(0, 0),
    )
    core = functional.over(mlp.mlp(data.inputs, data.target, "sigmoid", units=[4]), data.inputs)
    whole = front.over(core, Preprocessor.of(data))
    output = whole({name: arrays[name] for name in ("photo", "size")})
    np.testing.assert_allclose(np.asarray(output), np.asarray(core(data.train.x)), atol=1e-6)


def test_model_without_preprocessing_and_with_probabilities_has_no_front():
    data = Dataset(
        "own", "classification", (InputSpec("tokens", "tokens", (5,), (9,)),), TargetSpec("binary", ("a", "b")),
        Split(np.zeros((2, 5), "int32"), np.zeros(2, "int64")),
    )  # fmt: skip
    core = mlp.mlp(data.inputs, data.target, "sigmoid", units=[4])
    assert front.over(core, Preprocessor.of(data)) is core and front.core(core) is core


def test_record_of_a_newer_version_is_refused():
    with pytest.raises(ValueError, match=r"format 99.*update trainrun"):
        Preprocessor.from_json(json.dumps({"format": 99}))
    with pytest.raises(ValueError, match=FILE):
        Preprocessor.from_json('{"format": 1, "task": "classification"}')
