"""Names of logged columns in a config (`monitor`, `sweep.objective`, a checkpoint's file name) are columns of this run."""

from __future__ import annotations

import string
from collections.abc import Iterator, Mapping
from typing import Any

from trainrun.config import named_components, optimizer_map, outputs
from trainrun.data.dataset import Description
from trainrun.errors import Problem, did_you_mean
from trainrun.registry import declaration_reader, log_columns, lookup, option_files
from trainrun.registry.direction import OF_SET
from trainrun.util.rate_columns import is_rate

OBJECTIVE = "sweep.objective"
# Groups whose plug-ins may log columns of their own.
MAY_LOG = ("model", "trainer", "step", "metric", "callback", "loss")
# The component whose `filepath` names columns in braces, and what it fills in besides.
FILE_OF_EPOCH, COUNTERS = "ModelCheckpoint", ("epoch", "batch")
# Prefix of a column -> the key of the data that gives the size of the part on which it is measured.
PARTS = {"val_": "validation", "test_": "test"}


def problems(config: Mapping[str, Any], data: Description) -> Iterator[Problem]:
    """Yield each name that no column of the run bears; of data that is not known yet, nothing."""
    named_columns = list(_named(config))
    metrics = outputs.columns(config, data) if named_columns else None
    if metrics is None or _logs_more(config):
        return
    for key, name in named_columns:
        named, spec = OF_SET.match(name), config.get("data") or {}
        sets = spec.get("validation_sets") or {}
        if named is not None and (spec.get("name") == "python" or lookup.is_plugin("data", spec.get("name"))):
            continue  # the user's code says which sets there are
        if named is not None and named[1] not in sets:
            listed = f"has {', '.join(sets)}" if sets else "is null"
            yield Problem(
                key, f"{name} is of the validation set {named[1]!r}; data.validation_sets {listed}."
            )
            continue
        splits = ("val_", *(f"val.{one}_" for one in sets))
        always = (*(c for c in log_columns.ALWAYS if not is_rate(c)), *optimizer_map.columns(config))
        yield from _unknown(key, name, always, metrics, (*splits, "test_") if key == OBJECTIVE else splits)


def held_out_parts(config: Mapping[str, Any], data: Description) -> Iterator[Problem]:
    """Yield each column of a part of the data (`val_`, `test_`) that has no examples."""
    for key, name in _named(config):
        for prefix, part in PARTS.items():
            data = config.get("data") or {}
            if name.startswith(prefix) and data.get(part) == 0 and not data.get(f"{part}_path"):
                text = f"{name} needs {part} data, and data.{part} is 0. Try data.{part}=0.2, or {name.removeprefix(prefix)} instead."
                yield Problem(key, text)


def _named(config: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield (key, column) of each place in a config that names a logged column."""
    for key, _, spec in named_components.chosen(config, "callback"):
        if isinstance(monitor := spec.get("monitor"), str):
            yield f"{key}.monitor", monitor
        if spec["name"] == FILE_OF_EPOCH and isinstance(pattern := spec.get("filepath"), str):
            yield from ((f"{key}.filepath", column) for column in _fields(pattern) if column not in COUNTERS)
    objective = (config.get("sweep") or {}).get("objective")
    for name in objective if isinstance(objective, list) else [objective]:
        if isinstance(name, str):
            yield OBJECTIVE, name


def _logs_more(config: Mapping[str, Any]) -> bool:
    """Return whether some component may log columns that the config does not name."""
    return any(
        lookup.is_plugin(group, spec["name"])
        or getattr(declaration_reader.of(group, spec["name"]), "adds_columns", False)
        for group in MAY_LOG
        for _, _, spec in named_components.chosen(config, group)
    )


def _unknown(
    key: str, name: str, always: tuple[str, ...], metrics: tuple[str, ...], splits: tuple[str, ...]
) -> Iterator[Problem]:
    known = (*always, *metrics)
    meant = log_columns.canonical(name, known)
    base = meant
    for split in splits:
        base = base.removeprefix(split)
    if base in known or ("test_" in splits and base.partition(".")[0] in log_columns.SUMMARY_NUMBERS):
        return
    columns = [*known, *(f"val_{k}" for k in known if not is_rate(k))]
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
