"""What the tests of the engines share: a plug-in by which trials go wrong in every way, and sweeps in processes of their own."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for `sweeping`

# A trial's process was forked by a fork server, which its worker has started.
PLUGIN = """
import os, signal, time
from pathlib import Path
import keras, trainrun

def worker():
    return int(Path(f"/proc/{os.getppid()}/stat").read_text().rpartition(")")[2].split()[1])

def preempt():
    marker = Path(os.environ["MARKER"])
    if not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGUSR2)  # as Slurm may send it: to every process of the job
        os.kill(worker(), signal.SIGUSR2)
        time.sleep(2)

@trainrun.register("callback", "fate")
def fate(how: str = "no"):
    class Fate(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if how == "slow":
                time.sleep(0.15)
            if how == "poor" and epoch == 0:  # once: it stays poor, and does not become nan before it is given up
                self.model.set_weights([w * 1e2 for w in self.model.get_weights()])
            if epoch == 2:
                {"exit": lambda: os._exit(7), "killed": lambda: os.kill(os.getpid(), 9), "worker": lambda:
                 (os.kill(worker(), 9), time.sleep(60)), "preempt": preempt}.get(how, lambda: None)()
    return Fate()
"""
SMALL = [
    "data=iris",
    "artifacts.report=false",
    "artifacts.plots=false",
    "metric=[]",
    "plugins=[./fate.py]",
    "callback=fate",
]


@dataclass
class Sweeps:
    """Run sweeps of one engine in a folder.

    Args:
        folder: to work in.
        launcher: the overrides that choose it.
        environment: in addition.
    """

    folder: Path
    launcher: list[str]
    environment: dict[str, str] = field(default_factory=dict)
    output: str = ""
    code: int | None = None

    def start(self, *argv):
        (self.folder / "fate.py").write_text(PLUGIN)
        environment = {**os.environ, "MARKER": str(self.folder / "marker"), **self.environment}
        return subprocess.Popen(
            [sys.executable, "-m", "trainrun", *argv],
            cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment, start_new_session=True,
        )  # fmt: skip

    def run(self, *argv):
        process = self.start(*argv)
        try:
            self.output, _ = process.communicate(timeout=280)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise AssertionError(process.communicate()[0]) from None
        self.code = process.returncode
        return self

    def sweep(self, *argv):
        return self.run("-m", *SMALL, *self.launcher, *argv)

    def interrupted(self, *argv):
        """Begin a sweep, send Ctrl-C to all of its terminal's processes once trials have trained; return its output."""
        process = self.start("-m", *SMALL, *self.launcher, *argv)
        until = time.monotonic() + 150
        while time.monotonic() < until and process.poll() is None:
            books = [*self.folder.glob("outputs/sweeps/*/[0-9]*/journal.jsonl")]
            if len(books) > 1 and all('"kind":"epoch"' in b.read_text() for b in books):
                break
            time.sleep(0.1)
        os.killpg(process.pid, signal.SIGINT)
        self.output, _ = process.communicate(timeout=120)
        self.code = process.returncode
        return self

    @property
    def dir(self):
        return max((self.folder / "outputs" / "sweeps").iterdir(), key=lambda p: p.stat().st_mtime)

    @property
    def rows(self):
        with open(self.dir / "leaderboard.csv", newline="", encoding="utf-8") as file:
            return {int(row["trial"]): row for row in csv.DictReader(file)}

    def summary(self, number):
        return json.loads((self.dir / str(number) / "summary.json").read_text())


@pytest.fixture(scope="session")
def sweeps_of():
    return Sweeps
