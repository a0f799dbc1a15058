"""The loop of one sweep: takes points from the sweeper, gives them to the launcher, and ends with plots and a leaderboard."""

from __future__ import annotations

import contextlib
import html
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from trainrun.errors import UserError
from trainrun.run.result import RunResult
from trainrun.sweep import background_plots, frame, snapshot, sweep_journal, trial_delivery
from trainrun.sweep.launchers.interface import Engine
from trainrun.sweep.objective import Objective
from trainrun.sweep.ranking import best, leaderboard, out_of_fold, pruning, seed_replicates
from trainrun.sweep.space.trial_source import Point, Points
from trainrun.sweep.trial import WAITING, Trial
from trainrun.sweep.view.live_table import Board
from trainrun.ui import console
from trainrun.util.interrupt import stopping_signals

if TYPE_CHECKING:
    import pandas as pd

POLL_INTERVAL_S = 0.2  # to wait for a trial's end before the table is drawn again


@dataclass(repr=False)
class SweepResult:
    """The result of a sweep.

    Args:
        sweep_dir: its directory.
        trials: that have begun, in the order of their numbers.
        objective: that they are ranked by.
        signal: that has stopped the sweep, or None.
    """

    sweep_dir: Path
    trials: list[Trial] = field(default_factory=list)
    objective: Objective | None = None
    signal: int | None = None

    @property
    def frame(self) -> pd.DataFrame:
        """The trials as a table: what the sweep varies, and their metrics."""
        return frame.of(self.trials)

    @property
    def best(self) -> RunResult | None:
        """The best trial by the objective; None if none is ranked."""
        winners = [] if self.objective is None else best.of(self.trials, self.objective)
        return RunResult.read(winners[0].run_dir) if winners else None

    def __repr__(self) -> str:
        return f"<sweep {self.sweep_dir.name}: {len(self.trials)} trials, best {self.best!r}>"

    def _repr_html_(self) -> str:
        """Return the table of the trials, for a notebook."""
        return f"<p>{html.escape(repr(self))}</p>{self.frame.to_html()}"

    @property
    def exit_code(self) -> int:
        """0 if all went well, 1 if any failed or none is ranked, 128 + the signal that has stopped it."""
        if self.signal is not None:
            return 128 + self.signal
        if any(t.status in ("FAILED", "KILLED") for t in self.trials):
            return 1
        objective = self.objective
        return int(
            objective is not None and leaderboard.unranked(self.sweep_dir, self.trials, objective) is not None
        )


def run(
    sweep_dir: Path,
    points: Points,
    settings: Mapping[str, Any],
    engine: Engine,
    done: Sequence[Trial] = (),
    last: bool = False,
) -> SweepResult:
    """Run the points of a sweep; a trial that fails does not stop the others.

    Args:
        sweep_dir: the sweep's directory; exists.
        points: to run.
        settings: see `sweep_settings.settings`.
        engine: runs them; it is closed at the end.
        done: finished trials of an earlier attempt at this sweep, which are not run again.
        last: whether this process ends after the sweep: on a terminal, plots and the rest of the delivery are then left to processes
            in the background.
    """
    code = snapshot.of(sweep_dir, settings)
    total = None if points.total is None else points.total + len(done)
    board = Board(total, engine.jobs, done, settings)
    board.announce(engine.how)
    judge = pruning.of(settings, done)
    if seed_replicates.grouped(settings):
        seed_replicates.prepare()
    result, begun = SweepResult(sweep_dir, [*done]), []

    def on_epoch(trial: Trial, epoch: int, metrics: Mapping[str, float], last: bool) -> str | None:
        trial.epochs = epoch
        board.epoch_done(trial, metrics)
        points.epoch_done(trial, epoch, metrics)
        return judge.epoch_done(trial, epoch, metrics, last)

    engine.on_epoch, engine.answers, engine.on_note = on_epoch, judge.asks, board.note
    failing_alike: str | None = None
    left = last and not background_plots.waits(settings)
    with (
        contextlib.closing(engine),
        contextlib.closing(board),
        code.used(),
        _stoppable(engine) as stopping,
        trial_delivery.of(settings["tracking"]) as deliver,
        sweep_journal.of(sweep_dir, settings, total, engine.jobs, done) as book,
    ):
        deliver.owed([t.run_dir for t in done])
        while points.left or engine.running:
            if stopping.is_set():
                points.close()
                engine.stop()  # again: the signal may have come while a trial was being started
            while engine.free and (point := points.take()) is not None:
                begun.append(trial := _prepared(point, sweep_dir))
                if trial.status != WAITING:  # it has failed before it began, or ended without this sweep
                    points.ended(trial)
                    book.ended(trial)
                    board.ended(trial)
                    break
                for edit in code.edits():
                    board.say(edit)
                engine.start(trial, point.resume)
            over = engine.wait(POLL_INTERVAL_S)
            deliver.follow(engine.running)
            for trial in over:
                deliver.ended(trial)
                judge.ended(trial)
                points.ended(trial)
                book.ended(trial)
                board.ended(trial)
                trial.forget()
            if points.left and (failing_alike := _failing_alike(begun, settings["max_failures"])):
                board.say(f"stopped early: {failing_alike}")
                points.close()
            board.look(engine.running)
        board.close()
        result.signal = stopping.signal
        result.trials = sorted([*result.trials, *begun], key=lambda t: t.number)
        deliver.in_background = left
        _rank(result, settings, book, failing_alike, total, left)
    if left and settings.get("plots"):
        background_plots.in_background(sweep_dir)
    return result


