"""Saved models on raw rows: files, DataFrames, other data; what does not fit is refused with the reason."""

from __future__ import annotations

import csv
import json
from dataclasses import replace

import keras
import numpy as np
import pandas as pd
import pytest

import trainrun
from trainrun.checkpoint import file as checkpoint_file
from trainrun.commands import check
from trainrun.data import scoring
from trainrun.errors import UserError
from trainrun.run import stored_preprocessing
from trainrun.run.saved_model import SavedModel

OFF = ["tracking=none", "artifacts.plots=false", "artifacts.report=false", "callback=none", "metric=accuracy"]


def write(path, rows) -> None:
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def people(count: int = 90, cities=("Lima", "Oslo", "Rome")) -> list[dict[str, object]]:
    random = np.random.default_rng(1)
    return [
        {
            "id": f"p{i}",
            "age": "" if i % 9 == 0 else int(random.integers(18, 80)),
            "city": "" if i % 10 == 0 else cities[i % len(cities)],
            "member": bool(i % 2),
            "note": "" if i % 8 == 0 else f"Good, {i % 5}!",
            "buys": ["no", "yes"][int(random.random() < 0.4)],
        }
        for i in range(count)
    ]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run on a table with gaps, and its folder."""
    folder = tmp_path_factory.mktemp("saved")
    write(folder / "people.csv", people())
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        result = trainrun.run([*OFF, "data=csv", "data.path=people.csv", "data.target=buys", "data.exclude=[id]", "data.text=[note]",
                               "data.missing=mean_or_mode", "trainer.epochs=2", "model.units=[4]"])  # fmt: skip
    return result, folder


def test_file_frame_and_plain_keras_get_the_predictions_that_were_measured(trained):
    result, folder = trained
    saved = SavedModel.load(result.run_dir)
    assert json.loads((result.run_dir / "preprocessing.json").read_text())["target"]["classes"] == [
        "no",
        "yes",
    ]
    in_checkpoint = checkpoint_file.newest(result.run_dir)[0].about["preprocessing"]
    assert json.loads(in_checkpoint) == json.loads((result.run_dir / "preprocessing.json").read_text())
    predictions = saved.predict(str(folder / "people.csv"), further=["id"])
    columns = predictions.columns()
    assert list(columns) == ["prediction", "probability_no", "probability_yes"]
    assert predictions.rows.missing == {"age": 10, "city": 9, "note": 12} and predictions.rows.unknown == {}
    assert predictions.rows.further["id"].to_pylist()[:2] == ["p0", "p1"]
    frame = pd.read_csv(folder / "people.csv")
    of_frame = saved.predict(frame).output
    np.testing.assert_array_equal(of_frame, predictions.output)
    raw = {
        "age": frame["age"].to_numpy(),
        "city": frame["city"].fillna("").to_numpy(str),
        "member": frame["member"].map({True: "True", False: "False"}).to_numpy(str),
        "note": frame["note"].fillna("").to_numpy(str),
    }
    plain = saved.raw({k: keras.ops.convert_to_tensor(v) for k, v in raw.items()})
    np.testing.assert_allclose(plain, predictions.output, atol=1e-6)
    # Each row of the parts as it was in training.
    data = trainrun.build("data", "csv", path=str(folder / "people.csv"), target="buys", exclude=["id"], text=["note"],
                          missing="mean_or_mode", seed=42)  # fmt: skip
    measured = np.concatenate(
        [np.ravel(result.model.predict(s.x, verbose=0)) for s in (data.train, data.validation, data.test)]
    )
    np.testing.assert_allclose(np.sort(measured), np.sort(predictions.output.ravel()), atol=1e-6)


def test_unknown_categories_are_counted_and_gaps_of_a_frame_are_filled(trained):
    saved = SavedModel.load(trained[0].run_dir)
    predictions = saved.predict(
        {"age": [None, 30.0], "city": ["Atlantis", None], "member": [True, False], "note": ["New", None]}
    )
    assert predictions.rows.unknown == {"city": 1} and predictions.rows.missing == {
        "age": 1,
        "city": 1,
        "note": 1,
    }
    assert not np.isnan(predictions.output).any()


def test_a_missing_number_that_nothing_fills_leaves_a_row_without_prediction(trained):
    saved = SavedModel.load(trained[0].run_dir)
    columns = tuple(replace(c, fill=None) for c in saved.fitted.columns)
    bare = replace(saved, fitted=replace(saved.fitted, columns=columns))
    predictions = bare.predict(
        {"age": [None, 30.0], "city": ["Oslo"] * 2, "member": [True, False], "note": ["Good"] * 2}
    )
    assert np.isnan(predictions.output).ravel().tolist() == [True, False]
    assert predictions.columns()["prediction"][0] is None


def test_lacking_columns_and_texts_among_numbers_are_refused(trained):
    saved = SavedModel.load(trained[0].run_dir)
    with pytest.raises(UserError, match="trained on age, which the file lacks"):
        saved.predict({"city": ["Oslo"], "member": [True], "note": ["Good"]})
    with pytest.raises(UserError, match="row 2: column age: 'old' is not a number"):
        saved.predict({"age": ["3", "old"], "city": ["Oslo"] * 2, "member": [True] * 2, "note": [""] * 2})
    # The model reads it so: there is no setting to change.
    with pytest.raises(UserError, match=r"row 1: column member: 'perhaps' is none of false, true\.$"):
        saved.predict({"age": [3, 4], "city": ["Oslo"] * 2, "member": ["perhaps", "true"], "note": [""] * 2})
    with pytest.raises(UserError, match="there is no"):
        SavedModel.load(trained[1] / "nothing.keras")


@pytest.mark.parametrize(
    ("known", "values", "texts"),
    [
        (["01234", "99999"], [99999, 10], ["99999", "10"]),
        (["01234", "99999"], [1234], "1234 may be '01234'"),
        (["7", "7.0"], [7.0], "7.0 may be '7' or '7.0'"),
        (["100000000000000001"], [1e17], "may be '100000000000000001'"),
        (
            ["100000000000000001"],
            np.array([10**17, 10**17 + 1]),
            ["100000000000000000", "100000000000000001"],
        ),
        (["7.0", "9.0"], [7, 9.0, -9], ["7.0", "9.0", ""]),
    ],
)
def test_a_number_that_may_be_another_text_of_the_training_file_is_refused(known, values, texts):
    def read():
        return scoring.category_texts(list(values), "zip", frozenset(known), frozenset(["-9"]))

    if isinstance(texts, list):
        assert read() == texts
    else:
        with pytest.raises(
            ValueError, match=f"column zip holds numbers, of which .*{texts}.*dtype={{'zip': str}}"
        ):
            read()


def test_zip_codes_that_pandas_read_as_numbers_are_refused(tmp_path):
    rows = [{"zip": ["01234", "99999"][i % 2], "y": ["no", "yes"][i % 2]} for i in range(60)]
    write(tmp_path / "zip.csv", rows)
    result = trainrun.run([*OFF, "data=csv", f"data.path={tmp_path / 'zip.csv'}", "data.target=y", "data.categorical=[zip]",
                           "trainer.epochs=1", "model.units=[4]", f"hydra.run.dir={tmp_path / 'run'}"])  # fmt: skip
    result.predict(pd.read_csv(tmp_path / "zip.csv", dtype={"zip": str}))
    with pytest.raises(UserError, match="1234 may be '01234' of the training data"):
        result.predict(pd.read_csv(tmp_path / "zip.csv"))


@pytest.mark.filterwarnings("ignore:The model does not have any trainable weights")
def test_model_file_on_other_data_uses_the_stored_preprocessing(trained, monkeypatch):
    result, folder = trained
    monkeypatch.chdir(folder)
    # Without Lima the codes of this file's own categories would be others; its mean age is another, too.
    others = [{**row, "age": row["age"] or 90} for row in people(60, cities=("Rome", "Oslo"))]
    write(folder / "others.csv", others)
    common = [*OFF, "data=csv", "data.target=buys", "model=file", f"model.path={result.run_dir}/model.keras",
              "data.missing=mean_or_mode", "model.trainable=false", "trainer.epochs=1"]  # fmt: skip
    again = trainrun.run([*common, "data.path=others.csv"])
    expected = SavedModel.load(result.run_dir).predict("others.csv").output
    np.testing.assert_array_equal(SavedModel.load(again.run_dir).predict("others.csv").output, expected)
    stored = json.loads((result.run_dir / "preprocessing.json").read_text())["columns"]
    assert json.loads((again.run_dir / "preprocessing.json").read_text())["columns"] == stored
    write(
        folder / "else.csv", [{**row, "buys": "perhaps" if row["buys"] == "no" else "yes"} for row in others]
    )
    for path, message in (
        ("else.csv", "knows the classes 'no', 'yes'; the column also has 'perhaps'"),
        ("few.csv", "lacks"),
    ):
        write(folder / "few.csv", [{k: row[k] for k in ("age", "buys")} for row in others])
        with pytest.raises(UserError, match=message):
            trainrun.run([*common, f"data.path={path}"])
    with pytest.raises(
        UserError, match=r"model\.path: .*columns of a table \(people\); data=iris has arrays"
    ):
        trainrun.run([*OFF, "data=iris", "model=file", f"model.path={result.run_dir}/model.keras"])


def test_init_from_leaves_the_target_to_the_data_and_keeps_the_ids_of_known_classes(
    trained, monkeypatch, capsys
):
    result, folder = trained
    monkeypatch.chdir(folder)
    rows = [
        {**row, "buys": {"no": "yes", "yes": "no"}[row["buys"]]} for row in people(cities=("Lima", "Kyiv"))
    ]
    write(folder / "new.csv", [{**row, "sold": i * 1.5, "how": "bcd"[i % 3]} for i, row in enumerate(rows)])

    def words(target, *overrides):
        data = ["data=csv", "data.path=new.csv", f"data.target={target}", f"init_from={result.run_dir}"]
        return [*OFF[:-1], "metric=[]", *data, *overrides]

    def loaded(*settings):
        return stored_preprocessing.load(trainrun.compose(words(*settings)), None)

    # In this file "no" is the rarer class, and by itself would be the positive one.
    data = loaded("buys")
    assert data.target.classes == ("no", "yes")
    labels = np.concatenate([part.y for part in data.parts.values()])
    assert labels.sum() == sum(row["buys"] == "yes" for row in rows) > len(rows) / 2
    assert "a category that the saved model does not know: city 45 of 90" in capsys.readouterr().err
    assert loaded("buys", "data.positive=no").target.classes == ("yes", "no")
    assert loaded("how").target.classes == ("b", "c", "d")
    assert loaded("sold").target.kind == "real"
    for overrides, message in (
        (["buys", "data.exclude=[id,age]"], "data.exclude: the saved model was trained on age as an input"),
        (["buys", "data.features=[age,city,note]"], "data.features: .* trained on member"),
        (["member"], "data.target: .* trained on member as an input; it cannot predict it"),
    ):
        with pytest.raises(UserError, match=message):
            loaded(*overrides)
        with pytest.raises(UserError, match=message):
            check.main(words(*overrides))
