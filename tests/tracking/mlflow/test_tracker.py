"""A run in a real MLflow store on SQLite, read back through MLflow's own client."""

from __future__ import annotations

import math
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from trainrun.data.dataset import InputSpec
from trainrun.tracking import journal
from trainrun.tracking.delivery import client as courier
from trainrun.tracking.mlflow.store import resolve_uri
from trainrun.tracking.record import Recorder
from trainrun.tracking.settings import TrackingSettings

SECRET = "hunter2"


def network():
    """Two inputs by name: the hard case for a signature."""
    inputs = {
        "numbers": keras.Input((3,), name="numbers"),
        "codes": keras.Input((2,), dtype="int32", name="codes"),
    }
    codes = keras.layers.Flatten()(keras.layers.Embedding(5, 4)(inputs["codes"]))
    joined = keras.layers.Concatenate()([inputs["numbers"], codes])
    outputs = keras.layers.Dense(2, activation="softmax")(joined)
    model = keras.Model(inputs, outputs)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def nice_of(process):
    """Return the nice value of a process, once it has set one."""
    until = time.monotonic() + 30
    while True:
        nice = int((process / "stat").read_text().rpartition(")")[2].split()[16])
        if nice or time.monotonic() > until:
            return nice
        time.sleep(0.1)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """One run, recorded while it trains, with everything that MLflow refuses in it."""
    work = tmp_path_factory.mktemp("a folder with spaces")
    run_dir = work / "run"
    (run_dir / "plots").mkdir(parents=True)
    before = dict(os.environ)
    # A leftover of another tool must not redirect the run.
    os.environ["MLFLOW_RUN_ID"] = "0123456789abcdef0123456789abcdef"
    here = os.getcwd()
    os.chdir(work)
    warnings = []
    try:
        rng = np.random.default_rng(0)
        x = {
            "numbers": rng.normal(size=(40, 3)).astype("float32"),
            "codes": rng.integers(0, 5, (40, 2)).astype("int32"),
        }
        settings = {
            "name": "mlflow",
            "uri": None,
            "experiment": "my experiment",
            "interval": 0.05,
            "every_steps": 4,
        }
        recorder = Recorder(run_dir, TrackingSettings.of(settings), name="the run", warn=warnings.append)
        recorder.start(
            run_id="r1",
            config={
                "optimizer": {"name": "adam", "learning_rate": 0.001, "clipnorm": None},
                "data": {"note": "x" * 9000},
                "weird key@": True,
                "many": {f"k{i}": i for i in range(250)},
                "tracking": {"uri": f"http://me:{SECRET}@host"},
            },
            overrides=["optimizer=adam", f"tracking.uri=http://me:{SECRET}@host"],
            command=f"trainrun optimizer=adam tracking.uri=http://me:{SECRET}@host",
            dataset={"name": "digits", "digest": "ab" * 32, "profile": {"examples": 40}},
            versions={"trainrun": "0.1.0"},
            git={"commit": "c0ffee", "dirty": True},
            tags={"team": "blue"},
        )
        model = network()
        began = time.time()
        model.fit(x, np.zeros(40), epochs=3, batch_size=10, verbose=0, callbacks=[recorder.callback()])
        recorder.metrics(
            {"test_loss": 0.25, "nan": math.nan, "top@3": 0.5, "top#3": 0.75, "up": math.inf, "/a//b": 1.0},
            epoch=3,
            step=12,
        )
        model.save(run_dir / "model.keras")
        (run_dir / "config.yaml").write_text("loss: huber\n")
        (run_dir / "plots" / "curves.png").write_bytes(b"png")
        inputs = [InputSpec("numbers", "numeric", (3,)), InputSpec("codes", "categorical", (2,), (5, 5))]
        recorder.model("model.keras", inputs, (2,))
        recorder.artifacts(["config.yaml", "plots"])
        process = Path("/proc") / str(courier.courier().process_id)
        nice = nice_of(process)  # nobody waits yet
        ended = recorder.end("FINISHED", timeout=120)
        delivery = (process / "maps").read_text(), nice
    finally:
        os.chdir(here)
        os.environ.clear()
        os.environ.update(before)
    from mlflow import MlflowClient

    uri = f"sqlite:///{work}/mlflow.db"
    client = MlflowClient(uri)
    assert ended.identity is not None, warnings
    return SimpleNamespace(
        work=work,
        run_dir=run_dir,
        uri=uri,
        client=client,
        ended=ended,
        delivery=delivery,
        warnings=warnings,
        began=began,
        model=model,
        x=x,
        id=ended.identity["run_id"],
        run=client.get_run(ended.identity["run_id"]),
    )


