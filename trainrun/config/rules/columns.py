"""Names of logged columns in a config (`monitor`, `sweep.objective`, a checkpoint's file name) are columns of this run."""

from __future__ import annotations

import string
from collections.abc import Iterator, Mapping
from typing import Any

from trainrun.data.dataset import Description
from trainrun.errors import Problem, did_you_mean
from trainrun.registry import declaration_reader, log_columns, lookup, option_files
from trainrun.registry.direction import SPLITS

# Groups whose plug-ins may log columns of their own.
MAY_LOG = ("model", "trainer", "step", "metric", "callback", "loss")
# The component whose `filepath` names columns in braces, and what it fills in besides.
FILE_OF_EPOCH, COUNTERS = "ModelCheckpoint", ("epoch", "batch")
# The key of the data that gives the size of the part on which a column is measured.
PARTS = {"val_": "validation", "test_": "test"}


def problems(config: Mapping[str, Any], data: Description) -> Iterator[Problem]:
    """Yield each name that no column of the run bears; of data that is not known yet, nothing."""
    metrics = log_columns.of_metrics(config.get("metric") or {}, data.task, data.target)
    if metrics is None or _logs_more(config):
        return
    for name, spec in (config.get("callback") or {}).items():
        if not isinstance(spec, Mapping):
            continue
        if isinstance(monitor := spec.get("monitor"), str):
            yield from _unknown(f"callback.{name}.monitor", monitor, metrics, ("val_",))
        if spec.get("name") == FILE_OF_EPOCH and isinstance(pattern := spec.get("filepath"), str):
            for column in _fields(pattern):
                if column not in COUNTERS:
                    yield from _unknown(f"callback.{name}.filepath", column, metrics, ("val_",))
    objective = (config.get("sweep") or {}).get("objective")
    for name in objective if isinstance(objective, list) else [objective]:
        if not isinstance(name, str):
            continue
        yield from _unknown("sweep.objective", name, metrics, SPLITS)
        part = next((p for split, p in PARTS.items() if name.startswith(split)), None)
        if part is not None and (config.get("data") or {}).get(part) == 0:
            yield Problem(
                "sweep.objective", f"{name} is measured on data.{part}, which is 0. Try data.{part}=0.2."
            )


def _logs_more(config: Mapping[str, Any]) -> bool:
    """Return whether some component may log columns that the config does not name."""
    for group in MAY_LOG:
        node = config.get(group) or {}
        for spec in node.values() if group in option_files.SEVERAL else [node]:
            name = spec.get("name") if isinstance(spec, Mapping) else None
            if not isinstance(name, str):
                continue
            if lookup.is_plugin(group, name) or getattr(
                declaration_reader.of(group, name), "adds_columns", False
            ):
                return True
    return False


def _unknown(key: str, name: str, metrics: tuple[str, ...], splits: tuple[str, ...]) -> Iterator[Problem]:
    known = (*log_columns.ALWAYS, *metrics)
    meant = log_columns.canonical(name, known)
    base = meant
    for split in splits:
        base = base.removeprefix(split)
    if base in known or ("test_" in splits and base.partition(".")[0] in log_columns.SUMMARY_NUMBERS):
        return
    columns = [*known, *(f"val_{k}" for k in known if k != "learning_rate")]
    near = did_you_mean(name, columns, 0.7)
    option = option_files.find("metric", base)
    add = f" To measure it: metric=[{','.join([*metrics, option.name])}]." if option is not None else ""
    yield Problem(
        key,
        f"this run has no metric {name}.{near}{add} It logs {', '.join(known)}, on held-out data with val_ before them.",
    )


def _fields(pattern: str) -> Iterator[str]:
    """Yield the names in braces of a format string; what is no format string is left to its component."""
    try:
        parsed = list(string.Formatter().parse(pattern))
    except ValueError:
        return
    for _, field, _, _ in parsed:
        if field:
            yield field.partition(".")[0].partition("[")[0]
