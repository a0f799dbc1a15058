"""`python -m trainrun` and the command `trainrun`."""

from __future__ import annotations

import atexit
import gc
import os
import sys
import threading


def main() -> None:
    """Run the command line and exit with its code."""
    # Hides TensorFlow's start-up lines; TF_CPP_MIN_LOG_LEVEL=0 trainrun … shows them.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from trainrun.ui import streams
    from trainrun.warm import client

    streams.open_closed_ones()
    argv, stale = sys.argv[1:], None
    try:
        code = client.attempt(argv)
    except client.Stale as former:
        code, stale = None, former
    if code is None:
        code = command(argv)
        if stale is not None or (code == 0 and client.takes(argv)):
            from trainrun.warm import after_run

            after_run.begin(stale)
        gc.freeze()  # Python searches all objects for garbage when it exits: 30 ms, and more with TensorFlow
        leave(code)
    sys.exit(code)


def leave(code: int) -> None:
    """Exit at once, since Python takes a third of a second to take TensorFlow's modules apart, and 6 ms those of a config error.

    Not where the user's own code was loaded, whose open files would lose what is not written yet, nor with threads to wait for, nor
    under a profiler, which prints afterwards.
    """
    from trainrun.ui import streams

    lookup = sys.modules.get("trainrun.registry.lookup")  # without it, no code of the user's
    waited_for = [t for t in threading.enumerate() if not t.daemon and t is not threading.main_thread()]
    if (lookup is not None and lookup.announced()) or waited_for or sys.getprofile() is not None:
        return
    atexit._run_exitfuncs()
    streams.flush_all()
    os._exit(code)


def command(argv: list[str]) -> int:
    """Run a command line in this process, and return its exit code.

    Args:
        argv: the words after `trainrun`.
    """
    from trainrun.util import imports

    imports.collect_rarely()
    from trainrun.cli import main as run
    from trainrun.ui import streams
    from trainrun.util import background

    code = run(argv)
    streams.flush_all()
    if background.busy():  # a request that hangs
        os._exit(code)
    return code


if __name__ == "__main__":
    main()