def test_every_record_is_delivered(recorded):
    assert recorded.warnings == []
    assert recorded.ended.undelivered == 0
    assert recorded.ended.identity["tracking_uri"] == recorded.uri
    assert recorded.run.info.status == "FINISHED"
    assert recorded.run.info.run_name == "the run"
    experiment = recorded.client.get_experiment(recorded.ended.identity["experiment_id"])
    assert experiment.name == "my experiment"


def test_parameters_are_the_flattened_config(recorded):
    params = recorded.run.data.params
    assert params["optimizer.name"] == "adam"
    assert params["optimizer.learning_rate"] == "0.001"
    assert params["optimizer.clipnorm"] == "null"
    assert params["weird key_"] == "true"
    assert params["many.k249"] == "249"
    assert 5990 <= len(params["data.note"]) <= 6000
    start = journal.read(recorded.run_dir / "journal.jsonl").records[0]
    assert start["params"]["data.note"] == "x" * 9000


def test_metrics_by_epoch_with_their_true_times(recorded):
    history = recorded.client.get_metric_history(recorded.id, "loss")
    written = [r for r in journal.read(recorded.run_dir / "journal.jsonl").records if r["kind"] == "epoch"]
    assert [m.step for m in history] == [1, 2, 3]
    assert [m.value for m in history] == [r["metrics"]["loss"] for r in written]
    assert [m.timestamp for m in history] == [int(r["time"] * 1000) for r in written]
    assert recorded.began * 1000 - 1 <= history[0].timestamp <= history[2].timestamp
    steps = recorded.client.get_metric_history(recorded.id, "step")
    assert [m.value for m in steps] == [4, 8, 12]


def test_metrics_are_sent_by_step_on_request(recorded):
    history = recorded.client.get_metric_history(recorded.id, "batch/loss")
    assert [m.step for m in history] == [4, 8, 12]


def test_metrics_that_mlflow_refuses_are_made_acceptable(recorded):
    metrics = recorded.run.data.metrics
    assert metrics["test_loss"] == 0.25
    assert math.isnan(metrics["nan"])
    assert metrics["up"] > 1e300
    assert (metrics["top_3"], metrics["top_3_2"]) == (0.5, 0.75)
    assert metrics["_a__b"] == 1.0
    written = [r for r in journal.read(recorded.run_dir / "journal.jsonl").records if r["kind"] == "metrics"]
    assert written[0]["metrics"]["up"] == math.inf
    assert written[0]["metrics"]["top@3"] == 0.5


def test_tags_and_dataset(recorded):
    tags = recorded.run.data.tags
    assert tags["git.commit"] == tags["mlflow.source.git.commit"] == "c0ffee"
    assert tags["git.dirty"] == "true"
    assert tags["team"] == "blue"
    assert tags["trainrun.version"] == "0.1.0"
    assert tags["trainrun.status"] == "FINISHED"
    (dataset_input,) = recorded.run.inputs.dataset_inputs
    assert dataset_input.dataset.name == "digits"
    assert dataset_input.dataset.digest == ("ab" * 32)[:36]
    assert {t.key: t.value for t in dataset_input.tags}["sha256"] == "ab" * 32


