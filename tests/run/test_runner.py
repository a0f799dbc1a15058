"""Whole runs through the command line's own code: what is printed, what is left behind, what it says."""

from __future__ import annotations

import hashlib
import json
import math
import signal
import subprocess
import sys

import numpy as np
import pytest

import trainrun
from trainrun.cli import main
from trainrun.errors import TrainingError, UserError

SUMMARY_KEYS = {
    "run_id", "status", "overrides", "metrics", "best", "epochs", "steps", "parameters", "seconds", "examples_per_second",
    "seed", "weights", "weights_sha256", "data", "data_sha256", "versions", "git", "system", "input_wait", "mlflow", "resumed_from",
}  # fmt: skip
QUICK = [
    "tracking=none",
    "trainer.epochs=2",
    "trainer.limit=96",
    "artifacts.plots=false",
    "artifacts.report=false",
]


def only_run(folder):
    (run_dir,) = (folder / "outputs" / "runs").iterdir()
    return run_dir


def summary_of(run_dir):
    return json.loads((run_dir / "summary.json").read_text())


@pytest.fixture(scope="module")
def default_run(tmp_path_factory):
    """`trainrun optimizer=adam loss=focal`, as the README types it."""
    import os

    folder = tmp_path_factory.mktemp("default")
    before = os.getcwd()
    os.chdir(folder)
    try:
        code = main(["optimizer=adam", "loss=focal", "trainer.epochs=4"])
    finally:
        os.chdir(before)
    return code, folder


def test_run_leaves_every_file_of_the_design_in_its_directory(default_run):
    code, folder = default_run
    run_dir = only_run(folder)
    assert code == 0
    files = {p.relative_to(run_dir).as_posix() for p in run_dir.rglob("*") if p.is_file()}
    assert files >= {
        "config.yaml", ".hydra/config.yaml", "journal.jsonl", "run.log", "checkpoints/last.npz", "checkpoints/best.npz",
        "model.keras", "summary.json", "plots/curves.png", "plots/confusion_matrix.png", "plots/roc.png",
        "plots/precision_recall.png", "plots/images.png", "report.html", "environment.txt",
    }  # fmt: skip
    assert set(summary_of(run_dir)) == SUMMARY_KEYS


def test_summary_matches_the_model_and_the_history(default_run):
    import keras
    from sklearn.metrics import accuracy_score

    _, folder = default_run
    run_dir = only_run(folder)
    summary = summary_of(run_dir)
    assert summary["status"] == "FINISHED"
    assert summary["overrides"] == ["optimizer=adam", "loss=focal", "trainer.epochs=4"]
    config = trainrun.compose(summary["overrides"])
    data = trainrun.build("data", "digits", seed=config["seed"])
    assert summary["data_sha256"] == data.digest()
    assert summary["steps"] == 4 * math.ceil(len(data.train) / 32)
    model = keras.saving.load_model(run_dir / "model.keras", safe_mode=True)
    assert model.count_params() == summary["parameters"]
    guessed = model.predict(data.test.x * 16, verbose=0).argmax(-1)  # pixels as they come, 0 to 16
    assert summary["metrics"]["test_accuracy"] == pytest.approx(accuracy_score(data.test.y, guessed))
    sha = hashlib.sha256()
    for variable, value in zip(model.weights, model.get_weights(), strict=True):
        sha.update(
            f"{variable.name}{value.dtype}{value.shape}".encode() + np.ascontiguousarray(value).tobytes()
        )
    assert summary["weights_sha256"] == sha.hexdigest()


def test_mlflow_has_the_run_and_its_model_predicts_the_same(default_run, monkeypatch):
    import keras
    import mlflow

    _, folder = default_run
    run_dir = only_run(folder)
    summary = summary_of(run_dir)
    client = mlflow.MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    run = client.get_run(summary["mlflow"]["run_id"])
    assert run.info.status == "FINISHED"
    assert run.data.params["optimizer.learning_rate"] == "0.001"
    assert run.data.metrics["val_loss"] == pytest.approx(summary["metrics"]["val_loss"], rel=1e-6)
    assert len(client.get_metric_history(run.info.run_id, "loss")) == 4
    digests = [d.dataset.digest for d in run.inputs.dataset_inputs]
    assert any(
        summary["data_sha256"].startswith(d) or d.startswith(summary["data_sha256"][:8]) for d in digests
    )
    (logged,) = client.search_logged_models([run.info.experiment_id])
    mlflow.set_tracking_uri(f"sqlite:///{folder / 'mlflow.db'}")
    loaded = mlflow.pyfunc.load_model(logged.model_uri)
    mlflow.set_tracking_uri(None)  # it is also written to the environment
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    data = trainrun.build("data", "digits", seed=42)
    few = data.test.x[:5]
    expected = keras.saving.load_model(run_dir / "model.keras").predict(few, verbose=0)
    got = loaded.predict(few)
    np.testing.assert_allclose(np.asarray(got), expected, rtol=1e-6)


