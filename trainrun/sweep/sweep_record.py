"""`sweep.json`: the points and settings of a sweep and the folder it was started in, so that it can be resumed."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from trainrun.errors import UserError
from trainrun.registry import log_columns
from trainrun.sweep import removed_trials
from trainrun.sweep.trial import NOTHING, Trial
from trainrun.tracking import find, journal, status, summary
from trainrun.util import decimal_digits, paths, redaction

FILE = find.SWEEP
ADDED = "points.jsonl"  # beside it: points that were made while the sweep ran, a line each
FORMAT = 1
# Settings that a record may lack.
DEFAULTS: dict[str, Any] = {
    "plugins": [],
    "command": [],
    "tracking": {"name": "none"},
    "alert": {},
    "grace": 30.0,
    "varying": [],
    "objective": None,
    "direction": "auto",
    "trials": None,
    "seeds": None,
    "folds": None,
    "seed": 42,
    "swept": {},
    "name": None,
    "plots": True,
    "pruner": None,
    "trial_timeout": None,
    "max_failures": 3,
    "reuse": "auto",
}

# Of the settings that readers rely on: the file may be received.
_NONE = type(None)
TYPES: dict[str, type | tuple[type, ...]] = {
    "plugins": list, "command": list, "overrides": list, "hydra": list, "varying": list, "tracking": dict, "alert": dict, "swept": dict, "space": (dict, _NONE),
    "sweeper": dict, "launcher": dict, "pruner": (dict, _NONE), "config": dict, "objective": (str, list, _NONE), "direction": (str, list),
    "trials": (int, _NONE), "seeds": (int, _NONE), "folds": (int, _NONE), "seed": int, "grace": (int, float), "trial_timeout": (int, float, _NONE),
    "max_failures": (int, _NONE), "name": (str, _NONE), "reuse": str,
}  # fmt: skip


def write(sweep_dir: Path, points: Sequence[tuple[int, list[str]]], settings: Mapping[str, Any]) -> None:
    """Record the sweep before its first trial; points that are recorded already stay.

    Args:
        sweep_dir: exists.
        points: the number and the overrides of each.
        settings: see `sweep_settings.settings`.
    """
    path = sweep_dir / FILE
    before = read(sweep_dir) if path.exists() else {}
    known = dict(before.get("points", []))
    content = {
        "format": FORMAT,
        "started": before.get("started", time.time()),
        "cwd": os.getcwd(),
        "settings": redaction.tree(
            {k: list(v) if isinstance(v, frozenset) else v for k, v in settings.items()}
        ),
        "points": [*known.items(), *([n, redaction.tree(o)] for n, o in points if n not in known)],
    }
    with paths.whole(path) as new:
        new.write_text(json.dumps(content, indent=1), encoding="utf-8")
    (sweep_dir / ADDED).unlink(missing_ok=True)


def add(sweep_dir: Path, points: Sequence[tuple[int, Sequence[str]]]) -> None:
    """Append points that a sweeper has drawn while the sweep runs; for each number the first one counts."""
    if points:
        lines = "".join(json.dumps([n, redaction.tree(list(o))]) + "\n" for n, o in points)
        with open(sweep_dir / ADDED, "a", encoding="utf-8") as file:
            file.write(f"\n{lines}")  # on a new line: a killed process may have left half of one


def _added(sweep_dir: Path) -> Iterator[Any]:
    """Yield the points appended by `add`; a partial line is skipped."""
    try:
        lines = paths.content(sweep_dir / ADDED).decode("utf-8", "replace").splitlines()
    except FileNotFoundError:
        return
    for line in lines:
        with contextlib.suppress(ValueError):
            yield json.loads(line)


def read(sweep_dir: Path) -> dict[str, Any]:
    """Return the record written by `write`.

    Raises:
        UserError: there is none, or it is incomplete.
    """
    path = sweep_dir / FILE
    try:
        content = json.loads(paths.content(path))
        if not isinstance(content, dict) or not isinstance(content.get("format"), int):
            raise UserError(
                f"{path} is no record of a sweep: it does not say its format. Was it edited by hand?"
            )
        if content["format"] > FORMAT:
            raise UserError(
                f"{path} is of a newer trainrun (format {content['format']}; this one knows {FORMAT}). Update trainrun."
            )
        settings = content["settings"] = {**DEFAULTS, **content["settings"]}
        for key, kinds in TYPES.items():
            if key in settings and not isinstance(settings[key], kinds):
                raise ValueError(f"settings.{key} is {str(settings[key])[:80]!r}")
        settings["varying"] = frozenset(map(str, settings["varying"]))
        content["points"] = [_read_point(point) for point in content["points"]]
        if len({number for number, _ in content["points"]}) < len(content["points"]):
            raise ValueError("two points have one number")
        points = dict(content["points"])
        for number, overrides in map(_read_point, _added(sweep_dir)):
            points.setdefault(number, overrides)
        content["points"] = [*points.items()]
        content["cwd"] = str(content["cwd"])
    except FileNotFoundError:
        raise UserError(f"{sweep_dir} is no sweep's directory: it has no {FILE}.") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        fault = f"it lacks {error}" if isinstance(error, KeyError) else f"{type(error).__name__}: {error}"
        raise UserError(
            f"{path} cannot be read: {fault}. The trials in {sweep_dir} are whole all the same: trainrun resume "
            f"{sweep_dir}/NUMBER goes on with one."
        ) from None
    return content


def _read_point(point: Any) -> tuple[int, list[str]]:
    number, overrides = point
    if (
        isinstance(number, bool)
        or not isinstance(number, int)
        or number < 0
        or not isinstance(overrides, list)
    ):
        raise ValueError(f"expected the number and the overrides of a point, got {str(point)[:80]}")
    return number, [str(o) for o in overrides]


def trials(sweep_dir: Path) -> Iterator[Trial]:
    """Yield a sweep's trials with their status on disk, or as they were when removed; those that never began are WAITING."""
    content = read(sweep_dir)
    points, gone = dict(content["points"]), removed_trials.read(sweep_dir)
    for number in points:
        yield settled(trial(sweep_dir / str(number), points, content["settings"]["varying"]), gone)


