"""`hydra/launcher=joblib`: joblib's worker processes (loky), for whoever has them anyway; `local` needs less memory.

joblib gives up all of its workers when one is killed, and whatever they run. So each place has a pool of one worker.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trainrun.sweep.launchers import agent
from trainrun.sweep.launchers.cluster_engine import Job
from trainrun.sweep.launchers.file_channel import Line
from trainrun.sweep.launchers.file_engine import ByFiles
from trainrun.sweep.launchers.resources import Resources, Share

IDLE = 120  # seconds that a worker waits for another trial


class Joblib(ByFiles):
    """Runs trials by workers of joblib's.

    Args:
        settings: see `snapshot.settings`.
        trials: there will be at most.
    """

    def __init__(self, settings: Mapping[str, Any], trials: int):
        launcher = settings["launcher"]
        self._resources = Resources.divide(launcher["n_jobs"], trials, launcher["per_gpu"])
        super().__init__(settings, self._resources.jobs)
        self._idle = [_pool() for _ in range(self.jobs)]

    def share(self) -> Share:
        """Return what a trial may use."""
        return self._resources.take()

    def give_back(self, share: Share) -> None:
        """Take a share back."""
        self._resources.give_back(share)

    def begin(self, job: Job) -> None:
        """Hand a trial over."""
        pool = self._idle.pop()
        with agent.no_main():
            job.handle = pool, pool.submit(work, job.told)

    def gone(self, job: Job) -> str | None:
        """Return why a worker will not say anything any more, or None."""
        _, future = job.handle
        if not future.done():
            return None
        if (error := future.exception()) is None:
            job.ended = future.result()
            return None
        codes = [line for line in str(error).splitlines() if "exit codes" in line]
        return f"joblib's worker died: {codes[0].strip() if codes else error}"

    def _settle(self, job: Job) -> None:
        super()._settle(job)
        pool, future = job.handle
        if future.done() and future.exception() is not None:
            pool.shutdown(wait=False, kill_workers=True)
            pool = _pool()
        self._idle.append(pool)

    def close(self) -> None:
        """End the workers."""
        for pool in [*self._idle, *(job.handle[0] for job in self._jobs)]:
            pool.shutdown(wait=False, kill_workers=True)
        super().close()


def work(told: Mapping[str, Any]) -> dict[str, Any]:
    """Run a trial, in a worker; return how it has ended."""
    line = _Child(told["line"])
    ended = agent.attend(told, Path(told["run_dir"]), line)
    line.say({"ended": ended})
    if line.orphaned:
        os._exit(1)  # loky's workers wait for ever for another task of a process that was killed
    return ended


class _Child(Line):
    """A line that notices at once when the sweep's process, which has started this one, is gone."""

    def __init__(self, told: Mapping[str, Any]):
        super().__init__(told)
        self._parent = os.getppid()

    @property
    def orphaned(self) -> bool:
        """Whether the sweep's process is gone."""
        return os.getppid() != self._parent

    def order(self) -> str | None:
        """Return what is wanted of the trial."""
        return super().order() or ("stop" if self.orphaned else None)


def _pool() -> Any:
    from joblib.externals.loky import ProcessPoolExecutor

    # Ctrl-C in the terminal is the sweep's. A worker that is idle stays a while: its fork server has TensorFlow.
    return ProcessPoolExecutor(
        max_workers=1, timeout=IDLE, initializer=signal.signal, initargs=(signal.SIGINT, signal.SIG_IGN)
    )
