"""Sweeps by submitit: its local executor for real, with submitit's own requeue; Slurm's job file by what submitit writes."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from trainrun.sweep.launchers import launcher_settings
from trainrun.sweep.launchers.protocol import ClusterTask, Epoch, TrialTask


def cluster_task(run_dir, resume=None):
    trial = TrialTask(0, {"seed": 1}, str(run_dir), resume=resume)
    return ClusterTask(trial, None, 30.0, str(run_dir), [], 1, None, 1)


LOCAL = ["hydra/launcher=submitit", "hydra.launcher.cluster=local", "hydra.launcher.n_jobs=2"]


@pytest.fixture(scope="module")
def broken(sweeps_of, tmp_path_factory):
    """A sweep in which a trial dies, one's job is killed, one is pruned, and one loses its place and comes again."""
    sweeps = sweeps_of(tmp_path_factory.mktemp("submitit"), LOCAL)
    how = "callback.fate.how=no,exit,worker,poor,preempt"
    return sweeps.sweep(
        how,
        "trainer.epochs=5",
        "sweep/pruner=threshold",
        "sweep.pruner.upper=50",
        "sweep.objective=val_loss",
        "hardware.deterministic=true",
    )


@pytest.mark.slow
def test_failure_of_a_trial_or_its_job_affects_no_other(broken):
    rows = broken.rows
    assert broken.code == 1 and "Traceback" not in broken.output
    words = ["FINISHED", "FAILED", "FAILED", "PRUNED", "FINISHED"]
    assert [rows[i]["status"] for i in range(5)] == words, broken.output
    assert "exit code 7" in rows[1]["reason"]
    assert "job " in rows[2]["reason"] and "_log.err" in rows[2]["reason"]


@pytest.mark.slow
def test_preempted_job_is_requeued_and_resumes_to_identical_bits(broken):
    resumed, alone = broken.summary(4), broken.summary(0)
    assert resumed["resumed_from"] is not None and resumed["epochs"] == 5
    assert resumed["weights_sha256"] == alone["weights_sha256"]
    words = [
        line for line in (broken.dir / "4" / "journal.jsonl").read_text().splitlines() if '"end"' in line
    ]
    assert '"status":"KILLED"' in words[0] and '"status":"FINISHED"' in words[-1]


@pytest.mark.slow
def test_mlflow_has_every_trial_the_requeued_one_as_finished(broken):
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{broken.folder / 'mlflow.db'}")
    runs = client.search_runs([client.get_experiment_by_name("trainrun").experiment_id])
    by_name = {Path(r.data.tags["run_dir"]).name: r for r in runs if "run_dir" in r.data.tags}
    assert {by_name[str(n)].info.status for n in (0, 4)} == {"FINISHED"}
    assert by_name["1"].info.status in ("FAILED", "KILLED")
    losses = client.get_metric_history(by_name["4"].info.run_id, "loss")
    assert sorted(m.step for m in losses) == sorted({m.step for m in losses}), "an epoch came twice"


@pytest.mark.slow
def test_number_of_concurrent_jobs_is_limited(broken):
    """submitit itself begins all jobs at once."""
    import json

    spans = []
    for n in range(5):
        records = [json.loads(x) for x in (broken.dir / str(n) / "journal.jsonl").read_text().splitlines()]
        spans.append((records[0]["time"], records[-1]["time"]))
    assert max(sum(a <= at < b for a, b in spans) for at, _ in spans) <= 2
    assert len([*(broken.dir / "submitit").glob("*_log.err")]) == 5
    assert not [*(broken.dir / "submitit").glob("*.pkl")]


@pytest.mark.slow
def test_ctrl_c_saves_the_trials_and_resume_goes_on_with_submitit(sweeps_of, tmp_path):
    sweeps = sweeps_of(tmp_path, [*LOCAL, "tracking=none"])
    sweeps.interrupted("callback.fate.how=slow", "optimizer.learning_rate=0.01,0.02", "trainer.epochs=40")
    assert sweeps.code == 130, sweeps.output
    assert [sweeps.summary(n)["status"] for n in (0, 1)] == ["KILLED", "KILLED"]
    sweeps.run("resume", "last")
    assert sweeps.code == 0, sweeps.output
    for n in (0, 1):
        assert sweeps.summary(n)["status"] == "FINISHED" and sweeps.summary(n)["resumed_from"]["epoch"] > 0


def test_checkpoint_hands_over_what_goes_on_in_the_same_directory(tmp_path):
    from trainrun.sweep.launchers.submitit import Task

    task = Task(cluster_task(tmp_path))
    assert task.checkpoint().function.task.trial.resume is None, "nothing was written yet: it begins anew"
    (tmp_path / "journal.jsonl").write_text(
        '{"seq":0,"time":1.0,"kind":"start","run_id":"0","host":"n1","pid":1,"dataset":{"digest":"abc"}}\n'
    )
    again = task.checkpoint().function
    assert again.task == cluster_task(tmp_path, resume={"data_sha256": "abc"})


