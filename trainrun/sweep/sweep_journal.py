"""A sweep's own record: a journal beside `sweep.json`, which becomes the parent run of its trials at a tracker.

It is delivered like any run's, by the same process, and before its trials, so that it gets an end record even if the
sweep's process is killed. A resumed sweep continues it.
"""

from __future__ import annotations

import shlex
import signal
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from trainrun.sweep import objective as goals
from trainrun.sweep.objective import Objective
from trainrun.sweep.ranking import leaderboard
from trainrun.sweep.trial import Trial
from trainrun.tracking import journal, status
from trainrun.tracking.delivery.handover import not_sent
from trainrun.tracking.record import Recorder
from trainrun.tracking.settings import TrackingSettings
from trainrun.ui import console
from trainrun.util import redaction

# Names of trials' counts, in the sweep's metrics and tags.
STATES = ("FINISHED", "PRUNED", "FAILED", "KILLED")


class Parent:
    """Records a sweep: counts, the best trial so far, its end.

    Args:
        sweep_dir: its directory.
        settings: see `sweep_settings.settings`.
        total: maximum number of trials; None: not known.
        jobs: trials at once.
        done: trials of earlier attempts.
    """

    def __init__(
        self,
        sweep_dir: Path,
        settings: Mapping[str, Any],
        total: int | None,
        jobs: int,
        done: Sequence[Trial] = (),
    ):
        from trainrun.artifacts import environment

        self.sweep_dir, self.settings = sweep_dir, settings
        earlier = _earlier_records(sweep_dir)
        recorded = {r.get("trial") for r in earlier if r["kind"] == "metrics"}
        self._over = [t for t in done if t.number in recorded]
        self._states = Counter(t.status for t in self._over)
        self._best: Trial | None = None
        self._step = sum(r["kind"] == "metrics" for r in earlier)
        self._book = Recorder(
            sweep_dir,
            TrackingSettings.of(settings["tracking"], settings.get("alert")),
            settings.get("name") or sweep_dir.name,
        )
        swept = settings.get("swept") or dict.fromkeys(sorted(settings["varying"]), "")
        self._book.start(
            run_id=sweep_dir.name,
            config=dict(swept),
            overrides=list(settings["command"][1:]),
            command=shlex.join(redaction.words(settings["command"])),
            versions=environment.versions(),
            git=environment.git_state(),
            tags={"trainrun.sweep": sweep_dir.name},
            sweep={"total": total, "jobs": jobs, "done": len(done)},
            cwd=str(Path.cwd()),
            # A text, not a point of training: nothing that was recorded is superseded.
            **({"resumed_from": f"{len(done)} trials that have ended"} if earlier else {}),
        )
        for trial in done:  # those that ended when the process of the sweep was gone
            if trial.number not in recorded:
                self.ended(trial)

    def ended(self, trial: Trial) -> None:
        """Record how a trial has ended."""
        self._over.append(trial)
        self._states[trial.status] += 1
        self._step += 1
        metrics: dict[str, float] = {f"trials_{k}": float(n) for k, n in self._counts().items()}
        objective = goals.of(self.settings, self._over)[0]
        value = trial.value(objective.name) if trial.status == "FINISHED" else None
        best = self._winner(objective)
        if value is not None:
            metrics[f"trial_{objective.name}"] = value
        if best is not None:
            metrics[f"best_{objective.name}"] = best.value(objective.name)
        self._book.journal.write("metrics", epoch=self._step, metrics=metrics, trial=trial.number)
        if best is not None and best is not self._best:
            self._best = best
            self._tag(objective)

    def end(
        self,
        stopped: int | None,
        failing_alike: str | None,
        files: Sequence[Path] = (),
        drawing: bool = False,
    ) -> None:
        """Write the end, and wait a little for its delivery.

        Args:
            stopped: the signal that has stopped the sweep, or None.
            failing_alike: why it has stopped early, or None.
            files: of the sweep's directory, for trackers.
            drawing: whether plots are drawn after it.
        """
        self._tag(goals.of(self.settings, self._over)[0])
        self._book.artifacts(files)
        word, reason = "FINISHED", None
        if stopped is not None:
            word, reason = "KILLED", f"stopped by {signal.Signals(stopped).name}"
        elif failing_alike is not None:
            word, reason = "FAILED", f"stopped early: {failing_alike}"
        elif self._over and not any(t.status in ("FINISHED", "PRUNED") for t in self._over):
            word, reason = "FAILED", "no trial has finished"
        ended = self._book.end(word, reason, **({status.DRAWING: True} if drawing else {}))
        if ended.undelivered and word == "FINISHED":
            console.warn(not_sent(ended.undelivered, self.sweep_dir))

    def broken(self, error: BaseException) -> None:
        """Write that the sweep itself has failed, or was interrupted."""
        word = "FAILED" if isinstance(error, Exception) else "KILLED"
        self._book.end(word, f"{type(error).__name__}: {error}")

    def _counts(self) -> dict[str, int]:
        return {state.lower(): self._states[state] for state in STATES}

    def _winner(self, objective: Objective) -> Trial | None:
        """Return the best trial so far: the previous best or the newest, without ranking all."""
        candidates = [self._best, self._over[-1]] if self._best is not None else self._over
        ranked = objective.ranked(_unique(candidates))
        return ranked[0] if ranked else None

    def _tag(self, objective: Objective) -> None:
        tags: dict[str, Any] = {f"trainrun.trials.{k}": n for k, n in self._counts().items()}
        tags["trainrun.objective"] = ", ".join(
            f"{o.name} ({'maximize' if o.maximize else 'minimize'})"
            for o in goals.of(self.settings, self._over)
        )
        if self._best is not None:
            words = ["trainrun", *redaction.words(leaderboard.alone(self._best.overrides))]
            tags |= {
                "trainrun.best": self._best.number,
                "trainrun.best.value": self._best.value(objective.name),
                "trainrun.best.setting": " ".join(redaction.words(self._best.varied or self._best.overrides)),
                "trainrun.best.command": shlex.join(words),
            }
        self._book.journal.write("tags", tags=redaction.tree(tags))


def _unique(trials: Sequence[Trial]) -> list[Trial]:
    return list({id(t): t for t in trials}.values())


def _earlier_records(sweep_dir: Path) -> list[dict[str, Any]]:
    path = sweep_dir / status.JOURNAL
    return journal.read(path).records if path.is_file() else []


@contextmanager
def of(
    sweep_dir: Path, settings: Mapping[str, Any], total: int | None, jobs: int, done: Sequence[Trial] = ()
) -> Iterator[Parent]:
    """Keep a sweep's record inside the `with`; an exception is recorded.

    Args:
        sweep_dir, settings, total, jobs, done: see `Parent`.
    """
    parent = Parent(sweep_dir, settings, total, jobs, done)
    try:
        yield parent
    except BaseException as error:
        parent.broken(error)
        raise
