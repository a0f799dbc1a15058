"""`trainrun runs [SWEEP]`: list recorded runs: status, epochs, best value, unsent records."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path

from trainrun.commands._parser import Parser
from trainrun.errors import UserError
from trainrun.tracking import find, listing, summary
from trainrun.ui import console
from trainrun.util import redaction
from trainrun.util.durations import text as duration

COLUMNS = ("run", "status", "started", "epochs", "metric", "overrides", "unsent", "reason")
REASON = 60  # maximum characters of a failure reason in the table


def main(argv: Sequence[str]) -> int:
    """Print the table. A run with status RUNNING whose process has disappeared is recorded as KILLED."""
    parser = Parser(
        prog="trainrun runs",
        description="List the runs below outputs/, newest first; a sweep is one row. `unsent` counts the records that the "
        "tracker does not have yet: `trainrun sync` sends them.",
    )
    parser.add_argument(
        "sweep", nargs="?", help="a sweep's directory, name, or `last`: list its trials, best first"
    )
    parser.add_argument(
        "-n", "--limit", type=int, default=20, metavar="N", help="number of rows (default: 20; 0: all)"
    )
    parser.add_argument("--all", action="store_true", help="also list the trials of sweeps")
    parser.add_argument(
        "-w",
        "--watch",
        action="store_true",
        help="follow everything that is running, or the sweep, until it ends or Ctrl-C",
    )
    parser.add_argument("--json", action="store_true", help="print a JSON list of objects")
    parser.add_argument(
        "--outputs", default=find.OUTPUTS, metavar="FOLDER", help="folder of the runs (default: %(default)s)"
    )
    options = parser.parse_args(argv)
    limit = options.limit if options.limit > 0 else None
    if options.watch and options.json:
        raise UserError("--watch and --json cannot be combined.")
    if options.sweep is not None:
        sweep_dir = find.sweep(options.sweep, options.outputs)
        return _watch(sweep_dir) if options.watch else _trials(sweep_dir, limit, options.json)
    if options.watch:
        from trainrun.sweep.view import watch

        watch.everything(options.outputs)
        return 0
    listed = listing.runs(options.outputs, limit, options.all)
    if options.json:
        # The former key of `tracker_run_id` stays for scripts that read it.
        rows = [{**e._asdict(), f"{summary.IDENTITY}_run_id": e.tracker_run_id} for e in listed.runs]
        console.say(json.dumps(rows, indent=1, ensure_ascii=False))
        return 0
    if not listed.runs:
        console.say(f"there are no runs below {options.outputs}/")
        return 0
    _table(COLUMNS, [_row(entry) for entry in listed.runs])
    more = listed.total - len(listed.runs)
    if more > 0:
        console.note(f"{more} older ones: trainrun runs --limit {listed.total}")
    return 0


def _watch(sweep_dir: Path) -> int:
    from trainrun.sweep.view import watch

    watch.sweep(sweep_dir)
    return 0


def _trials(sweep_dir: Path, limit: int | None, as_json: bool) -> int:
    """Print a sweep's trials, best first."""
    from trainrun.sweep.view import overview

    shown_sweep = overview.of(sweep_dir)
    shown = shown_sweep.trials[:limit]
    name = shown_sweep.objective.name if shown_sweep.objective else ""
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
                " ".join(redaction.words(trial.varied or trial.overrides)) or "default",
                _short(trial.reason) if trial.reason else "",
            ]
        )
    if rows:
        _table(("trial", "status", "epochs", name, "time", "setting", "reason"), rows)
    if len(shown_sweep.trials) > len(shown):
        console.note(
            f"{len(shown_sweep.trials) - len(shown)} more: trainrun runs {sweep_dir} --limit {len(shown_sweep.trials)}"
        )
    if shown_sweep.objective is None:
        console.note(
            f"not ranked: no direction is recorded or declared; trainrun best {sweep_dir} --direction minimize takes one"
        )
    if shown_sweep.waiting:
        console.note(f"{shown_sweep.waiting} trials have not started")
    return 0


def _table(columns: Sequence[str], rows: Sequence[Sequence[str | None]]) -> None:
    # Leave out columns without any entry.
    kept = [i for i in range(len(columns)) if i < 3 or any(row[i] for row in rows)]
    console.table("", [columns[i] for i in kept], [[row[i] for i in kept] for row in rows])


def _row(entry: listing.Listed) -> list[str | None]:
    started = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(entry.started)) if entry.started else ""
    metric = f"{entry.metric} {entry.value:.4g}" if entry.metric and entry.value is not None else ""
    epochs = str(entry.epochs)
    if entry.trials is not None:
        started_trials = sum(n for word, n in entry.trials.items() if word != "RUNNING")
        epochs = f"{started_trials}/{entry.total} trials" if entry.total else f"{started_trials} trials"
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
