"""`trainrun report RUN|SWEEP`: write a page on a model or a sweep: how good, and why."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from trainrun.commands import _json
from trainrun.commands._parser import RUN, Parser
from trainrun.errors import UserError
from trainrun.tracking import find
from trainrun.ui import console
from trainrun.ui.quietly import quietly


def main(argv: Sequence[str]) -> int:
    """Write the page."""
    parser = Parser(
        prog="trainrun report",
        description="Write report.html anew. Of a run it also gets what is not computed at the run's end: permutation importance, "
        "coefficients of a linear model, worst examples, and what differs from the defaults. Of a sweep: leaderboard, importance "
        "of the parameters, learning curves. Example: trainrun report last",
    )
    parser.add_argument(
        "run", metavar="RUN|SWEEP", help=f"{RUN}; a sweep's directory or name means the sweep"
    )
    parser.add_argument(
        "-o", "--output", metavar="FILE", type=Path, help="the page (default: report.html in its directory)"
    )
    parser.add_argument(
        "--json",
        action="store_true",
        help="print one JSON object: the page's path and, of a run, the figures",
    )
    options = parser.parse_args(argv)
    from trainrun.after import run_report, sweep_report
    from trainrun.sweep import named_run

    try:
        with quietly(options.json):
            sweep_dir = find.sweep_named(options.run)
            if sweep_dir is not None:
                path, explained = sweep_report.write(sweep_dir, options.output), None
            else:
                path, explained = run_report.write(named_run.run(options.run), options.output)
    except OSError as error:
        raise UserError(f"the page cannot be written: {error}") from error
    if options.json:
        content = {"report": str(path), **(explained.plain() if explained else {})}
        _json.show(content)
    else:
        console.say(f"written: {os.path.relpath(path)}")
    return 0
