"""`trainrun sync [RUN … | --all]`: send the records that a tracker does not have yet, with their original times."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from trainrun.commands._parser import Parser
from trainrun.errors import UserError
from trainrun.tracking import find, trackers
from trainrun.tracking.delivery import sync
from trainrun.tracking.status import JOURNAL
from trainrun.ui import console


def main(argv: Sequence[str]) -> int:
    """Deliver runs; return 1 if something is still not sent."""
    parser = Parser(
        prog="trainrun sync",
        description="Deliver to trackers what they do not have yet of runs: after a server was away, and of runs made with "
        "tracking=none. What they have is not sent twice.",
    )
    parser.add_argument(
        "run",
        nargs="*",
        help="its directory, its id, its tracker's run id, or `last` (the default); of a sweep, all its trials",
    )
    parser.add_argument("--all", action="store_true", help="every run and sweep below the outputs folder")
    parser.add_argument(
        "--tracker",
        choices=trackers.names(),
        help=f"where to; by default the run's own, or {trackers.DEFAULT} for one of tracking=none",
    )
    parser.add_argument(
        "--uri", help="the tracker's address; by default the run's own, or the tracker's default"
    )
    parser.add_argument("--experiment", help="the experiment; by default the run's own, or trainrun")
    parser.add_argument(
        "--outputs", default=find.OUTPUTS, metavar="FOLDER", help="where the runs are (default: %(default)s)"
    )
    parser.add_argument(
        "--timeout",
        type=float,
        default=30.0,
        metavar="SECONDS",
        help="how long to try again while a server does not answer (default: 30)",
    )
    given = parser.parse_args(argv)
    if given.all and given.run:
        raise UserError("--all names every run already: leave the others out.")
    if given.all:
        runs = sorted([*find.sweeps(given.outputs), *find.everyone(given.outputs)])
    else:
        runs = [r for word in given.run or [find.LATEST] for r in _meant(word, given.outputs)]
    where = sync.Where(given.tracker, given.uri, given.experiment)
    return deliver(with_sweeps(runs), where, given.timeout, named=not given.all)


def _meant(word: str, outputs: str) -> list[Path]:
    """Return the runs that a word names: of a sweep, its own record and all its trials."""
    folder = find.sweep_named(word, outputs)
    if folder is None:
        run_dir = find.run(word, outputs)
        folder = run_dir.parent if word == find.LATEST and find.sweep_of(run_dir) else None
        if folder is None:
            return [run_dir]
    return [folder, *find.trials(folder)]


def with_sweeps(runs: Sequence[Path]) -> list[Path]:
    """Return the runs, each once, and before a trial the record of its sweep: it stands below that at the tracker."""
    found: dict[Path, Path] = {}
    for run_dir in runs:
        if (sweep_dir := find.sweep_of(run_dir)) is not None:
            found.setdefault(sweep_dir, Path(run_dir).parent)
        if (run_dir / JOURNAL).is_file():  # no sweep of before it had a record of its own
            found.setdefault(run_dir.absolute(), run_dir)
    return list(found.values())


def deliver(runs: Sequence[Path], where: sync.Where, timeout: float, named: bool = True) -> int:
    """Deliver runs one after the other, a line each; return 1 if something is still not sent.

    Args:
        runs: their directories.
        where: where to.
        timeout: seconds to try again while a server does not answer.
        named: whether the user has named each run: one that was deleted on the server is recorded anew only then.
    """
    lines = [sync.run(run_dir, where, timeout, named) for run_dir in runs]
    shown = [line for line in lines if line.text]
    for line in shown:
        (console.say if line.unsent == 0 else console.warn)(line.text)
    if not shown:
        console.say("everything is delivered" if runs else "there are no runs")
    return int(any(line.unsent for line in lines))
