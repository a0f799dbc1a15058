"""`trainrun runs [SWEEP]`: list recorded runs: status, epochs, best value, undelivered records."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path

from trainrun.commands._parser import Parser
from trainrun.errors import UserError
from trainrun.tracking import find, listing
from trainrun.ui import console
from trainrun.util import redaction
from trainrun.util.durations import said as duration

COLUMNS = ("run", "status", "started", "epochs", "metric", "overrides", "unsent", "reason")
REASON = 60  # characters of why a run failed


def main(argv: Sequence[str]) -> int:
    """Print the table; a run that says RUNNING and whose process is gone gets its end written."""
    parser = Parser(
        prog="trainrun runs",
        description="The runs below outputs/, newest first; a sweep is one of them. `unsent` counts the records that the "
        "tracking server does not have: `trainrun sync` delivers them.",
    )
    parser.add_argument(
        "sweep", nargs="?", help="list its trials, the best first: its directory, its name, or `last`"
    )
    parser.add_argument(
        "-n", "--limit", type=int, default=20, metavar="N", help="how many (default: 20; 0: all)"
    )
    parser.add_argument("--all", action="store_true", help="the trials of sweeps, too, one by one")
    parser.add_argument(
        "-w", "--watch", action="store_true", help="watch what runs, or the sweep, until it ends or Ctrl-C"
    )
    parser.add_argument("--json", action="store_true", help="for programs: a list of objects")
    parser.add_argument(
        "--outputs", default=find.OUTPUTS, metavar="FOLDER", help="where the runs are (default: %(default)s)"
    )
    given = parser.parse_args(argv)
    limit = given.limit if given.limit > 0 else None
    if given.watch and given.json:
        raise UserError("--watch shows what changes, and --json what is: leave one of them out.")
    if given.sweep is not None:
        sweep_dir = find.sweep(given.sweep, given.outputs)
        return _watch(sweep_dir) if given.watch else _trials(sweep_dir, limit, given.json)
    if given.watch:
        from trainrun.sweep.view import watch

        watch.everything(given.outputs)
        return 0
    found = listing.runs(given.outputs, limit, given.all)
    if given.json:
        console.say(json.dumps([entry._asdict() for entry in found.runs], indent=1, ensure_ascii=False))
        return 0
    if not found.runs:
        console.say(f"there are no runs below {given.outputs}/")
        return 0
    _table(COLUMNS, [_row(entry) for entry in found.runs])
    more = found.total - len(found.runs)
    if more > 0:
        console.note(f"{more} older ones: trainrun runs --limit {found.total}")
    return 0


def _watch(sweep_dir: Path) -> int:
    from trainrun.sweep.view import watch

    watch.sweep(sweep_dir)
    return 0


def _trials(sweep_dir: Path, limit: int | None, as_json: bool) -> int:
    """Print a sweep's trials, the best first."""
    from trainrun.sweep.view import overview

    found = overview.of(sweep_dir)
    shown = found.trials[:limit]
    name = found.objective.name
    if as_json:
        keys = ("number", "status", "reason", "epochs", "seconds", "overrides", "metrics")
        entries = [{**{k: getattr(t, k) for k in keys}, "run_dir": str(t.run_dir)} for t in shown]
        console.say(json.dumps(redaction.tree(entries), indent=1, ensure_ascii=False))
        return 0
    rows = []
    for trial in shown:
        value = trial.value(name)
        rows.append(
            [
                str(trial.number),
                trial.status,
                str(trial.epochs),
                "" if value is None else f"{value:.4f}",
                duration(trial.seconds) if trial.seconds else "",
                redaction.text(" ".join(trial.varied or trial.overrides)) or "default",
                _short(trial.reason) if trial.reason else "",
            ]
        )
    if rows:
        _table(("trial", "status", "epochs", name, "time", "setting", "reason"), rows)
    if len(found.trials) > len(shown):
        console.note(
            f"{len(found.trials) - len(shown)} more: trainrun runs {sweep_dir} --limit {len(found.trials)}"
        )
    if found.waiting:
        console.note(f"{found.waiting} trials have not begun")
    return 0


def _table(columns: Sequence[str], rows: Sequence[Sequence[str | None]]) -> None:
    # A column without a single entry says nothing.
    kept = [i for i in range(len(columns)) if i < 3 or any(row[i] for row in rows)]
    console.table("", [columns[i] for i in kept], [[row[i] for i in kept] for row in rows])


def _row(entry: listing.Listed) -> list[str | None]:
    started = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(entry.started)) if entry.started else ""
    metric = f"{entry.metric} {entry.value:.4g}" if entry.metric and entry.value is not None else ""
    epochs = str(entry.epochs)
    if entry.trials is not None:
        begun = sum(n for word, n in entry.trials.items() if word != "RUNNING")
        epochs = f"{begun}/{entry.total} trials" if entry.total else f"{begun} trials"
    return [
        entry.run,
        entry.status,
        started,
        epochs,
        metric,
        " ".join(entry.overrides),
        "" if not entry.unsent else str(entry.unsent),
        _short(entry.reason) if entry.reason else "",
    ]


def _short(reason: str) -> str:
    line = reason.splitlines()[0] if reason else ""
    return line if len(line) <= REASON else line[: REASON - 1] + "…"
