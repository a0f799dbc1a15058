"""`removed.jsonl` in a sweep's directory: the results of trials that `rm` and `gc` removed, so that the sweep keeps them."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trainrun.sweep.trial import Trial
from trainrun.util import paths

FILE = "removed.jsonl"
_KINDS = {
    "status": str,
    "reason": (str, type(None)),
    "metrics": dict,
    "figures": dict,
    "seconds": (int, float),
    "epochs": int,
}


def record(sweep_dir: Path, trial: Trial) -> None:
    """Append the results of a trial whose directory is about to be removed."""
    line = json.dumps({"trial": trial.number, **{key: getattr(trial, key) for key in _KINDS}})
    with open(sweep_dir / FILE, "a", encoding="utf-8", opener=paths.no_link) as file:
        file.write(f"\n{line}\n")  # on a new line: a killed process may have left half of one


def read(sweep_dir: Path) -> dict[int, dict[str, Any]]:
    """Return the results by the trial's number; a damaged line is skipped, for the file may be received."""
    results: dict[int, dict[str, Any]] = {}
    with contextlib.suppress(OSError):  # none, or no regular file
        for line in paths.content(sweep_dir / FILE).decode("utf-8", "replace").splitlines():
            with contextlib.suppress(ValueError, KeyError, TypeError, RecursionError):
                entry = json.loads(line)
                values = {key: entry[key] for key, kinds in _KINDS.items() if isinstance(entry[key], kinds)}
                for key in ("metrics", "figures"):
                    values[key] = {k: v for k, v in values[key].items() if isinstance(v, int | float)}
                if len(values) == len(_KINDS) and isinstance(entry["trial"], int):
                    results[entry["trial"]] = values
    return results


def restore(trial: Trial, results: Mapping[int, Mapping[str, Any]]) -> Trial:
    """Set the results of a trial whose directory was removed; another one is unchanged."""
    for key, value in results.get(trial.number, {}).items():
        setattr(trial, key, value)
        trial.removed = True
    return trial
