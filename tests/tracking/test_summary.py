"""summary.json: the keys of the design, legal JSON, and hashes that mean something."""

from __future__ import annotations

import json
import math
import os

import keras
import numpy as np
import pytest

from trainrun.tracking import summary

# As design.md lists them.
KEYS = [
    "run_id",
    "status",
    "overrides",
    "metrics",
    "best",
    "epochs",
    "steps",
    "parameters",
    "seconds",
    "examples_per_second",
    "seed",
    "weights_sha256",
    "data_sha256",
    "versions",
    "git",
    "mlflow",
    "resumed_from",
]


def test_has_the_keys_of_the_design_and_no_others(tmp_path):
    built = summary.build(run_id="r", status="FINISHED", seed=1)
    assert list(built) == KEYS
    assert list(built["seconds"]) == ["import", "data", "build", "train", "evaluate", "save", "total"]
    summary.write(tmp_path, built)
    assert list(json.loads((tmp_path / "summary.json").read_text())) == KEYS


def test_is_strict_json_and_reads_back(tmp_path):
    built = summary.build(
        run_id="r",
        status="FAILED",
        seed=1,
        metrics={"loss": math.nan, "val_loss": np.float32(0.5), "up": math.inf},
        best={"loss": {"value": math.inf, "epoch": 3}},
        parameters=np.int64(7),
    )
    summary.write(tmp_path, built)

    def refuse(constant):
        raise AssertionError(constant)

    raw = json.loads((tmp_path / "summary.json").read_text(), parse_constant=refuse)
    assert raw["parameters"] == 7
    back = summary.read(tmp_path)
    assert math.isnan(back["metrics"]["loss"])
    assert back["metrics"]["val_loss"] == 0.5
    assert back["best"]["loss"] == {"value": math.inf, "epoch": 3}


def test_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    built = summary.build(run_id="old", status="FINISHED", seed=1)
    summary.write(tmp_path, built)

    def fail(*arguments):
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        summary.write(tmp_path, built | {"run_id": "new"})
    assert summary.read(tmp_path)["run_id"] == "old"


def test_holds_no_password():
    built = summary.build(
        run_id="r", status="FINISHED", seed=1, overrides=["tracking.uri=http://me:hunter2@h"]
    )
    assert built["overrides"] == ["tracking.uri=http://***@h"]


def test_refuses_a_status_that_is_none():
    with pytest.raises(ValueError, match="FINISHED, FAILED, KILLED, PRUNED; got 'DONE'"):
        summary.build(run_id="r", status="DONE", seed=1)


def test_best_epochs_go_by_the_metrics_direction():
    history = {
        "loss": [3.0, 1.0, 2.0],
        "val_accuracy": [0.5, 0.9, 0.9],
        "val_loss": [math.nan, 2.0, 1.5],
        "learning_rate": [0.1, 0.1, 0.1],
        "mine": [1.0, 2.0, 3.0],
        "true_loss_nan": [math.nan] * 3,
    }
    assert summary.best_epochs(history, {"mine": {"name": "AUC"}}) == {
        "loss": {"value": 1.0, "epoch": 2},
        "val_accuracy": {"value": 0.9, "epoch": 2},
        "val_loss": {"value": 1.5, "epoch": 3},
        "mine": {"value": 3.0, "epoch": 3},
    }


def test_best_epoch_of_a_validation_every_second_epoch():
    history = {"loss": [5.0, 4.0, 3.0, 2.0, 1.0], "val_loss": [2.0, 1.0]}
    assert summary.best_epochs(history)["val_loss"]["epoch"] == 4
    assert summary.best_epochs(history, validation_freq=2)["val_loss"]["epoch"] == 4


def network():
    return keras.Sequential([keras.Input((3,)), keras.layers.Dense(2), keras.layers.Dense(1)])


def test_weights_hash_does_not_depend_on_how_many_models_came_before():
    first, second = network(), network()
    second.set_weights(first.get_weights())
    assert summary.weights_sha256(first) == summary.weights_sha256(second)


def test_weights_hash_sees_one_bit():
    model = network()
    before = summary.weights_sha256(model)
    weights = model.get_weights()
    weights[0][0, 0] = np.nextafter(weights[0][0, 0], np.float32(9))
    model.set_weights(weights)
    assert summary.weights_sha256(model) != before
