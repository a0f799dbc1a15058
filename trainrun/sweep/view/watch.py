"""`trainrun runs --watch`: show running sweeps and runs from another shell."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from trainrun.sweep.trial import RUNNING, Trial
from trainrun.sweep.view import trial_table
from trainrun.sweep.view.followed import FollowedRun, FollowedSweep
from trainrun.tracking import find, status
from trainrun.tracking.delivery import sweep_summary
from trainrun.ui import console
from trainrun.util import redaction
from trainrun.util.durations import text as duration

POLL_INTERVAL_S = 0.5
SEARCH_INTERVAL_S = 3.0  # for runs and sweeps that have begun meanwhile
LINE_INTERVAL_S = 10.0  # of the plain status lines, where there is no terminal


def sweep(sweep_dir: Path) -> None:
    """Show a sweep until it ends, or Ctrl-C.

    Args:
        sweep_dir: the sweep's directory.
    """
    watched = FollowedSweep(sweep_dir)
    console.note(f"{os.path.relpath(sweep_dir)}{'' if watched.over else ': Ctrl-C ends the watching only'}")
    with contextlib.suppress(KeyboardInterrupt), contextlib.closing(watched.board):
        for searched in _looks():
            if searched:
                watched.settle()
            watched.look()
            if watched.over:
                break
            watched.board.look(watched.running)
    if watched.over:
        word = watched.end.status if watched.end else "FINISHED"
        reason = watched.end.reason if watched.end else None
        console.pieces(
            [
                (f"{word}  ", trial_table.STYLES.get(word, "")),
                (watched.board.line(()), ""),
                (f"  {reason}" if reason else "", "dim"),
            ]
        )
        console.note(f"all trials: trainrun runs {os.path.relpath(sweep_dir)}")


def everything(outputs: str | Path) -> None:
    """Show all running sweeps and runs below a folder until they have ended, or Ctrl-C.

    Args:
        outputs: the folder.
    """
    sweeps, runs = _running(outputs, {}, {})
    if not sweeps and not runs:
        console.say(f"nothing runs below {outputs}/")
        return
    if len(sweeps) == 1 and not runs:
        sweep(next(iter(sweeps)))
        return
    printed = float("-inf")
    with contextlib.suppress(KeyboardInterrupt), contextlib.ExitStack() as stack:
        stack.callback(console.live, None)
        for searched in _looks():
            if searched:
                sweeps, runs = _running(outputs, sweeps, runs)
                for each in (*sweeps.values(), *runs.values()):
                    each.settle()
            shown: list[RenderableType] = []
            plain: list[str] = []
            for folder, watched in list(sweeps.items()):
                watched.look(say=False)
                if watched.over:
                    del sweeps[folder]
                    _ended(folder, watched.end.status if watched.end else "FINISHED", watched.board.line(()))
                    continue
                table = trial_table.render(
                    watched.board, watched.running, console.width() - 2, console.height()
                )
                shown += [Text(folder.name, style="bold"), Padding(table, (0, 0, 0, 2))]
                plain.append(f"{folder.name}  {watched.board.line(watched.running)}")
            for run_dir, follow in list(runs.items()):
                newest = follow.look()
                follow.trial.metrics = newest or follow.trial.metrics
                if follow.trial.status != RUNNING:
                    del runs[run_dir]
                    _ended(run_dir, follow.trial.status, (follow.trial.reason or "").partition("\n")[0])
                    continue
                shown.append(row := _row(follow))
                plain.append(row.plain)
            if not sweeps and not runs:
                break
            if console.is_terminal():
                console.live(Group(*shown))
            elif time.monotonic() - printed >= LINE_INTERVAL_S:
                printed = time.monotonic()
                for line in plain:
                    console.say(line)


def _looks(pause: Callable[[float], None] = time.sleep) -> Iterator[bool]:
    """Yield at intervals; True if new runs are to be searched for, too."""
    searched = float("-inf")
    while True:
        due = time.monotonic() - searched >= SEARCH_INTERVAL_S
        if due:
            searched = time.monotonic()
        yield due
        pause(POLL_INTERVAL_S)


def _running(
    outputs: str | Path, sweeps: dict[Path, FollowedSweep], runs: dict[Path, FollowedRun]
) -> tuple[dict[Path, FollowedSweep], dict[Path, FollowedRun]]:
    """Return the sweeps and runs that have not ended; known ones are kept."""
    of_sweeps = set(find.sweeps(outputs))
    for folder in sorted(of_sweeps - sweeps.keys()):
        if status.read(folder).end is None and sweep_summary.fold(folder).status == RUNNING:
            sweeps[folder] = FollowedSweep(folder)
    for run_dir in find.run_dirs(outputs):
        if run_dir.parent in of_sweeps or run_dir in runs:
            continue
        if (now := status.settle(run_dir)).status == RUNNING:
            overrides = [str(o) for o in now.start.get("overrides") or []]
            runs[run_dir] = follow = FollowedRun(Trial(0, overrides, [], run_dir, {}))
            follow.trial.metrics = follow.look() or {}
    return sweeps, runs


def _row(follow: FollowedRun) -> Text:
    trial = follow.trial
    name = find.name_of(trial.run_dir)
    parts = [(f"{name}  ", "bold"), (trial_table.progress(trial.epochs, trial.config), "")]
    for key in [k for k in ("loss", "val_loss") if k in trial.metrics]:
        parts += [(f"  {key} ", "dim"), (f"{trial.metrics[key]:.4g}", "")]
    if follow.started is not None:
        parts.append((f"  {duration(max(time.time() - follow.started, 0.0))}", "dim"))
    parts.append((f"  {' '.join(redaction.words(trial.overrides)) or 'default'}", "dim"))
    return Text.assemble(*parts, no_wrap=True, overflow="ellipsis")


def _ended(run_dir: Path, word: str, text: str) -> None:
    console.pieces(
        [(f"{word:<8}  ", trial_table.STYLES.get(word, "")), (f"{run_dir.name}  ", ""), (text, "dim")]
    )
