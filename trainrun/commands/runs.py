"""`trainrun runs [SWEEP] [--where CONDITION]`: list recorded runs, or select, sort and tabulate them."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

from trainrun.commands import _json, _run_table
from trainrun.commands._parser import Parser
from trainrun.errors import UserError
from trainrun.tracking import find, listing
from trainrun.ui import console
from trainrun.util import redaction
from trainrun.util.durations import text as duration

COLUMNS = ("run", "status", "started", "epochs", "metric", "overrides", "unsent", "reason")
REASON = 60  # maximum characters of a failure reason in the table
BELOW = ("overrides", "setting", "reason")


def main(argv: Sequence[str]) -> int:
    """Print the table. A run with status RUNNING whose process has disappeared is recorded as KILLED."""
    parser = Parser(
        prog="trainrun runs",
        description="List the runs below outputs/, newest first; a sweep is one row. `unsent` counts the records that the "
        'tracker does not have yet: `trainrun sync` sends them. Example: trainrun runs --where "val_auc > 0.9 and data=csv" '
        "--sort val_auc",
    )
    parser.add_argument(
        "sweep", nargs="?", help="a sweep's directory, name, or `last`: list its trials, best first"
    )
    parser.add_argument(
        "-n", "--limit", type=int, default=20, metavar="N", help="number of rows (default: 20; 0: all)"
    )
    parser.add_argument(
        "--where",
        metavar="CONDITION",
        help="only the runs, trials included, that meet it: NAME = != < <= > >= ~ (contains) VALUE, with and, or, not, (). NAME is a "
        "metric, a key of the config, a group, status, started, epochs, seconds.total, …",
    )
    parser.add_argument(
        "--sort", metavar="NAME", help="a metric: the best first; others ascending; --sort=-NAME reverses"
    )
    parser.add_argument(
        "--columns", metavar="NAME,…", help="columns of the table (default: those named, and what differs)"
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
    selects = any(o is not None for o in (options.where, options.sort, options.columns))
    if options.watch and (options.json or selects):
        raise UserError("--watch and --json, --where, --sort, --columns cannot be combined.")
    if selects:
        return _selected(options, limit)
    if options.sweep is not None:
        sweep_dir = find.sweep(options.sweep, options.outputs)
        return _watch(sweep_dir) if options.watch else _trials(sweep_dir, limit, options.json)
    if options.watch:
        from trainrun.sweep.view import watch

        watch.everything(options.outputs)
        return 0
    listed = listing.runs(options.outputs, limit, options.all)
    if options.json:
        _json.show([e._asdict() for e in listed.runs])
        return 0
    if not listed.runs:
        console.say(f"there are no runs below {options.outputs}/")
        return 0
    rows = [_row(entry) for entry in listed.runs]
    if console.columns() is not None:  # a file or a program gets all overrides
        from trainrun.after import recorded

        # A sweep's row has its search space.
        single = [i for i, entry in enumerate(listed.runs) if entry.trials is None]
        words = recorded.differing([listed.runs[i].overrides for i in single])
        for i, differing in zip(single, words, strict=True):
            rows[i][COLUMNS.index("overrides")] = " ".join(differing)
    _run_table.show(COLUMNS, rows, BELOW, spare=("started",))
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
        _json.show(redaction.tree(entries))
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
        _run_table.show(("trial", "status", "epochs", name, "time", "setting", "reason"), rows, BELOW)
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


def _selected(options: argparse.Namespace, limit: int | None) -> int:
    """Print the runs that meet a condition, trials of sweeps included."""
    from trainrun.after import recorded
    from trainrun.after.selection import Condition

    columns = [c.strip() for c in (options.columns or "").split(",") if c.strip()]
    named = Condition(options.where).names if options.where is not None else []
    key = options.sort.removeprefix("-") if options.sort else None
    sweep_dir = find.sweep(options.sweep, options.outputs) if options.sweep is not None else None
    runs = recorded.all_runs(options.outputs, sweep_dir)
    chosen = recorded.select(runs, options.where, options.sort, columns)
    shown = chosen[:limit]
    if options.json:
        rows = [{"run_dir": str(r.run_dir), "overrides": r.overrides, **r.facts} for r in shown]
        _json.show(redaction.tree(rows))
        return 0
    if not shown:
        console.say(f"none of {len(runs)} runs below {options.outputs}/ meets the condition")
        return 0
    names = [
        *dict.fromkeys(["run", *columns] if columns else [*recorded.FIRST, *filter(None, [key]), *named])
    ]
    short = recorded.shortened(names)
    settings = (
        [[]] * len(shown) if columns else recorded.differing([redaction.words(r.overrides) for r in shown])
    )
    cells = [
        [*(_cell(run.facts.get(name)) for name in names), " ".join(words)]
        for run, words in zip(shown, settings, strict=True)
    ]
    _run_table.show([*(short[n] for n in names), "setting"], cells, BELOW)
    if len(chosen) > len(shown):
        console.note(f"{len(chosen) - len(shown)} more: --limit {len(chosen)}")
    return 0


def _cell(value: object) -> str:
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


def _row(entry: listing.Listed) -> list[str]:
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
