"""A second process for what many runs leave when they have ended: forked by the delivery process, it sends some and is gone.

Writing a run down takes MLflow 0.05 s of a core, in one Python: of 64 runs that end together, half the time that their
training took, beside cores that have nothing to do. How far the helper has come stands in the runs' own files
(`cursor.Cursor`): whatever becomes of it, the delivery process goes on from there.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trainrun.tracking.delivery.delivery import Job

LEAST = 8  # runs that it is worth while for
PATIENCE, EACH = 10.0, 2.0  # seconds in all, and for each run, after which it is given up


class Helper:
    """The helper, as the delivery process sees it.

    Args:
        jobs: the runs that are its; nobody else touches them until it is `over`.

    Attributes:
        fell: whether it has come to another end than its own.
    """

    def __init__(self, jobs: Sequence[Job]):
        self.jobs, self.fell = list(jobs), False
        self._until = time.monotonic() + PATIENCE + EACH * len(jobs)
        parent = os.getpid()
        self._pid = os.fork()
        if self._pid == 0:
            _serve(self.jobs, lambda: os.getppid() == parent)

    @property
    def over(self) -> bool:
        """Whether it has ended; one that does not come to an end is killed."""
        if self._pid and time.monotonic() > self._until:
            self.kill()
        if self._pid:
            with contextlib.suppress(ChildProcessError):  # somebody else has taken note of it
                pid, status = os.waitpid(self._pid, os.WNOHANG)
                if pid == 0:
                    return False
                self.fell = status != 0
            self._pid = 0
        return True

    def kill(self) -> None:
        """End it at once."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGKILL)


def _serve(jobs: Sequence[Job], wanted: Callable[[], bool]) -> None:
    """Be the helper: no thread of the delivery process is here, and nothing waits for this one."""
    try:
        for job in jobs:
            if not wanted():
                break
            job.work()
            if not job.finished:  # something is amiss, of which the delivery process knows what to do
                break
    finally:
        os._exit(0)
