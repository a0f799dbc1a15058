"""A sweep in MLflow: one parent run, its trials below it; whatever happens to the sweep's process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from trainrun.cli import main
from trainrun.tracking import cursor, journal, nest, status

pytestmark = pytest.mark.slow
SMALL = ["data=iris", "artifacts.report=false", "artifacts.model=false", "trainer.epochs=3"]
RATES = "optimizer.learning_rate=0.01,0.001"
PARENT = "mlflow.parentRunId"


def sweep(folder, *argv, environment=None, wait=True):
    """Run `trainrun -m` in a folder; return the finished process, or the running one."""
    process = subprocess.Popen(
        [sys.executable, "-m", "trainrun", "-m", *SMALL, *argv],
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, **(environment or {})},
    )  # fmt: skip
    if not wait:
        return process
    out, err = process.communicate(timeout=240)
    assert process.returncode == 0, out + err
    return out + err


def only_sweep(folder):
    (found,) = (folder / "outputs" / "sweeps").iterdir()
    return found


class Store:
    """What an MLflow store has, read with MLflow's own client."""

    def __init__(self, file):
        from mlflow import MlflowClient

        self.client = MlflowClient(f"sqlite:///{file}")
        experiment = self.client.get_experiment_by_name("trainrun")
        self.runs = self.client.search_runs([experiment.experiment_id])
        named = {r.data.tags["run_dir"]: r for r in self.runs if "run_dir" in r.data.tags}
        assert len(named) == sum("run_dir" in r.data.tags for r in self.runs), "a run was recorded twice"
        self.parents = [r for d, r in named.items() if (Path(d) / "sweep.json").exists()]
        self.trials = {Path(d).name: r for d, r in named.items() if not (Path(d) / "sweep.json").exists()}

    def files(self, run, folder=None):
        return sorted(a.path for a in self.client.list_artifacts(run.info.run_id, folder))


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A finished sweep of two trials, in a store of its own, started with MLFLOW_RUN_ID naming a run of that store."""
    folder = tmp_path_factory.mktemp("done")
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    outer = client.create_run(
        client.create_experiment("trainrun", (folder / "art").as_uri()), run_name="outer"
    )
    client.log_param(outer.info.run_id, "mine", "untouched")
    said = sweep(folder, "tracking=mlflow", RATES, environment={"MLFLOW_RUN_ID": outer.info.run_id})
    return folder, outer.info.run_id, said


def test_trials_are_nested_below_one_parent_with_counts_best_plots_and_leaderboard(done):
    folder, _, said = done
    store = Store(folder / "mlflow.db")
    (parent,) = store.parents
    assert parent.info.status == "FINISHED" and parent.info.run_name == only_sweep(folder).name
    assert sorted(store.trials) == ["0", "1"]
    assert {t.data.tags[PARENT] for t in store.trials.values()} == {parent.info.run_id}
    assert parent.data.params == {"optimizer.learning_rate": "0.01,0.001"}
    tags = parent.data.tags
    assert [tags[f"trainrun.trials.{k}"] for k in ("finished", "pruned", "failed", "killed")] == [
        "2",
        "0",
        "0",
        "0",
    ]
    assert tags["trainrun.objective"] == "val_loss (minimize)"
    losses = {
        n: json.loads((only_sweep(folder) / n / "summary.json").read_text())["metrics"]["val_loss"]
        for n in "01"
    }
    best = min(losses, key=losses.get)
    assert tags["trainrun.best"] == best and float(tags["trainrun.best.value"]) == losses[best]
    assert tags["trainrun.best.command"] in said and tags["trainrun.best.command"].startswith("trainrun ")
    assert parent.data.metrics["best_val_loss"] == pytest.approx(losses[best])
    assert parent.data.metrics["trials_finished"] == 2
    assert store.files(parent) == ["leaderboard.csv", "plots"]
    assert store.files(parent, "plots") == [f"plots/{n}.png" for n in ("curves", "effects", "objective")]


def test_a_run_id_in_the_environment_is_written_into_by_nobody_and_becomes_the_parents_parent(done):
    folder, outer, _ = done
    store = Store(folder / "mlflow.db")
    assert store.parents[0].data.tags[PARENT] == outer
    untouched = store.client.get_run(outer)
    assert untouched.data.params == {"mine": "untouched"} and untouched.data.metrics == {}
    assert untouched.info.status == "RUNNING" and len(store.runs) == 4


def test_a_run_id_that_the_server_does_not_know_is_left_out(tmp_path):
    sweep(
        tmp_path, "tracking=mlflow", RATES, "artifacts.plots=false", environment={"MLFLOW_RUN_ID": "f" * 32}
    )
    store = Store(tmp_path / "mlflow.db")
    (parent,) = store.parents
    assert PARENT not in parent.data.tags
    assert {t.data.tags[PARENT] for t in store.trials.values()} == {parent.info.run_id}
    assert store.files(parent) == ["leaderboard.csv"]


@pytest.fixture
def offline(tmp_path, monkeypatch):
    sweep(tmp_path, "tracking=none", RATES, "artifacts.plots=false")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return only_sweep(tmp_path)


def test_an_offline_sweep_is_nested_by_sync_in_whatever_order(offline, capsys):
    assert main(["sync", str(offline / "1")]) == 0  # a trial alone brings the sweep's own record with it
    store = Store("mlflow.db")
    assert store.parents[0].info.status == "FINISHED" and list(store.trials) == ["1"]
    assert store.trials["1"].data.tags[PARENT] == store.parents[0].info.run_id
    assert main(["sync", "last"]) == 0  # of which the rest is sent
    store = Store("mlflow.db")
    assert sorted(store.trials) == ["0", "1"] and len(store.runs) == 3
    assert {t.data.tags[PARENT] for t in store.trials.values()} == {store.parents[0].info.run_id}
    capsys.readouterr()
    assert main(["sync", "--all"]) == 0
    assert capsys.readouterr().out == "everything is delivered\n"
    # Somebody deletes the parent: made anew by its name, and the trials follow it.
    store.client.delete_run(store.parents[0].info.run_id)
    assert main(["sync", str(offline)]) == 0
    now = Store("mlflow.db")
    assert now.parents[0].info.run_id != store.parents[0].info.run_id
    assert {t.data.tags[PARENT] for t in now.trials.values()} == {now.parents[0].info.run_id}


def test_what_the_files_about_delivery_said_may_be_lost(offline):
    assert main(["sync", str(offline)]) == 0
    before = {r.info.run_id for r in Store("mlflow.db").runs}
    for path in offline.rglob(cursor.FILE):
        path.unlink()
    assert main(["sync", "--all"]) == 0
    store = Store("mlflow.db")
    assert {r.info.run_id for r in store.runs} == before
    assert {t.data.tags[PARENT] for t in store.trials.values()} == {store.parents[0].info.run_id}


def test_a_sweep_is_no_run(offline, capsys):
    assert main(["runs", "--json", "--all"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [r["run"] for r in told if r["trials"] is None] == [f"{offline.name}/1", f"{offline.name}/0"]
    assert main(["resume", "last"]) == 0
    assert "is finished: 2 trials" in capsys.readouterr().out
    assert main(["sync", "no_such_run"]) == 2
    assert main(["reproduce", str(offline)]) == 2
    assert "folder of several runs" in capsys.readouterr().err


def delivered(run_dir):
    """Whether a run's end is written, and is on the server."""
    records = journal.read(run_dir / "journal.jsonl").records
    return records[-1]["kind"] == "end" and cursor.unsent(cursor.latest(run_dir), len(records)) == 0


