"""A sweep in MLflow: one parent run, its trials below it; whatever happens to the sweep's process."""

from __future__ import annotations

import json
import os
import shutil
import signal
import threading
from pathlib import Path

import pytest
from sweeping import begun, only_sweep, trainrun, wait_for

from trainrun.cli import main
from trainrun.sweep import sweep_journal
from trainrun.sweep.trial import Trial
from trainrun.tracking import find, journal, status
from trainrun.tracking.delivery import state

pytestmark = pytest.mark.slow
SMALL = ["data=iris", "artifacts.report=false", "artifacts.model=false", "trainer.epochs=3"]
RATES = "optimizer.learning_rate=0.01,0.001"
PARENT = "mlflow.parentRunId"


def sweep(folder, *argv):
    """Run `trainrun -m` in a folder; return what it said."""
    done = trainrun(folder, "-m", *SMALL, *argv)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


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


@pytest.fixture(scope="module", autouse=True)
def outer(tmp_path_factory):
    """All of this is started with MLFLOW_RUN_ID naming a run, of the first store; the others do not know it.

    With one environment for all, one delivery process serves all that happens in this process.
    """
    folder = tmp_path_factory.mktemp("done")
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    run = client.create_run(client.create_experiment("trainrun", (folder / "art").as_uri()), run_name="outer")
    client.log_param(run.info.run_id, "mine", "untouched")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_RUN_ID", run.info.run_id)
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        yield folder, run.info.run_id


@pytest.fixture(scope="module")
def done(outer):
    """A finished sweep of two trials, in a store of its own, which has the run that MLFLOW_RUN_ID names."""
    folder, run_id = outer
    return folder, run_id, sweep(folder, "tracking=mlflow", RATES)


def test_trials_are_nested_below_one_parent_with_counts_best_plots_and_leaderboard(done):
    folder, _, output = done
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
    assert tags["trainrun.best.command"] in output and tags["trainrun.best.command"].startswith("trainrun ")
    assert parent.data.metrics["best_val_loss"] == pytest.approx(losses[best])
    assert parent.data.metrics["trials_finished"] == 2
    assert store.files(parent) == ["leaderboard.csv", "plots"]
    assert store.files(parent, "plots") == [f"plots/{n}.png" for n in ("curves", "effects", "objective")]


def test_run_id_in_the_environment_becomes_the_parent_of_the_sweep_and_stays_unchanged(done):
    folder, outer, _ = done
    store = Store(folder / "mlflow.db")
    assert store.parents[0].data.tags[PARENT] == outer
    untouched = store.client.get_run(outer)
    assert untouched.data.params == {"mine": "untouched"} and untouched.data.metrics == {}
    assert untouched.info.status == "RUNNING" and len(store.runs) == 4


def test_a_run_id_that_the_server_does_not_know_is_left_out_and_hydras_own_launcher_has_a_parent_too(
    tmp_path,
):
    sweep(tmp_path, RATES, "hydra/launcher=basic", "trainer.epochs=1", "artifacts.plots=false")
    store = Store(tmp_path / "mlflow.db")
    (parent,) = store.parents
    assert PARENT not in parent.data.tags
    assert parent.info.status == "FINISHED" and set(store.trials) == {"0", "1"}
    assert {r.data.tags[PARENT] for r in store.trials.values()} == {parent.info.run_id}
    assert store.files(parent) == ["leaderboard.csv"]


@pytest.fixture(scope="module")
def undelivered(tmp_path_factory):
    """A finished sweep of two trials, of which nothing is sent."""
    folder = tmp_path_factory.mktemp("undelivered")
    sweep(folder, "tracking=none", RATES, "trainer.epochs=1", "artifacts.plots=false")
    return folder


