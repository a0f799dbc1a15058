"""The run that a word means, and the run as an object: `trainrun.load`, `trainrun.run`, `trainrun.sweep`."""

from __future__ import annotations

import json
from operator import methodcaller

import keras
import numpy as np
import pytest

import trainrun
from trainrun.errors import UserError
from trainrun.sweep import named_run
from trainrun.tracking.delivery import state


@pytest.mark.parametrize(
    ("word", "folder"),
    [
        ("first", "runs/first"),
        ("outputs/runs/second", "runs/second"),
        ("last", "sweeps/rates/1"),
        ("best", "sweeps/rates/0"),  # of the learning rates 0.1 and 0.00001, after two epochs
        ("rates", "sweeps/rates/0"),
        ("rates/1", "sweeps/rates/1"),
    ],
)
def test_a_word_means_a_run(within, word, folder):
    assert named_run.run(word).resolve() == within / "outputs" / folder


def test_a_run_is_found_beside_another_folder_of_its_name(within, monkeypatch, tmp_path):
    for name in ("first", "last", "elsewhere"):
        (tmp_path / "cwd" / name).mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "cwd")
    outputs = within / "outputs"
    assert named_run.run("first", outputs) == outputs / "runs" / "first"
    assert named_run.run("last", outputs).name == "1"
    with pytest.raises(UserError, match="elsewhere is no run's directory"):
        named_run.run("elsewhere", outputs)


def test_a_trackers_run_id_means_its_run(within, monkeypatch):
    sent = [{"run_id": "0123abcd", "tracking_uri": "sqlite:///mlflow.db", "experiment_id": "1"}]
    monkeypatch.setattr(state, "read", lambda folder: sent if folder.name == "second" else [])
    assert named_run.run("0123abcd").name == "second"


def test_all_words_that_mean_no_run_are_reported_at_once(within):
    with pytest.raises(UserError) as error:
        named_run.runs(["frist", "first", "best/7"])
    assert [p.message.split(":")[0] for p in error.value.problems] == ["no run 'frist'", "no run 'best/7'"]


def test_a_loaded_run_is_what_was_trained(within):
    run = trainrun.load("first")
    summary = json.loads((within / "outputs/runs/first/summary.json").read_text())
    assert (run.status, run.metrics) == ("FINISHED", summary["metrics"])
    assert len(run.history["val_loss"]) == 3 and run.config["optimizer"]["learning_rate"] == 0.01
    data = run.data()
    # scikit-learn's definition of the metric, on what Keras predicts.
    predicted = run.model.predict(data.test.x, verbose=0).argmax(1)
    assert np.mean(predicted == data.test.y) == pytest.approx(run.metrics["test_accuracy"])
    assert "test_accuracy" in repr(run)
    assert "<table>" in methodcaller("_repr_html_")(run)  # as a notebook does


def test_a_run_without_a_model_says_how_to_get_one(inside):
    run = trainrun.run(
        ["data=iris", "trainer.epochs=1", "tracking=none", "artifacts=none"], run_dir="outputs/runs/bare"
    )
    assert isinstance(run.model, keras.Model)  # in memory
    with pytest.raises(UserError, match="trainrun reproduce"):
        _ = trainrun.load("bare").model


def test_a_changed_config_trains_and_a_wrong_one_is_refused(inside):
    config = trainrun.compose(["data=iris", "trainer.epochs=1", "tracking=none", "artifacts=none"])
    config["trainer"]["epochs"] = 2
    assert len(trainrun.run(config).history["loss"]) == 2
    with pytest.raises(UserError) as error:
        trainrun.run({**config, "optimizer": {"name": "adam", "learning_rate": -1}, "lost": 1})
    assert "lost" in str(error.value)


def test_a_sweep_has_trials_a_table_and_a_best_run(inside):
    sweep = trainrun.run(
        ["data=iris", "trainer.epochs=1", "tracking=none", "artifacts=none", "seeds=2", "hydra/launcher=local", "hydra.launcher.n_jobs=1"]
    )  # fmt: skip
    assert [*sweep.frame["seed"]] == [42, 43] and [t.status for t in sweep.trials] == ["FINISHED"] * 2
    lower, higher = sorted(sweep.frame["val_loss"])
    assert lower < higher and sweep.best.metrics["val_loss"] in (lower, higher)
