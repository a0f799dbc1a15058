"""`hydra/launcher=vectorized`: trials of one shape in one graph, the rest as by `hydra/launcher=local`."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing import connection
from typing import Any

from trainrun.sweep import workers
from trainrun.sweep.engine import Heard
from trainrun.sweep.pool import GRACE, Pool, died
from trainrun.sweep.resources import Resources, Share
from trainrun.sweep.trial import RUNNING, Trial
from trainrun.vectorized import alike, child

MOST = 64  # trials at once, where nothing else is said
SOON = 0.02  # seconds between two looks at processes of both kinds


@dataclass(eq=False)
class _Place:
    """A trial that waits for the group, or is in it."""

    trial: Trial
    resume: Mapping[str, Any] | None
    key: str
    began: float = 0.0
    sent: bool = False
    stop_by: float | None = None
    passed_on: bool = False
    reason: str | None = None


class Vectorized:
    """Runs trials of one shape together in one process; see `trainrun.sweep.engine.Engine`.

    What is notable of the grouping is told by `said`, a line each.

    Args:
        settings: see `snapshot.settings`.
        pool: runs the trials that are left out.
        most: trials at once.
    """

    how = "in one graph where they are of one shape"

    def __init__(self, settings: Mapping[str, Any], pool: Pool, most: int):
        self.settings, self.pool, self.jobs = settings, pool, most
        self.said: Callable[[str], None] = lambda text: None
        self._heard: Heard = lambda trial, epoch, metrics, last: None
        self._asked = False
        self._places: list[_Place] = []
        self._alone: list[tuple[Trial, Mapping[str, Any] | None]] = []
        self._left_out: Counter[str] = Counter()
        self._told_of: set[str] = set()
        self._process: Any = None
        self._pipe: connection.Connection | None = None
        self._key: str | None = None

    @classmethod
    def of(cls, settings: Mapping[str, Any], trials: int) -> Vectorized:
        """Return the engine of a sweep.

        Args:
            settings: see `snapshot.settings`.
            trials: there will be at most.
        """
        launcher = settings["launcher"]
        most = launcher.get("max_trials", "auto")
        pool = Pool.of(settings, launcher.get("n_jobs", "auto"), trials)
        return cls(settings, pool, min(trials, MOST if most == "auto" else most))

    @property
    def heard(self) -> Heard:
        """What is told of each epoch."""
        return self._heard

    @heard.setter
    def heard(self, heard: Heard) -> None:
        self._heard = self.pool.heard = heard

    @property
    def asked(self) -> bool:
        """Whether trials wait for the answer."""
        return self._asked

    @asked.setter
    def asked(self, asked: bool) -> None:
        self._asked = self.pool.asked = asked

    @property
    def running(self) -> list[Trial]:
        """The trials that run now, or wait for the others."""
        return [*(p.trial for p in self._places), *(t for t, _ in self._alone), *self.pool.running]

    @property
    def free(self) -> bool:
        """Whether another trial can begin."""
        return len(self.running) < self.jobs

    def start(self, trial: Trial, resume: Mapping[str, Any] | None = None) -> None:
        """Take a trial in; it begins with `wait`, together with others."""
        trial.status = RUNNING
        reason = alike.unfit(trial.config, bool(self.settings["plugins"]))
        if reason is None:
            self._places.append(_Place(trial, resume, alike.key(trial.config)))
        else:
            self._left_out[reason] += 1
            self._alone.append((trial, resume))

    def wait(self, seconds: float) -> list[Trial]:
        """Wait until a trial ends, at most so long; return those that have ended."""
        self._begin()
        while self._alone and self.pool.free:
            self.pool.start(*self._alone.pop(0))
        until = time.monotonic() + seconds
        while True:
            both = bool(self.pool.running) and self._process is not None
            left = max(until - time.monotonic(), 0.0)
            ended = self._listen(min(left, SOON) if both else left) if self._process is not None else []
            if self.pool.running:
                ended += self.pool.wait(min(left, SOON) if both else left)
            if ended or time.monotonic() >= until or not (self.pool.running or self._process):
                return ended

    def stop(self, trial: Trial | None = None, reason: str | None = None) -> None:
        """Have a trial, or all of them, save themselves and end."""
        for place in self._places:
            if (trial is None or place.trial is trial) and place.stop_by is None:
                place.stop_by = time.monotonic() + self.settings["grace"] + GRACE
                place.reason = reason
        self.pool.stop(trial, reason)

    def kill(self) -> None:
        """End all of them at once."""
        if self._process is not None:
            os.kill(self._process.pid, signal.SIGKILL)
        self.pool.kill()

    def close(self) -> None:
        """End the processes."""
        self._end()
        self.pool.close()

    def _begin(self) -> None:
        """Send the trials that go with those of the process, or begin one for those that are most."""
        waiting = [p for p in self._places if not p.sent]
        if waiting:
            self._group(waiting)
        for reason, n in self._left_out.items():
            if reason not in self._told_of:
                self._told_of.add(reason)
                whom = "1 trial by itself" if n == 1 else f"{n} trials by themselves"
                self.said(f"{whom}: {reason}")

    def _group(self, waiting: list[_Place]) -> None:
        if self._key is None:
            counts = Counter(p.key for p in waiting)
            key, most = counts.most_common(1)[0]
            if most == 1:
                for place in waiting:
                    self._places.remove(place)
                    self._alone.append((place.trial, place.resume))
                self._left_out["no other is like it"] += len(waiting)
                waiting = []
            else:
                self._key = key
                if self._process is None:
                    self._fork()
        for place in waiting:
            if place.key == self._key:
                self._send(place)

    def _fork(self) -> None:
        context = workers.fork_server()
        self._pipe, theirs = context.Pipe()
        told = {
            "environment": {**os.environ, **Share(Resources.divide(1, 1).cores).environment()},
            "path": sys.path,
            "cwd": os.getcwd(),
            "sweep_dir": str(self._places[0].trial.run_dir.parent),
            "plugins": list(self.settings["plugins"]),
            "most": self.jobs,
            "asks": self.asked,
        }
        self._process = context.Process(target=child.main, args=(told, theirs), daemon=False)
        self._process.start()
        theirs.close()

    def _send(self, place: _Place) -> None:
        trial = place.trial
        place.sent, place.began = True, time.monotonic()
        told = {
            "number": trial.number,
            "config": trial.config,
            "run_dir": str(trial.run_dir),
            "overrides": trial.overrides,
            "command": list(self.settings["command"]),
            "resume": place.resume,
        }
        self._pipe.send({"trial": told})

    def _listen(self, seconds: float) -> list[Trial]:
        """Take in what the process says for so long, or until a trial has ended."""
        ended: list[Trial] = []
        self._hurry()
        connection.wait([self._pipe, self._process.sentinel], seconds)
        try:
            while self._pipe.poll():
                said = self._pipe.recv()
                if "said" in said:
                    self.said(said["said"])
                    continue
                place = next((p for p in self._places if p.trial.number == said["number"]), None)
                if place is None:
                    continue
                if "begun" in said:
                    place.began = time.monotonic()
                elif "epoch" in said:
                    reason = self.heard(place.trial, said["epoch"], said["metrics"], said["last"])
                    if self.asked:
                        self._pipe.send({"answer": reason, "number": said["number"]})
                else:
                    ended.append(self._settle(place, said["ended"]))
        except (EOFError, OSError):
            self._process.join(1.0)
        if self._process.exitcode is not None:
            ended += self._bury()
        elif not any(p.sent for p in self._places):
            self._key = None  # another shape's turn, in the same process
        return ended

    def _settle(self, place: _Place, ended: Mapping[str, Any]) -> Trial:
        trial = place.trial
        self._places.remove(place)
        trial.seconds = time.monotonic() - place.began
        trial.status, trial.reason = ended["status"], place.reason or ended.get("reason")
        if place.reason:
            trial.status = "FAILED"
        return trial

    def _hurry(self) -> None:
        """Pass on who is to stop; end the process if one does not."""
        now, timeout = time.monotonic(), self.settings["trial_timeout"]
        for place in self._places:
            if timeout and place.sent and place.stop_by is None and now - place.began > timeout:
                self.stop(place.trial, f"it took longer than sweep.trial_timeout={timeout:g} s")
        for place in [p for p in self._places if p.stop_by is not None and p.sent]:
            if now > place.stop_by:
                os.kill(self._process.pid, signal.SIGKILL)
            elif not place.passed_on:
                place.passed_on = True
                self._pipe.send({"stop": place.trial.number})

    def _bury(self) -> list[Trial]:
        """The process is gone: what it had is begun, or gone on with, one by one."""
        from trainrun.tracking import status

        code, self._process, self._key = self._process.exitcode, None, None
        self._pipe.close()
        lost, over = [p for p in self._places if p.sent], []
        for place in lost:
            if place.stop_by is not None:
                over.append(self._settle(place, {"status": "KILLED", "reason": died(code)}))
                continue
            self._places.remove(place)
            there = (place.trial.run_dir / status.JOURNAL).is_file()
            start = status.status(place.trial.run_dir).start if there else {}
            digest = (start.get("dataset") or {}).get("digest")
            self._alone.append((place.trial, {"data_sha256": digest} if start else place.resume))
        if lost:
            self.said(f"the process of {len(lost)} trials ended ({died(code)}); they go on one by one")
        return over

    def _end(self) -> None:
        if self._process is None:
            return
        with contextlib.suppress(OSError):
            self._pipe.send(None)
        self._process.join(5.0)
        if self._process.exitcode is None:
            os.kill(self._process.pid, signal.SIGKILL)
            self._process.join()
        self._pipe.close()
        self._process = None
