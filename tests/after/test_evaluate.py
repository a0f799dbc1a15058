"""`trainrun evaluate`: the recorded figures again, scikit-learn's on a new file, intervals as theory has them."""

from __future__ import annotations

import json
import math
import os
import shutil

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, log_loss, mean_absolute_error, r2_score, roc_auc_score

import trainrun
from trainrun.cli import main
from trainrun.run import slices


@pytest.fixture(scope="module")
def run_of(project):
    """Return recorded runs by name, each loaded once."""
    runs = {name: trainrun.load(project / "outputs/runs" / name) for name in ("buyers", "spending", "first")}
    return runs.__getitem__


@pytest.mark.parametrize("name", ["buyers", "spending", "first"])
def test_the_run_s_own_test_part_gives_its_recorded_metrics(within, run_of, name):
    scores = run_of(name).evaluate()
    assert scores.source == "test"
    recorded = {k.removeprefix("test_"): v for k, v in run_of(name).metrics.items() if k.startswith("test_")}
    assert {k: s.value for k, s in scores.metrics.items()} == pytest.approx(recorded, rel=1e-4)


def test_classes_of_a_new_file_are_measured_as_scikit_learn_does_all_together_and_by_city(within, capsys):
    frame = pd.read_csv("new.csv").sample(frac=1, random_state=0)
    frame.loc[frame.index[:7], "buys"] = None
    frame.to_csv("shuffled.csv", index=False)
    assert main(["evaluate", "buyers", "shuffled.csv", "--by", "city"]) == 0
    printed = capsys.readouterr()
    assert "missing values: age" in printed.err and "7 rows left out" in printed.err
    assert all(word in printed.out for word in ("accuracy", "Lima", "Oslo", "Rome", "113 rows"))
    content = json.loads((within / "outputs/runs/buyers/evaluation-shuffled.json").read_text())
    frame = frame[frame["buys"].notna()].reset_index(drop=True)
    frame = frame.join(trainrun.load("buyers").predict(frame))
    (whole, *parts) = [content, *content["slices"]]
    for part, rows in zip((whole, *parts), (frame, *(g for _, g in frame.groupby("city"))), strict=True):
        values = {name: score["value"] for name, score in part["metrics"].items()}
        p = rows["probability_yes"]
        assert part["rows"] == len(rows)
        assert values["accuracy"] == pytest.approx(accuracy_score(rows["buys"], rows["prediction"]), rel=1e-6)
        assert values["loss"] == pytest.approx(log_loss(rows["buys"] == "yes", p), rel=1e-4)
        # Keras' area is of 200 thresholds.
        assert values["auc"] == pytest.approx(roc_auc_score(rows["buys"], p), abs=0.02)
    share, count = whole["metrics"]["accuracy"], len(frame)
    error = 1.96 * math.sqrt(share["value"] * (1 - share["value"]) / count)
    assert share["high"] - share["low"] == pytest.approx(2 * error, rel=0.15)


def test_rows_of_one_class_and_columns_without_any_value_are_measured(within, run_of):
    frame = pd.read_csv("new.csv")
    frame = frame[frame["buys"] == "yes"].assign(age=None, city=None)
    frame.to_csv("yes.csv", index=False)
    predicted = run_of("buyers").predict("yes.csv")
    for data in ("yes.csv", frame):
        scores = run_of("buyers").evaluate(data)
        assert scores.metrics["accuracy"].value == pytest.approx((predicted["prediction"] == "yes").mean())
        assert scores.metrics["loss"].value == pytest.approx(
            -np.log(predicted["probability_yes"]).mean(), rel=1e-4
        )
        assert math.isnan(scores.metrics["auc"].value)
    row = pd.read_csv("new.csv").head(1)
    error = run_of("spending").predict(row)["prediction"] - row["spent"]
    assert run_of("spending").evaluate(row).metrics["mean_absolute_error"].value == pytest.approx(
        abs(error[0]), rel=1e-4
    )


