"""`report.html`: a self-contained page about a run, made from the files in its directory and its model's diagnostics."""

from __future__ import annotations

import base64
import json
import math
import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from trainrun.artifacts import data_page, diagnostic_charts, environment, page, plots, result_table
from trainrun.artifacts.diagnostics import Diagnostics
from trainrun.artifacts.page import Section, Table
from trainrun.tracking import find, status
from trainrun.tracking import summary as summaries
from trainrun.util import redaction

FILE = "report.html"
# Pictures whose content is a chart of the page.
DRAWN = ("curves", "confusion_matrix", "roc", "precision_recall", "predicted_vs_true", "residuals")
CAPTIONS = {"images": "Some images", "masks": "Some masks"}
MOST_CLASSES = 100  # rows of the table of classes
_DETAILS = {
    "steps": "steps",
    "parameters": "parameters",
    "seed": "seed",
    "weights_sha256": "weights",
    "data_sha256": "data",
    "resumed_from": "resumed from",
}


def write(
    run_dir: str | Path,
    summary: Mapping[str, Any] | None = None,
    diagnostics: Mapping[str, Diagnostics] | None = None,
    differs: Iterable[tuple[str, Any, Any]] | None = None,
    further: Sequence[Section] = (),
    path: Path | None = None,
) -> Path:
    """Write the page.

    Args:
        run_dir: journal, `config.yaml`, `environment.txt` and `plots/` are used as far as they exist.
        summary: the content of `summary.json`; None: read it.
        diagnostics: of the model's predictions by output, of the only one under an empty name; none: the plots that were drawn stand for
            them.
        differs: key, value and default of what the config has otherwise than by default; None: the overrides alone are shown.
        further: sections on the model.
        path: of the page; by default `report.html` in the run's directory.
    """
    folder = Path(run_dir)
    summary = summary or summaries.read(folder)
    past = status.read(folder).past
    start: Mapping[str, Any] = past["start"]
    return page.write(
        path or folder / FILE,
        _title(folder, summary),
        str(summary["status"]),
        _head(summary),
        [
            *(section for name, one in (diagnostics or {}).items() for section in _judged(one, name)),
            _asked(folder, summary, start, differs),
            Section(
                "curves",
                "Learning curves",
                panels=[
                    *diagnostic_charts.learning_curves(
                        past["history"], (start.get("config") or {}).get("metric")
                    )
                ],
            ),
            _metrics(summary),
            *further,
            Section(
                "pictures",
                "Pictures",
                pictures=_pictures(folder / plots.FOLDER, _drawn(diagnostics or {})),
            ),
            Section("data", "Data", lines=data_page.lines(summary["data"]) if summary.get("data") else []),
            _times(summary),
            Section("details", "Details", details=_details(summary)),
        ],
        [("Config", _text(folder / "config.yaml")), ("Environment", _text(folder / environment.FILE))],
    )


def _title(folder: Path, summary: Mapping[str, Any]) -> str:
    sweep = find.sweep_of(folder)
    return str(summary["run_id"]) if sweep is None else f"trial {folder.name} of {sweep.name}"