@pytest.fixture(scope="module")
def python_run(tmp_path_factory):
    """A run from Python with files of callbacks: (its result, the folder that it was begun in)."""
    folder = tmp_path_factory.mktemp("python")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        overrides = [*QUICK, "data=iris", "trainer.epochs=3", "trainer.steps_per_epoch=2", "optimizer.learning_rate=0.01",
                 "callback=[csv_logger,model_checkpoint]"]  # fmt: skip
        return trainrun.run(overrides, run_dir="mine"), folder


def test_the_best_checkpoint_restores_the_weights_of_the_best_epoch(python_run):
    import keras

    result, _ = python_run
    best = min(range(3), key=lambda i: result.history["val_loss"][i])
    from trainrun.checkpoint import file, training_state
    from trainrun.model.variables import by_purpose

    model = keras.models.clone_model(result.model)
    model.compile("adam", "sparse_categorical_crossentropy")
    checkpoint = file.read(result.run_dir / "checkpoints" / "best.npz")
    training_state.put(checkpoint, {"weights": by_purpose(model)["weights"]})
    assert checkpoint.epoch == best + 1
    data = trainrun.build("data", "iris", seed=42)
    p = model.predict(data.validation.x, verbose=0)
    loss = -np.log(p[np.arange(len(p)), data.validation.y]).mean()
    assert loss == pytest.approx(result.history["val_loss"][best], rel=1e-5)


def test_steps_per_epoch_cuts_the_epoch(python_run):
    assert python_run[0].summary["steps"] == 6


def test_an_epoch_that_ends_before_its_steps_are_done_is_reported(capsys):
    from types import SimpleNamespace

    from trainrun.run import builders
    from trainrun.trainer.job import Plan

    for asked, times in ((4, 0), (5, 1)):  # 100 examples in batches of 32 are four steps
        config = {"trainer": {"steps_per_epoch": asked}, "metric": {}}
        job = SimpleNamespace(plan=Plan.of(100, 1, 32, asked, 1, True), dataset=SimpleNamespace(each=dict))
        builders.say_unexpected(config, job)
        shown = capsys.readouterr()
        assert " ".join((shown.out + shown.err).split()).count("an epoch ends after 4 steps") == times


def test_callback_files_land_in_the_run_directory(python_run):
    result, folder = python_run
    rows = next(result.run_dir.glob("*.csv")).read_text().splitlines()
    assert len(rows) == 4 and rows[0].startswith("epoch")
    assert len(list(folder.iterdir())) == 1, "something lies outside of the run's directory"


def test_python_runs_return_the_model_and_never_write_into_another_directory(python_run, monkeypatch):
    result, folder = python_run
    assert result.model.predict(np.zeros((2, 4), "float32"), verbose=0).shape == (2, 3)
    monkeypatch.chdir(folder)
    with pytest.raises(UserError, match="not empty"):
        trainrun.run([*QUICK, "data=iris"], run_dir="mine")


THREE_WAYS = ("sparse_categorical_accuracy", "categorical_accuracy", "accuracy")


def assert_three_ways_agree(result):
    assert len({result.metrics[f"val_{name}"] for name in THREE_WAYS}) == 1, (
        "three ways to say accuracy differ"
    )


@pytest.mark.parametrize("loss", ["categorical_crossentropy", "focal", "categorical_hinge", "huber"])
def test_any_loss_and_metric_of_a_task_are_bridged(loss, inside):
    overrides = [*QUICK, "trainer.epochs=1", "data=iris", f"loss={loss}", f"metric=[{','.join(THREE_WAYS)}]"]
    if loss == "huber":
        with pytest.raises(UserError, match="needs real numbers"):
            trainrun.run(overrides)
        return
    assert_three_ways_agree(trainrun.run(overrides))


