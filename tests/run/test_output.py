"""Several outputs from a table to predictions: record, resume, the saved file, evaluation, what is refused."""

from __future__ import annotations

import json

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

import trainrun
from trainrun.commands import resume
from trainrun.errors import UserError
from trainrun.tracking import journal

OFF = ["tracking=none", "artifacts.report=false", "hardware.deterministic=true"]
TARGETS = ["data=csv", "data.path=customers.csv", "data.target=[churn,spend]"]
SETTINGS = [*OFF, *TARGETS, "metric={churn: [accuracy], spend: [mae]}", "loss={spend: huber}", "model.units=[4]",
            "trainer.limit=40", "artifacts.weights=last"]  # fmt: skip

TWO_BY_TWO = """
import numpy as np
import trainrun
from trainrun.data.dataset import Dataset, InputSpec, Split, TargetSpec

@trainrun.register("data", "two_by_two")
def two_by_two():
    random = np.random.default_rng(0)
    def part(n):
        x = {"a": random.random((n, 3), "float32"), "b": random.integers(0, 4, (n, 1)).astype("int32")}
        return Split(x, {"kind": np.arange(n) % 2, "size": random.random((n, 2))}, np.arange(n) / n + 0.5)
    named = {"kind": TargetSpec("binary", ("no", "yes")), "size": TargetSpec("real", outputs=2)}
    inputs = InputSpec("a", "numeric", (3,)), InputSpec("b", "categorical", (1,), (4,))
    return Dataset("two_by_two", "multi_output", inputs, TargetSpec("named", outputs=2, named=named), part(40), part(10), part(10))
"""


@pytest.fixture(scope="module")
def table():
    random = np.random.default_rng(5)
    visits, city = random.integers(0, 60, 90), random.choice(["Lima", "Oslo"], 90)
    return pd.DataFrame(
        {
            "visits": visits,
            "city": city,
            "churn": np.where(random.random(90) < 0.3 + 0.3 * (city == "Oslo"), "yes", "no"),
            "spend": np.round(100 + 3.0 * visits + random.normal(0, 5, 90), 2),
        }
    )