@pytest.fixture
def offline(undelivered, tmp_path, monkeypatch):
    """The same, to be sent: a copy, in the working directory."""
    shutil.copytree(undelivered, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return only_sweep(tmp_path)


def test_an_offline_sweep_is_nested_by_sync_in_whatever_order(offline, capsys):
    assert main(["sync", str(offline / "1")]) == 0  # a trial alone brings the sweep's own record with it
    store = Store("mlflow.db")
    assert store.parents[0].info.status == "FINISHED" and list(store.trials) == ["1"]
    assert PARENT not in store.parents[0].data.tags, "the server does not know the run of MLFLOW_RUN_ID"
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


def test_lost_delivery_state_leads_to_no_duplicate_runs(offline):
    assert main(["sync", str(offline)]) == 0
    before = {r.info.run_id for r in Store("mlflow.db").runs}
    for path in offline.rglob(state.FILE):
        path.unlink()
    assert main(["sync", "--all"]) == 0
    store = Store("mlflow.db")
    assert {r.info.run_id for r in store.runs} == before
    assert {t.data.tags[PARENT] for t in store.trials.values()} == {store.parents[0].info.run_id}


def test_a_sweep_is_no_run(offline, capsys):
    assert main(["runs", "--json", "--all"]) == 0
    listed = json.loads(capsys.readouterr().out)
    # Which of two that begin together is the newer one, nobody knows.
    assert sorted(r["run"] for r in listed if r["trials"] is None) == [
        f"{offline.name}/0",
        f"{offline.name}/1",
    ]
    assert main(["resume", "last"]) == 0
    assert "is finished: 2 trials" in capsys.readouterr().out
    assert main(["sync", "no_such_run"]) == 2
    assert main(["why", str(offline), "seed"]) == 0  # where a run is meant, its best trial
    assert f"{offline.name}: its best trial, 0" in capsys.readouterr().err


def test_a_trial_that_was_resumed_by_itself_is_ranked_by_the_sweeps_next_resume(offline, capsys):
    table = offline / "leaderboard.csv"
    whole = table.read_text()
    ranks = [row.split(",")[:4] for row in whole.splitlines()]
    # As a sweep leaves it that meets a trial which another process is training.
    table.write_text(whole.replace(",0,FINISHED,", ",0,FAILED,"))
    assert main(["resume", str(offline)]) == 0
    assert "ranking and plots are made again" in "".join(capsys.readouterr())
    assert [row.split(",")[:4] for row in table.read_text().splitlines()] == ranks
    assert main(["resume", str(offline)]) == 0
    assert "is finished: 2 trials" in capsys.readouterr().out


def delivered(run_dir):
    """Whether a run's end is written, and is on the server."""
    records = journal.read(run_dir / "journal.jsonl").records
    return records[-1]["kind"] == "end" and state.unsent_of(run_dir, 1, len(records)) == 0


def test_parent_run_of_a_killed_sweep_is_killed_and_resumes_with_it(tmp_path):
    """Killed in the middle of two trials that would take long; it goes on until Ctrl-C."""
    words = ["tracking=mlflow", "hydra.launcher.n_jobs=2", "trainer.epochs=100000", "artifacts.plots=false"]
    process = begun(tmp_path, "-m", *SMALL, *words, RATES)
    try:
        wait_for(lambda: len([*tmp_path.glob("outputs/sweeps/*/[01]/checkpoints/last.npz")]) == 2, process)
    finally:
        process.kill()
        process.wait()
    path = only_sweep(tmp_path)
    runs = (path, path / "0", path / "1")
    wait_for(lambda: all(map(delivered, runs)))  # the delivery process writes the ends, and ends itself
    store = Store(tmp_path / "mlflow.db")
    assert [r.info.status for r in store.runs] == ["KILLED"] * 3
    (parent,) = store.parents
    assert status.read(path).status == "KILLED" and not (path / "summary.json").exists()
    # It goes on.
    seen = []

    def interrupt():
        wait_for(lambda: all(len(starts(run)) == 2 and trained(run) for run in runs[1:]))
        seen.append((len(starts(path)), status.read(path).status))
        os.kill(os.getpid(), signal.SIGINT)

    watcher = threading.Thread(target=interrupt, daemon=True)
    watcher.start()
    again = trainrun(tmp_path, "resume", path)
    watcher.join()
    assert again.returncode == 130, again.stdout + again.stderr
    assert seen == [(2, "RUNNING")]
    store = Store(tmp_path / "mlflow.db")
    assert [r.info.run_id for r in store.parents] == [parent.info.run_id] and len(store.runs) == 3
    assert store.parents[0].info.status == "KILLED"
    assert store.parents[0].data.tags["trainrun.resume.1"] == "from 0 trials that have ended"
    assert {t.data.tags[PARENT] for t in store.trials.values()} == {parent.info.run_id}
    assert PARENT not in store.parents[0].data.tags, "the server does not know the run of MLFLOW_RUN_ID"


def starts(run_dir):
    return [r for r in journal.read(run_dir / "journal.jsonl").records if r["kind"] == "start"]


def trained(run_dir):
    """Whether a run is in its epochs, in its last attempt."""
    return journal.read(run_dir / "journal.jsonl").records[-1]["kind"] == "epoch"


def test_only_a_trial_belongs_to_a_sweep(tmp_path):
    assert find.sweep_of(tmp_path / "runs" / "one") is None
    folder = tmp_path / "sweeps" / "a"
    (folder / "3").mkdir(parents=True)
    (folder / "sweep.json").write_text("{}")
    assert find.sweep_of(folder / "3") is None, "a sweep of before it had a record of its own"
    (folder / "journal.jsonl").write_text("")
    assert find.sweep_of(folder / "3") == folder and find.sweep_of(folder) is None


def test_trials_that_ended_without_their_sweep_are_in_its_record_when_it_is_resumed(tmp_path):
    trials = [
        Trial(i, [f"seed={i}"], [f"seed={i}"], tmp_path / str(i), {}, "FINISHED", metrics={"loss": 2.0 - i})
        for i in (0, 1)
    ]
    settings = {
        "tracking": {"name": "none"},
        "varying": {"seed"},
        "command": ["trainrun", "-m"],
        "objective": "loss",
        "direction": "minimize",
    }
    for done, ended in (
        ((), trials[:1]),
        (trials, ()),
        (trials, ()),
    ):  # the second trial saves itself after the sweep was killed
        with sweep_journal.of(tmp_path, settings, 2, 1, done) as book:
            for trial in ended:
                book.ended(trial)
            book.end(None, None)
    records = journal.read(tmp_path / "journal.jsonl").records
    results = [
        (r["trial"], r["metrics"]["trial_loss"], r["metrics"]["best_loss"], r["metrics"]["trials_finished"])
        for r in records
        if r["kind"] == "metrics"
    ]
    assert results == [(0, 2.0, 2.0, 1.0), (1, 1.0, 1.0, 2.0)]
