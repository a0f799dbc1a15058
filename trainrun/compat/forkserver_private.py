"""CPython's multiprocessing.forkserver: the pipe that keeps the fork server alive.

Each process that it forks inherits the pipe's end, and passes it on to its own children: a program that a trial left behind kept the
server, 0.7 GB with TensorFlow in it, for ever.

Checked with CPython 3.11.
"""

from __future__ import annotations

import contextlib
import os
from multiprocessing import forkserver


def let_go() -> None:
    """Close, in a forked process, its end of the pipe; the server then ends with the process that started it.

    For: `trainrun.util.subprocesses`. Public API: there is none. Without these names nothing is closed.
    """
    server = getattr(forkserver, "_forkserver", None)
    alive = getattr(server, "_forkserver_alive_fd", None)
    if alive is not None and server._forkserver_pid is None:
        server._forkserver_alive_fd = None
        with contextlib.suppress(OSError):
            os.close(alive)
