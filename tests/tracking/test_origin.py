"""Copies and moves of runs: a copy becomes a run of its own and leaves the original alone, a moved run stays what it is."""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from pathlib import Path

import pytest

from trainrun.cli import main
from trainrun.errors import UserError
from trainrun.tracking import find, journal, origin, status
from trainrun.tracking.delivery import state
from trainrun.tracking.record import Recorder
from trainrun.tracking.settings import TrackingSettings


def record(project, name, end="FINISHED", monkeypatch=None):
    """Record a run in a project's outputs, not yet delivered, as a run of that project."""
    run_dir = project / "outputs" / "runs" / name
    run_dir.mkdir(parents=True)
    monkeypatch.chdir(project)
    recorder = Recorder(run_dir, TrackingSettings.of({"name": "mlflow"}), delivers=False)
    recorder.start(run_id=name, config={}, cwd=str(project))
    recorder.journal.write("epoch", epoch=1, step=1, metrics={"loss": 1.0})
    (run_dir / "config.yaml").write_text("seed: 1\n")
    recorder.artifacts(["config.yaml"])
    recorder.end(end)
    return run_dir


def runs_in(database):
    with sqlite3.connect(database) as opened:
        rows = opened.execute("SELECT run_uuid, artifact_uri FROM runs").fetchall()
        copies = dict(
            opened.execute("SELECT run_uuid, value FROM tags WHERE key = 'trainrun.copied_from'").fetchall()
        )
    opened.close()
    return dict(rows), copies


def content(folder):
    return {
        p: (p.stat().st_mtime_ns, p.read_bytes())
        for p in sorted(folder.rglob("*"))
        if p.is_file() and p.suffix != ".lock"
    }


def test_a_copy_is_sent_as_a_run_of_its_own_and_the_original_is_left_alone(tmp_path, monkeypatch, capsys):
    project = tmp_path / "a"
    run_dir = record(project, "one", monkeypatch=monkeypatch)
    assert main(["sync", "one"]) == 0
    shutil.copytree(run_dir, run_dir.parent / "two")
    shutil.copytree(project, tmp_path / "b")
    before = content(run_dir)
    # In the same project: another MLflow run, in the same database.
    assert main(["sync", "two"]) == 0
    assert f"is a copy of {run_dir}" in capsys.readouterr().out
    runs, copies = runs_in(project / "mlflow.db")
    assert len(runs) == 2 and list(copies.values()) == [str(run_dir)]
    assert state.run_id(run_dir) != state.run_id(run_dir.parent / "two")
    assert main(["sync", "--all"]) == 0
    assert len(runs_in(project / "mlflow.db")[0]) == 2 and content(run_dir) == before
    shutil.copytree(run_dir, run_dir.parent / "three")
    assert main(["resume", "three"]) == 0  # it is finished, and its original wholly delivered
    assert len(runs_in(project / "mlflow.db")[0]) == 3 and content(run_dir) == before
    # A copied project: its own database, and its own folder of files.
    original = content(project)
    monkeypatch.chdir(tmp_path / "b")
    assert main(["sync", "one"]) == 0
    assert content(project) == original
    runs, copies = runs_in(tmp_path / "b" / "mlflow.db")
    assert list(copies.values()) == [str(run_dir)]
    assert all(uri.startswith((tmp_path / "b").as_uri()) for uri in runs.values())


def test_a_moved_project_goes_on_in_its_own_database_with_the_same_runs(tmp_path, monkeypatch):
    run_dir = record(tmp_path / "a", "one", monkeypatch=monkeypatch)
    assert main(["sync", "one"]) == 0
    known = state.run_id(run_dir)
    (tmp_path / "a").rename(tmp_path / "b")
    monkeypatch.chdir(tmp_path / "b")
    assert main(["sync", "one"]) == 0
    runs, copies = runs_in("mlflow.db")
    assert [*runs] == [known] and not copies and not (tmp_path / "a").exists()
    assert Path(runs[known].removeprefix("file://")).is_relative_to(tmp_path / "b")


@pytest.mark.parametrize(
    ("here", "expected"),
    [
        ("a/outputs/runs/one", "a"),
        ("a/outputs/runs/two", "a"),
        ("b/outputs/runs/one", "b"),  # never a, which is there, too
        ("elsewhere/one", None),
    ],
)
def test_relative_paths_count_from_the_project_that_a_run_lies_in(tmp_path, here, expected):
    (tmp_path / "a").mkdir()
    start = {"cwd": str(tmp_path / "a"), "run_dir": str(tmp_path / "a" / "outputs" / "runs" / "one")}
    assert origin.workplace(tmp_path / here, start) == (expected and tmp_path / expected)


def test_last_is_the_run_that_began_last_whatever_the_clock(tmp_path, monkeypatch):
    clock = time.time
    for name, ahead in (("first", 0.0), ("ahead", 1e9), ("newest", 0.0)):
        monkeypatch.setattr(time, "time", lambda ahead=ahead: clock() + ahead)
        record(tmp_path, name, monkeypatch=monkeypatch)
    assert find.run("last").name == "newest" and find.newest().name == "newest"
    sweep_dir = tmp_path / "outputs" / "sweeps" / "killed_before_its_first_trial"
    sweep_dir.mkdir(parents=True)
    (sweep_dir / find.SWEEP).write_text("{}")
    recorder = Recorder(sweep_dir)
    recorder.start(run_id="s", config={})
    recorder.end("KILLED")
    assert find.newest() == find.sweep("last") == Path("outputs/sweeps", sweep_dir.name)
    shutil.rmtree(sweep_dir)
    (tmp_path / "outputs" / find.ORDER).unlink()  # it is made anew, from what the runs say
    record(tmp_path, "after", monkeypatch=monkeypatch)
    assert find.run("last").name == "after"
    # A run of another project, with a place and a time of its own choice.
    foreign = shutil.copytree(
        tmp_path / "outputs" / "runs" / "after", tmp_path / "outputs" / "runs" / "foreign"
    )
    text = (foreign / status.JOURNAL).read_text().replace('"place":4', '"place":4000')
    (foreign / status.JOURNAL).write_text(text)
    assert find.run("last").name == "after"


@pytest.mark.parametrize("name", ["run.log", "checkpoints", "plots/loss.png"])
def test_a_link_that_leads_out_of_a_run_is_refused(tmp_path, name):
    run_dir, precious = tmp_path / "run", tmp_path / "precious"
    (run_dir / name).parent.mkdir(parents=True)
    precious.write_text("mine")
    (run_dir / "last").symlink_to("config.yaml")  # stays inside
    origin.refuse_links(run_dir)
    (run_dir / name).symlink_to(precious)
    with pytest.raises(UserError, match=f"is a link to {precious}"):
        origin.refuse_links(run_dir)


def test_a_journal_that_is_a_link_is_read_and_not_written(tmp_path, monkeypatch):
    run_dir = record(tmp_path / "a", "one", monkeypatch=monkeypatch)
    lines = (run_dir / status.JOURNAL).read_text().splitlines(keepends=True)
    precious = tmp_path / "precious"
    precious.write_text("".join(lines[:-1]).replace(f'"pid":{os.getpid()}', f'"pid":{2**22 + 1}'))
    before = precious.read_bytes()
    (run_dir / status.JOURNAL).unlink()
    (run_dir / status.JOURNAL).symlink_to(precious)
    assert main(["runs"]) == 0 and precious.read_bytes() == before
    with pytest.raises(OSError):
        journal.Journal(run_dir / status.JOURNAL)
