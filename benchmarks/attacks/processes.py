"""Terminals, disks and processes: kinds 8 and 9."""

from __future__ import annotations

import json
import os
import pickle
import platform
import pty
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from attacks.command import FAST, QUIET, begun, children, only_run, records, shell, summaries, wait_for

LEAVES = """
import os, subprocess, time
import keras, trainrun
@trainrun.register("callback", "leaves")
def leaves(how: str = "end"):
    class Leaves(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            subprocess.Popen(["sleep", "86399"])
            subprocess.Popen(["sleep", "86399"], start_new_session=True)
            {"end": lambda: None, "kill": lambda: os.kill(os.getpid(), 9), "hang": lambda: time.sleep(1000)}[how]()
    return Leaves()
"""


# 8. Terminals and disks.


def closed_and_full_streams(folder: Path) -> None:
    """a full disk behind the output, closed descriptors, a reader that has left"""
    for redirection in ("> /dev/full 2>&1", "<&- >&- 2>&-", "| true"):
        done = shell(folder, *FAST, redirection=redirection)
        assert done.returncode == 0 and done.stderr == "", (redirection, done.stderr)
    ends = [json.loads(p.read_text().splitlines()[-1])["status"] for p in folder.rglob("journal.jsonl")]
    assert ends == ["FINISHED"] * 3


def _terminal_closed(folder: Path, ignored: bool, epochs: int) -> int:
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(folder)
        # Set in both cases: a benchmark that is itself under nohup would hand on its own.
        signal.signal(signal.SIGHUP, signal.SIG_IGN if ignored else signal.SIG_DFL)
        words = ["data=iris", f"trainer.epochs={epochs}", "artifacts=none", "tracking=none"]
        os.execv(sys.executable, [sys.executable, "-P", "-m", "trainrun", *words])
    printed = b""
    while b"epoch" not in printed.lower():
        printed += os.read(terminal, 4096)
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def terminal_closed_under_nohup(folder: Path) -> None:
    """the terminal goes away under nohup: the run finishes"""
    assert _terminal_closed(folder, True, 300) == 0
    assert records(only_run(folder))[-1]["status"] == "FINISHED"


def terminal_closed(folder: Path) -> None:
    """the terminal goes away: the run is saved and ends"""
    assert _terminal_closed(folder, False, 100_000) == 129
    assert records(only_run(folder))[-1]["status"] == "KILLED"
    assert list((only_run(folder) / "checkpoints").glob("*.npz"))


def control_characters(folder: Path) -> None:
    """control characters in a received run, in every verb that shows it"""
    run_dir = folder / "outputs" / "runs" / "received"
    run_dir.mkdir(parents=True)
    hostile = "\x1b]0;owned\x07\x1b[2J\u202e"
    start = {"seq": 0, "time": 1.0, "kind": "start", "run_id": hostile, "name": hostile, "host": platform.node(), "pid": 2**22 + 1,
             "overrides": [hostile], "config": {}}  # fmt: skip
    end = {"seq": 1, "time": 2.0, "kind": "end", "status": "FAILED", "reason": hostile}
    (run_dir / "journal.jsonl").write_text("".join(json.dumps(r) + "\n" for r in (start, end)))
    for words in (
        ["runs"],
        ["runs", "--json"],
        ["resume", "received"],
        ["sync", "received", "--timeout", "0"],
    ):
        done = shell(folder, *words)
        assert not set(done.stdout + done.stderr) & {"\x1b", "\x07", "\u202e"}, words


# 9. Processes.


def files_named_like_modules(folder: Path) -> None:
    """files of the project that are named like modules, and a long temporary folder"""
    for name in (
        "random",
        "types",
        "signal",
        "struct",
        "select",
        "socket",
        "ast",
        "token",
        "numpy",
        "keras",
        "json",
    ):
        (folder / f"{name}.py").write_text("raise SystemExit('imported')\n")
    temporary = folder / ("long" * 30)
    temporary.mkdir()
    done = shell(folder, "-m", *QUIET, "trainer.epochs=1", "seed=1,2", TMPDIR=str(temporary))
    assert done.returncode == 0, done.stdout + done.stderr


def what_trials_leave_behind(folder: Path) -> None:
    """children of trials that end, are killed, and hang"""
    (folder / "leaves.py").write_text(LEAVES)
    done = shell(
        folder, "-m", *QUIET, "trainer.epochs=1", "plugins=[./leaves.py]", "callback=leaves", "callback.leaves.how=end,kill,hang",
        "sweep.trial_timeout=15", "checkpoint.grace=1",
    )  # fmt: skip
    assert done.returncode == 1
    left = subprocess.run(["pgrep", "-f", "sleep 86399"], capture_output=True, text=True, check=False).stdout
    assert left == "", left


def fork_server_killed(folder: Path) -> None:
    """fork server killed in the middle of a sweep"""
    process = begun(
        folder,
        "-m",
        *QUIET,
        "seed=1,2,3,4",
        "trainer.epochs=150",
        "hydra.launcher.n_jobs=2",
        "sweep.reuse=never",
    )
    wait_for(lambda: summaries(folder) >= 1, process)
    servers = [pid for pid, command in children(process.pid) if "forkserver" in command]
    assert len(servers) == 1, children(process.pid)
    os.kill(servers[0], signal.SIGKILL)
    assert process.wait() == 0
    ends = [json.loads(p.read_text())["status"] for p in folder.glob("outputs/sweeps/*/[0-9]/summary.json")]
    assert ends == ["FINISHED"] * 4, ends


def damaged_study(folder: Path) -> None:
    """Optuna studies that hold bytes of anything, and a pickle"""
    words = ["-m", *QUIET, "trainer.epochs=1", "hydra/sweeper=optuna", "hydra.sweeper.sampler=cmaes", "sweep.trials=3",
             "optimizer.learning_rate=interval(0.001,0.1)", "optimizer.beta_1=interval(0.1,0.9)"]  # fmt: skip
    assert shell(folder, *words).returncode == 0
    study = next(folder.glob("outputs/sweeps/*/study.journal"))
    whole = study.read_text()
    assert "optimizer" not in whole.replace("optimizer.", "")  # no pickle is written
    program = pickle.dumps(Program(f"touch {folder}/ran")).hex()
    attribute = {"op_code": 9, "worker_id": "x", "trial_id": 0, "system_attr": {"cma:optimizer:0": program}}
    for content in (
        whole + json.dumps(attribute) + "\n",
        whole[:200],
        "[]\n",
        "\0" * 999,
        "9" * 9999 + "\n",
        '{"op_code": 4}\n',
    ):
        study.write_text(content)
        done = shell(folder, "resume", "last", "sweep.trials=5")
        assert done.returncode in (0, 1, 2) and "Traceback" not in done.stderr, (content[:50], done.stderr)
    assert not (folder / "ran").exists()


class Program:
    """Runs a program when it is unpickled.

    Args:
        command: for the shell.
    """

    def __init__(self, command: str):
        self.command = command

    def __reduce__(self) -> tuple[Callable[..., int], tuple[str]]:
        return os.system, (self.command,)


ATTACKS: dict[int, tuple[Callable[[Path], None], ...]] = {
    8: (closed_and_full_streams, terminal_closed_under_nohup, terminal_closed, control_characters),
    9: (files_named_like_modules, what_trials_leave_behind, fork_server_killed, damaged_study),
}
