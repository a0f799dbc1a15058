"""Remove what a plan of `clean` names: each run under its locks, at its trackers on wish, and never through a link."""

from __future__ import annotations

import contextlib
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

from trainrun.after.clean import Plan, Removal
from trainrun.errors import UserError, first_line
from trainrun.sweep import removed_trials, sweep_record
from trainrun.tracking import find, journal, lease, origin, status, trackers
from trainrun.tracking.delivery import state
from trainrun.tracking.delivery.state import Cursor
from trainrun.util import grants
from trainrun.util.file_lock import FileLock

# Directories are moved here before they are emptied, so that an interruption leaves no half of a run.
TRASH = ".trash"
DELIVERY_TIMEOUT_S = 5.0


class Removed:
    """What has been done.

    Args:
        plan: of it.

    Attributes:
        paths: that are gone.
        failures: path -> why it is not.
    """

    def __init__(self, plan: Plan):
        self.plan = plan
        self.paths: list[Path] = []
        self.failures: dict[Path, str] = {}

    def __repr__(self) -> str:
        names = ", ".join(str(r.path) for r in self.plan.removals) or "nothing"
        return f"<removed {len(self.paths)} of {len(self.plan.removals)}: {names}>"


def carry_out(plan: Plan, at_trackers: bool = False) -> Removed:
    """Remove what a plan names; one that fails does not hold back the others.

    Args:
        plan: see `clean.named` and `clean.old`.
        at_trackers: whether a run's records and files at its trackers go, too. A run whose tracker fails stays.
    """
    done = Removed(plan)
    for removal in plan.removals:
        try:
            _remove(removal, plan.outputs, at_trackers)
            done.paths.append(removal.path)
        except (OSError, UserError) as error:
            done.failures[removal.path] = str(error)
    _empty(plan.outputs / TRASH)
    return done


def _remove(removal: Removal, outputs: Path, at_trackers: bool) -> None:
    folder = removal.path
    if folder.is_symlink():
        raise UserError(f"{folder} has become a link")
    runs = [] if removal.kind in ("data", "cache") else [folder]
    if removal.kind == "sweep":
        runs += find.trials(folder)
    with contextlib.ExitStack() as locks:
        for run_dir in runs:
            sweep = run_dir == folder and removal.kind == "sweep"
            _hold(locks, run_dir / (lease.SWEEP if sweep else lease.TRAINING), 0.0)
            _hold(locks, run_dir / state.LOCK, DELIVERY_TIMEOUT_S)
        for run_dir in reversed(runs if at_trackers else []):  # trials before their sweep
            for entry in state.latest(run_dir):
                _remove_at_tracker(run_dir, entry)
        names = _second_names(folder)
        _keep_results(folder)
        _discard(folder, outputs / TRASH)
    for name in names:
        name.unlink(missing_ok=True)


def _hold(locks: contextlib.ExitStack, path: Path, patience: float) -> None:
    lock = FileLock(path)
    if not lock.acquire(patience):
        raise UserError(f"another process works on {path.parent}")
    locks.callback(lock.release)


def _remove_at_tracker(run_dir: Path, entry: dict) -> None:
    if not entry.get("run_id") or entry.get("deleted"):
        return
    if not origin.at_home(run_dir, journal.first(run_dir / status.JOURNAL)):
        return  # a copy, or a run of another project: the record there is the original's
    target = origin.target_of(run_dir, entry)
    tracker = trackers.find(target.tracker)
    try:
        tracker.prepare(target.uri)
        with grants.credentials(target.uri):
            cursor = Cursor(run_dir, target)
            cursor.run_id, cursor.experiment_id = entry["run_id"], entry["experiment_id"]
            tracker(cursor).delete()
    except Exception as error:  # whatever the tracker's library raises
        raise UserError(
            f"{tracker.title} at {target.address} has not removed it: {first_line(error)}"
        ) from error


def _keep_results(folder: Path) -> None:
    """Keep the results of a trial in its sweep's directory, so that `resume` does not train it again."""
    sweep_dir = folder.parent
    if not find.is_run(folder) or not (sweep_dir / find.SWEEP).is_file():
        return
    points = dict(sweep_record.read(sweep_dir)["points"])
    trial = sweep_record.settled(sweep_record.trial(folder, points, frozenset()))
    removed_trials.record(sweep_dir, trial)


def _second_names(folder: Path) -> list[Path]:
    """Return the links beside a trial that lead to it (`hydra.sweep.subdir`)."""
    if not (folder.parent / find.SWEEP).is_file():
        return []
    real = folder.resolve()
    return [p for p in folder.parent.iterdir() if p.is_symlink() and p.resolve() == real]


def _discard(folder: Path, trash: Path) -> None:
    place = folder
    if not trash.is_symlink():
        trash.mkdir(exist_ok=True)
        with contextlib.suppress(OSError):  # another file system
            os.rename(folder, trash / uuid.uuid4().hex)
            place = trash
    if place is folder:
        shutil.rmtree(folder)


def _empty(trash: Path) -> None:
    """Empty the trash, also of what an interrupted removal has left; `shutil.rmtree` follows no links."""
    for folder in _contents(trash):
        shutil.rmtree(folder, ignore_errors=True)
    with contextlib.suppress(OSError):
        trash.rmdir()


def _contents(trash: Path) -> Iterator[Path]:
    if not trash.is_symlink() and trash.is_dir():
        yield from trash.iterdir()