def test_logits_or_probabilities_train_to_the_same_weights(inside):
    overrides = [*QUICK, "data=iris", f"metric=[{','.join(THREE_WAYS)},auc]", "loss=scce"]
    by_itself, *stated = [
        trainrun.run([*overrides, f"loss.from_logits={v}"]) for v in ("null", "true", "false")
    ]
    assert_three_ways_agree(by_itself)
    for other in stated:
        for name, value in other.metrics.items():
            assert value == pytest.approx(by_itself.metrics[name], rel=1e-4, abs=1e-5), name


def test_class_weights_reach_the_loss(inside):
    data = trainrun.build("data", "breast_cancer", seed=42)
    # One full batch: the logged loss is that of the initial weights, which so small a rate leaves as they are.
    result = trainrun.run([*QUICK[:1], *QUICK[3:], "data=breast_cancer", "trainer.epochs=1", "trainer.batch_size=341", "model=linear",
                           "optimizer=sgd", "optimizer.learning_rate=1e-12", "metric=none",
                           "trainer.class_weight={0: 3.0, 1: 0.5}"])  # fmt: skip
    p = result.model.predict(data.train.x, verbose=0)[:, 0].astype("float64")
    y = data.train.y
    weight = np.where(y == 0, 3.0, 0.5)
    expected = -(weight * (y * np.log(p) + (1 - y) * np.log(1 - p))).mean()
    assert result.history["loss"][0] == pytest.approx(expected, rel=1e-4)


def test_the_penalty_has_its_own_column(inside):
    result = trainrun.run(
        [
            *QUICK,
            "data=iris",
            "model.regularizer={name: l2, l2: 0.1}",
            "optimizer.learning_rate=1e-12",
            "trainer.epochs=1",
        ]
    )
    kernels = [w.numpy() for w in result.model.weights if "kernel" in w.name]
    hidden = 0.1 * sum(float((k.astype("float64") ** 2).sum()) for k in kernels)
    assert result.history["penalty"][0] == pytest.approx(hidden, rel=1e-4)
    assert result.history["loss"][0] == pytest.approx(result.history["data_loss"][0] + hidden, rel=1e-4)


def test_the_same_seed_gives_the_same_bits_and_another_does_not(inside):
    shas = [
        trainrun.run(
            [*QUICK, "data=iris", "metric=none", "hardware.deterministic=true", f"seed={s}"]
        ).summary["weights_sha256"]
        for s in (1, 1, 2)
    ]
    assert shas[0] == shas[1] != shas[2]


def test_real_target_is_standardized_for_training_and_measured_in_its_unit(inside):
    import keras
    from sklearn.metrics import mean_absolute_error, r2_score

    result = trainrun.run(
        [*QUICK[:1], *QUICK[3:], "data=diabetes", "metric=[mae,r2]", "trainer.epochs=5", "optimizer=sgd"]
    )
    data = trainrun.build("data", "diabetes", seed=42)
    assert data.test.y.mean() > 100, "the labels themselves are in their unit"
    model = keras.saving.load_model(result.run_dir / "model.keras")
    raw = trainrun.build("data", "diabetes", seed=42, standardize=False)
    guessed = model.predict(raw.test.x, verbose=0)
    assert result.metrics["test_mean_absolute_error"] == pytest.approx(
        mean_absolute_error(data.test.y, guessed), rel=1e-5
    )
    assert result.metrics["test_r2_score"] == pytest.approx(r2_score(data.test.y, guessed), rel=1e-4)


def test_lengths_of_a_schedule_become_steps(inside):
    result = trainrun.run(
        [
            *QUICK,
            "data=iris",
            "schedule=linear_warmup",
            "schedule.warmup_steps=1epochs",
            "trainer.epochs=3",
            "optimizer.learning_rate=0.5",
        ]
    )
    assert result.history["learning_rate"][-1] == pytest.approx(0.5)
    cosine = trainrun.run(
        [*QUICK, "data=iris", "schedule=cosine_decay", "trainer.epochs=4", "optimizer.learning_rate=0.5"]
    )
    total = cosine.summary["steps"]
    per_epoch = total // 4
    expected = [0.25 * (1 + math.cos(math.pi * (per_epoch * e - 1) / total)) for e in (1, 2, 3, 4)]
    assert cosine.history["learning_rate"] == pytest.approx(expected, rel=1e-5)


