"""Check of exact resume for one config: a run that is killed and resumed repeatedly, and one that is not.

Each run is a process of its own. One of them is ended by SIGKILL at moments spread over the training and continued by
`trainrun resume` each time; at the end the two are compared bit for bit.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from trainrun.checkpoint import file
from trainrun.errors import TrainingError, UserError
from trainrun.tracking import history, journal
from trainrun.tracking.status import JOURNAL
from trainrun.util import subprocesses
from trainrun.warm import client

# Number of checkpoints, about, that both runs keep for the comparison.
PLACES = 24
# Overrides after the user's: without tracking and plots; and deterministic, except with XLA, which Keras refuses then.
FORCED = (
    "tracking=none",
    "artifacts.plots=false",
    "artifacts.report=false",
    f"checkpoint.keep={3 * PLACES}",
)
DETERMINISTIC = "hardware.deterministic=true"
POLL_INTERVAL_S = 0.002  # between two looks at the files of a run
# Share of the kills that wait until a checkpoint is being written.
WRITING_SHARE = 1 / 3


@dataclass(frozen=True)
class Kill:
    """One SIGKILL.

    Args:
        epoch: epochs done.
        writing: a checkpoint was being written.
        before: epochs done, and steps of the next one, at the newest whole checkpoint; None: there was none.
    """

    epoch: int
    writing: bool
    before: tuple[int, int] | None


class Trial:
    """One config, which is run once without kills, and with kills as often as needed.

    Args:
        argv: overrides and Hydra's flags, as typed.
        folder: an empty one for all files of the runs.
        epochs: of the config; None: its trainer has none.
        seed: of the moments of the kills.
        kept: keep about `PLACES` checkpoints; False: as configured.
        compiled: by XLA.
    """

    def __init__(
        self,
        argv: Sequence[str],
        folder: Path,
        epochs: int | None,
        seed: int = 0,
        kept: bool = True,
        compiled: bool = False,
    ):
        self.folder, self.random = folder, random.Random(seed)
        self.argv = [*(a for a in argv if not a.startswith("tracking")), *FORCED]
        if not compiled:
            self.argv.append(DETERMINISTIC)
        if kept and epochs:
            self.argv.append(f"checkpoint.every={interval(epochs)}")
        self.first = self.usual = 0.0  # seconds of the first epoch of a process, and of the others
        self.epochs = 0
        self.whole: Path | None = None

    def reference(self) -> Path:
        """Run the config without kills; return the run's directory.

        Raises:
            UserError, TrainingError: the run failed; the message is its output.
        """
        run_dir = self.folder / "whole"
        with self._process(self._begin(run_dir)) as process:
            self._expect(process.wait())
        records = journal.read(run_dir / JOURNAL).records
        times = [r["time"] for r in records if r["kind"] in ("start", "epoch")]
        self.epochs = len(times) - 1
        self.first = times[1] - times[0] if self.epochs else 1.0
        later = [b - a for a, b in itertools.pairwise(times[1:])]
        self.usual = statistics.median(later) if later else self.first
        self.whole = run_dir
        return run_dir

    def killed(self, kills: int, name: str, on_kill: Callable[[Kill], None] = lambda kill: None) -> tuple[Path, list[Kill]]:  # fmt: skip
        """Run the config with kills; return the run's directory and the kills, of which a short run may have fewer.

        Args:
            kills: number of kills.
            name: of the run's directory.
            on_kill: called after each kill.
        """
        run_dir, done = self.folder / name, []
        command = self._begin(run_dir)
        # One at a random place of each part of the training.
        places = [(i + self.random.random()) / kills * max(self.epochs, 1) for i in range(kills)]
        for place in [*places, None]:
            with self._process(command) as process:
                writing = place is not None and self._strike(process, run_dir, place)
                code = process.wait()
            if code != -signal.SIGKILL:
                self._expect(code)
                break
            done.append(_kill_record(run_dir, bool(writing)))
            on_kill(done[-1])
            # Killed before the journal existed: start again.
            command = ["resume", str(run_dir)] if (run_dir / JOURNAL).is_file() else command
        return run_dir, done

    def _begin(self, run_dir: Path) -> list[str]:
        quoted = str(run_dir).replace("'", "\\'")
        return [*self.argv, f"hydra.run.dir='{quoted}'"]

    @contextlib.contextmanager
    def _process(self, argv: Sequence[str]) -> Iterator[subprocess.Popen]:
        """Run trainrun in a session of its own; it and its child processes are killed when the `with` ends."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with open(self.folder / "output.txt", "ab") as output:
            self._from = output.tell()
            process = subprocesses.start(
                "trainrun", *argv, path=sys.path, environment={client.OFF: "0"}, stdout=output, stderr=output
            )
            try:
                yield process
            finally:
                _kill(process)
                process.wait()

    def _expect(self, code: int) -> None:
        if code == 0:
            return
        with open(self.folder / "output.txt", "rb") as output:
            output.seek(self._from)
            printed = output.read().decode(errors="replace").strip()
        if code == 2:
            raise UserError(printed.removeprefix("error: "))
        raise TrainingError(f"a run ended with exit code {code}:\n{printed[-2000:]}")

    def _strike(self, process: subprocess.Popen, run_dir: Path, place: float) -> bool:
        """Kill the process at a place, in epochs; return whether a checkpoint was being written."""
        watch, done, fresh = _Watch(run_dir, process), int(place), True
        if not watch.until(lambda: watch.begun):
            return False
        if watch.epoch < done:
            fresh = False
            if not watch.until(lambda: watch.epoch >= done):
                return False
        watch.until(lambda: False, (place - done) * (self.first if fresh else self.usual))
        writing = self.random.random() < WRITING_SHARE and watch.until(watch.writes, 2 * self.usual + 0.5)
        _kill(process)
        return bool(writing)


