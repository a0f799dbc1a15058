"""`python -m trainrun` and the command `trainrun`."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run the command line and exit with its code."""
    # TensorFlow's start-up lines are for whoever asks: TF_CPP_MIN_LOG_LEVEL=0 trainrun …
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from trainrun.cli import main as run

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
