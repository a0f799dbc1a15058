"""Summarize a sweep; fast for thousands of trials, because only the last records of their journals are read."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from trainrun.tracking import find, journal, status, trackers
from trainrun.tracking.delivery import state
from trainrun.util import paths

BEST = "best_"  # before the objective's name, in the metrics of a sweep's own journal


class Folded(NamedTuple):
    """The summary of one sweep.

    Args:
        status, reason: of the sweep as a whole.
        started: unix seconds; 0.0 if unknown.
        counts: status -> number of started trials.
        total: planned number of trials, or None if unknown.
        metric, value: the objective and its best value so far, or None.
        swept: the search space, as overrides.
        records: directory -> number of journal records, of the trials and the sweep itself.
        trackers: number of trackers that the sweep is delivered to.
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
    """Return a sweep's summary; a sweep or trial with status RUNNING whose process has died is marked KILLED."""
    counts: Counter[str] = Counter()
    records: dict[Path, int] = {}
    for run_dir in find.trials(sweep_dir):
        now = status.settle(run_dir)
        counts[now.status] += 1
        records[run_dir] = now.records
    own = sweep_dir / status.JOURNAL
    head = journal.first(own)
    recorded = _settings_file(sweep_dir)
    total = (head.get("sweep") or {}).get("total") or len(recorded.get("points") or []) or None
    if head:
        now = status.settle(sweep_dir)
        word, reason, records[sweep_dir] = now.status, now.remark, now.records
    else:
        word, reason = "KILLED", None  # before its first record
    metric, value = _best(journal.newest(own, 40))
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


def varying(sweep_dir: Path) -> frozenset[str]:
    """Return the keys that a sweep varies; none if the directory is no sweep's."""
    settings = _settings_file(sweep_dir).get("settings")
    keys = settings.get("varying") if isinstance(settings, dict) else None
    return frozenset(map(str, keys)) if isinstance(keys, list) else frozenset()


def unsent(sweep_dir: Path, sweep: Folded) -> int | None:
    """Return the number of undelivered records of a sweep and its trials; None if they have no tracker."""
    if not sweep.trackers:
        return None
    missing = 0
    for run_dir, total in sweep.records.items():
        missing += state.unsent_of(run_dir, sweep.trackers, total)
    return missing


def _best(newest: Iterable[dict[str, Any]]) -> tuple[str | None, float | None]:
    for record in newest:
        for name, value in (record.get("metrics") or {}).items() if record["kind"] == "metrics" else ():
            if name.startswith(BEST) and isinstance(value, int | float) and math.isfinite(value):
                return name.removeprefix(BEST), value
    return None, None


def _settings_file(sweep_dir: Path) -> dict[str, Any]:
    try:
        content = json.loads(paths.content(sweep_dir / find.SWEEP))
        return content if isinstance(content, dict) else {}
    except (OSError, ValueError, RecursionError):
        return {}


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) else None
