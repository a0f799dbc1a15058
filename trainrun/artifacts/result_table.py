"""The output at the end of a run: a table of its metrics, and the places of its files."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from trainrun.config.store_address import SQLITE_PREFIX
from trainrun.registry import direction
from trainrun.tracking import summary as summaries
from trainrun.ui import console, folding
from trainrun.util.rate_columns import is_rate

COLUMNS = ("metric", "train", "validation", "test", "best", "epoch")


def rows(summary: Mapping[str, Any]) -> list[list[str]]:
    """Return the rows of the table, one per metric, the loss first; cells as in `COLUMNS`.

    `best` is the best validation value, `epoch` its epoch; without validation, those of the training value.
    """
    metrics, best = summary["metrics"], summary.get("best") or {}
    names = list(dict.fromkeys(n if direction.OF_SET.match(n) else direction.bare(n) for n in metrics))
    names = sorted((n for n in names if n != "step" and not is_rate(n)), key=lambda n: n != "loss")
    table = []
    for name in names:
        if direction.OF_SET.match(name):  # one of several validation sets
            top = best.get(name) or {}
            cells = [None, metrics[name], None, top.get("value")]
            table.append([name, *(number(c) for c in cells), str(top.get("epoch", ""))])
            continue
        top = best.get(f"val_{name}") or best.get(name) or {}
        cells = [metrics.get(name), metrics.get(f"val_{name}"), metrics.get(f"test_{name}"), top.get("value")]
        table.append([name, *(number(c) for c in cells), str(top.get("epoch", ""))])
    return table


def filled(columns: Sequence[str], table: Sequence[Sequence[str]]) -> tuple[list[str], list[list[str]]]:
    """Return columns and rows of a table without the columns that are empty; the first one stays."""
    kept = [i for i in range(len(columns)) if i == 0 or any(row[i] for row in table)]
    return [columns[i] for i in kept], [[row[i] for i in kept] for row in table]


def marked(table: Sequence[Sequence[str]], name: str | None) -> list[int]:
    """Return the numbers of the rows of a metric, or of its validation."""
    return [i for i, row in enumerate(table) if name in (row[0], f"val_{row[0]}")]


def show(summary: Mapping[str, Any], run_dir: str | Path) -> None:
    """Print the results of a run.

    Args:
        summary: the content of `summary.json`.
        run_dir: the run's directory.
    """
    table, name = rows(summary), summaries.monitored(summary)
    console.say()
    if table:
        console.table("", *filled(COLUMNS, table), marked(table, name))
        console.say()
        if name is not None:
            epoch, rest = best_epoch(summary, name)
            console.pieces([("best epoch  ", "dim"), (epoch, "bold green"), (rest, "")])
    seconds = summary["seconds"]
    speed = summary.get("examples_per_second")
    rate = f", {speed:,.0f} examples a second" if speed else ""
    wait = summary.get("input_wait")
    waited = "" if wait is None else f" ({wait:.0%} waiting for input)"
    _line("time", f"{seconds['total']:.1f} s, of it {seconds['train']:.1f} s training{waited}{rate}")
    _line("run", _short(Path(run_dir)))
    identity = summary.get(summaries.IDENTITY)
    if identity:
        _line("tracking", f"run {identity['run_id']} in {_short_uri(identity['tracking_uri'])}")


def best_epoch(summary: Mapping[str, Any], name: str) -> tuple[str, str]:
    """Return the best epoch of a metric, and the rest of the sentence: its value, and which epoch's weights are the model.

    Args:
        summary: the content of `summary.json`.
        name: of the metric.
    """
    top = summary["best"][name]
    end = f"; {text}" if (text := model_epoch(summary, top)) else ""
    return str(top["epoch"]), f" of {summary['epochs']}, {name} {number(top['value'])}{end}"


def model_epoch(summary: Mapping[str, Any], top: Mapping[str, Any]) -> str:
    """Return which epoch's weights are the model, or an empty text for a run that does not record it.

    Args:
        summary: the content of `summary.json`.
        top: the best `epoch`.
    """
    weights = summary.get("weights") or {}
    choice = weights.get("choice")
    if choice == "average":
        return "the model has the moving average of the weights"
    if choice == "swa":
        return f"the model has the average of the weights of {weights['epochs']} epochs"
    if choice == "last":
        return "the model is of the last epoch"
    if choice is None:
        return ""
    return f"the model is of {'this epoch' if weights['epoch'] == top['epoch'] else 'epoch ' + str(weights['epoch'])}"


def _line(label: str, text: str) -> None:
    lead = f"{label:<12}"
    console.pieces([(lead, "dim"), (folding.fold(text, lead, console.columns()), "")], lead + text)


def number(value: Any) -> str:
    """Return a metric as it stands in a table; empty for None."""
    if value is None:
        return ""
    value = float(value)
    if value == 0 or (1e-3 <= abs(value) < 1e12):
        return f"{value:.4f}" if abs(value) < 1e3 else f"{value:,.1f}"
    return f"{value:.3e}" if abs(value) < float("inf") else f"{value:g}"


def measured(value: float) -> str:
    """Return a metric as `number` does; one that is not finite is undefined."""
    return number(value) if math.isfinite(value) else "undefined"


def _short(path: Path) -> str:
    """Return the path relative to the working directory, if it lies inside."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative


def _short_uri(uri: str) -> str:
    return (
        SQLITE_PREFIX + _short(Path(uri.removeprefix(SQLITE_PREFIX)))
        if uri.startswith(SQLITE_PREFIX)
        else uri
    )
