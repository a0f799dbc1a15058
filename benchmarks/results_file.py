"""Results of the benchmarks as files: benchmarks/results/<script>.json, from which page.py makes docs/benchmarks.md.

A result holds what was measured (tables of numbers, goals) and where (date, commit, versions, cores).
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import shutil
import subprocess
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "results"
PACKAGES = ("trainrun", "tensorflow", "keras", "numpy", "hydra-core", "mlflow", "optuna", "ray", "lightning")


def add_option(parser: argparse.ArgumentParser, script: str) -> None:
    """Add `--json [FILE]` to a benchmark; without FILE it is the result that docs/benchmarks.md shows."""
    parser.add_argument(
        "--json",
        nargs="?",
        const=str(FOLDER / f"{Path(script).stem}.json"),
        metavar="FILE",
        type=os.path.abspath,
        help="write the result to FILE (default: benchmarks/results/, for page.py)",
    )


def table(columns: Sequence[str], rows: Sequence[Sequence[Any]], title: str = "") -> dict[str, Any]:
    """Return a table: its column names, and rows of numbers, text or None (an empty cell)."""
    return {"title": title, "columns": list(columns), "rows": [list(row) for row in rows]}


def goal(name: str, value: float, limit: float, *, at_least: bool) -> dict[str, Any]:
    """Return a goal: what was measured, the limit, and whether the value may not be below or not above it."""
    reached = value >= limit if at_least else value <= limit
    return {"name": name, "value": value, "goal": limit, "at_least": at_least, "reached": bool(reached)}


def write(
    path: str | None,
    command: str,
    tables: Sequence[dict[str, Any]],
    goals: Sequence[dict[str, Any]] = (),
    notes: Sequence[str] = (),
) -> None:
    """Write a result with its date, commit, versions and machine; do nothing without a path.

    Args:
        path: the file, as `--json` gives it.
        command: how the result was produced, for readers.
        tables: see `table`.
        goals: see `goal`.
        notes: sentences about this measurement.
    """
    if path is None:
        return
    result = {
        "command": command,
        "date": datetime.date.today().isoformat(),
        "code": _commit(),
        "machine": {"cores": os.cpu_count(), "gpu": shutil.which("nvidia-smi") is not None},
        "versions": {"python": platform.python_version(), **_versions()},
        "tables": list(tables),
        "goals": list(goals),
        "notes": list(notes),
    }
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _versions() -> dict[str, str]:
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return versions


def _commit() -> str:
    """Return the commit of the measured code, marked if files of it were changed; "" outside a checkout."""
    git = ["git", "-C", str(Path(__file__).parent)]
    commit = subprocess.run(
        [*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    )
    if commit.returncode:
        return ""
    changed = subprocess.run(
        [*git, "status", "--porcelain", "--untracked-files=no", "--", "../trainrun", "../conf"],
        capture_output=True,
        text=True,
        check=False,
    )
    return f"commit {commit.stdout.strip()}" + (
        ", with uncommitted changes" if changed.stdout.strip() else ""
    )
