"""Two or more runs beside one another: only what differs."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from trainrun.after import code_diff, compared_sweeps, verdicts
from trainrun.after.compared_sweeps import CompletedSweep
from trainrun.after.verdicts import MetricRow
from trainrun.after.why import RecordedProvenance
from trainrun.artifacts import environment
from trainrun.run.result import RunResult
from trainrun.tracking import status
from trainrun.tracking.record import flatten

# Config keys that say nothing about the training.
LEFT_OUT = ("name", "tracking", "alert", "artifacts", "sweep", "checkpoint", "plugins")


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
class Comparison:
    """What differs between runs.

    Args:
        runs: their directories.
        sweeps: of which each run is the best trial, what differs between these; empty unless all are.
        config, code, data, packages, machine: the differences, each a section.
        patches: of each run but the first, the patch from the first one's code; None where it cannot be determined.
        metrics: of the trained models, those that differ or not.
        curves: name -> the values of each run, one an epoch; of sweeps also the best value so far, one a trial.
        notes: what could not be compared.
    """

    runs: list[str]
    sweeps: list[Difference]
    config: list[Difference]
    code: list[Difference]
    data: list[Difference]
    packages: list[Difference]
    machine: list[Difference]
    patches: list[str | None]
    metrics: list[MetricRow]
    curves: dict[str, list[list[float]]]
    notes: list[str]

    def plain(self) -> dict[str, Any]:
        """Return it as plain data, for JSON."""
        return asdict(self)


def compare(
    run_dirs: Sequence[Path], sweep_dirs: Sequence[Path | None] = (), measured: bool = True
) -> Comparison:
    """Return what differs between runs, the first being what the others are compared with.

    Args:
        run_dirs: two or more.
        sweep_dirs: the sweep that each is the best trial of, or None.
        measured: evaluate the models on the held-out examples that they share, for intervals of the differences; this loads TensorFlow.

    Raises:
        UserError: a run has no config.
    """
    runs = [RunResult.read(run_dir) for run_dir in run_dirs]
    sweeps = [CompletedSweep.read(folder) for folder in sweep_dirs if folder is not None]
    sweeps = sweeps if len(sweeps) == len(runs) else []
    paired, unpaired = verdicts.pairs(runs) if measured else ([], [])
    starts = [status.read(run_dir).past["start"] for run_dir in run_dirs]
    recorded = [environment.read(run_dir) for run_dir in run_dirs]
    config, notes = _config(runs)
    return Comparison(
        runs=[str(run_dir) for run_dir in run_dirs],
        sweeps=_differing([sweep.facts() for sweep in sweeps]),
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
        data=_data(runs, starts),
        packages=_differing([r.packages for r in recorded]),
        machine=_differing(
            [
                {k: " ".join(line.split()[1:]) for k, line in r.machine.items() if k not in ("git", "python")}
                for r in recorded
            ]
        ),
        patches=[
            code_diff.between(runs[0], run, (starts[0], start))
            for run, start in zip(runs[1:], starts[1:], strict=True)
        ],
        metrics=verdicts.rows(runs, paired),
        curves=_curves(runs) | compared_sweeps.progress(sweeps),
        notes=[*notes, *unpaired, *compared_sweeps.verdicts(sweeps)],
    )


def _config(runs: Sequence[RunResult]) -> tuple[list[Difference], list[str]]:
    """Return the config keys that differ, with the places that set them, and what could not be looked up."""
    differences = _differing(
        [
            {k: v for k, v in flatten(run.config).items() if k.partition(".")[0] not in LEFT_OUT}
            for run in runs
        ]
    )
    notes, columns = [], []
    for run in runs:
        with RecordedProvenance(run.run_dir) as recorded:
            columns.append([recorded.settings(d.name)[-1:] for d in differences])
            if recorded.fault is not None:
                notes.append(f"{run.run_dir}: its config cannot be composed any more ({recorded.fault})")
    rows = zip(differences, zip(*columns, strict=True), strict=True) if differences else ()
    return [
        Difference(d.name, d.values, [s[0].place if s else "" for s in settings])
        for d, settings in rows
        # What follows another key, which has a row of its own, is none.
        if not all(s and "${" in str(s[0].value) for s in settings)
    ], notes


def _data(runs: Sequence[RunResult], starts: Sequence[Mapping[str, Any]]) -> list[Difference]:
    """Return how the data differ: name and digest, what was understood of them, and the columns with other values."""
    facts, digests = [], []
    for run, start in zip(runs, starts, strict=True):
        dataset, described = start.get("dataset") or {}, dict(run.summary.get("data") or {})
        digests.append({name: str(d) for name, d in (described.pop("digests", None) or {}).items()})
        digest = str(dataset.get("digest") or "")[:12]
        facts.append({"data": dataset.get("name"), "digest": digest, **flatten(described)})
    names = {fact["data"] for fact in facts}
    if len(names) > 1:  # nothing of them is alike
        facts = [{k: fact.get(k) for k in ("data", "task", "target", "examples")} for fact in facts]
    # A run of an earlier trainrun has none, and a column that another run does not read is no change of its values.
    shared = set.intersection(*map(set, digests))
    changed = _differing([{n: d[n] for n in d if n in shared} for d in digests])
    if len(changed) > 1 and len(changed) == len(shared):
        changed = [Difference(f"all {len(changed)} columns (other values, or rows)", changed[0].values)]
    else:
        changed = [Difference(f"values of {d.name}", d.values) for d in changed]
    return [*_differing(facts), *(changed if len(names) == 1 else ())]


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


def _curves(runs: Sequence[RunResult]) -> dict[str, list[list[float]]]:
    """Return the loss of each epoch, on validation where all runs have it."""
    for name in ("val_loss", "loss"):
        curves = [run.history.get(name) or [] for run in runs]
        if all(curves):
            return {name: curves}
    return {}
