"""What runs, watched from another shell: sweeps and runs, by what they write into their directories."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from trainrun.sweep import sweep_record
from trainrun.sweep.trial import RUNNING, Trial
from trainrun.sweep.view import overview
from trainrun.sweep.view.live_table import STYLES, Board, Parts
from trainrun.tracking import find, journal, status
from trainrun.tracking.delivery import liveness, sweep_summary
from trainrun.ui import console
from trainrun.util import redaction
from trainrun.util.durations import said as duration

PAUSE = 0.5  # seconds between two looks
SEARCH = 3.0  # seconds between two searches for what has begun meanwhile
PATIENCE = 10.0  # seconds between two plain lines


class Follow:
    """One run: what its journal has gained since the last look.

    Args:
        trial: what is known of it; its status, epochs, metrics and config are kept up to date.
    """

    def __init__(self, trial: Trial):
        self.trial = trial
        self.started: float | None = None
        self._tail = journal.Tail(trial.run_dir / status.JOURNAL)
        self._start: dict[str, Any] = {}

    def look(self) -> dict[str, float] | None:
        """Return the metrics of an epoch that has come, the newest, or None."""
        newest = None
        with contextlib.suppress(OSError):  # somebody has removed it
            for told in self._tail.read():
                newest = self._take(told) or newest
        return newest

    def settle(self) -> None:
        """Find out whether its process still lives."""
        if self.trial.status == RUNNING and self._start and liveness.lives(self._start) is False:
            with contextlib.suppress(OSError):
                status.settle(self.trial.run_dir)

    def _take(self, told: dict[str, Any]) -> dict[str, float] | None:
        trial = self.trial
        if told["kind"] == "start":
            self._start, self.started = told, told.get("time")
            trial.status, trial.reason, trial.config = RUNNING, None, told.get("config") or {}
        elif told["kind"] == "end":
            trial.status, trial.reason = str(told.get("status")), told.get("reason")
            trial.seconds = max((told.get("time") or 0.0) - (self.started or 0.0), 0.0)
        elif told["kind"] == "epoch":
            trial.epochs = int(told.get("epoch") or 0)
            return {k: v for k, v in (told.get("metrics") or {}).items() if isinstance(v, int | float)}
        return None


class Sweep:
    """One sweep: its board, driven by what its trials write.

    Args:
        sweep_dir: its directory.
    """

    def __init__(self, sweep_dir: Path):
        self.sweep_dir = sweep_dir
        told = sweep_record.read(sweep_dir)
        self._points, self._varying = dict(told["points"]), told["settings"]["varying"]
        self._own = journal.Tail(sweep_dir / status.JOURNAL)
        self.start: dict[str, Any] = {}
        self.end: dict[str, Any] | None = None
        self._read_own()
        about = self.start.get("sweep") or {}
        total = about.get("total") or (None if self.start else len(self._points) or None)
        self.board = Board(total, about.get("jobs") or 1, settings=told["settings"])
        self._began = self.start.get("time") or told.get("started") or time.time()
        self._over: set[str] = set()
        self._follows: dict[str, Follow] = {}
        self._find(first=True)
        self._earlier()

    @property
    def running(self) -> list[Trial]:
        """The trials that run now."""
        return [f.trial for f in self._follows.values() if f.trial.status == RUNNING]

    def look(self, say: bool = True) -> None:
        """Take in what has come; trials that have ended get a line.

        Args:
            say: whether they do.
        """
        self._read_own()
        self._find()
        for name, follow in list(self._follows.items()):
            metrics = follow.look()
            trial = follow.trial
            if metrics is not None:
                self.board.heard(trial, metrics)
            if trial.status == RUNNING:
                self._clock(follow)
            elif trial.status != "WAITING":
                del self._follows[name]
                self._over.add(name)
                sweep_record.look(
                    trial, status.RunStatus(trial.status, trial.reason, {}, trial.epochs, {}, None)
                )
                (self.board.ended if say else self.board.count)(trial)

    def settle(self) -> None:
        """Find out whether the processes of the sweep and its trials still live."""
        if self.start and self.end is None and liveness.lives(self.start) is False:
            with contextlib.suppress(OSError):
                status.settle(self.sweep_dir)
        for follow in self._follows.values():
            follow.settle()

    @property
    def over(self) -> bool:
        """Whether the sweep has ended, or, where it keeps no record of its own, none of its trials runs."""
        return self.end is not None if self.start else not self.running

    def _read_own(self) -> None:
        with contextlib.suppress(OSError):
            for told in self._own.read():
                if told["kind"] == "start":
                    self.start, self.end = told, None
                elif told["kind"] == "end":
                    self.end = told

    def _find(self, first: bool = False) -> None:
        """Take in trials that have begun; of those that had ended before this look, only the ends are read."""
        with contextlib.suppress(OSError), os.scandir(self.sweep_dir) as entries:
            names = [e.name for e in entries if e.name.isdigit()]
            new = sorted((n for n in names if n not in self._over and n not in self._follows), key=int)
            for name in new:
                run_dir = self.sweep_dir / name
                path = run_dir / status.JOURNAL
                if not path.is_file():
                    continue
                last = next(iter(journal.last(path)), {})
                if first and self._stays(last):
                    self._over.add(name)
                    self.board.count(overview.read(run_dir, self._points, self._varying))
                    continue
                overrides = self._points.get(int(name))
                if overrides is None:
                    overrides = [str(o) for o in journal.first(path).get("overrides") or []]
                trial = Trial(
                    int(name), overrides, sweep_record.varied(overrides, self._varying), run_dir, {}
                )
                self._follows[name] = Follow(trial)

    def _stays(self, last: dict[str, Any]) -> bool:
        """Whether a trial's last record is an end that nobody goes on from: a sweep that goes on takes up what was killed."""
        if last.get("kind") != "end":
            return False
        earlier = (last.get("time") or 0.0) < self._began
        return not (earlier and self.end is None and self.start and last.get("status") == "KILLED")

    def _earlier(self) -> None:
        """Count from where the sweep has begun, not from when somebody began to watch."""
        done = (self.start.get("sweep") or {}).get("done", 0)
        began = self._began
        if not done and (names := sorted([*self._over, *self._follows], key=int)):
            # Not from when TensorFlow was being imported.
            first = journal.first(self.sweep_dir / names[0] / status.JOURNAL)
            began = max(began, first.get("time") or 0.0)
        self.board.since = self.board.clock() - max(time.time() - began, 0.0)
        self.board.before = done
        self.look(say=False)

    def _clock(self, follow: Follow) -> None:
        if follow.started is not None:
            ago = max(time.time() - follow.started, 0.0)
            self.board.began.setdefault(follow.trial.number, self.board.clock() - ago)


