"""The directory of a run or sweep by its path, its id, its id at a tracker, or `last`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from trainrun.errors import UserError, did_you_mean
from trainrun.tracking import journal, lease, origin
from trainrun.tracking.delivery import state
from trainrun.tracking.status import JOURNAL, LOG
from trainrun.util import decimal_digits, paths

OUTPUTS = "outputs"
LATEST = "last"
SWEEP = "sweep.json"
ORDER = ".order"
MOST_RUNS = 1_000_000  # a place beyond it was not given by this program
# What a run may leave that ends before its journal begins; one with checkpoints or a model has lost its journal.
BEFORE_RECORD = {lease.TRAINING, LOG, ".hydra", "config.yaml", "environment.txt", ".reserve"}


def run(word: str, outputs: str | Path = OUTPUTS) -> Path:
    """Return the directory of a run.

    Args:
        word: a path; the name of a directory below `outputs`, of a trial ``SWEEP/NUMBER``; a tracker's run id; or ``last``,
            the run that began last.
        outputs: where runs are.

    Raises:
        UserError: there is no such run, or more than one of that name.
    """
    folder = Path(word)
    if word and is_run(folder):
        return folder
    runs = sorted(run_dirs(outputs))
    if word == LATEST and runs:
        return max(runs, key=_began)
    # Before other directories of the name: `digits` may well be a run and, in the working directory, a folder of images.
    named = [p for p in runs if word in (p.name, f"{p.parent.name}/{p.name}")]
    if not named and os.path.isdir(folder) and word not in ("", "."):
        raise UserError(_no_run(word))
    if word == LATEST:
        raise UserError(f"there is no run below {outputs}/ yet.")
    named = named or [p for p in runs if word and word in _tracker_ids(p)]
    if len(named) > 1:
        raise UserError(f"{word} is the name of {len(named)} runs; give a path: {named[0]}")
    if named:
        return named[0]
    near = did_you_mean(word, [LATEST, *(p.name for p in runs)])
    raise UserError(
        f"no run {word!r}: expected a run's directory, its tracker's run id, or {LATEST}; there are {len(runs)} runs below "
        f"{outputs}/.{near}"
    )


def _no_run(word: str) -> str:
    """Return why a directory is no run's."""
    folder = Path(word)
    if (journal_of_one := next(folder.glob(f"*/{JOURNAL}"), None)) is not None:
        return f"{word} is a folder of several runs; name one of them: {journal_of_one.parent}"
    if abandoned(folder):
        return f"{word} ended before training began, and has no record to go on from. Start the run again."
    return f"{word} is no run's directory: it has no {JOURNAL}."


def sweep(word: str, outputs: str | Path = OUTPUTS) -> Path:
    """Return the directory of a sweep.

    Args:
        word: a path; the name of a directory below `outputs`; or ``last``, the one that began last, or whose trial did.
        outputs: where sweeps are.

    Raises:
        UserError: there is no such sweep.
    """
    if (folder := sweep_named(word, outputs)) is not None:
        return folder
    folders = sorted(sweeps(outputs))
    if word == LATEST:
        if not folders:
            raise UserError(f"there is no sweep below {outputs}/ yet.")
        return max(
            folders,
            key=lambda f: max(map(_began, (f, *(p.parent for p in f.glob(f"*/{JOURNAL}"))))),
        )
    raise UserError(
        f"no sweep {word!r}: expected a sweep's directory or {LATEST}; there are {len(folders)} sweeps below {outputs}/."
        + did_you_mean(word, [LATEST, *(p.name for p in folders)])
    )


def newest(outputs: str | Path = OUTPUTS) -> Path | None:
    """Return the directory of the run or sweep that began last; a sweep only if none of its trials has begun. None: there is none."""
    recorded = (p for p in sweeps(outputs) if os.path.isfile(p / JOURNAL))
    return max((*sorted(run_dirs(outputs)), *recorded), key=_began, default=None)


def sweep_named(word: str, outputs: str | Path = OUTPUTS) -> Path | None:
    """Return the sweep of that path, or of that name below `outputs`; None if there is none."""
    folders = (Path(word), Path(outputs, "sweeps", word))
    return next((f for f in folders if word and os.path.isfile(f / SWEEP)), None)


