"""Hold journals, summaries and MLflow against each other, and against what an undisturbed run has left.

Everything is read from the files themselves (JSON lines, SQLite), without the code of trainrun that wrote them.
"""

from __future__ import annotations

import contextlib
import csv
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from attacks.command import query

Metrics = dict[tuple[str, int], float]  # (name, epoch) -> value


@dataclass
class Reference:
    """What is the same in every undisturbed run.

    Args:
        weights: of the run, or of each trial: place -> SHA-256.
        metrics: likewise.
        ranking: the leaderboard's trials, best first, with what they are ranked by.
    """

    weights: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, Metrics] = field(default_factory=dict)
    ranking: list[tuple[str, ...]] = field(default_factory=list)

    @classmethod
    def of(cls, folder: Path) -> Reference:
        """Read it from the project of an undisturbed run or sweep."""
        reference = cls(ranking=_ranking(folder))
        for run_dir in trained(folder):
            summary = json.loads((run_dir / "summary.json").read_text())
            reference.weights[_place(run_dir)] = summary["weights_sha256"]
            reference.metrics[_place(run_dir)] = _metrics(_journal(run_dir)[0])
        return reference


def trained(folder: Path) -> list[Path]:
    """Return the directories of a project's runs and trials that have a journal."""
    patterns = ("outputs/runs/*/journal.jsonl", "outputs/sweeps/*/[0-9]*/journal.jsonl")
    return sorted(p.parent for pattern in patterns for p in folder.glob(pattern))


def sweeps(folder: Path) -> list[Path]:
    """Return the directories of a project's sweeps that have a journal."""
    return sorted(p.parent for p in folder.glob("outputs/sweeps/*/journal.jsonl"))


def status(run_dir: Path) -> str:
    """Return the status with which a journal ends; "" while it has no end."""
    records = _but_copied(_journal(run_dir)[0])
    return records[-1]["status"] if records and records[-1]["kind"] == "end" else ""


def owing(folder: Path) -> bool:
    """Return whether MLflow lacks records of a project's runs and sweeps, by their `tracking.json`."""
    for run_dir in (*trained(folder), *sweeps(folder)):
        try:
            newest = json.loads((run_dir / "tracking.json").read_text())["deliveries"][-1]
        except FileNotFoundError:
            return True
        if newest["next"] < len(_journal(run_dir)[0]) or newest.get("left"):
            return True
    return False


def problems(folder: Path, reference: Reference, alone: bool = True) -> list[str]:
    """Return what does not agree in a project whose runs and sweeps should all be finished; [] if all is well.

    Args:
        folder: the project.
        reference: of its subject.
        alone: whether its database holds its own runs only; that of a copied project has the original's, too.
    """
    violations = []
    database = folder / "mlflow.db"
    runs, parents = trained(folder), sweeps(folder)
    if not runs or len({_place(r) for r in runs}) < len(reference.weights):
        violations.append(f"{len(runs)} runs with a journal, expected at least {len(reference.weights)}")
    for run_dir in (*runs, *parents):
        with _named(violations, run_dir.relative_to(folder)):
            violations += [f"{run_dir.relative_to(folder)}: {text}" for text in ended(run_dir, "FINISHED")]
            violations += [
                f"{run_dir.relative_to(folder)}: {text}" for text in tracked(run_dir, database, "FINISHED")
            ]
    for run_dir in runs:
        with _named(violations, run_dir.relative_to(folder)):
            violations += [
                f"{run_dir.relative_to(folder)}: {text}" for text in _as_reference(run_dir, reference)
            ]
    for sweep_dir in parents:
        with _named(violations, sweep_dir.relative_to(folder)):
            violations += [
                f"{sweep_dir.relative_to(folder)}: {text}" for text in _whole_sweep(sweep_dir, database)
            ]
    if (ranking := _ranking(folder)) != reference.ranking:
        violations.append(f"the leaderboard is {ranking}, without a fault {reference.ranking}")
    if alone:
        count = query(database, "SELECT count(*) FROM runs WHERE lifecycle_stage = 'active'")[0][0]
        if count != len(runs) + len(parents):
            violations.append(f"{count} runs in MLflow, {len(runs) + len(parents)} journals")
    return violations


