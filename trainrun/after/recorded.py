"""What is known of recorded runs by name: metrics, keys of the config, figures of the summary; runs selected and sorted by it."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from trainrun.after.selection import Condition, number
from trainrun.config import tracker_settings
from trainrun.errors import Problem, UserError, did_you_mean
from trainrun.registry import direction, log_columns
from trainrun.tracking import find, journal, status, summary
from trainrun.tracking.record import flatten
from trainrun.util import redaction

# Shown without being asked for.
FIRST = ("run", "status")


class Recorded(NamedTuple):
    """One run with its facts.

    Args:
        run_dir: its directory.
        facts: name -> value: ``run``, ``status``, ``started``, ``epochs``, metrics, figures of the summary, keys of the config. A
            group's name stands for its component's, or its components'.
        overrides: as typed.
        metrics: the config's `metric` node.
    """

    run_dir: Path
    facts: Mapping[str, Any]
    overrides: list[str]
    metrics: Mapping[str, Any]


def read(run_dir: Path) -> Recorded:
    """Return a run's facts; of an ended run only the ends of the journal and the summary are read.

    Args:
        run_dir: the run's directory.
    """
    now = status.settle(run_dir)
    start: Mapping[str, Any] = journal.first(run_dir / status.JOURNAL)
    content = summary.read_or_empty(run_dir)
    if content.get("status") == now.status:
        metrics, epochs = content["metrics"], content.get("epochs") or 0
    else:
        metrics, epochs, content = now.metrics, now.epochs, {}
    if not content or content.get("resumed_from"):
        start = now.start or start  # the config of the last attempt
    config = start.get("config")
    config = redaction.tree(config) if isinstance(config, Mapping) else {}
    names = {
        group: node["name"] if "name" in node else " ".join(map(str, node)) or None
        for group, node in config.items()
        if isinstance(node, Mapping)
    }
    began = start.get("time")
    figures = {k: content[k] for k in log_columns.SUMMARY_NUMBERS if content.get(k) is not None}
    facts = {
        **flatten(config),
        **names,
        **flatten(figures),
        **metrics,
        "run": find.name_of(run_dir),
        "status": now.status,
        "epochs": epochs,
    }
    if isinstance(began, int | float):
        facts["started"] = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(began))
    overrides = [str(o) for o in start.get("overrides") or []]
    metric = config.get("metric")
    return Recorded(run_dir, facts, overrides, metric if isinstance(metric, Mapping) else {})


def all_runs(outputs: str | Path, sweep_dir: Path | None = None) -> list[Recorded]:
    """Return all runs below a folder, trials included, the newest first.

    Args:
        outputs: the folder.
        sweep_dir: only this sweep's trials; None: all.
    """
    folders = find.trials(sweep_dir) if sweep_dir else [*find.run_dirs(outputs)]
    runs = [read(folder) for folder in folders]
    return sorted(runs, key=lambda r: (r.facts.get("started", ""), r.facts["run"]), reverse=True)


def select(
    runs: Sequence[Recorded],
    where: str | None = None,
    sort: str | None = None,
    columns: Sequence[str] = (),
) -> list[Recorded]:
    """Return the runs that meet a condition, in an order.

    Args:
        runs: to select from.
        where: the condition (`selection.Condition`); None: all.
        sort: a name; a metric's best first, by its declared direction, everything else ascending; a ``-`` before it reverses.
            Runs without it come last. None: as they are.
        columns: further names that have to be known.

    Raises:
        UserError: the condition cannot be parsed, or no run has a name; with all such names.
    """
    condition = Condition(where) if where is not None else None
    key = sort.removeprefix("-") if sort else None
    known = {name: None for run in runs for name in run.facts}
    asked = [("--where", n) for n in (condition.names if condition else ())]
    asked += [("--sort", key)] if key else []
    asked += [("--columns", n) for n in columns]
    unknown = [(option, name) for option, name in dict.fromkeys(asked) if name not in known]
    if unknown and runs:
        raise UserError([Problem(option, _unknown(name, [*known])) for option, name in unknown])
    chosen = [run for run in runs if condition is None or condition(run.facts)]
    return chosen if sort is None or key is None else _sorted(chosen, key, sort != key)


def _unknown(name: str, known: Sequence[str]) -> str:
    """Return the message on a name that no run has, with what it may stand for."""
    meant = [k for k in known if k.rpartition(".")[2] == name or k.endswith(f"_{name}")]
    hint = f" Did you mean {' or '.join(meant[:3])}?" if meant else did_you_mean(name, known)
    return f"no recorded run has {name!r}: expected a metric or a key of the config.{hint}"


def _sorted(runs: Sequence[Recorded], key: str, reverse: bool) -> list[Recorded]:
    ways = [direction.of(key, run.metrics) for run in runs if key in run.facts]
    descending = ("max" in ways) != reverse

    def has(run: Recorded) -> bool:
        value = run.facts.get(key)
        return value is not None and not (isinstance(value, float) and math.isnan(value))

    def place(run: Recorded) -> tuple[bool, float, str]:
        value = number(run.facts[key])
        return value is None, value or 0.0, str(run.facts[key])

    present = sorted(filter(has, runs), key=place, reverse=descending)
    return [*present, *(run for run in runs if not has(run))]


def differing(overrides: Sequence[Sequence[str]]) -> list[list[str]]:
    """Return of each run's overrides those that not all runs share, with the shortest key that is clear among them.

    Of several runs, where they were sent to is left out.

    Args:
        overrides: of each run, as typed.
    """
    shared: set[str] = set(overrides[0]).intersection(*overrides[1:]) if len(overrides) > 1 else set()
    left_out = tracker_settings.SENT_TO if len(overrides) > 1 else ()
    kept = [[o for o in words if o not in shared and not o.startswith(left_out)] for words in overrides]
    keys = {o.partition("=")[0] for words in kept for o in words if "=" in o}
    short = shortened(sorted(keys))
    return [[short.get(k, k) + eq + v for k, eq, v in (o.partition("=") for o in words)] for words in kept]


def shortened(names: Sequence[str]) -> dict[str, str]:
    """Return each dotted name's shortest end that no other one has: ``optimizer.learning_rate`` -> ``learning_rate``."""
    short = {}
    for name in names:
        parts = name.removesuffix(".total").split(".")  # `total` alone says nothing
        ends = (".".join(parts[-n:]) for n in range(1, len(parts) + 1))
        short[name] = next(
            (end for end in ends if sum(n == end or n.endswith(f".{end}") for n in names) == 1), name
        )
    return short
