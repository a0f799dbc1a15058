"""The story of one run, from a checked config to its directory."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainrun.errors import UserError
from trainrun.failure.user_traceback import broken
from trainrun.run import local_workers
from trainrun.ui import console
from trainrun.util import imports
from trainrun.util.clock import Clock
from trainrun.util.interrupt import between_steps, interruptible

if TYPE_CHECKING:
    from trainrun.checkpoint.resume_point import Resume


@dataclass(frozen=True)
class RunResult:
    """What `run` returns.

    Args:
        run_dir: the run's directory.
        status: FINISHED; a run that failed raises instead.
        metrics: final, name -> number; `val_` and `test_` before those of the other splits.
        history: name -> one value an epoch.
        summary: what summary.json holds.
        model: the trained Keras model.
    """

    run_dir: Path
    status: str
    metrics: dict[str, float]
    history: dict[str, list[float]]
    summary: dict[str, Any]
    model: Any


def run(
    config: Mapping[str, Any],
    run_dir: Path,
    overrides: Sequence[str] = (),
    command: Sequence[str] = (),
    resume: Resume | None = None,
    pause_collector: bool = False,
) -> RunResult:
    """Train what the config says and leave the record in `run_dir`.

    Args:
        config: resolved and checked (`trainrun.compose`).
        run_dir: exists and is this run's alone.
        overrides, command: as typed, for the record.
        resume: what the run goes on from; None: it begins.
        pause_collector: whether the garbage collector may rest while TensorFlow is imported: in processes of our own.

    Raises:
        UserError: the input turned out to be wrong before training began; the directory is gone again.
        TrainingError: training failed; the directory tells how far it came.
        Interrupted: SIGINT or SIGTERM; the record says KILLED.
    """
    if local_workers.wanted(config):
        local_workers.run(config, run_dir, overrides, command, resume)
        return _done(run_dir)
    clock = Clock()
    console.attach(run_dir / "run.log")
    try:
        with clock("import"), console.hushed(), imports.collector_paused("tensorflow", pause_collector):
            from trainrun.failure import disk_space
            from trainrun.failure.retry import Attempts
            from trainrun.hardware import replicas
            from trainrun.inspect import profiling
            from trainrun.inspect.settle import settle
            from trainrun.model.cost import Cost
            from trainrun.run import builders
            from trainrun.run.outcome import Outcome
            from trainrun.run.worker_result import Bystander

            strategy = builders.strategy(config)
        with clock("data"):
            data = builders.dataset(config)
        with clock("tune"):
            config, tuned = settle(config, data, strategy, run_dir)
        with clock("build"):
            attempts = Attempts(config, data, strategy, run_dir, resume)
        if replicas.is_chief(strategy):
            disk_space.check(run_dir, attempts.job, config)
            outcome = Outcome(run_dir, config, attempts.job, clock, overrides, command, tuned, resume)
        else:
            outcome = Bystander(run_dir, attempts.job)
    except UserError:
        if resume is None:
            discard(run_dir)
        raise
    except (Exception, SystemExit) as error:
        raise broken(error, run_dir) from error
    saving = config["checkpoint"]
    with interruptible(saving["signals"], saving["grace"]), outcome.truthful():
        console.note(Cost.of(outcome.job.model, outcome.job.plan.batch_size).line())
        with clock("train"), between_steps():
            history = attempts.train(outcome)
        with clock("evaluate"):
            outcome.evaluate(history, builders.on_one_device(config, data, outcome.job))
        with clock("save"):
            outcome.save()
        profiling.report(
            attempts.callbacks, lambda: builders.job(config, data, strategy), config["trainer"]["name"]
        )
        summary = outcome.end()
    return RunResult(run_dir, summary["status"], outcome.metrics, history, summary, outcome.job.model)


def _done(run_dir: Path) -> RunResult:
    """Return the result of a run that other processes have trained: its record, without history and model."""
    summary = json.loads((run_dir / "summary.json").read_text(encoding="utf-8"))
    return RunResult(run_dir, summary["status"], summary["metrics"], {}, summary, None)


def discard(run_dir: Path) -> None:
    """Remove the directory of a run that never began, and the folders that it alone stood in."""
    console.detach()
    shutil.rmtree(run_dir, ignore_errors=True)
    for parent in run_dir.parents:
        if parent == Path.cwd() or not parent.is_relative_to(Path.cwd()):
            break
        try:
            parent.rmdir()
        except OSError:
            break
