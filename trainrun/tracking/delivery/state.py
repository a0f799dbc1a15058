"""`tracking.json`: the delivery state of a run, with one entry for each tracker and address.

An entry has the run's id there and the number of journal records delivered. Only the delivering process writes this file, under
the run's lock; only the training process writes the journal. If the file is lost, everything is sent again; the trackers drop duplicates.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from trainrun.util import paths, redaction

FILE = "tracking.json"
LOCK = ".tracking.lock"  # held while delivering a run, and while writing the end record of a killed one


class Target(NamedTuple):
    """A tracker and address that a run is delivered to.

    Args:
        tracker: name of the tracker.
        uri: resolved address; may contain a password, and is therefore never written to a file.
        experiment: the experiment's name; empty where the tracker has none.
        settings: further settings of the tracker.
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
    """The delivery state of a run for one target.

    Args:
        run_dir: the run's directory.
        target: tracker and address.
    """

    def __init__(self, run_dir: str | Path, target: Target):
        self.run_dir, self.target = Path(run_dir), target
        entry = find(read(run_dir), target) or {}
        self.run_id: str | None = entry.get("run_id")
        self.experiment_id: str | None = entry.get("experiment_id")
        self.next: int = entry.get("next", 0)  # records before this number are delivered …
        self.left: dict[str, str] = dict(entry.get("left") or {})  # … except these: number -> reason
        self.deleted = bool(entry.get("deleted"))  # a user has deleted the run on the server
        self.parent_id: str | None = entry.get("parent_run_id")  # its parent run on the server
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
        """Reset the state: the server has lost the run, and everything is sent again."""
        self.run_id = self.experiment_id = self.parent_id = None
        self.next, self.left, self.deleted = 0, {}, False

    def close(self) -> None:
        """Write nothing any more: another process may deliver the run from now on."""
        self._closed = True

    def save(self) -> None:
        """Write the file atomically, with this target's entry last."""
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
        # No fsync: an old or missing file after a power failure only causes duplicates, which the trackers drop.
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
            and all(isinstance(e.get(k), str | None) for k in ("run_id", "experiment_id", "parent_run_id"))
            and isinstance(e["tracker"], str)
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
    return (entry["tracker"], entry["tracking_uri"], entry["experiment"]) == (
        target.tracker,
        target.address,
        target.experiment,
    )


def latest(run_dir: str | Path) -> list[dict[str, Any]]:
    """Return for each tracker the entry that was delivered to last, ordered by time."""
    entries: dict[Any, dict[str, Any]] = {}
    for entry in read(run_dir):
        entries.pop(entry["tracker"], None)
        entries[entry["tracker"]] = entry
    return [*entries.values()]


def unsent_of(run_dir: str | Path, count: int, total: int) -> int:
    """Return the number of a journal's `total` records not delivered, summed over the trackers.

    Args:
        run_dir: the run's directory.
        count: number of trackers in the run's config.
        total: records of the journal.
    """
    entries = latest(run_dir)
    missing = sum(unsent(e, total) for e in entries if not e.get("deleted"))
    return missing + max(count - len(entries), 0) * total


def run_id(run_dir: str | Path) -> str | None:
    """Return the run's id at the tracker that it was delivered to last, or None."""
    return next((e["run_id"] for e in reversed(latest(run_dir)) if e.get("run_id")), None)


def unsent(entry: Mapping[str, Any] | None, total: int) -> int:
    """Return the number of a journal's `total` records that are not delivered to a target."""
    if entry is None:
        return total
    return max(total - entry["next"], 0) + len(entry.get("left") or {})