def sweep(sweep_dir: Path) -> None:
    """Show a sweep until it ends, or Ctrl-C.

    Args:
        sweep_dir: the sweep's directory.
    """
    watched = Sweep(sweep_dir)
    console.note(f"{os.path.relpath(sweep_dir)}{'' if watched.over else ': Ctrl-C ends the watching only'}")
    with contextlib.suppress(KeyboardInterrupt), contextlib.closing(watched.board):
        for searched in _looks():
            if searched:
                watched.settle()
            watched.look()
            if watched.over:
                break
            watched.board.look(watched.running)
    if watched.over:
        word = (watched.end or {}).get("status") or "FINISHED"
        reason = (watched.end or {}).get("reason")
        console.pieces(
            [
                (f"{word}  ", STYLES.get(word, "")),
                (watched.board.line(()), ""),
                (f"  {reason}" if reason else "", "dim"),
            ]
        )
        console.note(f"all trials: trainrun runs {os.path.relpath(sweep_dir)}")


def everything(outputs: str | Path) -> None:
    """Show all that runs below a folder until nothing does any more, or Ctrl-C.

    Args:
        outputs: the folder.
    """
    sweeps, runs = _running(outputs, {}, {})
    if not sweeps and not runs:
        console.say(f"nothing runs below {outputs}/")
        return
    if len(sweeps) == 1 and not runs:
        sweep(next(iter(sweeps)))
        return
    told = time.monotonic()
    with contextlib.suppress(KeyboardInterrupt), contextlib.closing(_Region()):
        for searched in _looks():
            if searched:
                sweeps, runs = _running(outputs, sweeps, runs)
                for each in (*sweeps.values(), *runs.values()):
                    each.settle()
            lines: list[Parts] = []
            for folder, watched in list(sweeps.items()):
                watched.look(say=False)
                if watched.over:
                    del sweeps[folder]
                    word = (watched.end or {}).get("status") or "FINISHED"
                    _ended(folder, word, watched.board.line(()))
                    continue
                head, *rest = watched.board.table(watched.running)
                lines += [[(f"{folder.name}  ", "bold"), *head], *([("  ", ""), *line] for line in rest)]
            for run_dir, follow in list(runs.items()):
                found = follow.look()
                follow.trial.metrics = found or follow.trial.metrics
                if follow.trial.status != RUNNING:
                    del runs[run_dir]
                    _ended(run_dir, follow.trial.status, (follow.trial.reason or "").partition("\n")[0])
                    continue
                lines.append(_row(follow))
            if not sweeps and not runs:
                break
            if console.is_terminal():
                console.live(lines)
            elif time.monotonic() - told >= PATIENCE:
                told = time.monotonic()
                for line in lines:
                    console.say("".join(text for text, _ in line))


