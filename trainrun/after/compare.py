"""Two or more runs beside one another: only what differs."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from trainrun.after.why import RecordedProvenance
from trainrun.artifacts import environment
from trainrun.registry import direction
from trainrun.run.result import RunResult
from trainrun.sweep.ranking import tiers
from trainrun.tracking import status, summary
from trainrun.tracking.record import flatten

# Config keys that say nothing about the training.
LEFT_OUT = ("name", "tracking", "artifacts", "sweep", "checkpoint", "plugins")


@dataclass(frozen=True)
class Difference:
    """One thing that is not alike in all runs.

    Args:
        name: a config key, a package, a fact of data, code or machine.
        values: of each run, in their order; None where a run has none.
        places: of a config key, the file and line or override that set it in each run; else empty.
    """

    name: str
    values: list[Any]
    places: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class MetricRow:
    """One metric of all runs.

    Args:
        name: as in the summary.
        values: of each run; None where a run has none.
        differences: of each run from the first; None for the first, or without a value.
        verdicts: of each run against the first: ``better``, ``worse``, ``equal``, ``no difference`` (within the error of the examples that
            it was measured on), or empty: which way is better is not declared.
    """

    name: str
    values: list[float | None]
    differences: list[float | None]
    verdicts: list[str]


@dataclass(frozen=True)
class Comparison:
    """What differs between runs.

    Args:
        runs: their directories.
        config, code, data, packages, machine: the differences, each a section.
        metrics: of the trained models, those that differ or not.
        curves: name -> the values of each run, one an epoch.
        notes: what could not be compared.
    """

    runs: list[str]
    config: list[Difference]
    code: list[Difference]
    data: list[Difference]
    packages: list[Difference]
    machine: list[Difference]
    metrics: list[MetricRow]
    curves: dict[str, list[list[float]]]
    notes: list[str]

    def plain(self) -> dict[str, Any]:
        """Return it as plain data, for JSON."""
        return asdict(self)


def compare(run_dirs: Sequence[Path]) -> Comparison:
    """Return what differs between runs, the first being what the others are compared with.

    Args:
        run_dirs: two or more.

    Raises:
        UserError: a run has no config.
    """
    runs = [RunResult.read(run_dir) for run_dir in run_dirs]
    starts = [status.read(run_dir).past["start"] for run_dir in run_dirs]
    recorded = [environment.read(run_dir) for run_dir in run_dirs]
    config, notes = _config(runs)
    return Comparison(
        runs=[str(run_dir) for run_dir in run_dirs],
        config=config,
        code=_differing(
            [
                {
                    "commit": str((start.get("git") or {}).get("commit", "none"))[:12],
                    "uncommitted changes": _changes(environment_of.changes),
                    **{f"plug-in {k}": str(v)[:12] for k, v in (start.get("plugins") or {}).items()},
                }
                for start, environment_of in zip(starts, recorded, strict=True)
            ]
        ),
        data=_differing([_data(run, start) for run, start in zip(runs, starts, strict=True)]),
        packages=_differing([r.packages for r in recorded]),
        machine=_differing(
            [
                {k: " ".join(line.split()[1:]) for k, line in r.machine.items() if k not in ("git", "python")}
                for r in recorded
            ]
        ),
        metrics=metrics(runs),
        curves=_curves(runs),
        notes=notes,
    )


def _config(runs: Sequence[RunResult]) -> tuple[list[Difference], list[str]]:
    """Return the config keys that differ, with the places that set them, and what could not be looked up."""
    differences = _differing(
        [
            {k: v for k, v in flatten(run.config).items() if k.partition(".")[0] not in LEFT_OUT}
            for run in runs
        ]
    )
    notes, places = [], []
    for run in runs:
        with RecordedProvenance(run.run_dir) as recorded:
            settings = [recorded.settings(d.name) for d in differences]
            places.append([s[-1].place if s else "" for s in settings])
            if recorded.fault is not None:
                notes.append(f"{run.run_dir}: its config cannot be composed any more ({recorded.fault})")
    return [
        Difference(d.name, d.values, [column[i] for column in places]) for i, d in enumerate(differences)
    ], notes


def _data(run: RunResult, start: Mapping[str, Any]) -> dict[str, Any]:
    """Return name and digest of a run's data, and what was understood of it."""
    dataset = start.get("dataset") or {}
    facts = flatten(run.summary.get("data") or {})
    return {"data": dataset.get("name"), "digest": str(dataset.get("digest") or "")[:12], **facts}


def _changes(text: str) -> str:
    """Return the size of uncommitted changes, with a digest of them."""
    lines = [s for s in text.splitlines() if s[:1] in "+-" and s[:3] not in ("+++", "---")]
    digest = hashlib.sha256(text.rstrip().encode()).hexdigest()[:6]
    return f"{len(lines)} lines ({digest})" if lines else "none"


def _differing(facts: Sequence[Mapping[str, Any]]) -> list[Difference]:
    """Return the entries that are not alike in all mappings, in the order in which they occur."""
    names = dict.fromkeys(name for mapping in facts for name in mapping)
    values = {name: [mapping.get(name) for mapping in facts] for name in names}
    return [Difference(name, v) for name, v in values.items() if any(w != v[0] for w in v)]


def metrics(runs: Sequence[RunResult]) -> list[MetricRow]:
    """Return each metric of the runs, those of the test set first, with differences and verdicts."""
    names = dict.fromkeys(n for run in runs for n in run.metrics if n != "learning_rate")
    order = sorted(names, key=lambda n: (not n.startswith("test_"), not n.startswith("val_")))
    rows = []
    for name in order:
        values = [run.metrics.get(name) for run in runs]
        first = values[0]
        differences = [
            None if i == 0 or first is None or v is None else v - first for i, v in enumerate(values)
        ]
        verdicts = ["", *(_verdict(name, runs[0], run) for run in runs[1:])]
        rows.append(MetricRow(name, values, differences, verdicts))
    return rows


def _verdict(name: str, one: RunResult, other: RunResult) -> str:
    """Return how the other run's metric stands against the first one's."""
    first, second = one.metrics.get(name), other.metrics.get(name)
    way = direction.of(name, other.config.get("metric"))
    if (
        first is None
        or second is None
        or way is None
        or not math.isfinite(first)
        or not math.isfinite(second)
    ):
        return ""
    if first == second:
        return "equal"
    base = direction.bare(name)
    counts = [summary.examples(run.summary, name) for run in (one, other)]
    if base in tiers.SHARES and all(counts) and tiers.shares_agree(first, second, counts):
        return "no difference"
    return "better" if (second > first) == (way == "max") else "worse"


def _curves(runs: Sequence[RunResult]) -> dict[str, list[list[float]]]:
    """Return the loss of each epoch, on validation where all runs have it."""
    for name in ("val_loss", "loss"):
        curves = [run.history.get(name) or [] for run in runs]
        if all(curves):
            return {name: curves}
    return {}
