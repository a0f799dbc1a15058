"""`trainrun runs`: the truth, newest first, and soon."""

from __future__ import annotations

import json
import platform
import statistics
import subprocess
import sys
import time

import pytest

from trainrun.artifacts import summary
from trainrun.cli import main
from trainrun.commands.runs import COLUMNS
from trainrun.tracking import cursor, journal
from trainrun.tracking.journal import Journal


def make(folder, number, end="FINISHED", epochs=3, tracking=True, delivered=None, config=None):
    run_dir = folder / "outputs" / "runs" / f"2026-01-01_00-00-00_{number:06d}"
    run_dir.mkdir(parents=True)
    book = Journal(run_dir / "journal.jsonl")
    book.write(
        "start", run_id=run_dir.name, host=platform.node(), pid=2**22 + 1, overrides=[f"seed={number}"],
        tracking={"uri": "http://host", "experiment": "e"} if tracking else None, config=config or {},
    )  # fmt: skip
    losses = [1 / (i + 1) for i in range(epochs)]
    for i, loss in enumerate(losses):
        book.write("epoch", epoch=i + 1, step=i + 1, metrics={"loss": loss})
    if end:
        book.write("end", status=end, reason=None if end == "FINISHED" else "why")
        summary.write(run_dir, summary.build(run_id=run_dir.name, status=end, seed=number, epochs=epochs,
                                             best=summary.best_epochs({"loss": losses})))  # fmt: skip
    book.close()
    if delivered is not None:
        place = cursor.Cursor(run_dir, cursor.Target("http://host", "e"))
        place.next, place.run_id, place.experiment_id = delivered, f"{number:032x}", "1"
        place.save()
    return run_dir


def listed(capsys, *argv):
    assert main(["runs", "--json", *argv]) == 0
    return json.loads(capsys.readouterr().out)


def test_tells_what_became_of_each_newest_first(inside, capsys):
    make(inside, 1, delivered=5)
    make(inside, 2, end="FAILED", delivered=3)
    make(inside, 3, tracking=False)
    killed = make(inside, 4, end=None)
    found = listed(capsys)
    assert [r["run"][-1] for r in found] == ["4", "3", "2", "1"]
    assert [r["status"] for r in found] == ["KILLED", "FINISHED", "FAILED", "FINISHED"]
    assert [r["unsent"] for r in found] == [5, None, 2, 0]
    assert [r["epochs"] for r in found] == [3, 3, 3, 3]
    assert all((r["metric"], r["value"]) == ("loss", 1 / 3) for r in found)
    assert found[2]["reason"] == "why" and found[2]["overrides"] == ["seed=2"]
    assert journal.read(killed / "journal.jsonl").records[-1]["status"] == "KILLED"
    assert summary.read(killed)["status"] == "KILLED"


def test_the_table_has_a_limit_and_says_so(inside, capsys):
    for number in range(25):
        make(inside, number)
    assert main(["runs"]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[0].split() == [*COLUMNS[:-1]]
    assert len(out.splitlines()) == 22 and "5 older ones: trainrun runs --limit 25" in out
    assert main(["runs", "-n", "0"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 26


def test_why_a_run_failed_stands_in_the_table(inside, capsys):
    make(inside, 1, end="FAILED")
    assert main(["runs"]) == 0
    head, row = capsys.readouterr().out.splitlines()
    assert head.split()[-1] == "reason" and row.split()[-1] == "why"


def test_the_trials_of_a_sweep_are_runs_too(inside, capsys):
    run_dir = make(inside, 1)
    trial = inside / "outputs" / "sweeps" / "a_sweep" / "0"
    trial.parent.mkdir(parents=True)
    run_dir.rename(trial)
    assert listed(capsys)[0]["run"] == "a_sweep/0"


def test_without_runs_it_says_so(inside, capsys):
    assert main(["runs"]) == 0
    assert "no runs" in capsys.readouterr().out
    assert not list(inside.iterdir())


@pytest.mark.parametrize("damage", ["", "nonsense\n", '{"kind": "start"}\n', "\0" * 9000])
def test_a_damaged_run_is_listed_and_hides_no_other(inside, capsys, damage):
    make(inside, 1)
    bad = make(inside, 2)
    (bad / "journal.jsonl").write_text(damage)
    found = {r["run"][-1]: r["status"] for r in listed(capsys)}
    assert found["1"] == "FINISHED" and found["2"] in ("UNKNOWN", "KILLED", "FINISHED")


def test_hundreds_of_long_runs_within_a_second(inside):
    config = {f"key{i}": "x" * 20 for i in range(300)}
    for number in range(300):
        make(inside, number, epochs=200, config=config)
    times = []
    for _ in range(3):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-m", "trainrun", "runs"], check=True, capture_output=True)
        times.append(time.perf_counter() - start)
    assert statistics.median(times) < 1.0 or min(times) < 1.0, times