def test_early_stopping_restores_the_best_weights_and_the_final_metrics_are_theirs(inside):
    result = trainrun.run([*QUICK[:1], *QUICK[3:], "data=iris", "model.units=[256,256]", "optimizer.learning_rate=0.05", "trainer.epochs=40",
                           "callback=early_stopping", "callback.early_stopping.patience=3",
                           "callback.early_stopping.restore_best_weights=true"])  # fmt: skip
    assert len(result.history["loss"]) < 40
    assert result.metrics["val_loss"] == pytest.approx(min(result.history["val_loss"]), rel=1e-5)


def test_failed_run_is_marked_and_names_its_directory(inside, capsys):
    (inside / "mine.py").write_text(
        "import trainrun\n"
        "@trainrun.register('callback', 'bomb')\n"
        "def bomb():\n"
        "    import keras\n"
        "    class Bomb(keras.callbacks.Callback):\n"
        "        def on_epoch_end(self, epoch, logs=None):\n"
        "            raise RuntimeError('boom at epoch end')\n"
        "    return Bomb()\n"
    )
    code = main([*QUICK, "data=iris", "plugins=[./mine.py]", "callback=bomb"])
    run_dir = only_run(inside)
    err = capsys.readouterr().err
    assert code == 1
    assert "mine.py, line 7: RuntimeError: boom at epoch end" in err and "Traceback" not in err
    assert summary_of(run_dir)["status"] == "FAILED"
    assert "Traceback" in (run_dir / "run.log").read_text()
    ends = [json.loads(line) for line in (run_dir / "journal.jsonl").read_text().splitlines()]
    assert ends[-1]["kind"] == "end" and ends[-1]["status"] == "FAILED"


def test_error_while_building_leaves_no_run_directory(inside, capsys):
    code = main(
        [*QUICK, "data=iris", "model=layers", "model.layers=[{name: Conv2D, filters: 4, kernel_size: 3}]"]
    )
    assert code == 2
    assert "Traceback" not in capsys.readouterr().err
    assert not (inside / "outputs").exists()


def test_sweep_runs_every_point_and_lists_the_failures_at_the_end(inside, capsys):
    (inside / "odd.py").write_text(
        "import trainrun\n"
        "@trainrun.register('loss', 'odd')\n"
        "def odd(y_true, y_pred, fail=False):\n"
        "    if fail:\n"
        "        raise RuntimeError('this one fails')\n"
        "    return (y_pred - y_true) ** 2\n"
    )
    code = main(
        [
            "-m",
            *QUICK,
            "data=diabetes",
            "plugins=[./odd.py]",
            "loss=odd",
            "loss.fail=true,false",
            "trainer.epochs=1",
        ]
    )
    captured = capsys.readouterr()
    (sweep,) = (inside / "outputs" / "sweeps").iterdir()
    assert code == 1
    assert summary_of(sweep / "1")["status"] == "FINISHED"
    assert "this one fails" in captured.err + captured.out


def test_training_errors_reach_python_as_such(inside):
    with pytest.raises(UserError, match="Did you mean focal"):
        trainrun.run(["loss=focl"])
    assert issubclass(TrainingError, Exception) and not list(inside.iterdir())


def assert_killed(run_dir):
    summary = summary_of(run_dir)
    assert summary["status"] == "KILLED" and summary["epochs"] >= 2
    last = json.loads((run_dir / "journal.jsonl").read_text().splitlines()[-1])
    assert (last["kind"], last["status"]) == ("end", "KILLED")


def test_ctrl_c_ends_the_run_with_status_killed(tmp_path):
    command = [sys.executable, "-m", "trainrun", "data=iris", "tracking=none", "trainer.epochs=100000"]
    process = subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    for line in process.stdout:
        if line.startswith("3/100000") or " 3/100000" in line:
            break
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    assert "Traceback" not in err and "SIGINT" in err
    assert_killed(only_run(tmp_path))


def test_sigterm_ends_the_run_with_status_killed(inside, capfd):
    (inside / "ends.py").write_text(
        "import os, signal\n"
        "import keras, trainrun\n"
        "@trainrun.register('callback', 'ends')\n"
        "class Ends(keras.callbacks.Callback):\n"
        "    def on_epoch_begin(self, epoch, logs=None):\n"
        "        if epoch == 3:\n"
        "            os.kill(os.getpid(), signal.SIGTERM)\n"
    )
    overrides = [*QUICK, "data=iris", "trainer.epochs=100000", "plugins=[./ends.py]", "callback=ends"]
    assert main(overrides) == 143
    err = capfd.readouterr().err
    assert "Traceback" not in err and "SIGTERM" in err
    assert_killed(only_run(inside))
