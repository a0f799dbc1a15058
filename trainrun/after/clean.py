"""What can be removed below a folder of runs, and what has to stay: the plan of `trainrun rm` and `trainrun gc`."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from trainrun.after import kept_files, protected
from trainrun.errors import Problem, UserError
from trainrun.sweep import named_run
from trainrun.tracking import find, journal, listing, status, trackers
from trainrun.tracking.delivery import state

DEFAULT_KEEP = "best,registered,last 10"
_LAST = re.compile(r"last[ =]?(\d+)")


class Removal(NamedTuple):
    """Something to remove.

    Args:
        path: a directory.
        kind: ``run``, ``sweep`` (with its trials), ``data`` or ``cache``.
        status: of a run or sweep.
        size: bytes.
    """

    path: Path
    kind: str
    status: str
    size: int


@dataclass
class Plan:
    """What is removed and what is kept.

    Args:
        outputs: the folder of the runs.
        removals: to remove, the newest first.
        kept: directory -> why it stays.
        warnings: for the user.
    """

    outputs: Path
    removals: list[Removal] = field(default_factory=list)
    kept: dict[Path, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    @property
    def size(self) -> int:
        """Bytes that the removal frees."""
        return sum(r.size for r in self.removals)


def named(words: Sequence[str], outputs: str | Path = find.OUTPUTS, unfinished: bool = False) -> Plan:
    """Return the plan to remove runs and sweeps by name.

    Args:
        words: see `named_run.run`; a sweep's directory or name means the sweep with all its trials.
        outputs: the folder of the runs.
        unfinished: whether runs and sweeps that could be resumed may go.

    Raises:
        UserError: a word names none, or one that has to stay; with all of them.
    """
    plan, problems = Plan(Path(outputs)), []
    folders: dict[Path, str] = {}
    for word in words:
        try:
            folder = find.sweep_named(word, outputs) or named_run.run(word, outputs)
            if reason := _foreign(folder, Path(outputs)):
                raise UserError(reason)
            # As the other functions name it: a user may type an absolute path.
            folders[Path(outputs, folder.resolve().relative_to(Path(outputs).resolve()))] = word
        except UserError as error:
            problems += error.problems
    if problems:
        raise UserError(problems)
    going = {f: word for f, word in folders.items() if f.parent not in folders}  # no trials of sweeps that go
    kept = protected.protected(going, unfinished)
    others = [f for f in _everything(outputs) if f not in going and f.parent not in going]
    kept |= {f: why for f, why in protected.needed(others).items() if f in going or f.parent in going}
    if kept:
        raise UserError([Problem(str(folder), f"it stays: {reason}.") for folder, reason in kept.items()])
    plan.removals = [_removal(f) for f in going]
    plan.removals += _unused(plan, others, protected.inside(going))
    _warn_of_unsent(plan)
    return plan


def old(outputs: str | Path = find.OUTPUTS, keep: str = DEFAULT_KEEP, unfinished: bool = False) -> Plan:
    """Return the plan to remove all runs that nothing needs.

    Runs that train, winners of sweeps, sources of registered models, what a resume needs, and what a kept run starts from always
    stay. Of a sweep the record and the trials that are kept stay.

    Args:
        outputs: the folder of the runs.
        keep: ``best``, ``registered`` (both always hold) and ``last N``: the newest N, of which a sweep is one; with commas between.
        unfinished: whether runs and sweeps that could be resumed may go.

    Raises:
        UserError: `keep` cannot be parsed.
    """
    plan, newest = Plan(Path(outputs)), _newest(keep)
    candidates: dict[Path, None] = {}
    for i, entry in enumerate(listing.runs(outputs).runs):
        folder = Path(entry.run_dir)
        folders = find.trials(folder) if entry.trials is not None else [folder]
        foreign = _foreign(folder, plan.outputs)
        if (
            foreign is None
            and not find.is_run(folder)
            and entry.trials is None
            and not find.abandoned(folder)
        ):
            foreign = "it has no record"
        for each in folders:
            if reason := foreign or (f"one of the newest {newest}" if i < newest else None):
                plan.kept[each] = reason
            else:
                candidates[each] = None
    plan.kept |= protected.protected(candidates, unfinished)
    while needed := {
        f: why for f, why in protected.needed([*plan.kept]).items() if f in candidates and f not in plan.kept
    }:
        plan.kept |= needed
    going = [f for f in candidates if f not in plan.kept]
    plan.removals = [_removal(f) for f in going]
    records = [*plan.kept, *find.sweeps(outputs)]
    plan.removals += _unused(plan, records, None)
    _warn_of_unsent(plan)
    return plan


def _newest(keep: str) -> int:
    newest = 0
    for word in filter(None, (w.strip() for w in keep.split(","))):
        if match := _LAST.fullmatch(word):
            newest = int(match[1])
        elif word not in ("best", "registered"):
            raise UserError(Problem("--keep", f"expected best, registered or `last N`, got {word!r}."))
    return newest


def _everything(outputs: str | Path) -> list[Path]:
    return [*find.run_dirs(outputs), *find.unrecorded(outputs), *find.sweeps(outputs)]


def _foreign(folder: Path, outputs: Path) -> str | None:
    """Return why a directory is not removed: it is a link, or lies elsewhere than this project's runs; None: it is its run."""
    if folder.is_symlink():
        return f"{folder} is a link; name the directory that it leads to: {os.path.realpath(folder)}"
    root, real = outputs.resolve(), folder.resolve()
    if real.parent in (root / "runs", root / "sweeps") or real.parent.parent == root / "sweeps":
        return None
    return f"{folder} is no directory of {outputs}/runs or {outputs}/sweeps. --outputs names another folder"


def _removal(folder: Path) -> Removal:
    kind = "sweep" if os.path.isfile(folder / find.SWEEP) else "run"
    word = status.read(folder).status if (folder / status.JOURNAL).is_file() else "KILLED"
    return Removal(folder, kind, word, kept_files.size(folder))


def _unused(plan: Plan, staying: Sequence[Path], leaving: Sequence[Path] | None) -> list[Removal]:
    found = kept_files.unused(plan.outputs, staying, leaving)
    return [Removal(folder, kind, "", kept_files.size(folder)) for folder, kind in found]


def _warn_of_unsent(plan: Plan) -> None:
    unsent = 0
    for removal in plan.removals:
        for run_dir in protected.inside([removal.path]) if removal.kind in ("run", "sweep") else ():
            targets = len(trackers.recorded(journal.first(run_dir / status.JOURNAL)))
            now = status.read(run_dir)
            unsent += bool(targets and state.unsent_of(run_dir, targets, now.records))
    if unsent:
        plan.warnings.append(
            f"{unsent} of them have records that their trackers lack: `trainrun sync --all` sends them"
        )
