"""`trainrun runs`: the truth, newest first, and soon."""

from __future__ import annotations

import json
import os
import platform
import resource
import subprocess
import sys

import pytest

from trainrun.cli import main
from trainrun.commands.runs import COLUMNS
from trainrun.tracking import find, journal, lease, summary
from trainrun.tracking.delivery import state
from trainrun.tracking.journal import Journal
from trainrun.util import liveness
from trainrun.util.file_lock import FileLock


def make(folder, number, end="FINISHED", epochs=3, tracking=True, delivered=None, config=None):
    run_dir = folder / "outputs" / "runs" / f"2026-01-01_00-00-00_{number:06d}"
    run_dir.mkdir(parents=True)
    book = Journal(run_dir / "journal.jsonl")
    book.write(
        "start", run_id=run_dir.name, host=platform.node(), pid=2**22 + 1, overrides=[f"seed={number}"],
        tracking=[{"tracker": "mlflow", "uri": "http://host", "experiment": "e", "settings": {}}] if tracking else [], config=config or {},
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
        place = state.Cursor(run_dir, state.Target("mlflow", "http://host", "e"))
        place.next, place.run_id, place.experiment_id = delivered, f"{number:032x}", "1"
        place.save()
    return run_dir


def listed(capsys, *argv):
    assert main(["runs", "--json", *argv]) == 0
    return json.loads(capsys.readouterr().out)


def test_table_lists_the_status_of_each_run_newest_first(inside, capsys):
    make(inside, 1, delivered=5)
    make(inside, 2, end="FAILED", delivered=3)
    make(inside, 3, tracking=False)
    killed = make(inside, 4, end=None)
    rows = listed(capsys)
    assert [r["run"][-1] for r in rows] == ["4", "3", "2", "1"]
    assert [r["status"] for r in rows] == ["KILLED", "FINISHED", "FAILED", "FINISHED"]
    assert [r["unsent"] for r in rows] == [5, None, 2, 0]
    assert [r["epochs"] for r in rows] == [3, 3, 3, 3]
    assert all((r["metric"], r["value"]) == ("loss", 1 / 3) for r in rows)
    assert rows[2]["reason"] == "why" and rows[2]["overrides"] == ["seed=2"]
    assert journal.read(killed / "journal.jsonl").records[-1]["status"] == "KILLED"
    assert summary.read(killed)["status"] == "KILLED"


def test_table_is_cut_at_its_limit_with_a_note(inside, capsys):
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


def test_folder_without_runs_gets_a_note(inside, capsys):
    assert main(["runs"]) == 0
    assert "no runs" in capsys.readouterr().out
    assert not list(inside.iterdir())


@pytest.mark.parametrize("damage", ["", "nonsense\n", '{"kind": "start"}\n', "\0" * 9000])
def test_a_damaged_run_is_listed_and_hides_no_other(inside, capsys, damage):
    make(inside, 1)
    bad = make(inside, 2)
    (bad / "journal.jsonl").write_text(damage)
    rows = {r["run"][-1]: r["status"] for r in listed(capsys)}
    assert rows["1"] == "FINISHED" and rows["2"] in ("UNKNOWN", "KILLED", "FINISHED")


def measured(*argv):
    """Return the seconds of processor time that `runs` takes, the least of up to six (other processes disturb caches), and its output."""
    times = []
    while len(times) < 6 and min(times, default=9.0) >= 1.0:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        command = [sys.executable, "-m", "trainrun", "runs", *argv]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(times), done.stdout


def test_hundreds_of_long_runs_within_a_second(inside):
    config = {f"key{i}": "x" * 20 for i in range(300)}
    for number in range(300):
        make(inside, number, epochs=200, config=config)
    seconds, table = measured()
    assert seconds < 1.0
    assert "280 older ones" in table


def make_sweep(folder, ends, total=None, own=True, alive=False):
    """Write a sweep's directory: of each trial, its end and its validation loss."""
    sweep = folder / "outputs" / "sweeps" / "a_sweep"
    sweep.mkdir(parents=True)
    record = {
        "format": 1, "started": 1.0, "cwd": str(folder),
        "settings": {"varying": ["seed"], "objective": None, "direction": "auto", "seeds": None},
        "points": [[i, [f"seed={i}"]] for i in range(total or len(ends))],
    }  # fmt: skip
    (sweep / "sweep.json").write_text(json.dumps(record))
    who = liveness.identity() if alive else {"host": platform.node(), "pid": 2**22 + 1}
    if own:
        book = Journal(sweep / "journal.jsonl")
        book.write(
            "start", run_id="a_sweep", params={"seed": "range(9)"}, sweep={"total": total or len(ends)}, **who
        )
        book.close()
    for i, end in enumerate(ends):
        write_trial(sweep, i, end, 1.0 - i / 10, who)
    if own:
        book = Journal(sweep / "journal.jsonl")
        best = {"best_val_loss": 1.0 - (len(ends) - 1) / 10}
        book.write("metrics", epoch=1, metrics=best)
        if not alive:
            book.write("end", status="FINISHED", reason=None)
        book.close()
    return sweep


def write_trial(sweep, number, end, loss, who):
    run_dir = sweep / str(number)
    run_dir.mkdir()
    book = Journal(run_dir / "journal.jsonl")
    book.write(
        "start", run_id=str(number), overrides=[f"seed={number}"], config={"trainer": {"epochs": 4}}, **who
    )
    book.write("epoch", epoch=1, step=1, metrics={"loss": 2.0, "val_loss": loss})
    if end:
        finish_trial(book, run_dir, end, loss)
    book.close()
    return run_dir


def finish_trial(book, run_dir, end, loss):
    book.write("end", status=end, reason=None if end == "FINISHED" else "why")
    metrics = {"val_loss": loss} if end == "FINISHED" else {}
    summary.write(
        run_dir,
        summary.build(
            run_id=run_dir.name, status=end, seed=1, epochs=1, metrics=metrics, seconds={"total": 3.0}
        ),
    )


def test_a_sweep_is_one_row_with_counts_and_its_best(inside, capsys):
    make(inside, 1)
    make_sweep(inside, ["FINISHED", "FAILED", "PRUNED", "FINISHED"], total=6)
    rows = {r["run"]: r for r in listed(capsys)}
    assert len(rows) == 2
    sweep = rows["a_sweep"]
    assert sweep["status"] == "FINISHED" and sweep["trials"] == {"FINISHED": 2, "FAILED": 1, "PRUNED": 1}
    assert (sweep["metric"], sweep["value"], sweep["total"]) == ("val_loss", 0.7, 6)
    assert main(["runs"]) == 0
    out = capsys.readouterr().out
    assert "4/6 trials" in out and "seed=range(9)" in out and "1 failed, 1 pruned" in out
    assert [r["run"] for r in listed(capsys, "--all") if r["run"].startswith("a_sweep/")] == [
        f"a_sweep/{i}" for i in (3, 2, 1, 0)
    ]


def test_a_sweep_lists_its_trials_by_merit(inside, capsys):
    make_sweep(inside, ["FINISHED", "FAILED", "FINISHED", "PRUNED", "FINISHED"], total=7)
    assert main(["runs", "a_sweep"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["trial", "status", "epochs", "val_loss", "time", "setting", "reason"]
    assert [line.split()[0] for line in lines[1:6]] == ["4", "2", "0", "1", "3"]
    assert lines[1].split()[1:] == ["FINISHED", "1", "0.6000", "3.0s", "seed=4"]
    assert lines[6] == "2 trials have not started"
    assert main(["runs", "last", "-n", "1", "--json"]) == 0
    (first,) = json.loads(capsys.readouterr().out)
    assert first["number"] == 4 and first["metrics"] == {"val_loss": 0.6}
    assert main(["runs", "no_sweep"]) == 2
    assert "no sweep 'no_sweep'" in capsys.readouterr().err


def test_killed_sweep_and_its_trials_are_marked_as_killed(inside, capsys):
    sweep = make_sweep(inside, ["FINISHED", None], own=False)
    book = Journal(sweep / "journal.jsonl")
    book.write("start", run_id="a_sweep", host=platform.node(), pid=2**22 + 1, sweep={"total": 2})
    book.close()
    (row,) = listed(capsys)
    assert row["status"] == "KILLED" and row["trials"] == {"FINISHED": 1, "KILLED": 1}
    for folder in (sweep, sweep / "1"):
        assert journal.read(folder / "journal.jsonl").records[-1]["status"] == "KILLED"
    assert not (sweep / "summary.json").exists(), "a sweep is no run"


def test_a_sweep_that_was_killed_before_its_record_is_listed(inside, capsys):
    make_sweep(inside, ["FINISHED", "FINISHED"], own=False)
    (row,) = listed(capsys)
    assert (row["status"], row["trials"], row["metric"]) == ("KILLED", {"FINISHED": 2}, None)


def watch(folder, *argv):
    return subprocess.Popen(
        [sys.executable, "-m", "trainrun", "runs", "--watch", *argv],
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


@pytest.mark.parametrize("argv", [(), ("a_sweep",), ("last",)])
def test_a_sweep_is_watched_from_another_shell_until_it_ends(inside, argv):
    sweep = make_sweep(inside, ["FINISHED", None], total=3, alive=True)
    watching = watch(inside, *argv)
    assert "a_sweep: Ctrl-C ends the watching only" in watching.stdout.readline()
    book = Journal(sweep / "1" / "journal.jsonl")
    finish_trial(book, sweep / "1", "FAILED", 0.0)
    book.close()
    assert "[1] FAILED" in (line := watching.stdout.readline()) and "seed=1" in line and "why" in line
    write_trial(sweep, 2, "FINISHED", 0.2, liveness.identity())
    assert "[2] FINISHED" in (line := watching.stdout.readline()) and "val_loss 0.2000" in line
    book = Journal(sweep / "journal.jsonl")
    book.write("end", status="FINISHED", reason=None)
    book.close()
    out, err = watching.communicate(timeout=20)
    assert watching.returncode == 0 and err == ""
    assert out.splitlines()[0] == "FINISHED  3/3 done (1 failed); best val_loss 0.2 [2]"


def test_watching_ends_when_the_sweeps_process_is_gone(inside):
    owner = subprocess.Popen(["sleep", "100"])
    sweep = make_sweep(inside, ["FINISHED"], total=3, own=False)
    book = Journal(sweep / "journal.jsonl")
    book.write("start", run_id="a_sweep", host=platform.node(), pid=owner.pid, sweep={"total": 3, "jobs": 1})
    book.close()
    watching = watch(inside, "a_sweep")
    assert "Ctrl-C ends the watching only" in watching.stdout.readline()
    owner.kill()
    owner.wait()
    out, _ = watching.communicate(timeout=20)
    assert out.startswith("KILLED  1/3 done") and "without writing a final status" in out


def test_runs_and_sweeps_are_watched_together(inside):
    sweep = make_sweep(inside, [None], total=1, alive=True)
    run_dir = write_trial(make(inside, 1, end=None).parent, "a_run", None, 0.5, liveness.identity())
    watching = watch(inside)
    state_lines = [watching.stdout.readline() for _ in range(2)]  # they are followed from now on
    assert "a_sweep  0/1 done" in state_lines[0] and "a_run  " in state_lines[1]
    for folder in (run_dir, sweep / "0"):
        book = Journal(folder / "journal.jsonl")
        finish_trial(book, folder, "FINISHED", 0.5)
        book.close()
    book = Journal(sweep / "journal.jsonl")
    book.write("end", status="FINISHED", reason=None)
    book.close()
    out, err = watching.communicate(timeout=20)
    lines = sorted(out.splitlines())
    assert err == "" and [line.split()[:2] for line in lines] == [
        ["FINISHED", "a_run"],
        ["FINISHED", "a_sweep"],
    ]


def test_watching_without_live_runs_prints_a_note(inside, capsys):
    make_sweep(inside, ["FINISHED"])
    assert main(["runs", "--watch"]) == 0
    assert capsys.readouterr().out == "nothing runs below outputs/\n"
    assert main(["runs", "--watch", "--json"]) == 2


def test_a_sweep_of_two_thousand_trials_within_a_second(inside, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda file: None)  # 2,000 waits for the disk
    config = {f"key{i}": "x" * 20 for i in range(300)}
    sweep = make_sweep(inside, ["FINISHED"], total=2000)
    start = {
        "run_id": "0",
        "overrides": ["seed=0"],
        "config": config,
        "host": platform.node(),
        "pid": 2**22 + 1,
    }
    for number in range(1, 2000):
        run_dir = sweep / str(number)
        run_dir.mkdir()
        book = Journal(run_dir / "journal.jsonl")
        book.write("start", **start)
        finish_trial(book, run_dir, "FINISHED", 1.0)
        book.close()
    for argv, row in (([], "2000/2000 trials"), (["a_sweep"], "1980 more")):
        seconds, table = measured(*argv)
        assert seconds < 1.0
        assert row in table


def test_a_run_that_ended_before_its_journal_is_listed_and_its_directory_is_free_for_another(inside, capsys):
    run_dir = inside / "outputs" / "runs" / "early"
    run_dir.mkdir(parents=True)
    lock = FileLock(run_dir / lease.TRAINING)
    assert lock.acquire()
    (row,) = listed(capsys)
    assert (row["status"], row["reason"]) == ("RUNNING", None) and not find.abandoned(run_dir)
    lock.release()
    (row,) = listed(capsys)
    assert row["status"] == "KILLED" and "before training began" in row["reason"] and find.abandoned(run_dir)
    assert main(["resume", str(run_dir)]) == 2 and "Start the run again" in capsys.readouterr().err
    (run_dir / "checkpoints").mkdir()  # it had a journal: nothing of it is free
    (row,) = listed(capsys)
    assert "journal.jsonl is missing" in row["reason"] and not find.abandoned(run_dir)


def test_an_undefined_metric_is_null_in_json(inside, capsys):
    book = Journal(make(inside, 1, end=None, epochs=0) / "journal.jsonl")
    book.write("epoch", epoch=1, step=1, metrics={"loss": float("nan")})
    book.close()
    for options in ([], ["--columns", "loss"]):
        assert main(["runs", "--json", *options]) == 0
        (row,) = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)  # NaN is no JSON
        assert row["value" if not options else "loss"] is None
