"""The base class of trackers, and their lookup: `trainrun/tracking/<name>/tracker.py` defines the class `<Name>Tracker`.

A tracker, its folder and its YAML (`conf/tracking/<name>.yaml`) are named after the library that it imports. Environment
variables that begin with its name in capitals belong to it.
"""

from __future__ import annotations

import functools
import importlib
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from trainrun.config import tracker_settings
from trainrun.errors import Problem, UserError
from trainrun.registry import option_files
from trainrun.registry.lookup import same_name
from trainrun.tracking.delivery import errors
from trainrun.tracking.delivery.state import Cursor, Target
from trainrun.util import grants, redaction


class Tracker:
    """Send one run's journal records to one place.

    A record comes in journal order, either to `recall` (it was sent before, by an earlier process) or to `deliver`. Delivery is
    at least once: what was sent may come again, and must then leave the same behind. A method that raises has the record
    sent again later; `kind` says how (`trainrun.tracking.delivery.errors`).

    Args:
        cursor: the run's directory, where it goes, and how far it is delivered. The tracker writes `run_id` and
            `experiment_id` into it, if it has such.
        since: unix seconds; a run that has begun later was never sent by another process.

    Attributes:
        title: the tracker's name in messages.
        identifies: whether it gives the run an id of its own, which the summary and the final table show.
        files_apart: whether files go to a separate store, which may fail independently; files are then passed in any order, one at
            a time, from another thread.
        credential_files: files in the home folder that its library reads credentials from.
    """

    title: ClassVar[str] = ""
    identifies: ClassVar[bool] = True
    files_apart: ClassVar[bool] = False
    credential_files: ClassVar[tuple[str, ...]] = ()

    def __init__(self, cursor: Cursor, since: float = math.inf):
        self.cursor, self.target, self.run_dir = cursor, cursor.target, cursor.run_dir
        self.since = since
        self.begin()

    # Called in the training process: these import nothing heavy.

    @classmethod
    def destination(cls, settings: Mapping[str, Any]) -> tuple[str, str]:
        """Return the resolved address and the experiment in the settings.

        Raises:
            UserError: the address's password is redacted, and the environment does not have it.
        """
        raise NotImplementedError

    @classmethod
    def start_fields(cls) -> dict[str, Any]:
        """Return fields for the run's first record that come from this process' environment."""
        return {}

    # Called in the delivery process or in `trainrun sync`.

    @classmethod
    def prepare(cls, uri: str) -> None:
        """Import the libraries that delivery to an address takes; nothing is connected to."""

    def begin(self) -> None:
        """Reset: all records are passed again, from the first."""

    def open(self, start: Mapping[str, Any]) -> None:
        """Connect, and find or create the run.

        Args:
            start: the journal's first record.
        """

    def recall(self, record: Mapping[str, Any]) -> None:
        """Process a record that was sent before, without sending it."""

    def deliver(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Send metric records (kinds ``epoch``, ``batch``, ``metrics``, ``system``), together, or one record of another kind.

        The other kinds are ``start`` (one for each attempt), ``artifact`` (with ``model`` for the model), ``tags``, ``event`` and
        ``end``. A tracker ignores the kinds that it does not support.
        """
        raise NotImplementedError

    def tag(self, tags: Mapping[str, str]) -> None:
        """Set tags of the run."""

    def check(self) -> None:
        """Raise an exception of kind GONE or DELETED if the destination no longer has the run."""

    @classmethod
    def registered(cls, target: Target) -> set[str]:
        """Return the ids of the runs at a target that registered models come from; raises if it does not answer."""
        return set()

    @classmethod
    def holder(cls, target: Target, name: str, alias: str) -> str | None:
        """Return the id of the run that the version of a registered model with an alias comes from; None: no version has it."""
        raise UserError(f"{cls.title} has no registry of models.")

    @classmethod
    def register(cls, target: Target, run_id: str, name: str, alias: str | None) -> str:
        """Register the model of a run, once, and set an alias on it; return the version."""
        raise UserError(f"{cls.title} has no registry of models.")

    def delete(self) -> None:
        """Delete the run and its files at the destination, if it keeps any; raises if that fails."""

    def close(self) -> None:
        """Close files and connections: no more records follow."""

    def moved(self) -> bool:
        """Return whether the run's parent at the tracker is out of date, so that `trainrun sync --all` must update it."""
        return False

    def kind(self, error: BaseException) -> str:
        """Return the kind of an exception; unknown ones are PASSING, and retried."""
        return errors.kind(error)

    def reason(self, error: BaseException) -> str:
        """Return an exception in one short line without secrets."""
        return errors.reason(error)


def names() -> list[str]:
    """Return the names of all trackers."""
    return sorted(path.parent.name for path in Path(__file__).parent.glob("*/tracker.py"))


@functools.cache
def default() -> str:
    """Return the name of the default tracker, which conf/config.yaml chooses.

    It is used for runs that name none: those with `tracking=none`, and those recorded before trainrun had several trackers.
    """
    defaults = option_files.primary("config")["defaults"]
    return next(entry["tracking"] for entry in defaults if isinstance(entry, Mapping) and "tracking" in entry)


def find(name: str) -> type[Tracker]:
    """Return the class of a tracker, without importing its library.

    Raises:
        UserError: there is no tracker of this name.
    """
    if name not in names():
        raise UserError(Problem("tracking", f"there is no tracker {name!r}; there are {', '.join(names())}."))
    module = importlib.import_module(f"trainrun.tracking.{name}.tracker")
    return next(v for k, v in vars(module).items() if same_name(k, f"{name}_tracker"))


def targets(node: Any) -> list[Target]:
    """Return the targets in the config's `tracking` node; an empty list for `tracking=none`."""
    return [target(settings) for settings in tracker_settings.trackers(node).values()]


def target(settings: Mapping[str, Any]) -> Target:
    """Return the target of one tracker's settings.

    Raises:
        UserError: see `Tracker.destination`.
    """
    own = {k: v for k, v in settings.items() if k not in ("name", "uri", "experiment")}
    return Target(settings["name"], *find(settings["name"]).destination(settings), own)


def withheld(target: Target) -> str | None:
    """Return a warning if credentials are not sent to a target, or None if nothing is withheld."""
    return grants.withheld(target.uri, find(target.tracker).credential_files)


def restore_secrets(node: Any, again: str) -> None:
    """Check that the environment has the passwords that are redacted in a recorded config, before anything heavy is imported.

    Args:
        node: the config's `tracking`.
        again: the command that accepts the address as an override.

    Raises:
        UserError: a password is missing.
    """
    for key, settings in tracker_settings.trackers(node).items():
        if redaction.HIDDEN in str(settings.get("uri")):
            try:
                find(settings["name"]).destination(settings)
            except UserError as error:
                way = f"{error.problems[0].message} Or pass the address again: {again} tracking.{key}.uri=…"
                raise UserError(Problem(f"tracking.{key}.uri", way)) from None


def start_fields(targets: Sequence[Target]) -> dict[str, Any]:
    """Return the fields of a run's first record that its trackers take from the environment."""
    fields: dict[str, Any] = {}
    for name in [t.tracker for t in targets] or [default()]:
        fields |= find(name).start_fields()
    return fields


def recorded(start: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the targets in a run's first record, in the form of `Target.record`."""
    node = start.get("tracking")
    return [dict(t) for t in node if _is_target(t)] if isinstance(node, list) else []


def _is_target(node: Any) -> bool:
    """Return whether an entry of a received record has what its readers rely on."""
    return (
        isinstance(node, Mapping)
        and isinstance(node.get("tracker"), str)
        and all(isinstance(node.get(key), str | None) for key in ("uri", "experiment"))
        and isinstance(node.get("settings"), Mapping | None)
    )
