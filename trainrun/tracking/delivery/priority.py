"""Who goes first on the processor: the training; the delivery process only while somebody waits for it."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

# A tenth of a core beside a training that takes all of it: enough to import MLflow in half a minute, and to keep up.
NICE = 10
GROUP = Path("/proc/self/autogroup")
GROUPED = Path("/proc/sys/kernel/sched_autogroup_enabled")


class Priority:
    """Gives way to other processes, and takes its turn again.

    Linux shares the processor among sessions first (`sched_autogroup`): a process that is alone in its session, as this
    one is, competes with the training as an equal whatever its `nice` says (measured: half a core beside a training
    that uses both). What counts there is the nice value of the session, which may be taken back, too.
    """

    def __init__(self) -> None:
        self._now: int | None = None
        with contextlib.suppress(OSError):
            os.nice(NICE if not self._set(NICE) else 0)

    def give_way(self, whether: bool) -> None:
        """Let others go first, or not; any thread may say so."""
        if (value := NICE if whether else 0) != self._now:
            self._set(value)

    def _set(self, value: int) -> bool:
        try:
            # Of a session that is somebody else's, too, the others would give way with us.
            if GROUPED.read_text().strip() != "1" or os.getsid(0) != os.getpid():
                return False
            # The kernel refuses a second change within a tenth of a second: it is tried again at the next call.
            GROUP.write_text(str(value))
        except OSError:
            return False
        self._now = value
        return True