def conclude(sweep_dir: Path, settings: Mapping[str, Any], done: Sequence[Trial]) -> SweepResult:
    """Do what comes after a sweep's last trial, for one that was killed before it had: ranking, plots, delivery, its end.

    Args:
        sweep_dir: the sweep's directory.
        settings: see `sweep_settings.settings`.
        done: its trials, which have all result.
    """
    result = SweepResult(sweep_dir, sorted(done, key=lambda t: t.number))
    with (
        trial_delivery.of(settings["tracking"]) as deliver,
        sweep_journal.of(sweep_dir, settings, len(done), 1, done) as book,
    ):
        deliver.owed([t.run_dir for t in done])
        _rank(result, settings, book, None, len(done))
    return result


def _rank(
    result: SweepResult,
    settings: Mapping[str, Any],
    book: sweep_journal.Parent,
    failing_alike: str | None,
    total: int | None,
    left: bool = False,
) -> None:
    """Write and print the leaderboard of a sweep whose trials have ended; then write its plots, unless they are left out, and its end."""
    result.objective = Objective.of(settings["objective"], settings["direction"], result.trials)
    table = leaderboard.write(result.sweep_dir, result.trials, result.objective)
    # Before plots and delivery, which may take half a minute: 64 short trials are trained faster than they are sent.
    leaderboard.show(result.sweep_dir, result.trials, result.objective, total)
    drawn = (
        [] if left else background_plots.write(result.sweep_dir, result.trials, result.objective, settings)
    )
    predicted = out_of_fold.write(result.sweep_dir, result.trials, result.objective)
    pending = left and bool(settings.get("plots"))
    book.end(
        result.signal, failing_alike, [table, *drawn, *([] if predicted is None else [predicted])], pending
    )


def _prepared(point: Point, sweep_dir: Path) -> Trial:
    """Return a point's trial; with problems in its config it is FAILED at once."""
    try:
        return point.prepare()
    except UserError as error:
        overrides, run_dir = list(point.overrides or ()), sweep_dir / str(point.number)
        return Trial(point.number, overrides, overrides, run_dir, {}, "FAILED", str(error))


def _failing_alike(begun: Sequence[Trial], max_failures: int | None) -> str | None:
    """Return why the remaining trials are skipped: the first ones have all failed for the same reason; else None."""
    ended, reasons = 0, set()
    for trial in begun:
        if trial.status in ("WAITING", "RUNNING"):
            continue
        ended += 1
        reasons.add((trial.reason or "").partition("\n")[0])
        if trial.status != "FAILED" or len(reasons) > 1:
            return None
    if not max_failures or ended < max_failures:
        return None
    return f"the first {ended} trials failed alike ({reasons.pop()})"


class _Stopping(threading.Event):
    signal: int | None = None


@contextmanager
def _stoppable(engine: Engine) -> Iterator[_Stopping]:
    """Pass the first signal to stop on to the trials, which save their state and exit; the second kills them."""
    stopping = _Stopping()
    if threading.current_thread() is not threading.main_thread():
        yield stopping
        return

    def stop(number: int, frame: FrameType | None) -> None:
        if stopping.is_set():
            if number != signal.SIGHUP:  # both the terminal and the shell send it
                engine.kill()
            return
        stopping.signal = number
        stopping.set()
        engine.stop()
        # By a thread: the handler may have interrupted a print that holds the console's lock.
        threading.Timer(
            0.0,
            console.note,
            ["running trials are checkpointing and will exit; press Ctrl-C again to kill them"],
        ).start()

    saved = {s: signal.signal(s, stop) for s in stopping_signals()}
    try:
        yield stopping
    except BaseException:
        engine.kill()
        raise
    finally:
        for number, handler in saved.items():
            signal.signal(number, handler)
