"""Exact resume, proven for one config: a run that is killed again and again against one that is not.

Both are processes of their own. The second one is ended by SIGKILL at moments spread over the training, each time
goes on by `trainrun resume`, and at its end is held against the first, bit for bit.
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

# Places of the training at which both runs store their state, about so many.
PLACES = 24
# Over what the user says: the same bits each time, nothing sent anywhere, no pictures.
FORCED = (
    "hardware.deterministic=true",
    "tracking=none",
    "artifacts.plots=false",
    "artifacts.report=false",
    f"checkpoint.keep={3 * PLACES}",
)
LOOK = 0.002  # seconds between two looks at the files of a run
# Of the kills, this share waits for a checkpoint that is being written.
WRITING = 1 / 3


@dataclass(frozen=True)
class Kill:
    """One SIGKILL.

    Args:
        epoch: epochs that were done.
        writing: a checkpoint was being written.
        before: epochs done, and steps of the next one, of the newest whole checkpoint; None: there was none yet.
    """

    epoch: int
    writing: bool
    before: tuple[int, int] | None


class Trial:
    """A config that is run whole once, and with kills as often as wanted.

    Args:
        argv: overrides and Hydra's flags, as typed.
        folder: an empty one for everything that the runs write.
        epochs: of the config; None: its trainer counts none.
        seed: of the moments of the kills.
        kept: keep the states of `PLACES` places of the training; False: as the config says.
    """

    def __init__(
        self, argv: Sequence[str], folder: Path, epochs: int | None, seed: int = 0, kept: bool = True
    ):
        self.folder, self.random = folder, random.Random(seed)
        self.argv = [*(a for a in argv if not a.startswith("tracking")), *FORCED]
        if kept and epochs:
            self.argv.append(f"checkpoint.every={interval(epochs)}")
        self.first = self.usual = 0.0  # seconds of the first epoch of a process, and of the others
        self.epochs = 0
        self.whole: Path | None = None

    def reference(self) -> Path:
        """Run it whole; return the run's directory.

        Raises:
            UserError, TrainingError: it did not come to its end; with what it has printed.
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

    def killed(self, kills: int, name: str, tell: Callable[[Kill], None] = lambda kill: None) -> tuple[Path, list[Kill]]:  # fmt: skip
        """Run it with kills, until it ends by itself; it may do so before all of them have struck.

        Args:
            kills: how many.
            name: of its directory.
            tell: is called after each.
        """
        run_dir, struck = self.folder / name, []
        command = self._begin(run_dir)
        # One in each part of the training, anywhere in it.
        places = [(i + self.random.random()) / kills * max(self.epochs, 1) for i in range(kills)]
        for place in [*places, None]:
            with self._process(command) as process:
                writing = place is not None and self._strike(process, run_dir, place)
                code = process.wait()
            if code != -signal.SIGKILL:
                self._expect(code)
                break
            struck.append(_seen(run_dir, bool(writing)))
            tell(struck[-1])
            # Killed before it had written a word: it begins again.
            command = ["resume", str(run_dir)] if (run_dir / JOURNAL).is_file() else command
        return run_dir, struck

    def _begin(self, run_dir: Path) -> list[str]:
        quoted = str(run_dir).replace("'", "\\'")
        return [*self.argv, f"hydra.run.dir='{quoted}'"]

    @contextlib.contextmanager
    def _process(self, argv: Sequence[str]) -> Iterator[subprocess.Popen]:
        """A trainrun in a session of its own, with whatever processes it starts; gone when the `with` ends."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with open(self.folder / "output.txt", "ab") as output:
            self._from = output.tell()
            process = subprocesses.start("trainrun", *argv, path=sys.path, stdout=output, stderr=output)
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
        """Kill the process when it has come so far, in epochs; return whether a checkpoint was being written."""
        watch, done, fresh = _Watch(run_dir, process), int(place), True
        if not watch.until(lambda: watch.begun):
            return False
        if watch.epoch < done:
            fresh = False
            if not watch.until(lambda: watch.epoch >= done):
                return False
        watch.until(lambda: False, (place - done) * (self.first if fresh else self.usual))
        writing = self.random.random() < WRITING and watch.until(watch.writes, 2 * self.usual + 0.5)
        _kill(process)
        return bool(writing)


class _Watch:
    """What can be seen of a process from its files: whether it has begun, how far it is, whether it writes."""

    def __init__(self, run_dir: Path, process: subprocess.Popen):
        self.folder, self.process = run_dir / file.FOLDER, process
        self.tail, self.begun, self.epoch = journal.Tail(run_dir / JOURNAL), False, 0
        if self.tail.path.is_file():
            self.tail.read()  # of earlier attempts

    def until(self, come: Callable[[], bool], seconds: float = float("inf")) -> bool:
        """Wait for it, for so long at most; return whether it came before the process ended."""
        end = time.monotonic() + seconds
        while self.process.poll() is None:
            self._read()
            if come():
                return True
            if time.monotonic() >= end:
                return False
            time.sleep(LOOK)
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
    """Return `checkpoint.every` for about `PLACES` places in a run of so many epochs, most of them within epochs."""
    for part, longest in ((0.1, 2), (0.25, 6), (0.5, PLACES)):
        if epochs <= longest:
            return f"{part}epochs"
    return f"{round(epochs / PLACES - 0.5) + 0.5}epochs"


def _seen(run_dir: Path, writing: bool) -> Kill:
    """Return what a kill has left."""
    epochs, path = 0, run_dir / JOURNAL
    if path.is_file():
        epochs = max(history.replay(journal.read(path).records)["epochs"], default=0)
    newest, _ = file.newest(run_dir)
    return Kill(epochs, writing, None if newest is None else (newest.epoch, newest.step))


def _kill(process: subprocess.Popen) -> None:
    """SIGKILL for the process and all that it has started."""
    with contextlib.suppress(ProcessLookupError):
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
