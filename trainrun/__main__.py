"""`python -m trainrun` and the command `trainrun`."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run the command line and exit with its code."""
    # Hides TensorFlow's start-up lines; TF_CPP_MIN_LOG_LEVEL=0 trainrun … shows them.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from trainrun.cli import main as run

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
