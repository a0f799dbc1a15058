"""A sweep at a glance: thousands of trials within a fraction of a second, because only the ends of their journals are read."""

from __future__ import annotations

import json
import math
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

from trainrun.tracking import find, journal, status, trackers
from trainrun.tracking.delivery import state

BEST = "best_"  # before the objective's name, in the metrics of a sweep's own journal


class Folded(NamedTuple):
    """One sweep.

    Args:
        status, reason: of the sweep as a whole.
        started: unix seconds; 0.0: not known.
        counts: status -> trials that have begun.
        total: trials there are to be; None: not known.
        metric, value: the objective and its best value so far, or None.
        swept: what is varied, as overrides.
        records: those of each journal, the sweep's own too: directory -> how many.
        trackers: how many the sweep is sent to.
    """

    status: str
    reason: str | None
    started: float
    counts: Counter[str]
    total: int | None
    metric: str | None
    value: float | None
    swept: list[str]
    records: dict[Path, int]
    trackers: int


def fold(sweep_dir: Path) -> Folded:
    """Return a sweep; whatever of it says RUNNING, and whose process is gone, is marked KILLED."""
    counts: Counter[str] = Counter()
    records: dict[Path, int] = {}
    for run_dir in find.trials(sweep_dir):
        last = _last(run_dir)
        if last.get("kind") == "end":
            counts[str(last.get("status"))] += 1
        else:
            counts[status.settle(run_dir).status] += 1
            last = _last(run_dir)
        records[run_dir] = _count(last)
    own = sweep_dir / status.JOURNAL
    head = journal.first(own)
    if head and _last(sweep_dir).get("kind") != "end":
        status.settle(sweep_dir)
    newest = journal.last(own, 40)
    if head:
        records[sweep_dir] = _count(newest[-1] if newest else {})
    recorded = _settings_file(sweep_dir)
    total = (head.get("sweep") or {}).get("total") or len(recorded.get("points") or []) or None
    word, reason = _status(newest, counts, total)
    metric, value = _best(newest)
    return Folded(
        status=word,
        reason=reason,
        started=_number(head.get("time")) or _number(recorded.get("started")) or 0.0,
        counts=counts,
        total=total,
        metric=metric,
        value=value,
        swept=[f"{k}={v}" for k, v in (head.get("params") or {}).items()],
        records=records,
        trackers=len(trackers.recorded(head)) or len(state.latest(sweep_dir)),
    )


def unsent(sweep_dir: Path, sweep: Folded) -> int | None:
    """Return how many records of a sweep and its trials their trackers do not have; None: they go to none."""
    if not sweep.trackers:
        return None
    missing = 0
    for run_dir, total in sweep.records.items():
        missing += state.unsent_of(run_dir, sweep.trackers, total)
    return missing


def _status(newest: list[dict[str, Any]], counts: Counter[str], total: int | None) -> tuple[str, str | None]:
    if newest and newest[-1]["kind"] == "end":
        return str(newest[-1].get("status")), newest[-1].get("reason")
    if newest or counts["RUNNING"]:
        return "RUNNING", None
    # A sweep of before it had a record of its own.
    return ("FINISHED" if total is not None and counts.total() >= total else "KILLED"), None


def _best(newest: list[dict[str, Any]]) -> tuple[str | None, float | None]:
    for record in reversed(newest):
        for name, value in (record.get("metrics") or {}).items() if record["kind"] == "metrics" else ():
            if name.startswith(BEST) and isinstance(value, int | float) and math.isfinite(value):
                return name.removeprefix(BEST), value
    return None, None


def _settings_file(sweep_dir: Path) -> dict[str, Any]:
    try:
        content = json.loads((sweep_dir / find.SWEEP).read_text(encoding="utf-8"))
        return content if isinstance(content, dict) else {}
    except (OSError, ValueError, RecursionError):
        return {}


def _last(run_dir: Path) -> dict[str, Any]:
    return next(iter(journal.last(run_dir / status.JOURNAL)), {})


def _count(last: dict[str, Any]) -> int:
    return last["seq"] + 1 if isinstance(last.get("seq"), int) else 0


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) else None
