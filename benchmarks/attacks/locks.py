"""Locks, debts, copies and guesses: kinds 1, 2, 3 and 7."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import time
from pathlib import Path

from attacks.command import (
    QUIET,
    SMALL,
    begun,
    consistent,
    epochs,
    killed,
    only_run,
    only_sweep,
    query,
    records,
    summaries,
    trainrun,
    wait_for,
)

LONG = "trainer.epochs=3000"
SERIAL = ("hydra.launcher.n_jobs=1", "sweep.reuse=never")


def finish(folder: Path, run_dir: Path | str = "last") -> None:
    """Resume a run for a little while, and have it end in order."""
    process = begun(folder, "resume", str(run_dir), "artifacts.model=false")
    before = epochs(only_run(folder))
    wait_for(lambda: epochs(only_run(folder)) > before + 5, process)
    process.send_signal(signal.SIGTERM)
    assert process.wait() == 143


# 1. One lock, one store, one owner.


def store_killed_while_it_is_made(folder: Path) -> None:
    """run and delivery killed while mlflow.db is made"""
    killed(
        folder,
        *SMALL,
        LONG,
        when=lambda: (folder / ".mlflow.db.new").exists() or (folder / "mlflow.db").exists(),
    )
    done = trainrun(folder, "sync")
    assert done.returncode == 0, done.stdout + done.stderr
    consistent(folder, only_run(folder), "KILLED")


def store_left_half_made(folder: Path) -> None:
    """mlflow.db that an earlier version left half made"""
    with sqlite3.connect(folder / "mlflow.db") as database:
        database.execute("CREATE TABLE experiment_tags (key TEXT)")
    database.close()
    os.utime(folder / "mlflow.db", (time.time() - 60,) * 2)
    assert trainrun(folder, *SMALL, "trainer.epochs=1").returncode == 0
    consistent(folder, only_run(folder), "FINISHED")


def resumed_twice_at_once(folder: Path) -> None:
    """a trial and its sweep resumed at once"""
    killed(folder, "-m", *QUIET, "seed=1,2", "trainer.epochs=300", *SERIAL,
           when=lambda: only_sweep(folder) and epochs(only_sweep(folder) / "0") > 5)  # fmt: skip
    trial = only_sweep(folder) / "0"
    wait_for(lambda: any(r["kind"] == "end" for r in records(trial)))
    one = begun(folder, "resume", str(trial))
    wait_for(lambda: json.loads((trial / ".training.lock").read_text() or "{}").get("pid") == one.pid, one)
    other = trainrun(folder, "resume", str(trial))
    assert other.returncode == 2 and f"process {one.pid} " in other.stderr, other.stderr
    sweep = trainrun(folder, "resume", "last")
    assert one.wait() == 0 and sweep.returncode in (0, 1, 2)
    assert trainrun(folder, "resume", "last").returncode == 0
    assert [r["seq"] for r in records(trial)] == list(range(len(records(trial))))
    assert sum(r["kind"] == "end" for r in records(trial)) == sum(
        r["kind"] == "start" for r in records(trial)
    )


# 2. Debts of an earlier attempt.


def killed_after_its_evaluation(folder: Path) -> None:
    """run killed when its test metrics are recorded"""
    killed(folder, *SMALL, "trainer.epochs=3",
           when=lambda: any(r["kind"] == "metrics" for r in records(only_run(folder) or folder)))  # fmt: skip
    done = trainrun(folder, "resume", "last")
    assert done.returncode == 0, done.stderr
    consistent(folder, only_run(folder), "FINISHED")
    assert query(folder / "mlflow.db", "SELECT count(*) FROM logged_models") == [(1,)]


def sweep_killed_with_its_delivery(folder: Path) -> None:
    """sweep killed while its delivery stands still"""
    killed(
        folder, "-m", *SMALL, "seed=1,2,3", "trainer.epochs=20", *SERIAL, when=lambda: summaries(folder) >= 2
    )
    done = trainrun(folder, "resume", "last")
    assert done.returncode == 0, done.stdout + done.stderr
    for number in range(3):
        consistent(folder, only_sweep(folder) / str(number), "FINISHED")


def sweep_killed_after_its_last_trial(folder: Path) -> None:
    """sweep killed after its last trial"""
    killed(folder, "-m", *QUIET, "seed=1,2", "trainer.epochs=3", *SERIAL, when=lambda: summaries(folder) == 2)
    wait_for(lambda: trainrun(folder, "resume", "last").returncode == 0)
    assert (only_sweep(folder) / "leaderboard.csv").exists()
    assert records(only_sweep(folder))[-1]["status"] == "FINISHED"


def sweep_with_names_for_its_trials(folder: Path) -> None:
    """sweep with hydra.sweep.subdir, killed"""
    words = (
        *QUIET,
        "seed=1,2,3",
        "trainer.epochs=20",
        *SERIAL,
        "hydra.sweep.subdir=${hydra.job.override_dirname}",
    )
    killed(folder, "-m", *words, when=lambda: summaries(folder) >= 2)
    before = {p: p.read_bytes() for p in folder.glob("outputs/sweeps/*/[0-9]*/summary.json")}
    assert trainrun(folder, "resume", "last").returncode == 0
    assert summaries(folder) == 3 and sum(p.read_bytes() == text for p, text in before.items()) >= 2


# 3. Copies.


def copied_run_and_project(folder: Path) -> None:
    """a killed run and its project copied, all resumed"""
    project = folder / "a"
    project.mkdir()
    killed(
        project, *SMALL, LONG, when=lambda: (project / "mlflow.db").exists() and epochs(only_run(project)) > 5
    )
    run_dir = only_run(project)
    assert trainrun(project, "sync").returncode == 0
    shutil.copytree(project, folder / "b")
    original = {p: p.read_bytes() for p in project.rglob("*") if p.is_file()}
    finish(folder / "b", only_run(folder / "b"))
    assert {p: p.read_bytes() for p in project.rglob("*") if p.is_file()} == original
    shutil.copytree(run_dir, run_dir.with_name("copy"))
    finish(project, run_dir)
    process = begun(project, "resume", str(run_dir.with_name("copy")), "artifacts.model=false")
    wait_for(
        lambda: epochs(run_dir.with_name("copy")) > epochs(folder / "b" / run_dir.relative_to(project)),
        process,
    )
    process.send_signal(signal.SIGTERM)
    process.wait()
    trainrun(project, "sync", "--all")
    consistent(project, run_dir, "KILLED")
    consistent(project, run_dir.with_name("copy"), "KILLED")


def received_run_with_links(folder: Path) -> None:
    """a received run whose files are links to the user's own"""
    killed(folder, *QUIET, LONG, when=lambda: epochs(only_run(folder)) > 5)
    precious, log = folder / "bashrc", only_run(folder) / "run.log"
    precious.write_text("mine")
    log.unlink(missing_ok=True)
    log.symlink_to(precious)
    done = trainrun(folder, "resume", "last")
    assert done.returncode == 2 and "is a link" in done.stderr, done.stderr
    assert trainrun(folder, "sync", "last").returncode == 0 and precious.read_text() == "mine"