def killed_in_the_middle(folder, *argv):
    """Start a sweep that would take long, and kill its process when two trials run."""
    process = sweep(folder, *argv, RATES, "trainer.epochs=100000", "artifacts.plots=false", wait=False)
    until = time.monotonic() + 120
    while time.monotonic() < until and len([*folder.glob("outputs/sweeps/*/[01]/checkpoints/last.npz")]) < 2:
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    return process


def test_the_parent_of_a_sweep_that_was_killed_says_so_and_goes_on_when_the_sweep_does(
    tmp_path, monkeypatch, capsys
):
    process = killed_in_the_middle(tmp_path, "tracking=mlflow", "hydra.launcher.n_jobs=2")
    process.kill()
    process.communicate()
    path = only_sweep(tmp_path)
    until = time.monotonic() + 60
    while time.monotonic() < until and not all(map(delivered, (path, path / "0", path / "1"))):
        time.sleep(0.2)  # the delivery process writes the ends, and ends itself
    store = Store(tmp_path / "mlflow.db")
    assert [r.info.status for r in store.runs] == ["KILLED"] * 3
    (parent,) = store.parents
    assert status.status(path).status == "KILLED" and not (path / "summary.json").exists()
    # It goes on, with fewer epochs to go: the trials' own configs say so.
    monkeypatch.chdir(tmp_path)
    for trial in "01":
        config = path / trial / ".hydra" / "config.yaml"
        config.write_text(config.read_text().replace("epochs: 100000", "epochs: 30"))
    again = subprocess.Popen([sys.executable, "-m", "trainrun", "resume", str(path)], cwd=tmp_path,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)  # fmt: skip
    own = journal.Tail(path / "journal.jsonl")
    starts, until = 0, time.monotonic() + 60
    while starts < 2 and time.monotonic() < until:
        starts += sum(r["kind"] == "start" for r in own.read())
        time.sleep(0.1)
    assert starts == 2
    assert status.status(path).status == "RUNNING"
    again.send_signal(signal.SIGINT)
    said, _ = again.communicate(timeout=90)
    assert again.returncode in (0, 130), said
    store = Store(tmp_path / "mlflow.db")
    assert [r.info.run_id for r in store.parents] == [parent.info.run_id] and len(store.runs) == 3
    assert store.parents[0].info.status in ("KILLED", "FINISHED")
    assert store.parents[0].data.tags["trainrun.resume.1"] == "from 0 trials that have ended"


