"""What a notebook shows of a run: what the report begins with."""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Any

from trainrun.artifacts import result_table
from trainrun.tracking import summary as summaries


def of(name: str, status: str, metrics: Mapping[str, float], summary: Mapping[str, Any]) -> str:
    """Return a run's overrides, its table of metrics, and the epoch whose weights are the model, as HTML.

    Args:
        name: of the run.
        status: of the run.
        metrics: final, name -> number.
        summary: the content of summary.json; empty for a run that has not ended.
    """

    def line(tag: str, cells: list[str]) -> str:
        return "<tr>" + "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells) + "</tr>"

    columns, rows = result_table.filled(
        result_table.COLUMNS, result_table.rows({"metrics": metrics, "best": summary.get("best")})
    )
    monitored = summaries.monitored(summary)
    best = "" if monitored is None else "best epoch " + "".join(result_table.best_epoch(summary, monitored))
    overrides = " ".join(summary.get("overrides") or [])
    return (
        f"<p><b>{html.escape(name)}</b> {status}<br><code>{html.escape(overrides)}</code></p>"
        f"<table>{line('th', columns)}{''.join(line('td', row) for row in rows)}</table><p>{html.escape(best)}</p>"
    )