def test_numbers_are_measured_in_their_unit_by_quarters_of_a_column(within, run_of):
    frame = pd.read_csv("new.csv")
    scores = run_of("spending").evaluate(frame, by="age")
    predicted = run_of("spending").predict(frame)["prediction"]
    assert scores.metrics["mean_absolute_error"].value == pytest.approx(
        mean_absolute_error(frame["spent"], predicted)
    )
    assert scores.metrics["r2_score"].value == pytest.approx(r2_score(frame["spent"], predicted), rel=1e-4)
    assert len(scores.slices) == 5 and scores.slices[-1].name == "missing" and scores.missing == {"age": 11}
    quarter = frame["age"] < frame["age"].quantile(0.25)
    assert scores.slices[0].metrics["mean_absolute_error"].value == pytest.approx(
        mean_absolute_error(frame["spent"][quarter], predicted[quarter])
    )
    errors = np.abs(frame["spent"] - predicted)
    assert [w["place"] for w in scores.worst] == list(np.argsort(-errors)[:10])
    assert scores.worst[0]["values"]["city"] == frame["city"][errors.argmax()]
    width = scores.metrics["mean_absolute_error"].high - scores.metrics["mean_absolute_error"].low
    assert width == pytest.approx(2 * 1.96 * errors.std() / math.sqrt(len(errors)), rel=0.15)


