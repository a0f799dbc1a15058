"""A process in which trials are trained together, as the sweep sees it; `child` is the other side."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from trainrun.sweep.launchers import fork_server
from trainrun.sweep.launchers.engine import Heard
from trainrun.sweep.launchers.local import GRACE, died
from trainrun.sweep.launchers.resources import Share
from trainrun.sweep.trial import Trial
from trainrun.vectorized import worker_main


@dataclass(eq=False)
class Place:
    """A trial that waits for others of its shape, or is with them.

    Args:
        trial: it.
        resume: what is known of the attempt that it goes on from.
        key: what trials have in common that may be trained together.
    """

    trial: Trial
    resume: Mapping[str, Any] | None
    key: str
    began: float = 0.0
    stop_by: float | None = None
    passed_on: bool = False
    reason: str | None = None

    def stop(self, grace: float, reason: str | None) -> None:
        """Have it end within so many seconds; asked once more, nothing changes."""
        if self.stop_by is None:
            self.stop_by, self.reason = time.monotonic() + grace + GRACE, reason

    def settle(self, ended: Mapping[str, Any]) -> Trial:
        """Return the trial as it has ended: `status`, `reason`."""
        trial = self.trial
        trial.seconds = time.monotonic() - self.began
        trial.status, trial.reason = ended["status"], self.reason or ended.get("reason")
        if self.reason:
            trial.status = "FAILED"
        return trial


class Together:
    """One process, and the trials that it has.

    Args:
        settings: see `snapshot.settings`.
        threads: of the CPU, for this process.
        part: of the memory that is free, for this process.
        most: trials at once.
        heard, asked, said: as of the engine.
        place: the first trial that it will have.
    """

    def __init__(
        self,
        settings: Mapping[str, Any],
        threads: int,
        part: float,
        most: int,
        heard: Heard,
        asked: bool,
        said: Callable[[str], None],
        place: Place,
    ):
        self.settings, self.heard, self.asked, self.said = settings, heard, asked, said
        self.places: list[Place] = []
        self.key: str | None = None  # of the trials that it has had last
        context = fork_server.fork_server()
        self._pipe, theirs = context.Pipe()
        told = {
            "environment": {**os.environ, **Share(threads).environment()},
            "path": sys.path,
            "cwd": os.getcwd(),
            "sweep_dir": str(place.trial.run_dir.parent),
            "plugins": list(settings["plugins"]),
            "most": most,
            "part": part,
            "asks": asked,
        }
        self._process = context.Process(target=worker_main.main, args=(told, theirs), daemon=False)
        self._process.start()
        theirs.close()

    @property
    def ends(self) -> list[Any]:
        """What to wait for: something is said, or the process is gone."""
        return [self._pipe, self._process.sentinel]

    @property
    def gone(self) -> bool:
        """Whether the process is no more."""
        return self._process.exitcode is not None

    def send(self, place: Place) -> None:
        """Have it begin a trial."""
        trial = place.trial
        self.places.append(place)
        self.key, place.began = place.key, time.monotonic()
        told = {
            "number": trial.number,
            "config": trial.config,
            "run_dir": str(trial.run_dir),
            "overrides": trial.overrides,
            "command": list(self.settings["command"]),
            "resume": place.resume,
        }
        self._say({"trial": told})

    def listen(self) -> list[Trial]:
        """Take in what the process has said; return the trials that have ended."""
        ended: list[Trial] = []
        try:
            while self._pipe.poll():
                said = self._pipe.recv()
                if "said" in said:
                    self.said(said["said"])
                    continue
                place = next((p for p in self.places if p.trial.number == said["number"]), None)
                if place is None:
                    continue
                if "begun" in said:
                    place.began = time.monotonic()
                elif "epoch" in said:
                    reason = self.heard(place.trial, said["epoch"], said["metrics"], said["last"])
                    if self.asked:
                        self._say({"answer": reason, "number": said["number"]})
                else:
                    self.places.remove(place)
                    ended.append(place.settle(said["ended"]))
        except (EOFError, OSError):
            self._process.join(1.0)
        return ended

    def hurry(self) -> None:
        """Pass on which trials are to stop; end the process if one does not."""
        now, timeout = time.monotonic(), self.settings["trial_timeout"]
        for place in self.places:
            if timeout and now - place.began > timeout:
                place.stop(self.settings["grace"], f"it took longer than sweep.trial_timeout={timeout:g} s")
        for place in [p for p in self.places if p.stop_by is not None]:
            if now > place.stop_by:
                self.kill()
            elif not place.passed_on:
                place.passed_on = True
                self._say({"stop": place.trial.number})

    def bury(self) -> tuple[list[Trial], list[tuple[Trial, Mapping[str, Any] | None]]]:
        """The process is gone: return the trials that are over, and those that begin, or go on, one by one."""
        from trainrun.tracking import status

        why, lost, self.places = died(self._process.exitcode), self.places, []
        self._pipe.close()
        over, left = [], []
        for place in lost:
            if place.stop_by is not None:
                over.append(place.settle({"status": "KILLED", "reason": why}))
                continue
            there = (place.trial.run_dir / status.JOURNAL).is_file()
            start = status.status(place.trial.run_dir).start if there else {}
            digest = (start.get("dataset") or {}).get("digest")
            left.append((place.trial, {"data_sha256": digest} if start else place.resume))
        if lost:
            self.said(f"the process of {len(lost)} trials ended ({why}); they go on one by one")
        return over, left

    def kill(self) -> None:
        """End the process at once."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._process.pid, signal.SIGKILL)

    def release(self) -> None:
        """Say that there will be no more."""
        self._say(None)

    def end(self) -> None:
        """Wait for the end of a process that is released; one that does not come is killed."""
        self._process.join(5.0)
        if self._process.exitcode is None:
            self.kill()
            self._process.join()
        self._pipe.close()

    def _say(self, told: Mapping[str, Any] | None) -> None:
        with contextlib.suppress(OSError):  # it is gone: `bury` sees to what it had
            self._pipe.send(told)
