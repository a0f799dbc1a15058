"""`trainrun top`: what its table, curves and keys show and do, through textual's pilot; journals are all that it reads."""

from __future__ import annotations

import asyncio
import builtins
import json
import os
import signal
from pathlib import Path

import pytest
from textual.widgets import DataTable, Static

from trainrun.cli import main
from trainrun.run import prune_request
from trainrun.sweep.view.activity import Activity
from trainrun.sweep.view.top_app import TopApp
from trainrun.tracking.journal import Journal
from trainrun.ui import console
from trainrun.util import liveness


def write(run_dir: Path, kind: str, **fields) -> None:
    book = Journal(run_dir / "journal.jsonl")
    book.write(kind, **fields)
    book.close()


def begin(name: str, *overrides: str, sweep: bool = False, **start) -> Path:
    """Make the directory of a run that runs: in this process."""
    run_dir = Path("outputs", name)
    run_dir.mkdir(parents=True)
    fields = {
        "config": {"trainer": {"epochs": 10}},
        "overrides": list(overrides),
        **liveness.identity(),
        **start,
    }
    write(run_dir, "start", run_id=run_dir.name, **fields, **({"sweep": {"total": 2}} if sweep else {}))
    return run_dir


def epoch(run_dir: Path, number: int, loss: float) -> None:
    write(run_dir, "epoch", epoch=number, step=number, metrics={"loss": loss, "val_loss": 2 * loss})


@pytest.fixture
def signals(monkeypatch):
    """Return the signals that are sent, instead of sending them."""
    sent = []
    kill = os.kill

    def recorded(pid, number):
        if number:
            sent.append((pid, number))
        else:
            kill(pid, 0)

    monkeypatch.setattr(os, "kill", recorded)
    return sent


@pytest.fixture
def running(inside):
    """Return a run, and a trial of a sweep, each of two epochs."""
    run_dir = begin("runs/alone", "optimizer=sgd", "tracking.uri=http://me:hunter2@host")
    sweep_dir = begin("sweeps/rates", sweep=True)
    record = {"format": 1, "cwd": str(inside), "points": [[0, ["seed=1"]]], "settings": {"varying": ["name"]}}
    (sweep_dir / "sweep.json").write_text(json.dumps(record))
    trial_dir = begin("sweeps/rates/0", "name=[bold]\x1b[31mred", "seed=1")
    for number, loss in ((1, 2.0), (2, 1.0)):
        epoch(run_dir, number, loss)
        epoch(trial_dir, number, loss)
    system = {"process_cpu_percentage": 87.4, "process_memory_megabytes": 2147.5, "cpu_utilization_percentage": 95.0,
              "gpu_0_utilization_percentage": 30.0, "gpu_1_utilization_percentage": 70.0, "gpu_0_memory_usage_megabytes": 1073.8}  # fmt: skip
    write(run_dir, "system", step=0, metrics={f"system/{k}": v for k, v in system.items()})
    (run_dir / "run.log").write_text("loading [red]\x1b[2J\nepoch 2\n")
    return run_dir, trial_dir


def test_the_table_follows_the_journals(running):
    run_dir, trial_dir = running

    async def watched() -> None:
        app = TopApp("outputs")
        async with app.run_test(size=(140, 30)) as pilot:
            await pilot.pause(0.1)
            app.refresh_runs()
            table = app.query_one(DataTable)
            first, second = (list(map(str, table.get_row_at(i))) for i in range(2))
            assert first[:4] == ["alone", "RUNNING", "2/10", "2"]
            assert first[5].endswith("/ep") and first[6:9] == ["87%", "2.0 GiB", "70%"]
            assert "optimizer=sgd" in first[9] and "hunter2" not in first[9]
            assert second[0] == "rates/0" and second[9] == "name=[bold] [31mred"
            about = str(app.query_one("#about", Static).render())
            assert (
                about.startswith("alone  optimizer=sgd")
                and "CPU 95%" in about
                and "GPU 0 30% 1.0 GiB" in about
            )
            curves = str(app.query_one("#curves", Static).render())
            assert curves.startswith("loss  train validation") and "4" in curves
            assert "loading [red] [2J" in str(app.query_one("#log", Static).render())
            epoch(run_dir, 3, 0.5)
            write(trial_dir, "end", status="PRUNED", reason="slow")
            app.refresh_runs()
            assert list(map(str, table.get_row_at(0)))[2:4] == ["3/10", "1"]
            assert str(table.get_row_at(1)[1]) == "PRUNED"
            assert app.sub_title == "1 running, 1 ended"
            await pilot.press("q")

    asyncio.run(watched())


def test_keys_ask_before_they_stop_or_prune(running, signals):
    async def pressed() -> None:
        app = TopApp("outputs")
        async with app.run_test(size=(140, 30)) as pilot:
            await pilot.press("s", "n")
            assert signals == []
            await pilot.press("s", "y")
            assert signals == [(os.getpid(), signal.SIGTERM)]
            await pilot.press("p", "y")  # a run alone cannot be pruned
            await pilot.press("down", "p", "y")
            await pilot.pause()

    asyncio.run(pressed())
    assert prune_request.take(Path("outputs/sweeps/rates/0"))
    assert not prune_request.take(Path("outputs/runs/alone"))


def test_a_run_of_another_machine_or_without_a_mark_is_not_signalled(inside, signals):
    begin("runs/elsewhere", host="other", process="boot/1")
    begin("runs/unmarked", process=None)
    runs = {run.name: run for run in Activity("outputs").look()}
    assert [run.pid for run in runs.values()] == [None] * len(runs)


def test_without_textual_it_says_how_to_get_it(inside, monkeypatch, capsys):
    imported = builtins.__import__

    def missing(name, *rest):
        if name.partition(".")[0] == "textual" or name == "trainrun.sweep.view.top_app":
            raise ImportError("no", name="textual")
        return imported(name, *rest)

    monkeypatch.setattr(builtins, "__import__", missing)
    assert main(["top"]) == 2
    assert 'pip install "trainrun[top]"' in capsys.readouterr().err


def test_a_pipe_is_referred_to_watch(inside, monkeypatch, capsys):
    monkeypatch.setattr(console, "is_terminal", lambda *_: False)
    assert main(["top"]) == 2
    assert "trainrun runs --watch" in capsys.readouterr().err
