"""`trainrun runs`: the runs there are, newest first: what became of each, and what the tracking server lacks."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence

from trainrun import console
from trainrun.commands._parser import Parser
from trainrun.tracking import find, listing

COLUMNS = ("run", "status", "started", "epochs", "metric", "overrides", "unsent", "reason")
REASON = 60  # characters of why a run failed


def main(argv: Sequence[str]) -> int:
    """Print the table; a run that says RUNNING and whose process is gone gets its end written."""
    parser = Parser(
        prog="trainrun runs",
        description="The runs below outputs/, newest first. `unsent` counts the records that the tracking server does "
        "not have: `trainrun sync` delivers them.",
    )
    parser.add_argument(
        "-n", "--limit", type=int, default=20, metavar="N", help="how many (default: 20; 0: all)"
    )
    parser.add_argument("--json", action="store_true", help="for programs: a list of objects")
    parser.add_argument(
        "--outputs", default=find.OUTPUTS, metavar="FOLDER", help="where the runs are (default: %(default)s)"
    )
    given = parser.parse_args(argv)
    found = listing.runs(given.outputs, given.limit if given.limit > 0 else None)
    if given.json:
        console.say(json.dumps([entry._asdict() for entry in found.runs], indent=1, ensure_ascii=False))
        return 0
    if not found.runs:
        console.say(f"there are no runs below {given.outputs}/")
        return 0
    rows = [_row(entry) for entry in found.runs]
    # A column without a single entry says nothing.
    kept = [i for i in range(len(COLUMNS)) if i < 3 or any(row[i] for row in rows)]
    console.table("", [COLUMNS[i] for i in kept], [[row[i] for i in kept] for row in rows])
    more = found.total - len(found.runs)
    if more > 0:
        console.note(f"{more} older ones: trainrun runs --limit {found.total}")
    return 0


def _row(entry: listing.Listed) -> list[str | None]:
    started = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(entry.started)) if entry.started else ""
    metric = f"{entry.metric} {entry.value:.4g}" if entry.metric and entry.value is not None else ""
    return [
        entry.run,
        entry.status,
        started,
        str(entry.epochs),
        metric,
        " ".join(entry.overrides),
        "" if not entry.unsent else str(entry.unsent),
        _short(entry.reason) if entry.reason else "",
    ]


def _short(reason: str) -> str:
    line = reason.splitlines()[0]
    return line if len(line) <= REASON else line[: REASON - 1] + "…"
