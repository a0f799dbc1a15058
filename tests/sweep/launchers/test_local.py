"""Sweeps with real processes: a trial that crashes, ends by itself, hangs or raises is that trial's failure alone."""

from __future__ import annotations

import contextlib
import io
import json
import signal
import subprocess
import sys

import pytest
from sweeping import lives, only_sweep, rows_of, wait_for

import trainrun
from trainrun.cli import main
from trainrun.sweep.launchers.local import Pool
from trainrun.sweep.launchers.resources import Resources
from trainrun.sweep.trial import Trial
from trainrun.util import subprocesses

QUIET = ["tracking=none", "artifacts.plots=false", "artifacts.report=false", "data=iris", "metric=[]"]
BAD = """
import ctypes, os, sys, time
import keras, trainrun

@trainrun.register("callback", "bad")
def bad(how: str = "no"):
    class Bad(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                {"segfault": lambda: ctypes.string_at(0), "exit": lambda: os._exit(7), "sys.exit": lambda: sys.exit(5),
                 "hang": lambda: time.sleep(1000), "raise": lambda: int("my own mistake"), "memory":
                 lambda: os.kill(os.getpid(), 9), "no": lambda: None}[how]()
    return Bad()
"""


@pytest.fixture(scope="module")
def broken(tmp_path_factory):
    """Return the directory of a sweep in which nearly everything goes wrong, what it printed, and its exit code."""
    folder = tmp_path_factory.mktemp("broken")
    (folder / "bad.py").write_text(BAD)
    argv = ["-m", *QUIET, "plugins=[./bad.py]", "callback=bad", "trainer.epochs=3"]
    argv += ["callback.bad.how=no,segfault,exit,sys.exit,hang,raise,memory"]
    argv += ["sweep.trial_timeout=12", "checkpoint.grace=1"]
    output = io.StringIO()
    with contextlib.chdir(folder), contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
        code = main(argv)
    return only_sweep(folder), output.getvalue(), code


@pytest.mark.slow
def test_every_failure_is_reported_with_its_reason_and_stops_no_other_trial(broken):
    sweep, output, code = broken
    rows = rows_of(sweep)
    assert code == 1 and "Traceback" not in output
    assert [rows[i]["status"] for i in range(7)] == ["FINISHED"] + ["FAILED"] * 6
    reasons = ["SIGSEGV", "exit code 7", "SystemExit: 5", "trial_timeout=12", "my own mistake", "SIGKILL"]
    for number, reason in enumerate(reasons, 1):
        assert reason in rows[number]["reason"]
        assert reason in output


@pytest.mark.slow
def test_each_failure_is_in_the_trials_own_record(broken):
    sweep, _, _ = broken
    for number in range(1, 7):
        content = json.loads((sweep / str(number) / "summary.json").read_text())
        assert content["status"] in ("FAILED", "KILLED")
    assert "invalid literal" in (sweep / "5" / "run.log").read_text()


@pytest.mark.slow
def test_the_winners_command_is_printed_alone(broken, capsys, monkeypatch):
    sweep, output, _ = broken
    monkeypatch.chdir(sweep.parents[2])
    assert main(["best", "last"]) == 0
    line = capsys.readouterr().out.strip()
    assert line.startswith("trainrun ") and "callback.bad.how=no" in line
    assert line in output


@pytest.mark.slow
def test_the_same_failure_of_the_first_trials_stops_the_sweep(inside, capsys):
    (inside / "bad.py").write_text(BAD)
    how = ["plugins=[./bad.py]", "callback=bad", "callback.bad.how=raise", "trainer.epochs=2"]
    rates = ",".join(str(r / 1000) for r in range(1, 9))
    code = main(["-m", *QUIET, *how, f"optimizer.learning_rate={rates}", "sweep.max_failures=2"])
    captured = capsys.readouterr()
    assert code == 1
    assert "stopped early" in captured.err + captured.out
    assert len(rows_of(only_sweep(inside))) < 8


@pytest.mark.slow
def test_killed_sweep_resumes_and_its_trials_end_with_it(inside):
    """Finished trials stay, the interrupted ones continue where they were, the others begin; numbers stay theirs."""
    sweep_args = [
        *QUIET,
        "optimizer.learning_rate=0.001,0.002,0.003",
        "trainer.epochs=100",
        "hardware.deterministic=true",
    ]
    sweep_args += ["hydra.launcher.n_jobs=1", "checkpoint.every=1epoch"]
    process = subprocess.Popen(
        [sys.executable, "-m", "trainrun", "-m", *sweep_args], cwd=inside, stdout=subprocess.PIPE, text=True
    )
    try:
        wait_for(lambda: [*inside.glob("outputs/sweeps/*/1/checkpoints/last.npz")], process)
    finally:
        process.kill()
        process.communicate()
    sweep = only_sweep(inside)
    child = json.loads((sweep / "1" / "journal.jsonl").read_text().splitlines()[0])["pid"]
    wait_for(lambda: not lives(child), seconds=30)  # the trial does not go on without its sweep
    first = (sweep / "0" / "summary.json").read_text()
    assert main(["resume", str(sweep)]) == 0
    assert (sweep / "0" / "summary.json").read_text() == first
    assert sorted(p.name for p in sweep.iterdir() if p.is_dir()) == ["0", "1", "2", "snapshot"]
    rows = rows_of(sweep)
    assert [rows[i]["status"] for i in range(3)] == ["FINISHED"] * 3
    content = json.loads((sweep / "1" / "summary.json").read_text())
    assert content["resumed_from"]["epoch"] > 0 and content["epochs"] == 100
    alone = ["optimizer.learning_rate=0.002", "trainer.epochs=100", "hardware.deterministic=true"]
    assert main([*QUIET, *alone, "hydra.run.dir=alone"]) == 0
    its = json.loads((inside / "alone" / "summary.json").read_text())
    assert its["weights_sha256"] == content["weights_sha256"]


@pytest.mark.slow
def test_ctrl_c_lets_the_running_trials_save_themselves(tmp_path):
    command = [
        sys.executable,
        "-m",
        "trainrun",
        "-m",
        *QUIET,
        "optimizer.learning_rate=0.001,0.002",
        "trainer.epochs=100000",
    ]
    process = subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    wait_for(lambda: [*tmp_path.glob("outputs/sweeps/*/*/checkpoints/last.npz")], process)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "running trials are checkpointing and will exit" in output
    sweep = only_sweep(tmp_path)
    begun = [p for p in sweep.iterdir() if (p / "summary.json").is_file()]
    assert begun and all(json.loads((p / "summary.json").read_text())["status"] == "KILLED" for p in begun)


def test_a_signal_that_comes_while_a_process_starts_stops_it_as_soon_as_it_runs(monkeypatch, tmp_path):
    sent = []

    class Process:
        signal = staticmethod(sent.append)
        kill = staticmethod(lambda: sent.append("kill"))

    def fork(*args, **options):
        pool.stop()  # as the handlers of a first and a second signal do
        pool.kill()
        return Process

    monkeypatch.setattr(subprocesses, "fork_server", lambda: None)
    monkeypatch.setattr(subprocesses, "fork", fork)
    pool = Pool(Resources.divide(1, 1), [], [])
    pool.start(Trial(0, [], [], tmp_path, trainrun.compose(QUIET)))
    assert sent == []
    pool.stop()  # as the loop does again
    assert sent == [signal.SIGTERM]