def test_no_secret_in_mlflow_or_journal(recorded):
    everything = str(recorded.run.to_dictionary()) + (recorded.run_dir / "journal.jsonl").read_text()
    assert SECRET not in everything
    assert recorded.run.data.params["tracking.uri"] == "http://***@host"
    assert SECRET.encode() not in (recorded.work / "mlflow.db").read_bytes()


def test_artifacts_are_in_their_folders(recorded):
    assert {a.path for a in recorded.client.list_artifacts(recorded.id)} >= {"config.yaml", "plots"}
    assert [a.path for a in recorded.client.list_artifacts(recorded.id, "plots")] == ["plots/curves.png"]
    assert (recorded.work / "mlartifacts").is_dir()


def test_logged_model_loaded_by_pyfunc_gives_the_same_predictions(recorded, monkeypatch):
    import mlflow

    mlflow.set_tracking_uri(recorded.uri)
    try:
        loaded = mlflow.pyfunc.load_model(f"runs:/{recorded.id}/model")
    finally:
        mlflow.set_tracking_uri(None)
    expected = recorded.model.predict(recorded.x, verbose=0)
    np.testing.assert_array_equal(loaded.predict(recorded.x), expected)
    inputs = loaded.metadata.signature.inputs
    assert inputs.input_names() == ["numbers", "codes"]
    assert [s.type.name for s in inputs.inputs] == ["float32", "int32"]
    assert loaded.metadata.signature.outputs.inputs[0].shape == (-1, 2)
    assert loaded.metadata.run_id == recorded.id
    requirements = next((recorded.work / "mlartifacts").rglob("requirements.txt")).read_text()
    assert f"keras=={keras.__version__}" in requirements
    assert "trainrun" not in requirements


def test_delivery_process_has_no_tensorflow_and_a_low_priority(recorded):
    maps, nice = recorded.delivery
    assert "pydantic" in maps and "tensorflow" not in maps
    assert nice == min(os.nice(0) + 10, 19)


def test_failed_run_has_status_and_reason(recorded, tmp_path):
    settings = {"name": "mlflow", "uri": recorded.uri, "interval": 0.01}
    for status, expected in (("FAILED", "FAILED"), ("KILLED", "KILLED"), ("PRUNED", "FINISHED")):
        folder = tmp_path / status
        folder.mkdir()
        recorder = Recorder(folder, TrackingSettings.of(settings))
        recorder.start(run_id=status, config={})
        ended = recorder.end(status, reason="because", timeout=60)
        run = recorded.client.get_run(ended.identity["run_id"])
        assert run.info.status == expected
        assert run.data.tags["trainrun.status"] == status
        assert run.data.tags["trainrun.reason"] == "because"


def test_default_address_is_a_database_in_the_working_directory(inside, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert resolve_uri(None) == f"sqlite:///{inside}/mlflow.db"
    assert resolve_uri("sqlite:///x.db") == f"sqlite:///{inside}/x.db"
    assert resolve_uri("sub/x.db") == f"sqlite:///{inside}/sub/x.db"
    assert resolve_uri("sqlite:////abs/x.db") == "sqlite:////abs/x.db"
    assert resolve_uri("http://host:5000") == "http://host:5000"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://env")
    assert resolve_uri(None) == "http://env"


def test_the_training_process_never_imports_mlflow_and_nothing_is_printed(recorded, tmp_path):
    shutil.copy(recorded.work / "mlflow.db", tmp_path)  # a new one takes two seconds
    program = """
import sys, time
from trainrun.tracking.record import Recorder
from trainrun.tracking.settings import TrackingSettings
began = time.perf_counter()
recorder = Recorder(".", TrackingSettings.of({"name": "mlflow"}))
recorder.start(run_id="r", config={"a": 1})
started = time.perf_counter() - began
assert recorder.end("FINISHED", timeout=100).undelivered == 0
assert started < (time.perf_counter() - began) / 3, "start waits for something"
assert "mlflow" not in sys.modules
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout + done.stderr == ""