@contextlib.contextmanager
def _named(violations: list[str], place: Path) -> Iterator[None]:
    """Count what cannot be read as a problem."""
    try:
        yield
    except (OSError, ValueError, LookupError) as error:
        violations.append(f"{place}: {error!r}")


def ended(run_dir: Path, status: str) -> list[str]:
    """Return what is wrong with a journal that should have ended with a status, and with its summary."""
    records, damaged = _journal(run_dir)
    violations = [f"{damaged} damaged lines"] if damaged else []
    numbers = [r["seq"] for r in records]
    if numbers != [*range(len(records))]:
        violations.append(f"its records have the numbers {numbers}")
    kinds = [r["kind"] for r in records]
    starts, ends = kinds.count("start"), kinds.count("end")
    if starts != ends:
        violations.append(f"{starts} attempts, {ends} ends")
    last = _but_copied(records)[-1]
    if last["kind"] != "end" or last["status"] != status:
        violations.append(f"its last record is {last['kind']} {last.get('status', '')}, expected {status}")
    if (run_dir / "summary.json").exists() or "epoch" in kinds:
        summary = json.loads((run_dir / "summary.json").read_text())
        if summary["status"] != status:
            violations.append(f"summary.json says {summary['status']}")
    return violations


def tracked(run_dir: Path, database: Path, status: str) -> list[str]:
    """Return in what MLflow and a journal differ: one run, the same status, each metric once, one model, its files."""
    records, _ = _journal(run_dir)
    runs = query(
        database,
        "SELECT run_uuid, status, artifact_uri FROM runs JOIN tags USING (run_uuid) "
        f"WHERE key = 'run_dir' AND value = '{run_dir}' AND lifecycle_stage = 'active'",
    )
    if len(runs) != 1 or runs[0][1] != status:
        return [f"in MLflow {len(runs)} runs: {', '.join(r[1] for r in runs)}; expected one, {status}"]
    run_id, _, files = runs[0]
    violations = []
    entries = json.loads((run_dir / "tracking.json").read_text())["deliveries"]
    if entries[-1]["run_id"] != run_id or entries[-1]["next"] != len(records) or entries[-1].get("left"):
        violations.append(
            f"tracking.json has {entries[-1]}, the journal {len(records)} records of run {run_id}"
        )
    if any(r["kind"] == "epoch" for r in records):
        rows = query(
            database, f"SELECT key, step, value FROM metrics WHERE run_uuid = '{run_id}' AND key != 'step'"
        )
        # Where the model is of an earlier epoch, its metrics follow those of the last epoch, at the same step.
        final, trained = (
            {(k, r["epoch"]) for r in records if r["kind"] == kind for k in r["metrics"]}
            for kind in ("metrics", "epoch")
        )
        counts = Counter((k, s) for k, s, _ in rows)
        twice = [place for place, n in counts.items() if n > 1 + (place in final & trained)]
        if twice:
            violations.append(f"in MLflow more than once: {twice}")
        sent = {(k, s): v for k, s, v in rows}
        violations += [
            f"MLflow and journal: {text}" for text in _differences(sent, _metrics(records, "system"))
        ]
    if any(r.get("model") for r in records):
        models = query(database, f"SELECT count(*) FROM logged_models WHERE source_run_id = '{run_id}'")[0][0]
        if models != 1:
            violations.append(f"{models} models in MLflow")
    if (run_dir / "summary.json").exists():
        copy = Path(files.removeprefix("file://")) / "summary.json"
        if json.loads(copy.read_text())["status"] != status:
            violations.append(f"MLflow's copy of summary.json does not say {status}")
    return violations


