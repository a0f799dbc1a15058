"""The list of the runs below a folder; fast for hundreds of runs, because only the end of an ended run's journal is read."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from trainrun.tracking import find, journal, lease, status, summary, trackers
from trainrun.tracking.delivery import state, sweep_summary


class Listed(NamedTuple):
    """One run, or one sweep.

    Args:
        run: its directory below the folder that holds it and its like: an id, of a trial ``sweep/number``.
        run_dir: its directory.
        status: FINISHED, FAILED, KILLED, PRUNED, RUNNING or UNKNOWN.
        reason: why, if something went wrong.
        started: unix seconds, or None.
        epochs: done.
        metric, value: the best of the validation loss, else of the training loss; or None.
        overrides: as typed.
        unsent: records that its trackers do not have; None: it has no tracker.
        tracker_run_id: the id that a tracker gave it, or None.
        trials: of a sweep: status -> number of trials; None for a run.
        total: of a sweep: planned trials; None: not known.
    """

    run: str
    run_dir: str
    status: str
    reason: str | None
    started: float | None
    epochs: int
    metric: str | None
    value: float | None
    overrides: list[str]
    unsent: int | None
    tracker_run_id: str | None
    trials: dict[str, int] | None = None
    total: int | None = None


class Listing(NamedTuple):
    """Runs, newest first, and how many there are in all."""

    runs: list[Listed]
    total: int


def runs(outputs: str | Path, limit: int | None = None, unfold: bool = False) -> Listing:
    """Return the newest runs below a folder; a sweep counts as one.

    Every run with status RUNNING whose process has died is marked KILLED, beyond the limit too.

    Args:
        outputs: the folder.
        limit: their number; None: all.
        unfold: list the trials of sweeps, too.
    """
    entries = []
    sweeps = set(find.sweeps(outputs))
    for sweep_dir in sweeps:
        sweep = sweep_summary.fold(sweep_dir)
        entries.append((sweep.started, str(sweep_dir), sweep_dir, sweep))
    for run_dir in find.run_dirs(outputs):
        if run_dir.parent in sweeps and not unfold:
            continue
        head = journal.first(run_dir / status.JOURNAL)
        status.settle(run_dir)
        began = head.get("time") if head.get("kind") == "start" else None
        entries.append((began if isinstance(began, int | float) else 0.0, str(run_dir), run_dir, head))
    for run_dir in find.unrecorded(outputs):
        row = _unrecorded(run_dir)
        entries.append((row.started, str(run_dir), run_dir, row))
    entries.sort(key=lambda entry: entry[:2], reverse=True)
    return Listing([_row(run_dir, head) for _, _, run_dir, head in entries[:limit]], len(entries))


def _row(run_dir: Path, head: sweep_summary.Folded | Listed | Mapping[str, Any]) -> Listed:
    if isinstance(head, Listed):
        return head
    return _folded(run_dir, head) if isinstance(head, sweep_summary.Folded) else listed(run_dir, head)


def _unrecorded(run_dir: Path) -> Listed:
    """Return a run that has no journal: it imports TensorFlow and loads its data, or was killed while it did."""
    ended = lease.alive(run_dir) is False
    reason = f"it ended before training began; {status.LOG} has what it printed"
    if not find.abandoned(run_dir):
        reason = f"its {status.JOURNAL} is missing"
    return Listed(
        run=run_dir.name,
        run_dir=os.fspath(run_dir),
        status="KILLED" if ended else "RUNNING",
        reason=reason if ended else None,
        started=run_dir.stat().st_mtime,
        epochs=0,
        metric=None,
        value=None,
        overrides=[],
        unsent=None,
        tracker_run_id=None,
    )


def _folded(sweep_dir: Path, sweep: sweep_summary.Folded) -> Listed:
    """Return a sweep as one row."""
    others = [f"{n} {word.lower()}" for word, n in sorted(sweep.counts.items()) if word != "FINISHED"]
    return Listed(
        run=sweep_dir.name,
        run_dir=os.fspath(sweep_dir),
        status=sweep.status,
        reason="; ".join(filter(None, [sweep.reason, ", ".join(others)])) or None,
        started=sweep.started or None,
        epochs=0,
        metric=sweep.metric,
        value=sweep.value,
        overrides=sweep.swept,
        unsent=sweep_summary.unsent(sweep_dir, sweep),
        tracker_run_id=state.run_id(sweep_dir),
        trials=dict(sweep.counts),
        total=sweep.total,
    )


def listed(run_dir: Path, head: Mapping[str, Any]) -> Listed:
    """Return a run as one row; `head` is its journal's first record."""
    now = status.read(run_dir)
    content = summary.read_or_empty(run_dir) if now.end is not None else {}
    if content.get("status") == now.status:
        epochs, best = content.get("epochs") or 0, content.get("best") or {}
    else:
        epochs, past = now.epochs, now.past
        best = summary.best_epochs(past["history"], (past["start"].get("config") or {}).get("metric"))
    metric = summary.monitored({"best": best})
    value = best[metric].get("value") if metric else None
    targets = len(trackers.recorded(head))
    sent = state.latest(run_dir)
    deleted = bool(sent) and all(e.get("deleted") for e in sent)
    return Listed(
        run=find.name_of(run_dir),
        run_dir=os.fspath(run_dir),
        status=now.status,
        reason=now.remark,
        started=head.get("time"),
        epochs=epochs,
        metric=metric,
        value=value if isinstance(value, int | float) and math.isfinite(value) else None,
        overrides=[str(word) for word in head.get("overrides") or []],
        unsent=state.unsent_of(run_dir, targets, now.records) if (targets or sent) and not deleted else None,
        tracker_run_id=state.run_id(run_dir),
    )
