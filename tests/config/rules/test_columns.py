"""Names of metrics in a config are held against those of the run, before TensorFlow loads."""

from __future__ import annotations

import csv

import pytest

import trainrun
from trainrun.errors import UserError
from trainrun.hydra_bridge import preflight

STOPPING = ["callback=early_stopping", "callback.early_stopping.mode=max"]
OFF = ["tracking=none", "artifacts.plots=false", "artifacts.report=false"]


def problems(*overrides):
    return [f"{p.key}: {p.message}" for p in preflight.overrides([*overrides])[1]]


def monitor(name, *more):
    return problems(*STOPPING, f"callback.early_stopping.monitor={name}", *more)


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("val_accuracy", ["data=iris"]),
        ("val_acc", ["data=iris"]),
        ("f1", ["data=iris"]),
        ("val_f1_score", ["data=iris", "metric=f1"]),
        ("val_mae", ["data=diabetes"]),
        ("val_root_mean_squared_error", ["data=diabetes"]),
        ("val_loss", ["data=iris", "metric=none"]),
        ("learning_rate", ["data=iris"]),
        ("val_anything", ["data=iris", "callback=[early_stopping,weight_logger]"]),
    ],
)
def test_names_and_short_names_of_what_is_logged_are_accepted(name, more):
    assert monitor(name, *more) == []


def test_a_validation_part_with_a_file_of_its_own_needs_no_share(tmp_path):
    for name in ("t.csv", "own.csv"):
        (tmp_path / name).write_text("a,y\n" + "".join(f"{i},{['no', 'yes'][i % 2]}\n" for i in range(60)))
    data = ["data=csv", f"data.path={tmp_path}/t.csv", "data.target=y", "data.validation=0"]
    assert not monitor("val_loss", *data, f"data.validation_path={tmp_path}/own.csv")
    assert "needs validation data" in str(monitor("val_loss", *data))


@pytest.mark.parametrize(
    ("name", "more", "hint"),
    [
        ("val_acuracy", ["data=iris"], "Did you mean val_accuracy?"),
        ("val_auc", ["data=iris"], "metric=[accuracy,f1_score,auc]"),
        ("val_f1", ["data=iris", "metric=accuracy"], "metric=[accuracy,f1_score]"),
        ("test_accuracy", ["data=iris"], "this run has no metric test_accuracy"),
        ("val_accuracy", ["data=diabetes"], "it logs loss, data_loss, penalty, learning_rate, root_mean"),
    ],
)
def test_other_names_are_refused_with_what_there_is(name, more, hint):
    (problem,) = monitor(name, *more)
    assert problem.startswith("callback.early_stopping.monitor: ") and hint.lower() in problem.lower()


def test_a_checkpoints_file_name_holds_known_columns():
    overrides = ["data=iris", "callback=model_checkpoint"]
    pattern = "callback.model_checkpoint.filepath='m-{epoch:02d}-%s.keras'"
    assert problems(*overrides, pattern % "{val_loss:.2f}") == []
    (problem,) = problems(*overrides, pattern % "{val_los:.2f}")
    assert "no metric val_los. Did you mean val_loss?" in problem


@pytest.mark.parametrize(
    "objective",
    ["val_f1", "test_f1_score", "seconds.train", "parameters", "steps", "[loss,epochs]", "[val_f1,loss]"],
)
def test_objectives_of_this_run_are_accepted(objective):
    assert (
        problems("data=iris", "metric=f1", f"sweep.objective={objective}", "sweep.direction=minimize") == []
    )


def test_an_objective_that_no_trial_has_is_refused():
    (problem,) = problems("data=iris", "metric=f1", "sweep.objective=val_accuracy")
    assert problem.startswith("sweep.objective: this run has no metric val_accuracy.")
    (problem,) = problems("data=iris", "metric=f1", "sweep.objective=test_f1", "data.test=0")
    assert "test_f1 needs test data, and data.test is 0" in problem


def test_a_short_name_stops_training_by_the_column_that_it_means(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    overrides = [
        *OFF,
        "data=iris",
        "trainer.epochs=4",
        "callback=[stop_at,model_checkpoint]",
        "callback.stop_at.value=0",
    ]
    overrides += ["callback.model_checkpoint.filepath='{epoch}-{val_f1:.4f}.keras'"]
    result = trainrun.run([*overrides, "metric=f1", "callback.stop_at.monitor=val_f1"])
    assert len(result.history["loss"]) == 1  # every F1 is at least 0
    assert (result.run_dir / f"1-{result.history['val_f1_score'][0]:.4f}.keras").is_file()


def test_a_sweep_is_ranked_by_the_column_that_a_short_name_means(tmp_path, monkeypatch):
    from trainrun.cli import main

    monkeypatch.chdir(tmp_path)
    overrides = ["-m", *OFF, "data=iris", "metric=f1", "sweep.objective=val_f1", "trainer.epochs=8"]
    assert main([*overrides, "optimizer.learning_rate=0.00001,0.05", "hydra.launcher.n_jobs=1"]) == 0
    (board,) = tmp_path.glob("outputs/sweeps/*/leaderboard.csv")
    rows = list(csv.DictReader(board.read_text(encoding="utf-8").splitlines()))
    values = [float(row["val_f1_score"]) for row in rows]
    assert len(values) == 2 and values == sorted(values, reverse=True)


def test_class_weights_take_names(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    rows = "".join(f"{i % 7},{'fraud' if i % 3 == 0 else 'honest'}\n" for i in range(60))
    (tmp_path / "own.csv").write_text("x,y\n" + rows)
    overrides = [*OFF, "data=csv", "data.path=own.csv", "data.target=y", "trainer.epochs=1"]
    by_name = trainrun.run([*overrides, "trainer.class_weight={fraud: 5}"])
    assert "class weights: honest: 1, fraud: 5" in capsys.readouterr().out
    by_id = trainrun.run([*overrides, "trainer.class_weight={1: 5}"])
    assert by_name.summary["weights_sha256"] == by_id.summary["weights_sha256"]
    with pytest.raises(
        UserError, match=r"expected class ids \(0 to 1\) or names \(honest, fraud\) as keys, got 'Fraud'"
    ):
        trainrun.run([*overrides, "trainer.class_weight={Fraud: 5}"])
