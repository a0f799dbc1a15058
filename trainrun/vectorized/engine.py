"""The engine of `hydra/launcher=vectorized`: trials of one shape in one graph, the rest as by `hydra/launcher=local`."""

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
from trainrun.vectorized.worker import GroupProcess, TrialSlot

MAX_TRIALS = 64  # at once, by default
# Trials per process: building, recording and saving a trial occupies one Python process, but each process must trace and check
# a graph of its own, which takes 1.5 s.
TRIALS_PER_PROCESS = 8
POLL_INTERVAL_S = 0.02  # between two looks at processes of both kinds


class Vectorized:
    """Runs trials of one shape together; see `trainrun.sweep.launchers.interface.Engine`.

    Many trials are divided among as many processes as there are cores, each with a graph of its own. `on_note` gets a line about
    trials that are left out.

    Args:
        settings: see `sweep_settings.settings`.
        pool: runs the trials that are left out.
        most: maximum number of trials at once.
        machine: its `jobs` is the maximum number of processes.
    """

    def __init__(self, settings: Mapping[str, Any], pool: Pool, most: int, machine: Resources):
        self.settings, self.pool, self.jobs, self.machine = settings, pool, most, machine
        self.how = "in one graph where they are of one shape"
        if machine.jobs > 1:
            self.how = f"in one graph where they are of one shape, or {machine.jobs} side by side"
        self.on_note: Callable[[str], None] = lambda text: None
        self._on_epoch: OnEpoch = lambda trial, epoch, metrics, last: None
        self._answers = False
        self._waiting: list[TrialSlot] = []
        self._processes: list[GroupProcess] = []
        self._separate: list[tuple[Trial, Mapping[str, Any] | None]] = []
        self._left_out: Counter[str] = Counter()
        self._noted: set[str] = set()

    @classmethod
    def of(cls, settings: Mapping[str, Any], trials: int) -> Vectorized:
        """Return the engine of a sweep.

        Args:
            settings: see `sweep_settings.settings`.
            trials: maximum number of trials.
        """
        launcher = settings["launcher"]
        most, jobs = launcher["max_trials"], launcher["n_jobs"]
        pool = Pool.of(settings, jobs, trials)
        at_once = min(trials, MAX_TRIALS if most == "auto" else most)
        machine = Resources.divide(jobs, at_once // TRIALS_PER_PROCESS)
        # On a GPU, one process allocates all of the memory.
        return cls(settings, pool, at_once, Resources.divide(1, 1) if machine.gpus else machine)

    @property
    def on_epoch(self) -> OnEpoch:
        """The listener for each epoch of a trial."""
        return self._on_epoch

    @on_epoch.setter
    def on_epoch(self, on_epoch: OnEpoch) -> None:
        self._on_epoch = self.pool.on_epoch = on_epoch

    @property
    def answers(self) -> bool:
        """Whether trials wait for the listener's answer."""
        return self._answers

    @answers.setter
    def answers(self, answers: bool) -> None:
        self._answers = self.pool.answers = answers

    @property
    def running(self) -> list[Trial]:
        """The trials that run, or wait for others of their shape."""
        slots = [*self._waiting, *(p for process in self._processes for p in process.slots)]
        return [*(p.trial for p in slots), *(t for t, _ in self._separate), *self.pool.running]

    @property
    def free(self) -> bool:
        """Whether there is room for another trial."""
        return len(self.running) < self.jobs

    def start(self, trial: Trial, resume: Mapping[str, Any] | None = None) -> None:
        """Accept a trial; it begins in `wait`, together with others."""
        trial.status = RUNNING
        reason = alike.obstacle(trial.config, alike.VECTORIZES)
        if reason is None:
            self._waiting.append(TrialSlot(trial, resume, alike.key(trial.config, alike.VECTORIZES)))
        else:
            self._left_out[reason] += 1
            self._separate.append((trial, resume))

    def wait(self, seconds: float) -> list[Trial]:
        """Wait until a trial ends, at most so many seconds; return the trials that have ended."""
        self._begin()
        while self._separate and self.pool.free:
            self.pool.start(*self._separate.pop(0))
        until = time.monotonic() + seconds
        while True:
            both = bool(self.pool.running and self._processes)
            left = max(until - time.monotonic(), 0.0)
            ended = self._listen(min(left, POLL_INTERVAL_S) if both else left) if self._processes else []
            if self.pool.running:
                ended += self.pool.wait(min(left, POLL_INTERVAL_S) if both else left)
            if ended or time.monotonic() >= until or not (self.pool.running or self._processes):
                return ended

    def stop(self, trial: Trial | None = None, reason: str | None = None) -> None:
        """Make a trial, or all of them, save their state and end."""
        for slot in [*self._waiting, *(p for process in self._processes for p in process.slots)]:
            if trial is None or slot.trial is trial:
                slot.stop(self.settings["grace"], reason)
        self.pool.stop(trial, reason)

    def kill(self) -> None:
        """Kill all processes."""
        for process in self._processes:
            process.kill()
        self.pool.kill()

    def close(self) -> None:
        """End the processes; no trial runs any more."""
        for process in self._processes:
            process.release()
        while self._processes:
            self._processes.pop().end()
        self.pool.close()

    def _begin(self) -> None:
        """Send waiting trials to the processes of their shape, or start processes for the most frequent shape."""
        kinds: dict[str, list[TrialSlot]] = {}
        for slot in self._waiting:
            kinds.setdefault(slot.key, []).append(slot)
        for key, slots in sorted(kinds.items(), key=lambda kind: -len(kind[1])):
            processes = self._processes_of(key, slots)
            for slot in slots if processes else ():
                self._waiting.remove(slot)
                min(processes, key=lambda p: len(p.slots)).send(slot)
        for reason, n in self._left_out.items():
            if reason not in self._noted:
                self._noted.add(reason)
                self.on_note(f"{n} trial{'s' * (n > 1)} trained separately: {reason}")

    def _processes_of(self, key: str, slots: list[TrialSlot]) -> list[GroupProcess]:
        """Return the processes for these trials; none if they have to wait, or if there is only one of them."""
        count = max(1, min(self.machine.jobs, len(slots) // TRIALS_PER_PROCESS))
        present = [p for p in self._processes if p.slots and p.key == key]
        idle = sorted((p for p in self._processes if not p.slots), key=lambda p: p.key != key)
        if present:  # with the idle ones of the same shape, if there are enough trials
            return present + [p for p in idle if p.key == key and count > 1]
        if not idle and self._processes:
            return []  # wait until the trials of another shape have ended
        if len(slots) == 1:
            self._waiting.remove(slots[0])
            self._separate.append((slots[0].trial, slots[0].resume))
            self._left_out["no other trial has its shape"] += 1
            return []
        if idle:
            return idle[:count]
        threads = max(1, self.machine.cores // count)
        self._processes = [self._start_process(threads, 1 / count, slots[0]) for _ in range(count)]
        return self._processes

    def _start_process(self, threads: int, part: float, slot: TrialSlot) -> GroupProcess:
        return GroupProcess(
            self.settings, threads, part, self.jobs, self.on_epoch, self.answers, self.on_note, slot
        )

    def _listen(self, seconds: float) -> list[Trial]:
        """Receive messages of the processes, at most for so many seconds; return the trials that have ended."""
        ended: list[Trial] = []
        for process in self._processes:
            process.pass_on_stops()
        connection.wait([end for process in self._processes for end in process.ends], seconds)
        for process in list(self._processes):
            ended += process.listen()
            if process.gone:
                self._processes.remove(process)
                over, left = process.close_dead()
                ended += over
                self._separate += left
        return ended
