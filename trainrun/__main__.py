"""`python -m trainrun` and the command `trainrun`."""

from __future__ import annotations

import gc
import os
import sys


def main() -> None:
    """Run the command line and exit with its code."""
    # Hides TensorFlow's start-up lines; TF_CPP_MIN_LOG_LEVEL=0 trainrun … shows them.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from trainrun.util import imports

    imports.collect_rarely()
    from trainrun.ui import streams

    streams.open_closed_ones()
    from trainrun.cli import main as run
    from trainrun.util import background

    code = run(sys.argv[1:])
    for stream in (sys.stdout, sys.stderr):
        streams.flush(stream)
    if background.busy():  # a request that hangs
        os._exit(code)
    gc.freeze()  # Python searches all objects for garbage when it exits: 30 ms, and more with TensorFlow
    sys.exit(code)


if __name__ == "__main__":
    main()
