"""A run's side of its delivery: hand the journal over to this process' delivery process, and wait a little at the end."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from trainrun.tracking import trackers
from trainrun.tracking.delivery import client

if TYPE_CHECKING:
    from trainrun.tracking.settings import TrackingSettings


class Handover:
    """Have one run delivered.

    Args:
        run_dir: its directory, absolute.
        settings: where to, and when.
        warn: prints one line to the user.

    Attributes:
        courier: the delivery process; None before `begin`, or where it could not be started.
    """

    def __init__(self, run_dir: Path, settings: TrackingSettings, warn: Callable[[str], None]):
        self.run_dir, self.settings, self.warn = run_dir, settings, warn
        self.courier: client.Courier | None = None
        self._left = settings.timeout  # seconds left for waiting

    def begin(self) -> None:
        """Begin to deliver."""
        self.courier = start(self.run_dir, self.settings, max(self._left, 0.0), self.warn)

    def identity(self, limit: float) -> dict[str, str] | None:
        """Return `{tracking_uri, experiment_id, run_id}` as soon as a tracker has given them, else None.

        Args:
            limit: seconds to wait for it; they are taken from those that `finish` may wait.
        """
        if self.courier is None or not any(
            trackers.find(t.tracker).identifies for t in self.settings.targets
        ):
            return None
        begin = time.monotonic()
        self.courier.hurry(self.run_dir)
        identity = self.courier.identity(self.run_dir, min(limit, self._left))
        self._left -= time.monotonic() - begin
        return identity

    def finish(self, total: int, limit: float | None = None) -> tuple[dict[str, str] | None, int]:
        """Wait for the delivery; return the run's identity at a tracker and the number of records not delivered.

        Args:
            total: records of the journal.
            limit: seconds to wait; None: what `identity` has left of the setting `timeout`.
        """
        lost = self.courier is not None and not self.courier.alive
        if lost and not self.courier.following(self.run_dir):
            self.begin()  # the process never read the message that named the run
        if self.courier is None:
            return None, total * len(self.settings.targets)
        self.courier.finish(self.run_dir, self._left if limit is None else limit)
        undelivered = sum(client.unsent(self.run_dir, target, total) for target in self.settings.targets)
        if undelivered:
            self.courier.release(self.run_dir)
        return self.courier.identity(self.run_dir, 0.0), undelivered


def start(
    run_dir: Path, settings: TrackingSettings, limit: float, warn: Callable[[str], None]
) -> client.Courier | None:
    """Have this process' delivery process deliver a run; return it, or None where it cannot be started.

    Args:
        run_dir: its directory, absolute.
        settings: where to, and when.
        limit: seconds that what is left may take when this process is gone.
        warn: prints one line to the user.
    """
    try:
        courier = client.courier(settings.targets)
        courier.follow(run_dir, settings.targets, settings.interval, limit, warn)
    except OSError as error:
        warn(f"tracking: the delivery process did not start ({error}); the journal keeps everything.")
        return None
    return courier


def not_sent(count: int, run_dir: str | Path) -> str:
    """Return the line that says how many records the trackers do not have, and the way out."""
    path = Path(run_dir)
    if path.is_absolute() and path.is_relative_to(Path.cwd()):
        path = path.relative_to(Path.cwd())
    records = "1 record" if count == 1 else f"{count} records"
    return f"{records} not yet sent: trainrun sync {shlex.quote(str(path))}"
