"""After a run in the command's own process: replace a warm process that did not fit, or say once that there could be one."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from pathlib import Path

from trainrun.ui import console, streams
from trainrun.util import paths, user_cache
from trainrun.warm import address, client

RUNS, WITHIN_S = 3, 600.0
HINT = "`trainrun warm` keeps TensorFlow imported, so that later runs begin sooner"


def begin(stale: client.Stale | None) -> None:
    """Start a fresh warm process, now that the run does not wait for it; else count the run.

    Args:
        stale: the former process, which did not fit.
    """
    if stale is None:
        return hint()
    from trainrun.errors import UserError
    from trainrun.warm import control

    with contextlib.suppress(UserError):
        control.start(stale.idle_s)


def hint() -> None:
    """Tell a newcomer of `trainrun warm`, once: after the third run in ten minutes, on a terminal, and not in CI."""
    off = os.environ.get(client.OFF) == "0" or "CI" in os.environ
    if sys.platform != "linux" or off or not streams.is_terminal() or os.path.exists(address.path()):
        return
    file = Path(user_cache.folder(), "recent-runs.json")
    with contextlib.suppress(OSError, ValueError, TypeError):
        recent = json.loads(file.read_text()) if file.exists() else []
        if recent is None:  # it has been said
            return
        now = time.time()
        recent = [*(t for t in recent if 0 <= now - t < WITHIN_S), now]
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with paths.whole(file) as new:
            new.write_text(json.dumps(recent if len(recent) < RUNS else None))
        if len(recent) >= RUNS:
            console.note(HINT)
