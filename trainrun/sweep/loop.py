"""The story of one sweep: its points one after another into processes of their own, and a table at the end."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from trainrun.errors import UserError
from trainrun.sweep import snapshot, sweep_journal, trial_delivery
from trainrun.sweep.launchers.engine import Engine
from trainrun.sweep.ranking import best, leaderboard, pruning, seed_replicates
from trainrun.sweep.space.trial_source import Point, Points
from trainrun.sweep.trial import Objective, Trial
from trainrun.sweep.view import best_plots, sweep_plots
from trainrun.sweep.view.live_table import Board
from trainrun.ui import console

LOOK = 0.2  # seconds between two looks at the table


@dataclass
class Ended:
    """What became of a sweep.

    Args:
        sweep_dir: its directory.
        trials: that were begun, in the order of their numbers.
        objective: what they are ranked by.
        signal: that has stopped it, or None.
    """

    sweep_dir: Path
    trials: list[Trial] = field(default_factory=list)
    objective: Objective | None = None
    signal: int | None = None

    @property
    def exit_code(self) -> int:
        """0 if all went well, 1 if any failed, 128 + the signal that has stopped it."""
        if self.signal is not None:
            return 128 + self.signal
        return int(any(t.status in ("FAILED", "KILLED") for t in self.trials))


def run(
    sweep_dir: Path,
    points: Points,
    settings: Mapping[str, Any],
    engine: Engine,
    done: Sequence[Trial] = (),
) -> Ended:
    """Run the points of a sweep; failures are told at the end, and stop nobody else.

    Args:
        sweep_dir: the sweep's directory; exists.
        points: to run.
        settings: see `snapshot.settings`.
        engine: what runs them; it is closed at the end.
        done: trials of an earlier attempt at this sweep, which stay as they are.
    """
    began_with = snapshot.of(sweep_dir, settings)
    total = None if points.total is None else points.total + len(done)
    board = Board(total, engine.jobs, done, settings)
    board.announce(engine.how)
    judge = pruning.of(settings, done)
    if settings.get("seeds") or "seed" in settings.get("varying", ()):
        seed_replicates.prepare()
    ended, begun = Ended(sweep_dir, [*done]), []

    def on_epoch(trial: Trial, epoch: int, metrics: Mapping[str, float], last: bool) -> str | None:
        trial.epochs = epoch
        board.epoch_done(trial, metrics)
        points.epoch_done(trial, epoch, metrics)
        return judge.epoch_done(trial, epoch, metrics, last)

    engine.on_epoch, engine.answers, engine.on_note = on_epoch, judge.asks, board.note
    hopeless: str | None = None
    with (
        contextlib.closing(engine),
        contextlib.closing(board),
        began_with.used(),
        _stoppable(engine) as stopping,
        trial_delivery.of(settings["tracking"]) as deliver,
        sweep_journal.of(sweep_dir, settings, total, engine.jobs, done) as book,
    ):
        while points.left or engine.running:
            if stopping.is_set():
                points.close()
                engine.stop()  # once more: the signal may have come while a trial was being started
            while engine.free and (point := points.take()) is not None:
                begun.append(trial := _prepared(point, sweep_dir))
                if trial.status == "FAILED":
                    points.ended(trial)
                    book.ended(trial)
                    board.ended(trial)
                    break
                for edit in began_with.edits():
                    board.say(edit)
                engine.start(trial, point.resume)
            over = engine.wait(LOOK)
            deliver.follow(engine.running)
            for trial in over:
                deliver.ended(trial)
                judge.ended(trial)
                points.ended(trial)
                book.ended(trial)
                board.ended(trial)
                trial.forget()
            if points.left and (hopeless := _hopeless(begun, settings["max_failures"])):
                board.say(f"stopped early: {hopeless}")
                points.close()
            board.look(engine.running)
        board.close()
        ended.signal = stopping.signal
        ended.trials = sorted([*ended.trials, *begun], key=lambda t: t.number)
        ended.objective = Objective.of(settings["objective"], settings["direction"], ended.trials)
        table = leaderboard.write(sweep_dir, ended.trials, ended.objective)
        with best_plots.of_the_best(best.of(ended.trials, ended.objective)):
            drawn = sweep_plots.write(sweep_dir, ended.trials, settings)
        book.end(ended.signal, hopeless, [table, *drawn])
    leaderboard.show(sweep_dir, ended.trials, ended.objective, total)
    return ended


def _prepared(point: Point, sweep_dir: Path) -> Trial:
    """Return a point's trial; one that cannot be composed, or is not sound, has failed before it began."""
    try:
        return point.prepare()
    except UserError as error:
        overrides, run_dir = list(point.overrides or ()), sweep_dir / str(point.number)
        return Trial(point.number, overrides, overrides, run_dir, {}, "FAILED", str(error))


def _hopeless(begun: Sequence[Trial], max_failures: int | None) -> str | None:
    """Return why the rest is not worth trying: the first trials have all failed for one reason."""
    over = [t for t in begun if t.status not in ("WAITING", "RUNNING")]
    if not max_failures or len(over) < max_failures or any(t.status != "FAILED" for t in over):
        return None
    reasons = {(t.reason or "").partition("\n")[0] for t in over}
    return f"the first {len(over)} trials failed alike ({reasons.pop()})" if len(reasons) == 1 else None


class _Stopping(threading.Event):
    signal: int | None = None


@contextmanager
def _stoppable(engine: Engine) -> Iterator[_Stopping]:
    """Pass the first SIGINT or SIGTERM on to the trials, which save themselves; the second ends all at once."""
    stopping = _Stopping()
    if threading.current_thread() is not threading.main_thread():
        yield stopping
        return

    def stop(number: int, frame: FrameType | None) -> None:
        if stopping.is_set():
            engine.kill()
            return
        stopping.signal = number
        stopping.set()
        engine.stop()
        # By a thread: the handler may have come in the middle of a print.
        threading.Timer(
            0.0, console.note, ["the trials that run save themselves and end; Ctrl-C ends them at once"]
        ).start()

    saved = {s: signal.signal(s, stop) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stopping
    except BaseException:
        engine.kill()
        raise
    finally:
        for number, handler in saved.items():
            signal.signal(number, handler)
