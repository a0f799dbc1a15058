"""What has to stay below a folder of runs: what is in use, what others rest on, what a registered model comes from."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path

from trainrun.errors import UserError, first_line
from trainrun.sweep.ranking import best as winning
from trainrun.sweep.view import overview
from trainrun.tracking import find, journal, origin, status, trackers
from trainrun.tracking.delivery import state, sweep_summary
from trainrun.tracking.delivery.state import Target
from trainrun.tracking.record import flatten
from trainrun.util import grants
from trainrun.util.file_lock import FileLock

CHECKPOINTS = "checkpoints"
ANYWAY = "--unfinished removes it all the same"
# A run that a path names: of a checkpoint or a model that another run starts from.
_RUN_IN_PATH = re.compile(r"(?:^|/)(?:runs/([^/]+)|sweeps/([^/]+/[^/]+))(?=/|$)")


def protected(folders: Iterable[Path], unfinished: bool) -> dict[Path, str]:
    """Return the runs and sweeps among some that have to stay, with the reason.

    Args:
        folders: a sweep's directory stands for the whole sweep.
        unfinished: see `named`.
    """
    kept: dict[Path, str] = {}
    asked: dict[Path, list[Path]] = {}
    sweeps: dict[Path, _Sweep] = {}
    for folder in folders:
        whole = os.path.isfile(folder / find.SWEEP)
        sweep_dir = folder if whole else folder.parent
        reason = None
        if os.path.isfile(sweep_dir / find.SWEEP):
            if sweep_dir not in sweeps:
                sweeps[sweep_dir] = _Sweep(sweep_dir)
            reason = sweeps[sweep_dir].reason(None if whole else folder.name, unfinished)
        runs = inside([folder])
        in_use = (_in_use(run, unfinished or whole) for run in runs if run != folder or not whole)
        if reason := reason or next(filter(None, in_use), None):
            kept[folder] = reason
        else:
            asked[folder] = runs
    return kept | _registered(asked)


class _Sweep:
    """A sweep, whose status and winners are read once.

    Args:
        sweep_dir: its directory.
    """

    def __init__(self, sweep_dir: Path):
        self.sweep_dir = sweep_dir
        self.status = sweep_summary.fold(sweep_dir).status

    @cached_property
    def _winners(self) -> dict[str, str] | str:
        return _winners(self.sweep_dir)

    def reason(self, trial: str | None, unfinished: bool) -> str | None:
        """Return why a trial, or with None the sweep as a whole, has to stay; None: it need not."""
        if self.status == "RUNNING":
            return "its sweep is running"
        if self.status == "UNKNOWN":
            return "its sweep's status is not known"
        if self.status != "FINISHED" and not unfinished:
            return f"the sweep can be resumed ({ANYWAY})"
        if trial is None:
            return None
        return self._winners if isinstance(self._winners, str) else self._winners.get(trial)


def _in_use(run_dir: Path, unfinished: bool) -> str | None:
    now = status.settle(run_dir) if find.is_run(run_dir) else None
    if now is not None and now.status in ("RUNNING", "UNKNOWN"):
        return "it is running" if now.status == "RUNNING" else "its status is not known"
    if FileLock(run_dir / state.LOCK).held:
        return "its records are being sent to a tracker"
    stopped = now is not None and now.status in ("KILLED", "FAILED")
    if stopped and not unfinished and any((run_dir / CHECKPOINTS).glob("*")):
        return f"it can be resumed ({ANYWAY})"
    return None


def _winners(sweep_dir: Path) -> dict[str, str] | str:
    """Return the names of the trials that a sweep's result rests on, with the reason; or why none can go."""
    try:
        shown = overview.of(sweep_dir)
    except UserError as error:
        return f"its sweep cannot be read: {error}"
    if shown.objective is None:
        return "its sweep has no ranking, so that any trial may be the best"
    winners = winning.of(shown.trials, shown.objective)
    settings = {trial.setting for trial in winners}
    # The other seeds and folds of the winner are what it was judged by.
    return {t.run_dir.name: "a winner of its sweep" for t in shown.trials if t.setting in settings}


def _registered(folders: Mapping[Path, Sequence[Path]]) -> dict[Path, str]:
    """Return which directories a tracker's registered model comes from, or may, because the tracker does not answer."""
    kept: dict[Path, str] = {}
    answers: dict[tuple[str, str], set[str] | str] = {}
    for folder, runs in folders.items():
        for run_dir in runs:
            for entry in state.latest(run_dir):
                if not entry.get("run_id"):
                    continue
                try:
                    target = origin.target_of(run_dir, entry)
                except UserError as error:
                    kept[folder] = f"whether a registered model comes from it is not known: {error}"
                    continue
                key = (target.tracker, target.uri)
                if key not in answers:
                    answers[key] = _ask(target)
                answer = answers[key]
                if isinstance(answer, str):
                    way_out = f"If it is gone for good, delete {state.FILE} in the run's directory"
                    kept[folder] = (
                        f"whether a registered model comes from it is not known: {answer}. {way_out}"
                    )
                elif entry["run_id"] in answer:
                    kept[folder] = "a registered model comes from it"
    return kept


def _ask(target: Target) -> set[str] | str:
    tracker = trackers.find(target.tracker)
    try:
        with grants.credentials(target.uri):
            return tracker.registered(target)
    except Exception as error:  # whatever the tracker's library raises
        return f"{tracker.title} at {target.address} does not answer ({first_line(error)[:100]})"


def inside(folders: Iterable[Path]) -> list[Path]:
    """Return the directories with those of the trials of sweeps among them."""
    return [
        f for folder in folders for f in (folder, *(find.trials(folder) if not find.is_run(folder) else ()))
    ]


def needed(keepers: Iterable[Path]) -> dict[Path, str]:
    """Return the runs that the configs of others name a file of, with the reason."""
    named: dict[Path, str] = {}
    for keeper in keepers:
        if not find.is_run(keeper):
            continue
        config = journal.first(keeper / status.JOURNAL).get("config")
        group = keeper.parent if keeper.parent.name == "runs" else keeper.parent.parent
        for value in flatten(config).values() if isinstance(config, Mapping) else ():
            for run, trial in _RUN_IN_PATH.findall(value) if isinstance(value, str) else ():
                folder = group.parent / ("runs" if run else "sweeps") / (run or trial)
                if folder != keeper:
                    named[folder] = f"{keeper.name} starts from a file of it"
    return named