def test_job_of_an_ended_sweep_does_not_start(tmp_path):
    from trainrun.sweep.launchers.file_channel import SweepEnd
    from trainrun.sweep.launchers.submitit import Task

    post = SweepEnd(tmp_path)
    channel = post.open(3)
    SweepEnd(tmp_path).open(4)  # another attempt at the sweep has begun
    assert Task(replace(cluster_task(tmp_path / "3"), channel=channel))() is None


def test_slurm_parameters_follow_the_settings(tmp_path, monkeypatch):
    """There is no Slurm here: what sbatch would be given is read from the file that submitit writes for it."""
    from trainrun.sweep.launchers import submitit

    (tmp_path / "sbatch").write_text("#!/bin/sh\necho Submitted batch job 77\n")
    (tmp_path / "sbatch").chmod(0o755)
    (tmp_path / "srun").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "srun").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    launcher = launcher_settings.complete(
        {"name": "submitit", "partition": "gpu", "gpus": 1, "cpus": 4, "minutes": 90, "mem_gb": 6}
    )
    launcher_settings.check(launcher)
    executor = submitit.executor(launcher, tmp_path / "jobs", 8)
    with executor.batch():
        jobs = [executor.submit(submitit.Task(cluster_task(tmp_path / str(n)))) for n in range(3)]
    assert [j.job_id for j in jobs] == ["77_0", "77_1", "77_2"]
    text = (tmp_path / "jobs" / "77_submission.sh").read_text()
    for line in (
        "--array=0-2%3",
        "--partition=gpu",
        "--cpus-per-task=4",
        "--gpus-per-node=1",
        "--time=90",
        "--mem=6GB",
        "--signal=USR2@90",
    ):
        assert f"#SBATCH {line}" in text, text
    assert sys.executable in text


def test_without_slurm_or_the_package_one_sentence_tells_the_way_out(monkeypatch):
    monkeypatch.setenv("PATH", "/nonexistent")
    (problem,) = launcher_settings.problems("submitit", {})
    assert problem.key == "hydra.launcher.cluster" and "hydra.launcher.cluster=local" in problem.message
    (problem,) = launcher_settings.problems("submitit", {"cluster": "slrm"})
    assert "Did you mean slurm?" in problem.message
    monkeypatch.setattr(launcher_settings.importlib.util, "find_spec", lambda name: None)
    (problem,) = launcher_settings.problems("submitit", {})
    assert "pip install 'trainrun[submitit]'" in problem.message


@pytest.mark.parametrize("key", ["partition", "account", "qos", "constraint"])
def test_a_setting_cannot_add_a_line_to_the_batch_script(key, monkeypatch):
    monkeypatch.setattr(launcher_settings.shutil, "which", lambda program: program)
    assert launcher_settings.problems("submitit", {key: "a100"}) == []
    (problem,) = launcher_settings.problems("submitit", {key: "x\nid #"})
    assert "text of one line" in problem.message


def test_late_answer_delays_the_trial_only_once(tmp_path):
    from trainrun.sweep.launchers.file_channel import SweepEnd, WorkerEnd

    line = WorkerEnd(SweepEnd(tmp_path).open(0), patience=0.3)
    for most in (0.6, 0.1):
        began = time.monotonic()
        assert line.say(Epoch(0, 1, {}, False), answered=True) is None
        assert time.monotonic() - began < most


def test_an_answer_to_an_epoch_is_worth_waiting_for_on_a_machine_that_is_busy(tmp_path):
    from trainrun.sweep.launchers.file_channel import SweepEnd, WorkerEnd

    post = SweepEnd(tmp_path)
    line = WorkerEnd(post.open(0))
    for number in (1, 2):
        late = threading.Timer(1.3, post.answer, (0, number, None if number == 1 else "poor"))
        late.start()
        assert line.say(Epoch(0, number, {}, False), answered=True) == (None if number == 1 else "poor")
        late.join()


def test_job_without_output_does_not_block_messages_of_the_others(tmp_path):
    """submitit itself waits a quarter of a minute for what a killed job can have left."""
    from types import SimpleNamespace

    from submitit.local.local import LocalJob

    from trainrun.sweep.launchers.submitit import Submitit

    process = subprocess.Popen(["sh", "-c", "echo what it said last >&2; kill -9 $$"], stderr=subprocess.PIPE)
    (tmp_path / "7_0_log.err").write_bytes(process.communicate()[1])
    job = SimpleNamespace(handle=LocalJob(tmp_path, "7", process=process))
    began = time.monotonic()
    reason = Submitit.gone(None, job)
    assert time.monotonic() - began < 10
    assert "what it said last" in reason and "7_0_log.err" in reason
