"""`report.html`: a self-contained page about a run, made from the files in its directory."""

from __future__ import annotations

import base64
import functools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trainrun.artifacts import environment, plots, result_table
from trainrun.data import overview
from trainrun.tracking import find
from trainrun.tracking import summary as summaries
from trainrun.util import paths, redaction

FILE = "report.html"
TEMPLATE = Path(__file__).with_name("report.html.jinja")
# In the order of the page; other plots follow by name.
CAPTIONS = {
    "curves": "Learning curves",
    "confusion_matrix": "Confusion matrix",
    "roc": "ROC",
    "precision_recall": "Precision and recall",
    "predicted_vs_true": "Predicted against true",
    "residuals": "Residuals",
    "images": "Some images",
    "masks": "Some masks",
}
_DETAILS = {
    "steps": "steps",
    "parameters": "parameters",
    "seed": "seed",
    "weights_sha256": "weights",
    "data_sha256": "data",
    "resumed_from": "resumed from",
}


def write(run_dir: str | Path, summary: Mapping[str, Any] | None = None, title: str | None = None) -> Path:
    """Write `report.html` from the files in the run's directory.

    Args:
        run_dir: `config.yaml`, `environment.txt` and `plots/` are used as far as they exist.
        summary: the content of `summary.json`; None: read it.
        title: by default the run's id; of a trial its number and its sweep.
    """
    folder = Path(run_dir)
    summary = summary or summaries.read(folder)
    page = render(
        title=title or _title(folder, summary),
        summary=summary,
        pictures=_pictures(folder / plots.FOLDER),
        config=_text(folder / "config.yaml"),
        environment=_text(folder / environment.FILE),
    )
    path = folder / FILE
    with paths.whole(path) as new:
        new.write_text(page, encoding="utf-8", errors="replace")
    return path


def _title(folder: Path, summary: Mapping[str, Any]) -> str:
    sweep = find.sweep_of(folder)
    return str(summary["run_id"]) if sweep is None else f"trial {folder.name} of {sweep.name}"


def render(
    title: str, summary: Mapping[str, Any], pictures: list[dict[str, str]], config: str, environment: str
) -> str:
    """Return the page; all values are escaped."""
    rows = result_table.rows(summary)
    kept = [i for i in range(len(result_table.COLUMNS)) if i == 0 or any(r[i] for r in rows)]
    name = summaries.monitored(summary)
    seconds = summary["seconds"]
    speed = summary.get("examples_per_second")
    facts = [
        ("epochs", f"{summary['epochs']:,}"),
        *([("best epoch", str(summary["best"][name]["epoch"]))] if name else []),
        ("training", f"{seconds['train']:.1f} s"),
        ("in all", f"{seconds['total']:.1f} s"),
        *([("examples a second", f"{speed:,.0f}")] if speed else []),
    ]
    details = [
        (label, _plain(summary.get(key))) for key, label in _DETAILS.items() if summary.get(key) is not None
    ]
    git = summary.get("git")
    if git:
        details.append(("git commit", git["commit"] + (" with changes" if git.get("dirty") else "")))
    if identity := summary.get(summaries.IDENTITY):
        details.append(("tracked run", f"{identity['run_id']} in {redaction.text(identity['tracking_uri'])}"))
    details += [(package, version) for package, version in summary.get("versions", {}).items()]
    return _template().render(
        title=title,
        status=summary["status"],
        overrides=redaction.words(summary["overrides"]),
        facts=facts,
        columns=[result_table.COLUMNS[i] for i in kept],
        rows=[{"cells": [r[i] for i in kept], "marked": name in (r[0], f"val_{r[0]}")} for r in rows],
        data=_data(summary.get("data")),
        details=details,
        pictures=pictures,
        config=config,
        environment=environment,
    )


@functools.cache
def _template() -> Any:
    from jinja2 import Environment, StrictUndefined

    engine = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return engine.from_string(TEMPLATE.read_text(encoding="utf-8"))


def _pictures(folder: Path) -> list[dict[str, str]]:
    order = {name: place for place, name in enumerate(CAPTIONS)}
    files = sorted(folder.glob("*.png"), key=lambda p: (order.get(p.stem, len(order)), p.stem))
    return [
        {
            "name": file.stem,
            "caption": CAPTIONS.get(file.stem, file.stem.replace("_", " ")),
            "data": base64.b64encode(file.read_bytes()).decode(),
        }
        for file in files
    ]


def _data(described: Mapping[str, Any] | None) -> list[str]:
    """Return the lines on the data, and what is almost surely wrong with it."""
    if not described:
        return []
    return [*overview.lines(described), *(f"Warning: {notice}" for notice in described["notices"])]


def _plain(value: Any) -> str:
    if isinstance(value, str):
        return value
    return f"{value:,}" if isinstance(value, int) and value >= 10_000 else json.dumps(value)


def _text(path: Path) -> str:
    return redaction.text(path.read_text(encoding="utf-8", errors="replace")) if path.is_file() else ""
