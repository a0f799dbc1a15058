"""What a tracker is, and how one is found: `trainrun/tracking/<name>/tracker.py` defines the class `<Name>Tracker`.

A tracker bears the name of the library that it imports, its folder and its YAML too (`conf/tracking/<name>.yaml`). Environment
variables that begin with its name in capitals are its own.
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
from trainrun.util import redaction


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
        identifies: whether it gives the run an id of its own, which the summary and the last page name.
        files_apart: whether files go to a store of their own, which may fail by itself: they then come in any order, one at a time,
            from another thread.
    """

    title: ClassVar[str] = ""
    identifies: ClassVar[bool] = True
    files_apart: ClassVar[bool] = False

    def __init__(self, cursor: Cursor, since: float = math.inf):
        self.cursor, self.target, self.run_dir = cursor, cursor.target, cursor.run_dir
        self.since = since
        self.begin()

    # In the training process, where nothing heavy is imported.

    @classmethod
    def destination(cls, settings: Mapping[str, Any]) -> tuple[str, str]:
        """Return the address that the settings name, resolved, and the experiment.

        Raises:
            UserError: the address held a password, which no file has, and the environment has none either.
        """
        raise NotImplementedError

    @classmethod
    def start_fields(cls) -> dict[str, Any]:
        """Return what the run's first record is to hold of this process' environment."""
        return {}

    # In the delivery process, or `trainrun sync`.

    @classmethod
    def prepare(cls) -> None:
        """Import what the tracker needs."""

    def begin(self) -> None:
        """Forget all records: they come again, from the first."""

    def open(self, start: Mapping[str, Any]) -> None:
        """Connect, and find or make the run.

        Args:
            start: the journal's first record.
        """

    def recall(self, record: Mapping[str, Any]) -> None:
        """Take a record that was sent before."""

    def deliver(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Send metric records (kinds ``epoch``, ``batch``, ``metrics``), together, or one record of another kind.

        The other kinds are ``start`` (one for each attempt), ``artifact`` (with ``model`` for the model), ``tags``, ``event`` and
        ``end``. A kind that the tracker has no use for is left to the journal.
        """
        raise NotImplementedError

    def tag(self, tags: Mapping[str, str]) -> None:
        """Set tags of the run."""

    def check(self) -> None:
        """Raise an exception of kind GONE or DELETED if the place has not, or has no more, the run that it was sent."""

    def close(self) -> None:
        """Release what is open: no more records come."""

    def moved(self) -> bool:
        """Return whether the run stands below another run than it should: `trainrun sync --all` then looks at it again."""
        return False

    def kind(self, error: BaseException) -> str:
        """Return what is to be done about an exception; one that is not known is passing, and tried again."""
        return errors.kind(error)

    def reason(self, error: BaseException) -> str:
        """Return an exception in one short line without secrets."""
        return errors.reason(error)


def names() -> list[str]:
    """Return the trackers that there are."""
    return sorted(path.parent.name for path in Path(__file__).parent.glob("*/tracker.py"))


@functools.cache
def default() -> str:
    """Return the tracker that our own conf/config.yaml chooses.

    It is that of runs which name none: those with `tracking=none`, and those recorded before there were several trackers.
    """
    defaults = option_files.primary("config")["defaults"]
    return next(entry["tracking"] for entry in defaults if isinstance(entry, Mapping) and "tracking" in entry)


def find(name: str) -> type[Tracker]:
    """Return the class of a tracker; its library is not imported.

    Raises:
        UserError: there is none of this name.
    """
    if name not in names():
        raise UserError(Problem("tracking", f"there is no tracker {name!r}; there are {', '.join(names())}."))
    module = importlib.import_module(f"trainrun.tracking.{name}.tracker")
    return next(v for k, v in vars(module).items() if same_name(k, f"{name}_tracker"))


def targets(node: Any) -> list[Target]:
    """Return where the config's `tracking` node has runs delivered to; empty for `tracking=none`."""
    return [target(settings) for settings in tracker_settings.trackers(node).values()]


def target(settings: Mapping[str, Any]) -> Target:
    """Return the target that one tracker's settings name.

    Raises:
        UserError: see `Tracker.destination`.
    """
    own = {k: v for k, v in settings.items() if k not in ("name", "uri", "experiment")}
    return Target(settings["name"], *find(settings["name"]).destination(settings), own)


def restore_secrets(node: Any, again: str) -> None:
    """Check that the passwords which a recorded config hides are in the environment, before anything heavy is imported.

    Args:
        node: the config's `tracking`.
        again: the command that takes the address as an override.

    Raises:
        UserError: one is not.
    """
    for key, settings in tracker_settings.trackers(node).items():
        if redaction.HIDDEN in str(settings.get("uri")):
            try:
                find(settings["name"]).destination(settings)
            except UserError as error:
                way = f"{error.problems[0].message} Or give the address again: {again} tracking.{key}.uri=…"
                raise UserError(Problem(f"tracking.{key}.uri", way)) from None


def start_fields(targets: Sequence[Target]) -> dict[str, Any]:
    """Return what a run's first record holds of the environment, for the trackers that it goes to, or may go to."""
    fields: dict[str, Any] = {}
    for name in [t.tracker for t in targets] or [default()]:
        fields |= find(name).start_fields()
    return fields


def recorded(start: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the targets that a run's first record names, as `record` writes them; those of before there were several, too."""
    node = start.get("tracking")
    if isinstance(node, Mapping):
        return [{"tracker": default(), "uri": node.get("uri"), "experiment": node.get("experiment"),
                 "settings": {k: v for k, v in node.items() if k not in ("uri", "experiment")}}]  # fmt: skip
    return [dict(t) for t in node] if isinstance(node, list) else []