def run_dirs(outputs: str | Path = OUTPUTS) -> Iterator[Path]:
    """Yield the directories of all runs, those of sweeps too."""
    for pattern in (f"runs/*/{JOURNAL}", f"sweeps/*/*/{JOURNAL}"):
        for path in Path(outputs).glob(pattern):
            # A trial may have a second name, see `hydra.sweep.subdir`.
            if not os.path.isfile(path.parent / SWEEP) and not path.parent.is_symlink():
                yield path.parent


def unrecorded(outputs: str | Path = OUTPUTS) -> Iterator[Path]:
    """Yield the directories of runs that have taken the right to train and written no record: they begin, or have ended before."""
    for path in Path(outputs).glob(f"runs/*/{lease.TRAINING}"):
        if not os.path.lexists(path.parent / JOURNAL):
            yield path.parent


def abandoned(run_dir: Path) -> bool:
    """Return whether a run ended in this directory before it had a record: another may begin there, as Slurm's requeued job does."""
    if not os.path.isfile(run_dir / lease.TRAINING) or lease.alive(run_dir) is not False:
        return False
    return {path.name for path in run_dir.iterdir()} <= BEFORE_RECORD


def sweeps(outputs: str | Path = OUTPUTS) -> Iterator[Path]:
    """Yield the directories of all sweeps."""
    for path in Path(outputs).glob(f"sweeps/*/{SWEEP}"):
        yield path.parent


def trials(sweep_dir: Path) -> list[Path]:
    """Return the directories of a sweep's trials that have begun, in the order of their numbers."""
    folders = [path.parent for path in sweep_dir.glob(f"*/{JOURNAL}") if not path.parent.is_symlink()]
    return sorted(folders, key=lambda f: (decimal_digits.number(f.name) or 0, f.name))


def sweep_of(run_dir: str | Path) -> Path | None:
    """Return the directory of the sweep that a run belongs to; None if there is none, or it has no journal."""
    folder = Path(run_dir).absolute().parent
    return folder if (folder / SWEEP).is_file() and (folder / JOURNAL).is_file() else None


def name_of(run_dir: Path) -> str:
    """Return the name that `run` finds a run by: its id, or ``SWEEP/TRIAL``."""
    return run_dir.name if run_dir.parent.name == "runs" else f"{run_dir.parent.name}/{run_dir.name}"


def is_run(folder: Path) -> bool:
    """Return whether a directory is a run's; a sweep's has a journal, too, but is not a run's."""
    return os.path.isfile(folder / JOURNAL) and not os.path.isfile(folder / SWEEP)


def _began(run_dir: Path) -> tuple[int, float, str]:
    """Return what runs are sorted by, the newest last: their place in the order of beginnings, which no clock decides.

    Runs that began in another project have none: their times count, and they come before.
    """
    head = journal.first(run_dir / JOURNAL)
    time, place = head.get("time"), head.get("place")
    # A received run does not know the directory that it lies in now.
    known = isinstance(place, int) and isinstance(head.get("run_dir"), str) and origin.at_home(run_dir, head)
    return (
        min(place, MOST_RUNS) if known else 0,
        float(time) if isinstance(time, int | float) else 0.0,
        run_dir.name,
    )


def next_place(run_dir: Path) -> int | None:
    """Return the place of a run that begins in the order of beginnings below its outputs folder; None: it lies elsewhere.

    The file `.order` has a byte for each run that has begun.
    """
    group = next((p for p in run_dir.absolute().parents[:2] if p.name in ("runs", "sweeps")), None)
    if group is None:
        return None
    with open(group.parent / ORDER, "ab", opener=paths.no_link) as file:
        if file.tell() == 0:  # new, or removed
            file.write(b"." * max((_began(p)[0] for p in run_dirs(group.parent)), default=0))
        file.write(b".")
        file.flush()
        return file.tell()


def _tracker_ids(run_dir: Path) -> set[str]:
    """Return a run's ids at its trackers."""
    return {entry["run_id"] for entry in state.read(run_dir) if entry.get("run_id")}