def test_features_of_preprocessed_arrays_come_back_as_raw_values(within, run_of, capsys):
    assert main(["evaluate", "first", "--by", "petal width (cm)", "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert sum(part["rows"] for part in content["slices"]) == content["rows"] == 30
    data = run_of("buyers").data()
    cities = slices.column("city", data.test, run_of("buyers").saved.fitted)
    ages = slices.column("age", data.test, run_of("buyers").saved.fitted)
    assert set(cities) == {"Lima", "Oslo", "Rome"} and 17 < min(ages) < max(ages) < 81
    assert {age % 0.5 for age in ages} == {0.0}  # as in the file, where float32 has 41.999998


def test_overrides_of_the_data_are_read_as_a_file_is(within, run_of, capsys):
    every = ["data.validation=0", "data.test=0"]
    assert main(["evaluate", "spending", "data.path=new.csv", *every, "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    expected = run_of("spending").evaluate("new.csv").plain()
    assert content["worst"][0]["place"] == expected["worst"][0]["place"]
    for name, score in expected["metrics"].items():
        assert content["metrics"][name] == pytest.approx(score, rel=1e-5)
    for arguments, message in (
        (["data.path=new.csv", "optimizer.momentum=1"], "expected one FILE, or overrides"),
        (["data.pth=new.csv"], "Did you mean"),
        (["data.path=new.csv", "data.target=buys"], "column buys: not a number"),
    ):
        assert main(["evaluate", "spending", *arguments]) == 2
        assert message in capsys.readouterr().err


def test_what_cannot_be_measured_is_refused(within, tmp_path, capsys):
    frame = pd.read_csv("new.csv")
    frame.drop(columns="buys").to_csv(tmp_path / "bare.csv", index=False)
    frame.replace({"buys": {"no": "perhaps"}}).to_csv(tmp_path / "else.csv", index=False)
    for arguments, message in (
        ([str(tmp_path / "bare.csv")], "no column 'buys'"),
        ([str(tmp_path / "else.csv")], "the column also has 'perhaps'"),
        (["new.csv", "--by", "citi"], "no column 'citi'. Did you mean city?"),
        (["--by", "citi"], "Did you mean city?"),
    ):
        assert main(["evaluate", "buyers", *arguments]) == 2
        assert message in capsys.readouterr().err


def test_a_run_is_compared_with_itself_and_another_on_the_same_rows(within, run_of, capsys):
    assert main(["evaluate", "first", "--against", "second", "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    data, both = run_of("first").data(), [run_of("first"), trainrun.load("second")]
    right = [run.model.predict(data.test.x, verbose=0).argmax(1) == data.test.y for run in both]
    paired = right[1].astype(float) - right[0]
    found = content["differences"]["accuracy"]
    assert found["value"] == pytest.approx(paired.mean())
    # Of a mean over independent rows, by the central limit theorem.
    assert found["high"] - found["low"] == pytest.approx(
        2 * 1.96 * paired.std() / math.sqrt(len(paired)), rel=0.25
    )
    itself = run_of("buyers").evaluate("new.csv", against=run_of("buyers")).differences
    assert {(s.value, s.low, s.high) for s in itself.values()} == {(0.0, 0.0, 0.0)}
    for other, message in (
        (("buyers", "spending"), "Name a file"),
        (("buyers", "spending", "new.csv"), "another target"),
    ):
        run, against, *file = other
        assert main(["evaluate", run, *file, "--against", against]) == 2
        assert message in capsys.readouterr().err


@pytest.mark.parametrize("name", ["buyers", "spending"])
def test_rows_that_the_model_was_trained_on_are_told(within, run_of, name, capsys):
    assert main(["evaluate", name, "people.csv"]) == 0
    assert "have the same features and target as a training row" in capsys.readouterr().err
    record = json.loads((within / f"outputs/runs/{name}/evaluation-people.json").read_text())
    assert len(run_of(name).data().train) <= record["in_training"] < record["rows"]
    assert run_of(name).evaluate("new.csv").in_training == 0


def test_shifted_columns_are_named_by_their_population_stability_index(within, run_of):
    from trainrun.run import drift

    frame = pd.read_csv("new.csv")
    same = run_of("buyers").evaluate(frame)
    assert not any(d.shifted for d in same.drift.values()) and drift.warning(same.drift) is None
    frame["age"] = frame["age"] * 0.5
    frame["city"] = "Lima"
    shifted = run_of("buyers").evaluate(frame).drift
    train = run_of("buyers").data().train.x["categorical"][:, 0]
    old = np.maximum(np.bincount(train, minlength=4)[1:] / len(train), 1e-4)
    new = np.maximum([1, 0, 0], 1e-4)
    assert shifted["city"].psi == pytest.approx(((new - old) * np.log(new / old)).sum(), rel=1e-6)
    assert shifted["age"].shifted and "age" in drift.warning(shifted) and "city" in drift.warning(shifted)


def test_data_that_changed_are_read_as_at_the_training_also_from_another_folder(
    project, tmp_path, monkeypatch, capsys
):
    for name in ("people.csv", "new.csv"):
        shutil.copy(project / name, tmp_path)
    monkeypatch.chdir(tmp_path)
    words = ["data=csv", "data.path=people.csv", "data.test_path=new.csv", "data.target=buys"]
    quick = ["tracking=none", "artifacts.plots=false", "artifacts.report=false", "trainer.epochs=4"]
    run = trainrun.run([*words, *quick, "data.features=[age,city]", "model=linear", "metric=accuracy"])
    frame = pd.read_csv("people.csv", na_values="?")
    rarer = frame["buys"].value_counts().index[-1]
    # Other statistics, and the other class is the rarer one, so that it would be the positive class.
    frame["buys"] = frame["buys"].where(frame.index % 5 == 0, rarer)
    frame.assign(age=frame["age"] * 3 + 50).to_csv("people.csv", index=False)
    (tmp_path / "below").mkdir()
    run_dir = os.path.relpath(run.run_dir, "below")
    monkeypatch.chdir("below")
    scores = trainrun.load(run_dir).evaluate()
    assert "has changed since" in capsys.readouterr().err
    for name in ("loss", "accuracy"):  # those of the same file of tests
        assert scores.metrics[name].value == pytest.approx(run.metrics[f"test_{name}"], rel=1e-4)


def test_the_loss_of_data_that_changed_is_in_the_deviations_of_the_training(project, tmp_path, monkeypatch):
    for name in ("people.csv", "new.csv"):
        shutil.copy(project / name, tmp_path)
    monkeypatch.chdir(tmp_path)
    words = [
        "data=csv",
        "data.path=people.csv",
        "data.test_path=new.csv",
        "data.target=age",
        "data.features=[city]",
    ]
    quick = ["tracking=none", "artifacts.plots=false", "artifacts.report=false", "trainer.epochs=2"]
    run = trainrun.run([*words, *quick, "model=linear", "metric=mean_absolute_error"])
    frame = pd.read_csv("people.csv", na_values="?")
    frame.assign(age=frame["age"] * 3 + 50).to_csv("people.csv", index=False)
    scores = trainrun.load(run.run_dir).evaluate()
    for name in ("loss", "mean_absolute_error"):  # those of the same file of tests
        assert scores.metrics[name].value == pytest.approx(run.metrics[f"test_{name}"], rel=1e-4)