class _Watch:
    """Observation of a run by its files: whether it has begun, its epoch, whether it writes a checkpoint."""

    def __init__(self, run_dir: Path, process: subprocess.Popen):
        self.folder, self.process = run_dir / file.FOLDER, process
        self.tail, self.begun, self.epoch = journal.Tail(run_dir / JOURNAL), False, 0
        if self.tail.path.is_file():
            self.tail.read()  # of earlier attempts

    def until(self, come: Callable[[], bool], seconds: float = float("inf")) -> bool:
        """Wait until `come` returns True; return False if the time is over or the process ends before."""
        end = time.monotonic() + seconds
        while self.process.poll() is None:
            self._read()
            if come():
                return True
            if time.monotonic() >= end:
                return False
            time.sleep(POLL_INTERVAL_S)
        return False

    def writes(self) -> bool:
        """Return whether a checkpoint is being written."""
        return any(self.folder.glob(f".{file.LAST}.*"))

    def _read(self) -> None:
        for record in self.tail.read() if self.tail.path.is_file() else ():
            if record["kind"] == "start":
                self.begun, self.epoch = True, (record.get("resumed_from") or {}).get("epoch", 0)
            elif record["kind"] == "epoch":
                self.epoch = record["epoch"]


def interval(epochs: int) -> str:
    """Return `checkpoint.every` for about `PLACES` checkpoints in a run of so many epochs, most of them within epochs."""
    for part, longest in ((0.1, 2), (0.25, 6), (0.5, PLACES)):
        if epochs <= longest:
            return f"{part}epochs"
    return f"{round(epochs / PLACES - 0.5) + 0.5}epochs"


def _kill_record(run_dir: Path, writing: bool) -> Kill:
    """Return the record of a kill, by the files of the run."""
    epochs, path = 0, run_dir / JOURNAL
    if path.is_file():
        epochs = max(history.replay(journal.read(path).records)["epochs"], default=0)
    newest, _ = file.newest(run_dir)
    return Kill(epochs, writing, None if newest is None else (newest.epoch, newest.step))


def _kill(process: subprocess.Popen) -> None:
    """Kill the process and its child processes with SIGKILL."""
    with contextlib.suppress(ProcessLookupError):
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