def trial(run_dir: Path, points: Mapping[int, list[str]], varying: frozenset[str]) -> Trial:
    """Return a trial, WAITING, by its directory.

    Args:
        run_dir: its directory.
        points: number -> overrides; of a number that is missing, the trial's own journal has them.
        varying: the keys that the sweep varies.
    """
    named = decimal_digits.number(run_dir.name)
    number = -1 if named is None else named
    overrides = points.get(number)
    if overrides is None:  # a point of a sweeper of another package
        head = journal.first(run_dir / status.JOURNAL)
        overrides = [str(o) for o in head.get("overrides") or []]
    return Trial(number, overrides, varied(overrides, varying), run_dir, {})


def settled(trial: Trial, gone: Mapping[int, Mapping[str, Any]] = NOTHING) -> Trial:
    """Return a trial with status and results as its directory has them, or as `gone` has them; else it is unchanged."""
    if (trial.run_dir / status.JOURNAL).is_file():
        now = status.settle(trial.run_dir)
        read_results(trial, now)
        trial.status, trial.reason = now.status, now.reason
        return trial
    return removed_trials.restore(trial, gone)


def earlier_attempt(run_dir: Path) -> dict[str, Any] | None:
    """Return facts about the attempt that a trial can continue (`data_sha256`); None if none has begun."""
    start = status.read(run_dir).start
    return {"data_sha256": (start.get("dataset") or {}).get("digest")} if start else None


def read_results(trial: Trial, now: status.RunStatus) -> None:
    """Set a trial's epochs, metrics and figures from its summary and, where that is missing, its journal."""
    content: Mapping[str, Any] = {}
    with contextlib.suppress(OSError, ValueError, AttributeError, TypeError):
        content = summary.read(trial.run_dir)
        trial.metrics, trial.figures = _numbers(content.get("metrics") or {}), _figures(content)
        trial.seconds = trial.seconds or trial.figures.get("seconds.total", 0.0)
    whole = now.end is not None and isinstance(content.get("epochs"), int)
    trial.epochs = content["epochs"] if whole else now.epochs
    if now.end is None:
        trial.metrics = trial.metrics or _numbers(now.metrics)


def _figures(content: Mapping[str, Any]) -> dict[str, float]:
    """Return the numbers of a summary that are no metrics, nested ones by their dotted path: ``seconds.train``."""
    figures: dict[str, float] = {}
    for key in log_columns.SUMMARY_NUMBERS:
        value = content.get(key)
        figures |= _numbers(
            {f"{key}.{k}": v for k, v in value.items()} if isinstance(value, dict) else {key: value}
        )
    return figures


def _numbers(values: Mapping[str, Any]) -> dict[str, float]:
    """Return the values that are numbers. Names are interned: each trial's JSON has its own copies of them."""
    return {sys.intern(k): v for k, v in values.items() if isinstance(v, int | float)}


def varied(overrides: Sequence[str], varying: frozenset[str]) -> list[str]:
    """Return the overrides that the sweep varies."""
    return [o for o in overrides if o.partition("=")[0].lstrip("+") in varying]
