"""Names of a run's logged columns, for `monitor`, `sweep.objective` and the like."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from trainrun.metric.auto import auto as auto_metrics
from trainrun.registry import option_files
from trainrun.registry.direction import FIGURES, split_of

# Columns of every epoch besides the metrics.
ALWAYS = ("loss", "data_loss", "penalty", "learning_rate")

# Numbers of a run's summary that are no metrics and may be objectives: `steps`, `seconds.train`.
SUMMARY_NUMBERS = ("epochs", "steps", "parameters", "examples_per_second", "seconds")


def of_metrics(metrics: Mapping[str, Any], task: str | None, target: str | None) -> tuple[str, ...] | None:
    """Return the columns of the config's metrics, or None if they depend on data that is not known yet.

    Args:
        metrics: the config's `metric` node, key -> spec.
        task, target: of the data, where they are known; see `trainrun.data.dataset.Dataset`.
    """
    columns: list[str] = []
    for name, spec in metrics.items():
        if isinstance(spec, Mapping) and spec.get("name") == "auto":
            if task is None or target is None:
                return None
            columns += [option_files.find("metric", usual).name for usual in auto_metrics(task, target)]
        else:
            columns.append(name)
    return tuple(dict.fromkeys(columns))


def canonical(name: str, columns: Iterable[str] | None = None) -> str:
    """Return the column of a name: `val_f1` is `val_f1_score` if that is a metric of the run.

    Args:
        name: as typed.
        columns: of the metrics; None: not known, so that an alias of a packaged metric is resolved.
    """
    split = split_of(name)
    base = name.removeprefix(split)
    known = None if columns is None else {*columns, *ALWAYS}
    if base in (known or ()) or base in FIGURES:
        return name
    option = option_files.find("metric", base)
    if option is None or option.name == base or (known is not None and option.name not in known):
        return name
    return split + option.name


def in_pattern(pattern: str, columns: Iterable[str] | None = None) -> str:
    """Return a file name with the columns that stand in braces (``{val_f1:.2f}``) by the names that `canonical` gives them."""
    known = None if columns is None else tuple(columns)
    return re.sub(r"(?<!\{)\{(\w+)", lambda match: "{" + canonical(match[1], known), pattern)