class _Region:
    def close(self) -> None:
        console.live(())


def _looks(pause: Callable[[float], None] = time.sleep) -> Iterator[bool]:
    """Yield again and again, with a pause between; True when it is time to search, too."""
    searched = float("-inf")
    while True:
        due = time.monotonic() - searched >= SEARCH
        if due:
            searched = time.monotonic()
        yield due
        pause(PAUSE)


def _running(
    outputs: str | Path, sweeps: dict[Path, Sweep], runs: dict[Path, Follow]
) -> tuple[dict[Path, Sweep], dict[Path, Follow]]:
    """Return the sweeps and runs that are not over; those that are known stay as they are."""
    of_sweeps = set(find.sweeps(outputs))
    for folder in sorted(of_sweeps - sweeps.keys()):
        own = folder / status.JOURNAL
        last = next(iter(journal.last(own)), {})
        if last.get("kind") == "end" or sweep_summary.fold(folder).status != RUNNING:
            continue
        sweeps[folder] = Sweep(folder)
    for run_dir in find.everyone(outputs):
        if run_dir.parent in of_sweeps or run_dir in runs:
            continue
        if next(iter(journal.last(run_dir / status.JOURNAL)), {}).get("kind") == "end":
            continue
        if (now := status.settle(run_dir)).status == RUNNING:
            overrides = [str(o) for o in now.start.get("overrides") or []]
            runs[run_dir] = follow = Follow(Trial(0, overrides, [], run_dir, {}))
            follow.trial.metrics = follow.look() or {}
    return sweeps, runs


def _row(follow: Follow) -> Parts:
    trial = follow.trial
    name = trial.run_dir.name if trial.run_dir.parent.name == "runs" else "/".join(trial.run_dir.parts[-2:])
    total = ((trial.config or {}).get("trainer") or {}).get("epochs")
    parts: Parts = [(f"{name}  ", "bold"), (f"{trial.epochs}/{total}" if total else str(trial.epochs), "")]
    for key in [k for k in ("loss", "val_loss") if k in trial.metrics]:
        parts += [(f"  {key} ", "dim"), (f"{trial.metrics[key]:.4g}", "")]
    if follow.started is not None:
        parts.append((f"  {duration(max(time.time() - follow.started, 0.0))}", "dim"))
    return [*parts, (f"  {redaction.text(' '.join(trial.overrides)) or 'default'}", "dim")]


def _ended(run_dir: Path, word: str, text: str) -> None:
    console.pieces([(f"{word:<8}  ", STYLES.get(word, "")), (f"{run_dir.name}  ", ""), (text, "dim")])
