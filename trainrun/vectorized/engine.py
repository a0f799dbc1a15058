"""`hydra/launcher=vectorized`: trials of one shape in one graph, the rest as by `hydra/launcher=local`."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from multiprocessing import connection
from typing import Any

from trainrun.sweep.launchers import alike
from trainrun.sweep.launchers.interface import OnEpoch
from trainrun.sweep.launchers.local import Pool
from trainrun.sweep.launchers.resources import Resources
from trainrun.sweep.trial import RUNNING, Trial
from trainrun.vectorized.worker import Place, Together

MOST = 64  # trials at once, where nothing else is said
# Trials for which a second process is worth its graph: building, recording and saving each is work of one Python, of which
# each process has its own; tracing and probing the graph takes 1.5 s in each.
LEAST = 8
SOON = 0.02  # seconds between two looks at processes of both kinds


class Vectorized:
    """Runs trials of one shape together; see `trainrun.sweep.launchers.interface.Engine`.

    Many of them are divided among as many processes as there are cores, each with a graph of its own. What is notable of the
    grouping is told by `said`, a line each.

    Args:
        settings: see `sweep_settings.settings`.
        pool: runs the trials that are left out.
        most: trials at once.
        machine: has as many jobs as processes that trials may be divided among.
    """

    def __init__(self, settings: Mapping[str, Any], pool: Pool, most: int, machine: Resources):
        self.settings, self.pool, self.jobs, self.machine = settings, pool, most, machine
        self.how = "in one graph where they are of one shape"
        if machine.jobs > 1:
            self.how = f"in one graph where they are of one shape, or {machine.jobs} side by side"
        self.on_note: Callable[[str], None] = lambda text: None
        self._on_epoch: OnEpoch = lambda trial, epoch, metrics, last: None
        self._answers_wanted = False
        self._waiting: list[Place] = []
        self._processes: list[Together] = []
        self._alone: list[tuple[Trial, Mapping[str, Any] | None]] = []
        self._left_out: Counter[str] = Counter()
        self._told_of: set[str] = set()

    @classmethod
    def of(cls, settings: Mapping[str, Any], trials: int) -> Vectorized:
        """Return the engine of a sweep.

        Args:
            settings: see `sweep_settings.settings`.
            trials: there will be at most.
        """
        launcher = settings["launcher"]
        most, jobs = launcher["max_trials"], launcher["n_jobs"]
        pool = Pool.of(settings, jobs, trials)
        at_once = min(trials, MOST if most == "auto" else most)
        machine = Resources.divide(jobs, at_once // LEAST)
        # On a GPU, one process has all of its memory.
        return cls(settings, pool, at_once, Resources.divide(1, 1) if machine.gpus else machine)

    @property
    def on_epoch(self) -> OnEpoch:
        """What is told of each epoch."""
        return self._on_epoch

    @on_epoch.setter
    def on_epoch(self, on_epoch: OnEpoch) -> None:
        self._on_epoch = self.pool.on_epoch = on_epoch

    @property
    def answers(self) -> bool:
        """Whether trials wait for the answer."""
        return self._answers_wanted

    @answers.setter
    def answers(self, answers: bool) -> None:
        self._answers_wanted = self.pool.answers = answers

    @property
    def running(self) -> list[Trial]:
        """The trials that run now, or wait for the others."""
        places = [*self._waiting, *(p for process in self._processes for p in process.places)]
        return [*(p.trial for p in places), *(t for t, _ in self._alone), *self.pool.running]

    @property
    def free(self) -> bool:
        """Whether another trial can begin."""
        return len(self.running) < self.jobs

    def start(self, trial: Trial, resume: Mapping[str, Any] | None = None) -> None:
        """Take a trial in; it begins with `wait`, together with others."""
        trial.status = RUNNING
        reason = alike.obstacle(trial.config, bool(self.settings["plugins"]), alike.VECTORIZES)
        if reason is None:
            self._waiting.append(Place(trial, resume, alike.key(trial.config, alike.VECTORIZES)))
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
            both = bool(self.pool.running and self._processes)
            left = max(until - time.monotonic(), 0.0)
            ended = self._listen(min(left, SOON) if both else left) if self._processes else []
            if self.pool.running:
                ended += self.pool.wait(min(left, SOON) if both else left)
            if ended or time.monotonic() >= until or not (self.pool.running or self._processes):
                return ended

    def stop(self, trial: Trial | None = None, reason: str | None = None) -> None:
        """Have a trial, or all of them, save themselves and end."""
        for place in [*self._waiting, *(p for process in self._processes for p in process.places)]:
            if trial is None or place.trial is trial:
                place.stop(self.settings["grace"], reason)
        self.pool.stop(trial, reason)

    def kill(self) -> None:
        """End all of them at once."""
        for process in self._processes:
            process.kill()
        self.pool.kill()

    def close(self) -> None:
        """End the processes."""
        for process in self._processes:
            process.release()
        while self._processes:
            self._processes.pop().end()
        self.pool.close()

    def _begin(self) -> None:
        """Send the trials that wait to those of their shape, or begin processes for those that are most."""
        kinds: dict[str, list[Place]] = {}
        for place in self._waiting:
            kinds.setdefault(place.key, []).append(place)
        for key, places in sorted(kinds.items(), key=lambda kind: -len(kind[1])):
            processes = self._processes_of(key, places)
            for place in places if processes else ():
                self._waiting.remove(place)
                min(processes, key=lambda p: len(p.places)).send(place)
        for reason, n in self._left_out.items():
            if reason not in self._told_of:
                self._told_of.add(reason)
                whom = "1 trial by itself" if n == 1 else f"{n} trials by themselves"
                self.on_note(f"{whom}: {reason}")

    def _processes_of(self, key: str, places: list[Place]) -> list[Together]:
        """Return the processes that take these trials now; none where they have to wait, or are no company."""
        count = max(1, min(self.machine.jobs, len(places) // LEAST))
        those = [p for p in self._processes if p.places and p.key == key]
        idle = sorted((p for p in self._processes if not p.places), key=lambda p: p.key != key)
        if those:  # and those of theirs that have run dry, if there is work for them
            return those + [p for p in idle if p.key == key and count > 1]
        if not idle and self._processes:
            return []  # another shape's turn comes first
        if len(places) == 1:
            self._waiting.remove(places[0])
            self._alone.append((places[0].trial, places[0].resume))
            self._left_out["no other is like it"] += 1
            return []
        if idle:
            return idle[:count]
        threads = max(1, self.machine.cores // count)
        self._processes = [self._begun(threads, 1 / count, places[0]) for _ in range(count)]
        return self._processes

    def _begun(self, threads: int, part: float, place: Place) -> Together:
        return Together(
            self.settings, threads, part, self.jobs, self.on_epoch, self.answers, self.on_note, place
        )

    def _listen(self, seconds: float) -> list[Trial]:
        """Take in what the processes say for so long, or until a trial has ended."""
        ended: list[Trial] = []
        for process in self._processes:
            process.hurry()
        connection.wait([end for process in self._processes for end in process.ends], seconds)
        for process in list(self._processes):
            ended += process.listen()
            if process.gone:
                self._processes.remove(process)
                over, left = process.bury()
                ended += over
                self._alone += left
        return ended