def test_without_a_tracking_server_the_next_trainrun_runs_tells_that_it_was_killed(
    tmp_path, monkeypatch, capsys
):
    process = killed_in_the_middle(tmp_path, "tracking=none", "hydra.launcher.n_jobs=2")
    process.kill()
    process.communicate()
    monkeypatch.chdir(tmp_path)
    assert main(["runs", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["status"] == "KILLED" and "without a word" in row["reason"]
    assert journal.read(only_sweep(tmp_path) / "journal.jsonl").records[-1]["status"] == "KILLED"


def test_only_a_trial_belongs_to_a_sweep(tmp_path):
    assert nest.sweep_of(tmp_path / "runs" / "one") is None
    folder = tmp_path / "sweeps" / "a"
    (folder / "3").mkdir(parents=True)
    (folder / "sweep.json").write_text("{}")
    assert nest.sweep_of(folder / "3") is None, "a sweep of before it had a record of its own"
    (folder / "journal.jsonl").write_text("")
    assert nest.sweep_of(folder / "3") == folder and nest.sweep_of(folder) is None


def test_hydras_own_launcher_has_a_parent_too(tmp_path):
    sweep(tmp_path, RATES, "hydra/launcher=basic", "trainer.epochs=1", "artifacts.plots=false")
    store = Store(tmp_path / "mlflow.db")
    (parent,) = store.parents
    assert parent.info.status == "FINISHED" and set(store.trials) == {"0", "1"}
    assert {r.data.tags[PARENT] for r in store.trials.values()} == {parent.info.run_id}
    assert "leaderboard.csv" in store.files(parent)