def _as_reference(run_dir: Path, reference: Reference) -> list[str]:
    place, summary = _place(run_dir), json.loads((run_dir / "summary.json").read_text())
    violations = []
    if summary["weights_sha256"] != reference.weights.get(place):
        violations.append(f"other weights than without a fault ({summary['weights_sha256'][:12]})")
    own, whole = _metrics(_journal(run_dir)[0]), reference.metrics.get(place, {})
    violations += [f"journal and undisturbed run: {text}" for text in _differences(own, whole)]
    for (name, _), value in whole.items():  # what is evaluated at the end, on the weights of the best epoch
        if name.startswith("test_") and summary["metrics"].get(name) != value:
            violations.append(
                f"summary.json has {name} {summary['metrics'].get(name)}, without a fault {value}"
            )
    for name in ("model.keras", "config.yaml", "environment.txt"):
        if not (run_dir / name).exists():
            violations.append(f"no {name}")
    return violations


def _whole_sweep(sweep_dir: Path, database: Path) -> list[str]:
    """Return which trials do not stand below their sweep in MLflow, and what the sweep lacks."""
    violations = [
        f"no {name}" for name in ("leaderboard.csv", "sweep.json", "plots") if not (sweep_dir / name).exists()
    ]
    trials = sorted(str(p.parent) for p in sweep_dir.glob("[0-9]*/journal.jsonl"))
    below = query(
        database,
        "SELECT place.value FROM tags AS place JOIN tags AS child ON place.run_uuid = child.run_uuid JOIN tags AS parent ON "
        "child.value = parent.run_uuid WHERE place.key = 'run_dir' AND child.key = 'mlflow.parentRunId' AND "
        f"parent.key = 'run_dir' AND parent.value = '{sweep_dir}'",
    )
    if sorted(p for (p,) in below) != trials:
        violations.append(f"{len(below)} trials stand below it in MLflow, expected {len(trials)}")
    counted = {r["trial"] for r in _journal(sweep_dir)[0] if r["kind"] == "metrics"}
    if counted != {int(Path(p).name) for p in trials}:
        violations.append(f"its journal has the results of the trials {sorted(counted)}")
    return violations


def _journal(run_dir: Path) -> tuple[list[dict[str, Any]], int]:
    """Return a journal's records, and how many of its lines are none."""
    records, damaged = [], 0
    for line in (run_dir / "journal.jsonl").read_text(errors="replace").splitlines():
        try:
            records.append(json.loads(line))
        except ValueError:
            damaged += 1
    return records, damaged


def _but_copied(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the records without the event by which a copy became a run of its own, which may follow its end."""
    return [r for r in records if r.get("event") != "copied"]


def _metrics(records: list[dict[str, Any]], *more: str) -> Metrics:
    """Return the values that count: an attempt's epochs replace those of an earlier one; ``more``: kinds besides."""
    values: Metrics = {}
    for record in records:
        if record["kind"] in ("epoch", "metrics", *more):
            step = record["step" if record["kind"] == "system" else "epoch"]
            values |= {(name, step): value for name, value in record["metrics"].items()}
    return values


def _differences(some: Mapping[tuple[str, int], float], others: Mapping[tuple[str, int], float]) -> list[str]:
    if lacking := sorted({*some} ^ {*others}):
        return [f"only one of them has {lacking[:4]}" + (" …" if len(lacking) > 4 else "")]
    other = [f"{k} {v!r} and {others[k]!r}" for k, v in some.items() if v != others[k]]
    return [", ".join(other[:3])] if other else []


def _place(run_dir: Path) -> str:
    return run_dir.name if run_dir.parent.parent.name == "sweeps" else "run"


def _ranking(folder: Path) -> list[tuple[str, ...]]:
    """Return the first columns of the newest leaderboard; seconds differ."""
    file = max(folder.glob("outputs/sweeps/*/leaderboard.csv"), default=None)
    if file is None:
        return []
    with open(file, newline="") as opened:
        return [tuple(row[:4]) for row in csv.reader(opened)]
