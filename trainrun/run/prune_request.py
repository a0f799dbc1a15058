"""The request of a user that a trial ends as pruned: a file in its directory, looked for after each epoch."""

from __future__ import annotations

import contextlib
from pathlib import Path

from trainrun.util import paths

FILE = ".prune"
REASON = "pruned by the user (trainrun top)"


def write(run_dir: Path) -> None:
    """Make the request."""
    with open(run_dir / FILE, "wb", opener=paths.no_link):
        pass


def take(run_dir: Path) -> bool:
    """Return whether there was a request; there is none afterwards."""
    with contextlib.suppress(OSError):
        (run_dir / FILE).unlink()
        return True
    return False
