"""Settings of a run's tracking: the trackers that it is delivered to, and the timing of the delivery."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trainrun.config import tracker_settings
from trainrun.tracking import trackers
from trainrun.tracking.alerts import AlertSettings
from trainrun.tracking.delivery.state import Target

SYSTEM_INTERVAL_S = 10.0  # of runs recorded before there was the setting


@dataclass(frozen=True)
class TrackingSettings:
    """The settings in the config's `tracking` node.

    Args:
        targets: one for each tracker; empty: the journal is the only record.
        run_name: the run's name at its tracker; None: as everywhere else.
        every_steps: steps between two records of metrics; None: only after epochs.
        interval: seconds between two deliveries.
        system_interval: seconds between two samples of processor, memory and GPU; None: none.
        alerts: where to send alerts; None: there are none.
        timeout: seconds that the end of a run may wait for its delivery.
    """

    targets: Sequence[Target] = ()
    run_name: str | None = None
    every_steps: int | None = None
    interval: float = 1.0
    timeout: float = 30.0
    system_interval: float | None = None
    alerts: AlertSettings | None = None

    @classmethod
    def of(cls, node: Any, alert: Mapping[str, Any] | None = None, trial: bool = False) -> TrackingSettings:
        """Return the settings of the config's `tracking` node.

        Args:
            node: the node.
            alert: the node `alert`; None: no alerts.
            trial: whether they are of a sweep's trial.

        Raises:
            UserError: an address cannot be resolved; see `trackers.Tracker.destination`.
        """
        shared = {key: node[key] for key in tracker_settings.SHARED if node.get(key) is not None}
        shared["system_interval"] = node.get("system_interval", SYSTEM_INTERVAL_S)  # null: none
        names = {settings.get("run_name") for settings in tracker_settings.trackers(node).values()}
        alerts = AlertSettings.of(alert, trial)
        return cls(trackers.targets(node), names.pop() if len(names) == 1 else None, alerts=alerts, **shared)
