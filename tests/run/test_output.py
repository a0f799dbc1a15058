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
from trainrun.tracking import journal

OFF = ["tracking=none", "artifacts.report=false", "hardware.deterministic=true"]
TARGETS = ["data=csv", "data.path=customers.csv", "data.target=[churn,spend]"]
SETTINGS = [*OFF, *TARGETS, "metric={churn: [accuracy], spend: [mae]}", "loss={spend: huber}", "model.units=[4]",
            "trainer.limit=40", "artifacts.weights=last"]  # fmt: skip


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


@pytest.mark.parametrize("trainer", ["fit", "custom"])
def test_a_run_that_goes_on_ends_with_the_same_bits(trained, trainer):
    whole = trained if trainer == "fit" else trainrun.run([*SETTINGS, "trainer=custom", "trainer.epochs=3"])
    trainrun.run([*SETTINGS, f"trainer={trainer}", "trainer.epochs=2"], run_dir=f"cut_{trainer}")
    assert resume.main([f"cut_{trainer}", "trainer.epochs=3"]) == 0
    with open(f"cut_{trainer}/summary.json", encoding="utf-8") as file:
        summary = json.load(file)
    assert summary["weights_sha256"] == whole.summary["weights_sha256"]
    assert summary["metrics"] == whole.summary["metrics"]
