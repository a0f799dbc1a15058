"""The arguments, the question and the output that `trainrun rm` and `trainrun gc` share."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from typing import TYPE_CHECKING

from trainrun.commands import _json, _run_table
from trainrun.commands._parser import Parser
from trainrun.tracking import find
from trainrun.ui import console

if TYPE_CHECKING:
    from trainrun.after.clean import Plan

UNITS = ("bytes", "kB", "MB", "GB", "TB")


def add_arguments(parser: Parser) -> None:
    """Add the options that both verbs have."""
    parser.add_argument("--dry-run", action="store_true", help="only show what would be removed")
    parser.add_argument("-y", "--yes", action="store_true", help="remove without a question")
    parser.add_argument(
        "--tracker",
        action="store_true",
        help="also remove the runs with their files where they were sent: MLflow marks them as deleted (`mlflow gc` erases "
        "its rows), files go at once",
    )
    parser.add_argument(
        "--unfinished",
        action="store_true",
        help="also what could be resumed: killed and failed runs and sweeps",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object; nothing is asked")
    parser.add_argument(
        "--outputs", default=find.OUTPUTS, metavar="FOLDER", help="folder of the runs (default: %(default)s)"
    )


def carry_out(plan: Plan, options: argparse.Namespace) -> int:
    """Show a plan, ask, and remove; return 1 if something could not be removed."""
    if not options.json:
        _show(plan)
    confirmed = bool(plan.removals) and not options.dry_run and (options.yes or _confirmed(options))
    removed, failures = [], {}
    if confirmed:
        from trainrun.after import remove

        done = remove.carry_out(plan, options.tracker)
        removed, failures = done.paths, done.failures
    if options.json:
        content = {
            "plan": [{**r._asdict(), "path": str(r.path)} for r in plan.removals],
            "bytes": plan.size,
            "kept": {str(path): reason for path, reason in plan.kept.items()},
            "warnings": plan.warnings,
            "removed": [str(path) for path in removed],
            "failures": {str(path): reason for path, reason in failures.items()},
        }
        _json.show(content)
        return int(bool(failures))
    for path, reason in failures.items():
        console.error(f"{path}: {reason}")
    if confirmed:
        console.say(f"removed {len(removed)} of {len(plan.removals)}")
    elif plan.removals:
        console.note("nothing was removed" + ("" if _asks(options) else "; --yes removes it"))
    return int(bool(failures))


def _show(plan: Plan) -> None:
    if plan.removals:
        rows = [[str(r.path), r.kind, r.status, _readable(r.size)] for r in plan.removals]
        _run_table.show(("to remove", "kind", "status", "size"), rows)
        console.say(f"together {_readable(plan.size)}")
    else:
        console.say(f"nothing to remove below {plan.outputs}/")
    reasons = Counter(plan.kept.values())
    for reason, count in reasons.most_common():
        console.note(f"kept {count}: {reason}")
    for warning in plan.warnings:
        console.warn(warning)


def _asks(options: argparse.Namespace) -> bool:
    return not (options.dry_run or options.json) and sys.stdin is not None and sys.stdin.isatty()


def _confirmed(options: argparse.Namespace) -> bool:
    if not _asks(options):
        return False
    console.say("Remove them? They cannot be restored. [y/N]")
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _readable(size: float) -> str:
    unit = 0
    while size >= 1000 and unit < len(UNITS) - 1:
        size, unit = size / 1000, unit + 1
    return f"{size:.3g} {UNITS[unit]}"
