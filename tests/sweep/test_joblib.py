"""Sweeps by joblib's workers: a worker that is killed takes no other trial along, which joblib itself cannot say."""

from __future__ import annotations

import json

import pytest

from trainrun.cli import main

pytestmark = pytest.mark.slow
JOBLIB = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2", "tracking=none"]


@pytest.fixture(scope="module")
def broken(sweeps_of, tmp_path_factory):
    """A sweep in which a trial dies by itself, one is killed, one's worker is killed, and one is pruned."""
    sweeps = sweeps_of(tmp_path_factory.mktemp("joblib"), JOBLIB)
    how = "callback.fate.how=no,exit,killed,worker,poor,no2"
    return sweeps.sweep(
        how, "trainer.epochs=5", "sweep.pruner={name: threshold, upper: 50}", "objective=val_loss"
    )


def test_what_happens_to_a_trial_or_its_worker_happens_to_it_alone(broken):
    rows = broken.rows
    assert broken.code == 1 and "Traceback" not in broken.said
    words = ["FINISHED", "FAILED", "FAILED", "FAILED", "PRUNED", "FINISHED"]
    assert [rows[i]["status"] for i in range(6)] == words, broken.said
    assert "exit code 7" in rows[1]["reason"]
    assert "SIGKILL" in rows[2]["reason"]
    assert "worker died" in rows[3]["reason"] and "SIGKILL" in rows[3]["reason"]


def test_a_pruned_trial_has_saved_itself(broken):
    told = broken.summary(4)
    assert told["status"] == "PRUNED" and told["epochs"] < 5
    assert (broken.dir / "4" / "checkpoints" / "last.npz").is_file()


def test_nothing_of_the_engine_is_left_and_the_sweep_knows_its_launcher(broken):
    assert not (broken.dir / ".engine").exists()
    told = json.loads((broken.dir / "sweep.json").read_text())["settings"]["launcher"]
    assert told == {"name": "joblib", "n_jobs": 2, "per_gpu": 1}


def test_ctrl_c_saves_the_trials_and_resume_goes_on_with_joblib(sweeps_of, tmp_path):
    sweeps = sweeps_of(tmp_path, JOBLIB)
    sweeps.interrupted("callback.fate.how=slow", "optimizer.learning_rate=0.01,0.02", "trainer.epochs=80")
    assert sweeps.code == 130, sweeps.said
    assert [sweeps.summary(n)["status"] for n in (0, 1)] == ["KILLED", "KILLED"]
    sweeps.run("resume", "last", "n_jobs=1")  # one worker imports TensorFlow
    assert sweeps.code == 0, sweeps.said
    for n in (0, 1):
        assert sweeps.summary(n)["status"] == "FINISHED" and sweeps.summary(n)["epochs"] == 80
        assert sweeps.summary(n)["resumed_from"]["epoch"] > 0


def test_a_refused_setting_leaves_no_folder_behind(inside, capsys):
    settings = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=0", "hydra.launcher.per_gpu=none"]
    assert main(["-m", "data=iris", "tracking=none", *settings, "optimizer=adam,sgd"]) == 2
    said = capsys.readouterr().err
    assert "hydra.launcher.n_jobs" in said and "hydra.launcher.per_gpu" in said
    assert not (inside / "outputs").exists()
