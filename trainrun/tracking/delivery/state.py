"""`tracking.json`: how much of a run's journal each tracker has, and which run it is there; one entry a tracker and address.

The journal is written by the training process alone, this file by the process that delivers, under the lock of the run. It
may be lost: then everything is sent again, and the store keeps what it has.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from trainrun.util import paths, redaction

FILE = "tracking.json"
LOCK = ".tracking.lock"  # the right to deliver a run, and to write its last record in its stead


class Target(NamedTuple):
    """Where a run is to be sent.

    Args:
        tracker: its name.
        uri: its address, resolved; may hold a password, and is therefore written nowhere.
        experiment: the experiment's name; empty where the tracker has none.
        settings: the tracker's own.
    """

    tracker: str
    uri: str
    experiment: str = ""
    settings: Mapping[str, Any] = MappingProxyType({})

    @property
    def address(self) -> str:
        """The address without secrets."""
        return redaction.text(self.uri)

    @property
    def record(self) -> dict[str, Any]:
        """The target without secrets, for the run's first record."""
        return {**self._asdict(), "uri": self.address, "settings": redaction.tree(dict(self.settings))}


class Cursor:
    """How far a run is delivered to one target.

    Args:
        run_dir: the run's directory.
        target: where to.
    """

    def __init__(self, run_dir: str | Path, target: Target):
        self.run_dir, self.target = Path(run_dir), target
        entry = find(read(run_dir), target) or {}
        self.run_id: str | None = entry.get("run_id")
        self.experiment_id: str | None = entry.get("experiment_id")
        self.next: int = entry.get("next", 0)  # records before this number are delivered
        self.left: dict[str, str] = dict(entry.get("left") or {})  # but for these: number -> why
        self.deleted = bool(entry.get("deleted"))  # a user has deleted the run on the server
        self.parent_id: str | None = entry.get("parent_run_id")  # the run that it stands below there
        self._closed = False

    @property
    def identity(self) -> dict[str, str] | None:
        """`{tracking_uri, experiment_id, run_id}`, or None before there is a run."""
        if self.run_id is None:
            return None
        return {
            "tracking_uri": self.target.address,
            "experiment_id": str(self.experiment_id),
            "run_id": self.run_id,
        }

    def forget(self) -> None:
        """Begin anew: the server has lost the run."""
        self.run_id = self.experiment_id = self.parent_id = None
        self.next, self.left, self.deleted = 0, {}, False

    def close(self) -> None:
        """Write nothing any more: another process may deliver the run from now on."""
        self._closed = True

    def save(self) -> None:
        """Write the file, whole or not at all; this target's entry is the last."""
        if self._closed:
            return
        others = [e for e in read(self.run_dir) if not _is_of(e, self.target)]
        entry = {
            "tracker": self.target.tracker,
            "tracking_uri": self.target.address,
            "experiment": self.target.experiment,
            "experiment_id": self.experiment_id,
            "run_id": self.run_id,
            "next": self.next,
            **({"parent_run_id": self.parent_id} if self.parent_id else {}),
            **({"left": self.left} if self.left else {}),
            **({"deleted": True} if self.deleted else {}),
        }
        # No fsync: after a power failure an old one, or none, costs only time.
        with paths.whole(self.run_dir / FILE) as new:
            new.write_text(json.dumps({"deliveries": [*others, entry]}, indent=1) + "\n", encoding="utf-8")


def read(run_dir: str | Path) -> list[dict[str, Any]]:
    """Return the entries of a run's `tracking.json`, the latest target last; a damaged file counts as absent."""
    try:
        entries = json.loads(paths.content(Path(run_dir) / FILE))["deliveries"]
        return [
            e
            for e in entries
            if isinstance(e["tracking_uri"], str)
            and isinstance(e["experiment"], str)
            and isinstance(e["next"], int)
            and all(
                isinstance(e.get(k), str | None)
                for k in ("tracker", "run_id", "experiment_id", "parent_run_id")
            )
            and "experiment_id" in e
            and "run_id" in e
            and isinstance(e.get("left") or {}, dict)
        ]
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return []


def find(entries: list[dict[str, Any]], target: Target) -> dict[str, Any] | None:
    """Return the entry of a target."""
    return next((e for e in entries if _is_of(e, target)), None)


def _is_of(entry: Mapping[str, Any], target: Target) -> bool:
    # Entries of before there were several trackers name none.
    return (entry.get("tracker", target.tracker), entry["tracking_uri"], entry["experiment"]) == (
        target.tracker,
        target.address,
        target.experiment,
    )


def latest(run_dir: str | Path) -> list[dict[str, Any]]:
    """Return each tracker's entry that was delivered to last; the latest of all is the last."""
    entries: dict[Any, dict[str, Any]] = {}
    for entry in read(run_dir):
        entries.pop(entry.get("tracker"), None)
        entries[entry.get("tracker")] = entry
    # Entries of before there were several trackers name none; a later one that names it stands in their place.
    return [e for name, e in entries.items() if name is not None or len(entries) == 1]


def unsent_of(run_dir: str | Path, count: int, total: int) -> int:
    """Return how many of a journal's `total` records the trackers of a run do not have.

    Args:
        run_dir: the run's directory.
        count: trackers that the run was to go to.
        total: records of the journal.
    """
    entries = latest(run_dir)
    missing = sum(unsent(e, total) for e in entries if not e.get("deleted"))
    return missing + max(count - len(entries), 0) * total


def run_id(run_dir: str | Path) -> str | None:
    """Return the id that the run has where it was delivered last, or None."""
    return next((e["run_id"] for e in reversed(latest(run_dir)) if e.get("run_id")), None)


def unsent(entry: Mapping[str, Any] | None, total: int) -> int:
    """Return how many of a journal's `total` records a target does not have."""
    if entry is None:
        return total
    return max(total - entry["next"], 0) + len(entry.get("left") or {})