@pytest.fixture(scope="module")
def trained(table, tmp_path_factory):
    """A run of three epochs, in the folder of its table."""
    folder = tmp_path_factory.mktemp("outputs")
    table.to_csv(folder / "customers.csv", index=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield trainrun.run([*SETTINGS, "trainer.epochs=3"])


def test_the_record_has_each_term_and_the_plots_of_each_output(trained):
    epochs = [r for r in journal.read(trained.run_dir / "journal.jsonl").records if r["kind"] == "epoch"]
    logged = epochs[-1]["metrics"]
    assert logged["loss"] == pytest.approx(logged["churn_loss"] + logged["spend_loss"], rel=1e-5)
    assert {"val_churn_accuracy", "val_spend_mean_absolute_error", "val_spend_loss"} < set(logged)
    plots = {path.name for path in (trained.run_dir / "plots").iterdir()}
    assert {"curves.png", "churn_roc.png", "spend_predicted_vs_true.png"} < plots
    outputs = trained.summary["data"]["outputs"]
    assert outputs["churn"]["positive"] == "yes" and len(outputs["spend"]["range"]) == 3


def test_the_saved_file_takes_raw_rows_and_gives_each_output_in_its_meaning(trained, table):
    model = keras.saving.load_model(trained.run_dir / "model.keras")
    raw = {
        "visits": table["visits"].to_numpy("float64")[:, None],
        "city": tf.constant(table["city"].tolist())[:, None],
    }
    got, predicted = model.predict(raw, verbose=0), trained.predict(table)
    np.testing.assert_allclose(got["churn"][:, 0], predicted["probability_churn_yes"], atol=1e-6)
    np.testing.assert_allclose(got["spend"][:, 0], predicted["prediction_spend"], rtol=1e-6)
    assert list(predicted["prediction_churn"]) == ["yes" if p > 0.5 else "no" for p in got["churn"][:, 0]]

    measured = trained.evaluate("customers.csv", by="city").metrics
    error = np.abs(predicted["prediction_spend"] - table["spend"]).mean()
    assert measured["spend_mean_absolute_error"].value == pytest.approx(error, rel=1e-5)
    right = (predicted["prediction_churn"] == table["churn"]).mean()
    assert measured["churn_accuracy"].value == pytest.approx(right)


def test_the_evaluation_has_the_weighted_loss_and_an_export_gives_the_same(trained):
    measured = trained.evaluate().metrics
    terms = measured["churn_loss"].value + measured["spend_loss"].value
    assert (
        measured["loss"].value == pytest.approx(terms)
        and measured["loss"].low < terms < measured["loss"].high
    )
    assert measured["loss"].value == pytest.approx(trained.metrics["test_loss"], rel=1e-4)
    exported = trained.export("savedmodel")
    assert (exported.metric, exported.difference) == ("loss", pytest.approx(0, abs=1e-4))
    loaded = tf.saved_model.load(f"{exported.folder}/{exported.file}").signatures["serving_default"]
    got = loaded(visits=tf.constant([[30.0]], "float64"), city=tf.constant([["Oslo"]]))
    want = trained.predict(pd.DataFrame({"visits": [30], "city": ["Oslo"]}))
    assert got["spend"].numpy()[0, 0] == pytest.approx(want["prediction_spend"][0], rel=1e-6)


def test_folds_and_a_saved_file_go_on_with_several_outputs(trained):
    more = ["data.folds=3", "data.fold=1", "trainer.epochs=1", "artifacts.plots=false"]
    settings = [s for s in SETTINGS if not s.startswith(("model.", "trainer.limit"))]
    file = [
        "model=file",
        f"model.path={trained.run_dir}/model.keras",
        "optimizer=sgd",
        "optimizer.learning_rate=1e-9",
        "data.test=0",
    ]
    result = trainrun.run([*settings, *more, *file])
    rows = pd.read_csv(result.run_dir / "fold_predictions.csv")
    table, predicted = (
        pd.read_csv("customers.csv").loc[rows["row"]],
        trained.predict("customers.csv").loc[rows["row"]],
    )
    assert list(rows["target_churn"]) == list(table["churn"])
    np.testing.assert_allclose(rows["prediction_spend"], predicted["prediction_spend"], rtol=1e-4)
    np.testing.assert_allclose(rows["probability_churn_yes"], predicted["probability_churn_yes"], atol=1e-4)


def test_the_best_epoch_is_known_by_the_default_metrics_too(trained):
    # `metric=` names other metrics here; of `auto`, each output has those of its kind.
    from trainrun.config import outputs
    from trainrun.registry import direction

    config = {**trained.config, "metric": {"auto": {"name": "auto"}}}
    metrics = outputs.measured(config, trained.data().description())
    ways = {
        name: direction.of(name, metrics)
        for name in ("val_churn_auc_pr", "spend_r2_score", "spend_root_mean_squared_error")
    }
    assert list(ways.values()) == ["max", "max", "min"]
    assert {"val_churn_accuracy", "val_spend_mean_absolute_error", "val_churn_loss"} < set(
        trained.summary["best"]
    )


def test_a_dataset_of_python_code_may_have_several_inputs_and_outputs(inside):
    (inside / "mine.py").write_text(TWO_BY_TWO)
    result = trainrun.run([*OFF, "plugins=[./mine.py]", "data=two_by_two", "trainer.class_weight={kind: {1: 2}}",
                           "model=wide_and_deep", "model.units=[4]", "trainer.epochs=1", "artifacts.plots=false"])  # fmt: skip
    assert {"test_kind_accuracy", "test_size_r2_score"} < set(result.metrics)
    got = result.model.predict(result.data().test.x, verbose=0)
    assert {name: array.shape for name, array in got.items()} == {"kind": (10, 1), "size": (10, 2)}


def test_the_positive_class_of_an_output_is_named(trained):
    common = {"path": "customers.csv", "target": ["churn", "spend"], "seed": 42}
    yes, no = (trainrun.build("data", "csv", **common, positive={"churn": c}) for c in ("yes", "no"))
    positives = [sum(part.y["churn"].sum() for part in data.parts.values()) for data in (yes, no)]
    assert sum(positives) == 90 and positives[0] != positives[1]
    assert no.target.named["churn"].classes == ("yes", "no")
    for wrong, message in (("no", "{churn: no}"), ({"spend": 3}, "numbers"), ({"visits": "no"}, "no target")):
        with pytest.raises(UserError, match=message):
            trainrun.build("data", "csv", **common, positive=wrong)


def test_several_labels_are_one_output_of_a_table(inside):
    random = np.random.default_rng(2)
    a, b = random.normal(size=(2, 120))
    frame = pd.DataFrame({"a": a, "b": b, "red": (a > 0).astype(int), "big": np.where(b > 0, "yes", "no")})
    frame.to_csv("labels.csv", index=False)
    result = trainrun.run([*OFF, "data=csv", "data.path=labels.csv", "data.target=[red,big]", "data.task=multilabel",
                           "model=linear", "trainer.epochs=30", "optimizer.learning_rate=0.05", "artifacts.plots=false"])  # fmt: skip
    predicted = result.predict("labels.csv")
    for name, truth in (("red", frame["red"] == 1), ("big", frame["big"] == "yes")):
        assert ((predicted[f"probability_{name}"] > 0.5) == truth).mean() > 0.9
    right = [
        ((predicted["probability_red"] > 0.5) == (a > 0)).mean(),
        ((predicted["probability_big"] > 0.5) == (b > 0)).mean(),
    ]
    assert result.evaluate("labels.csv").metrics["binary_accuracy"].value == pytest.approx(np.mean(right))
    with pytest.raises(UserError, match="expected 0 and 1, or no and yes"):
        trainrun.run(
            [*OFF, "data=csv", "data.path=labels.csv", "data.target=[a,red]", "data.task=multilabel"]
        )


@pytest.mark.parametrize("trainer", ["fit", "custom"])
def test_a_run_that_goes_on_ends_with_the_same_bits(trained, trainer):
    whole = trained if trainer == "fit" else trainrun.run([*SETTINGS, "trainer=custom", "trainer.epochs=3"])
    trainrun.run([*SETTINGS, f"trainer={trainer}", "trainer.epochs=2"], run_dir=f"cut_{trainer}")
    assert resume.main([f"cut_{trainer}", "trainer.epochs=3"]) == 0
    with open(f"cut_{trainer}/summary.json", encoding="utf-8") as file:
        summary = json.load(file)
    assert summary["weights_sha256"] == whole.summary["weights_sha256"]
    assert summary["metrics"] == whole.summary["metrics"]
