"""Start the delivery of one run by this process' delivery process, and wait for it at the end of the run."""

from __future__ import annotations

import contextlib
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
        settings: targets and timing.
        warn: prints one line to the user.

    Attributes:
        courier: the delivery process; None before `begin`, or if it could not be started.
    """

    def __init__(self, run_dir: Path, settings: TrackingSettings, warn: Callable[[str], None]):
        self.run_dir, self.settings, self.warn = run_dir, settings, warn
        self.courier: client.Courier | None = None
        self._left = settings.timeout  # seconds left for waiting

    def begin(self) -> None:
        """Start the delivery."""
        self.courier = start(self.run_dir, self.settings, max(self._left, 0.0), self.warn)

    def identity(self, limit: float) -> dict[str, str] | None:
        """Return `{tracking_uri, experiment_id, run_id}` as soon as a tracker has reported them, else None.

        Args:
            limit: seconds to wait; they are subtracted from the time that `finish` may wait.
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
            limit: seconds to wait; None: the setting `timeout` less the time that `identity` has waited.
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
        if not self.alerts_lost and not self.alerted:
            self.warn(
                f"an alert of {self.run_dir.name} is not sent yet; if it cannot be, its journal says so."
            )
        return self.courier.identity(self.run_dir, 0.0), undelivered

    @property
    def alerted(self) -> bool:
        """Whether no alert of the run is on its way."""
        return self.settings.alerts is None or (
            self.courier is not None and self.courier.alerted(self.run_dir)
        )

    @property
    def alerts_lost(self) -> bool:
        """Whether the delivery process, which would send the alerts, has ended before, or has not started."""
        return not self.alerted and (self.courier is None or not self.courier.alive)


def begin_early(settings: TrackingSettings) -> None:
    """Start the delivery process before there is a run: it imports its libraries while this process imports TensorFlow."""
    if settings.targets:
        with contextlib.suppress(OSError):  # `start` says why
            client.courier(settings.targets).prepare(settings.targets)


def start(
    run_dir: Path, settings: TrackingSettings, limit: float, warn: Callable[[str], None]
) -> client.Courier | None:
    """Have a run delivered by this process' delivery process; return that, or None if it cannot be started.

    Args:
        run_dir: its directory, absolute.
        settings: targets and timing.
        limit: seconds for the remaining records after this process has died.
        warn: prints one line to the user.
    """
    try:
        courier = client.courier(settings.targets)
        courier.follow(run_dir, settings.targets, settings.interval, limit, warn, settings.alerts)
    except OSError as error:
        warn(f"tracking: the delivery process did not start ({error}); the journal keeps everything.")
        return None
    return courier


def not_sent(count: int, run_dir: str | Path) -> str:
    """Return a message with the number of records not delivered, and the command that delivers them."""
    path = Path(run_dir)
    if path.is_absolute() and path.is_relative_to(Path.cwd()):
        path = path.relative_to(Path.cwd())
    records = "1 record" if count == 1 else f"{count} records"
    return f"{records} not yet sent: trainrun sync {shlex.quote(str(path))}"
