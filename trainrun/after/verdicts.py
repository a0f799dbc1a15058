"""The metrics of several runs beside the first one's: differences, their intervals, and which is better."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainrun.errors import UserError
from trainrun.registry import direction
from trainrun.run.result import RunResult
from trainrun.sweep.ranking import tiers
from trainrun.tracking import summary
from trainrun.ui import console
from trainrun.util import imports
from trainrun.util.rate_columns import is_rate

if TYPE_CHECKING:
    from trainrun.run.scores import Scores

# The parts on which two runs are compared, with the prefix of their metrics.
PREFIXES = {"test": "test_", "validation": "val_"}
SAME = "no difference"  # that so many examples can show
OTHER_EXAMPLES = "it has other held-out examples than the first run"


@dataclass(frozen=True)
class MetricRow:
    """One metric of all runs.

    Args:
        name: as in the summary.
        values: of each run; None where a run has none.
        differences: of each run minus the first; None for the first, or without a value.
        intervals: of each difference, the interval that holds 95% of its values over resamples of the same examples (of a share of
            different examples, over both); None where it cannot be determined.
        verdicts: of each run against the first: ``better``, ``worse``, ``no difference`` (that these examples can show), ``equal``, or empty:
            there is no interval, or which way is better is not declared.
    """

    name: str
    values: list[float | None]
    differences: list[float | None]
    intervals: list[tuple[float, float] | None]
    verdicts: list[str]


def rows(runs: Sequence[RunResult], paired: Sequence[Mapping[str, Scores]] = ()) -> list[MetricRow]:
    """Return each metric of the runs, those of the test part first.

    Args:
        runs: the first one is what the others are compared with.
        paired: of each further run, the scores by part that `pairs` returns; none: the records alone count.
    """
    paired = paired or [{} for _ in runs[1:]]
    columns = [dict(run.metrics) for run in runs]
    spans: list[dict[str, tuple[float, float, float]]] = [{} for _ in runs]
    for i, by_part in enumerate(paired, 1):
        for part, scores in by_part.items():
            for bare, score in scores.metrics.items():
                name, d = PREFIXES[part] + bare, scores.differences[bare]
                columns[0][name], columns[i][name] = score.value, score.value + d.value
                spans[i][name] = d.value, d.low, d.high
    names = dict.fromkeys(n for column in columns for n in column if not is_rate(n))
    order = sorted(names, key=lambda n: (not n.startswith("test_"), not n.startswith("val_")))
    return [_row(name, runs, columns, spans) for name in order]


def _row(
    name: str,
    runs: Sequence[RunResult],
    columns: Sequence[Mapping[str, float]],
    spans: Sequence[Mapping[str, tuple[float, float, float]]],
) -> MetricRow:
    values = [column.get(name) for column in columns]
    row = MetricRow(name, values, [None], [None], [""])
    for run, value, measured in zip(runs[1:], values[1:], spans[1:], strict=True):
        difference, interval = None, None
        if name in measured:
            difference, *ends = measured[name]
            interval = ends[0], ends[1]
        elif values[0] is not None and value is not None:
            difference, interval = value - values[0], _of_shares(name, runs[0], run)
        row.differences.append(difference)
        row.intervals.append(interval)
        row.verdicts.append(_verdict(direction.of(name, runs[0].config.get("metric")), difference, interval))
    return row


def _of_shares(name: str, one: RunResult, other: RunResult) -> tuple[float, float] | None:
    """Return the interval of the difference of two shares of different examples; None if it is no share of held-out ones."""
    counts = [summary.examples(run.summary, name) for run in (one, other)]
    tasks = [[(run.summary.get("data") or {}).get(k) for k in ("name", "task")] for run in (one, other)]
    is_share = direction.bare(name) in tiers.SHARES and direction.bare(name) != name
    if not is_share or not all(counts) or tasks[0] != tasks[1]:
        return None
    first, second = one.metrics[name], other.metrics[name]
    error = tiers.Z * tiers.share_error(first, second, counts)
    return second - first - error, second - first + error


def _verdict(way: str | None, difference: float | None, interval: tuple[float, float] | None) -> str:
    """Return how a run's metric stands against the first one's.

    Args:
        way: ``max`` or ``min`` is better.
        difference, interval: of it.
    """
    if way is None or difference is None or interval is None or not math.isfinite(difference + sum(interval)):
        return ""
    if difference == 0 and interval[0] == interval[1]:
        return "equal"
    if interval[0] <= 0 <= interval[1]:
        return SAME
    return "better" if (difference > 0) == (way == "max") else "worse"


def pairs(runs: Sequence[RunResult]) -> tuple[list[dict[str, Scores]], list[str]]:
    """Return, of each run but the first, the scores on each held-out part that it shares with the first; TensorFlow is loaded if one may.

    Args:
        runs: the first one is what the others are compared with.

    Returns:
        Scores by part, with `differences`; and why there are none of a run.
    """
    reasons = [_unfit(run, runs[0]) for run in runs]
    shared: list[dict[str, Scores]] = [{} for _ in runs]
    if reasons[0] is None and None in reasons[1:]:
        with imports.collector_paused("tensorflow"), console.hushed():
            from trainrun.run import paired

        models: list[paired.Model] = []
        for i, run in enumerate(runs):
            if reasons[i] is None and (models or i == 0):
                try:
                    models = [*models[:1], paired.Model(run)]
                    measured = {p: paired.compared(models[0], models[-1], p) for p in PREFIXES if i}
                    shared[i] = {part: scores for part, scores in measured.items() if scores is not None}
                    reasons[i] = None if shared[i] or i == 0 else OTHER_EXAMPLES
                except UserError as error:
                    reasons[i] = str(error)
    listed = 1 if reasons[0] is not None else len(runs)
    notes = [
        f"{run.run_dir}: differences without intervals, because {reason.rstrip('.')}."
        for run, reason in zip(runs[:listed], reasons, strict=False)
        if reason
    ]
    return shared[1:], notes


def _unfit(run: RunResult, first: RunResult) -> str | None:
    """Return why a run cannot be measured on the first one's examples, as far as the records say it; else None."""
    data, firsts = run.summary.get("data") or {}, first.summary.get("data") or {}
    if not (run.run_dir / "model.keras").is_file():
        return "it has no model.keras"
    if not data or data.get("task") != firsts.get("task"):
        return "it has another task than the first run"
    if not any(_examples(run, part) and _examples(run, part) == _examples(first, part) for part in PREFIXES):
        return OTHER_EXAMPLES
    return None


def _examples(run: RunResult, part: str) -> int:
    return summary.examples(run.summary, PREFIXES[part])