# 7. A way out of every guess.


def renamed(run_dir: Path, **identity: str) -> None:
    """Have a run's first record name another host."""
    path = run_dir / "journal.jsonl"
    first, *others = path.read_text().splitlines(keepends=True)
    path.write_text("".join([json.dumps({**json.loads(first), **identity}) + "\n", *others]))


def killed_under_another_host_name(folder: Path) -> None:
    """killed run resumed under another host name"""
    killed(folder, *QUIET, LONG, when=lambda: epochs(only_run(folder)) > 5)
    renamed(only_run(folder), host="pod-a")
    finish(folder)


def killed_on_another_machine(folder: Path) -> None:
    """killed run resumed on another machine"""
    killed(folder, *QUIET, LONG, when=lambda: epochs(only_run(folder)) > 5)
    elsewhere = {"host": "pod-a", "process": "another boot/1"}
    renamed(only_run(folder), **elsewhere)
    lock = only_run(folder) / ".training.lock"
    lock.write_text(json.dumps({**json.loads(lock.read_text()), **elsewhere}))
    assert "RUNNING" in trainrun(folder, "runs").stdout  # its last heartbeat is recent
    os.utime(lock, (time.time() - 170,) * 2)
    finish(folder)  # it waits


def killed_before_its_journal(folder: Path) -> None:
    """run killed before its journal exists"""
    killed(
        folder,
        *QUIET,
        "hydra.run.dir=outputs/runs/mine",
        when=lambda: (folder / "outputs/runs/mine/.training.lock").exists(),
    )
    assert "KILLED" in trainrun(folder, "runs").stdout
    assert trainrun(folder, *QUIET, "trainer.epochs=1", "hydra.run.dir=outputs/runs/mine").returncode == 0


ATTACKS = {
    1: [store_killed_while_it_is_made, store_left_half_made, resumed_twice_at_once],
    2: [
        killed_after_its_evaluation,
        sweep_killed_with_its_delivery,
        sweep_killed_after_its_last_trial,
        sweep_with_names_for_its_trials,
    ],
    3: [copied_run_and_project, received_run_with_links],
    7: [killed_under_another_host_name, killed_on_another_machine, killed_before_its_journal],
}
