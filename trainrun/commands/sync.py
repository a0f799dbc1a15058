"""`trainrun sync [RUN … | --all]`: send a tracker the records that it does not have yet."""

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
    """Send runs to a tracker; return 1 if records remain unsent."""
    parser = Parser(
        prog="trainrun sync",
        description="Send the records that trackers do not have yet: after a server was unavailable, or of runs made with "
        "tracking=none. Records are not sent twice.",
    )
    parser.add_argument(
        "run",
        nargs="*",
        help="a directory, a run id, a tracker's run id, or `last` (default); a sweep includes all its trials",
    )
    parser.add_argument("--all", action="store_true", help="every run and sweep below the outputs folder")
    parser.add_argument(
        "--tracker",
        choices=trackers.names(),
        help=f"destination (default: the run's own, or {trackers.default()} for runs made with tracking=none)",
    )
    parser.add_argument(
        "--uri", help="the tracker's address (default: the run's own, or the tracker's default)"
    )
    parser.add_argument("--experiment", help="the experiment (default: the run's own, or trainrun)")
    parser.add_argument(
        "--outputs", default=find.OUTPUTS, metavar="FOLDER", help="folder of the runs (default: %(default)s)"
    )
    parser.add_argument(
        "--timeout",
        type=float,
        default=30.0,
        metavar="SECONDS",
        help="how long to retry while a server does not answer, and to wait for one request (default: 30)",
    )
    options = parser.parse_args(argv)
    if options.all and options.run:
        raise UserError("--all includes every run; do not name single runs with it.")
    if options.all:
        runs = sorted([*find.sweeps(options.outputs), *find.run_dirs(options.outputs)])
    else:
        runs = [r for word in options.run or [find.LATEST] for r in _meant(word, options.outputs)]
    where = sync.Where(options.tracker, options.uri, options.experiment)
    return deliver(with_sweeps(runs), where, options.timeout, named=not options.all)


def _meant(word: str, outputs: str) -> list[Path]:
    """Return the directories that a word names; for a sweep, its own and those of all its trials."""
    folder = find.sweep_named(word, outputs)
    if folder is None:
        from trainrun.sweep import named_run

        run_dir = named_run.run(word, outputs)
        folder = run_dir.parent if word == find.LATEST and find.sweep_of(run_dir) else None
        if folder is None:
            return [run_dir]
    return [folder, *find.trials(folder)]


def with_sweeps(runs: Sequence[Path]) -> list[Path]:
    """Return the runs without duplicates, with a sweep before its trials: they are nested below it at the tracker."""
    folders: dict[Path, Path] = {}
    for run_dir in runs:
        if (sweep_dir := find.sweep_of(run_dir)) is not None:
            folders.setdefault(sweep_dir, Path(run_dir).parent)
        if (run_dir / JOURNAL).is_file():  # a sweep that was killed at once has none
            folders.setdefault(run_dir.absolute(), run_dir)
    return list(folders.values())


def deliver(runs: Sequence[Path], where: sync.Where, timeout: float, named: bool = True) -> int:
    """Send runs one after another and print a line each; return 1 if records remain unsent.

    Args:
        runs: their directories.
        where: the destination.
        timeout: seconds to retry while a server does not answer.
        named: whether the user named each run: only then is a run that was deleted on the server sent again.
    """
    silent: set[str] = set()
    lines = []
    for run_dir in runs:
        try:
            lines.append(sync.run(run_dir, where, timeout, named, silent))
        except UserError as error:  # of one run: with --all, the others are not held back
            if named:
                raise
            lines.append(sync.Synced(f"{run_dir}: {error}", 1))
    shown = [line for line in lines if line.text]
    for line in shown:
        (console.say if line.unsent == 0 else console.warn)(line.text)
    if deleted := sum(line.deleted and not line.text for line in lines):
        console.say(
            f"{deleted} runs were deleted at their tracker and are not sent; trainrun sync RUN sends one anew"
        )
    if not shown:
        console.say(
            ("everything else" if deleted else "everything") + " is delivered"
            if runs
            else "there are no runs"
        )
    return int(any(line.unsent for line in lines))