def _head(summary: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Return the facts below the title."""
    name, seconds = summaries.monitored(summary), summary["seconds"]
    facts = [("epochs", f"{summary['epochs']:,}", "")]
    if name is not None:
        top = summary["best"][name]
        facts.append((f"best epoch by {name}", str(top["epoch"]), result_table.model_epoch(summary, top)))
    facts += [("training", f"{seconds['train']:.1f} s", ""), ("in all", f"{seconds['total']:.1f} s", "")]
    if speed := summary.get("examples_per_second"):
        facts.append(("examples a second", f"{speed:,.0f}", ""))
    if (wait := summary.get("input_wait")) is not None:
        facts.append(("waiting for input", f"{wait:.0%}", "of the training"))
    if joules := (summary.get("system") or {}).get("energy_joules"):
        facts.append(("energy", f"{joules / 3600:,.1f} Wh", f"{joules:,.0f} J, of the whole machine"))
    return facts


def _judged(diagnostics: Diagnostics, output: str) -> list[Section]:
    """Return the headline and the charts of the model's predictions of an output."""
    mark, of = (f"-{output}", f"{output}: ") if output else ("", "")
    facts = [
        (f.label, result_table.number(f.value) if math.isfinite(f.value) else "—", f.detail)
        for f in diagnostics.headline
    ]
    tables, independent = [], diagnostics.unit == "examples"
    if diagnostics.classes:
        rows = [
            [
                c.name,
                f"{c.examples:,}",
                f"{c.true_positives:,}",
                _share(c.recall),
                f"{_share(c.interval[0])} to {_share(c.interval[1])}" if c.examples and independent else "",
                _share(c.precision),
            ]
            for c in sorted(diagnostics.classes, key=lambda c: (math.isnan(c.recall), c.recall))[
                :MOST_CLASSES
            ]
        ]
        columns = ("class", diagnostics.unit, "found", "recall", "95% interval", "precision")
        tables.append(Table(*result_table.filled(columns, rows)))
    note = f"Of {diagnostics.examples:,} {diagnostics.part} {diagnostics.unit}, each counted once."
    note += (
        "" if independent else " Shares of pixels have no interval: those of one image are not independent."
    )
    return [
        Section(
            f"judged{mark}",
            f"{of}How good is it? ({diagnostics.part})",
            facts=facts,
            tables=tables,
            note=note,
        ),
        Section(
            f"charts{mark}",
            f"{of}Predictions ({diagnostics.part})",
            panels=[*diagnostic_charts.charts(diagnostics)],
        ),
    ]


def _asked(
    folder: Path,
    summary: Mapping[str, Any],
    start: Mapping[str, Any],
    differs: Iterable[tuple[str, Any, Any]] | None,
) -> Section:
    """Return what was asked, and the command to repeat it."""
    words = redaction.words(summary["overrides"])
    command = f"trainrun {shlex.join(words)}".rstrip()
    typed = redaction.text(str(start.get("command") or ""))
    lines = [f"Asked as: {typed}"] if typed and typed != command and find.sweep_of(folder) is None else []
    tables = []
    if differs is not None:
        rows = [
            [
                key,
                *(
                    "" if v is None else str(redaction.under(key.rpartition(".")[2], v))
                    for v in (value, default)
                ),
            ]
            for key, value, default in differs
        ]
        lines += [] if rows else ["Everything is as by default."]
        tables = (
            [Table(("differs from the defaults", "value", "default"), rows, texts=(1, 2))] if rows else []
        )
    again = f"trainrun reproduce {shlex.quote(find.name_of(folder))}"
    return Section(
        "asked",
        "What was asked",
        lines,
        f"{command}\n{again}   # the same, and a comparison of the results",
        tables=tables,
    )


def _metrics(summary: Mapping[str, Any]) -> Section:
    """Return the table of the run's own metrics."""
    rows = result_table.rows(summary)
    marked = result_table.marked(rows, summaries.monitored(summary))
    table = Table(*result_table.filled(result_table.COLUMNS, rows), marked)
    return Section("metrics", "Metrics", tables=[table] if rows else [])


def _times(summary: Mapping[str, Any]) -> Section:
    """Return how the time was spent."""
    seconds, total = summary["seconds"], summary["seconds"]["total"]
    rows = [
        [phase, f"{seconds[phase]:.2f} s", _share(seconds[phase] / total if total else 0.0)]
        for phase in summaries.SECONDS
        if seconds.get(phase)
    ]
    return Section("times", "Time", tables=[Table(("phase", "time", "share"), rows)] if rows else [])


def _details(summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    details = [
        (label, _plain(summary.get(key))) for key, label in _DETAILS.items() if summary.get(key) is not None
    ]
    git = summary.get("git")
    if git:
        details.append(("git commit", git["commit"] + (" with changes" if git.get("dirty") else "")))
    if identity := summary.get(summaries.IDENTITY):
        details.append(("tracked run", f"{identity['run_id']} in {redaction.text(identity['tracking_uri'])}"))
    return [*details, *summary.get("versions", {}).items()]


def _drawn(outputs: Iterable[str]) -> list[str]:
    """Return the names of the plots whose content is a chart of the page."""
    of_outputs = (f"{name}_{plot}" if name else plot for name in outputs for plot in DRAWN)
    return [DRAWN[0], *of_outputs]


def _pictures(folder: Path, drawn: Sequence[str]) -> list[dict[str, str]]:
    """Return the PNG files of a folder, those that are charts of the page left out."""
    return [
        {
            "caption": CAPTIONS.get(file.stem, file.stem.replace("_", " ")),
            "data": base64.b64encode(file.read_bytes()).decode(),
        }
        for file in sorted(folder.glob("*.png"))
        if file.stem not in drawn
    ]


def _share(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.1%}"


def _plain(value: Any) -> str:
    if isinstance(value, str):
        return value
    return f"{value:,}" if isinstance(value, int) and value >= 10_000 else json.dumps(value)


def _text(path: Path) -> str:
    return redaction.text(path.read_text(encoding="utf-8", errors="replace")) if path.is_file() else ""
