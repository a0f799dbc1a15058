"""The story of one run, from a checked config to its directory."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainrun.data import overview, read_ahead
from trainrun.errors import UserError
from trainrun.failure import disk_space
from trainrun.failure.user_traceback import preparation_error
from trainrun.run import local_workers, settings
from trainrun.run.context import RunContext
from trainrun.run.result import RunResult
from trainrun.tracking import lease, origin
from trainrun.tracking.delivery import handover
from trainrun.ui import console
from trainrun.ui.status import status
from trainrun.util import imports, retracing

if TYPE_CHECKING:
    from trainrun.checkpoint.resume_point import Resume


def run(
    config: Mapping[str, Any],
    run_dir: Path,
    overrides: Sequence[str] = (),
    command: Sequence[str] = (),
    resume: Resume | None = None,
    context: RunContext | None = None,
) -> RunResult:
    """Train the model that the config describes and leave the record in `run_dir`.

    Args:
        config: resolved and checked (`trainrun.compose`).
        run_dir: an existing directory that no other run uses.
        overrides, command: as typed, for the record.
        resume: the run and checkpoint to continue from; None: a new run.
        context: made by the process that starts the run; None: the process has no other run.

    Raises:
        UserError: the input turned out to be wrong before training began; the directory is removed again.
        TrainingError: training failed; the record in the directory says how far it got.
        Interrupted: SIGINT or SIGTERM; the record says KILLED.
    """
    context = context or RunContext()
    if not local_workers.records(config):
        return _train(config, run_dir, overrides, command, resume, context)
    if resume is not None:
        origin.refuse_links(run_dir)
    with lease.held(run_dir, take_over=resume is not None and resume.take_over):
        if local_workers.requested(config):
            local_workers.run(config, run_dir, overrides, command, resume)
            return RunResult.read(run_dir)
        return _train(config, run_dir, overrides, command, resume, context)


@retracing.unannounced()
def _train(
    config: Mapping[str, Any],
    run_dir: Path,
    overrides: Sequence[str],
    command: Sequence[str],
    resume: Resume | None,
    context: RunContext,
) -> RunResult:
    """Train in this process, which has the right to; see `run`."""
    clock = context.clock
    console.attach(run_dir / "run.log", this_thread=context.threaded)
    # Prepare: everything that can be wrong with the user's input shows here, before anything is recorded.
    try:
        if context.delivers and local_workers.records(config):
            handover.begin_early(settings.tracking(config, trial=False))
        with (
            clock("import"),
            console.hushed(),
            imports.collector_paused("tensorflow", freeze=context.own_process),
        ):
            from trainrun.failure.retry import Attempts
            from trainrun.hardware import replicas
            from trainrun.inspect import profiling
            from trainrun.run import (
                builders,
                model_files,
                model_weights,
                one_device,
                own_code,
                own_parts,
                remaining_phases,
                teacher,
                threshold,
                tuning,
                weights_overview,
            )
            from trainrun.run.evaluation import evaluate
            from trainrun.run.run_builder import RunBuilder
            from trainrun.run.run_record import RunRecord, earlier_failures
            from trainrun.run.worker_result import WorkerRecord

            strategy = builders.strategy(config)
        with clock("data"):
            data = builders.dataset(config, context.datasets)
            replicas.refuse_different_data(strategy, data.digest)
            data = teacher.taught(config, data, context.datasets, resume)
        with clock("tune"):
            config, tuned = tuning.tune(config, data, strategy, run_dir)
        with clock("build"):
            to_come = remaining_phases.to_come(config, run_dir, resume)
            builder = RunBuilder(to_come[0], data, strategy, run_dir, context)
            failures = earlier_failures(resume)
            attempts = Attempts(builder, settings.failure(config), run_dir, resume, failures, context.stop)
            own_parts.check(attempts.job)
            own_code.check(attempts.job, config, getattr(attempts.trainer, "step", None))
        chief = replicas.is_chief(strategy)
        if chief and settings.artifacts(config).model is True:
            model_files.check(attempts.job)
        if chief:
            builders.say_unexpected(config, attempts.job)
            disk_space.check(run_dir, attempts.job, settings.planned(config))
            record = RunRecord(run_dir, config, attempts.job, context, overrides, command, tuned, resume)
        else:
            record = WorkerRecord(run_dir, attempts.job)
    except (Exception, SystemExit) as error:
        shown = error if isinstance(error, UserError) else preparation_error(error, run_dir)
        if isinstance(shown, UserError) and resume is None:
            discard(run_dir)
        raise shown from (None if shown is error else error)
    # Train, evaluate and save: from here on the record gets an end, whatever happens.
    checkpoints = settings.checkpoint(config)
    with context.stop.on_signals(checkpoints.signals, checkpoints.grace), record.closed_on_error():
        for line in (*overview.lines(overview.of(data)), attempts.job.cost().line()):
            console.note(line, fold=True)
        if chief and attempts.job.initial is not None and resume is None:
            attempts.job.initial.show()
            record.event("initial_weights", **attempts.job.initial.record())
        if chief and data.soft_targets and resume is None:
            console.note(teacher.line(config, data))
            record.event(teacher.EVENT, **teacher.record(config))
        if chief and resume is None:
            weights_overview.report(builder.config, attempts.job, record)
        with clock("train"), context.stop.between_steps(), read_ahead.reading(data):
            history = attempts.train(record)
            for phase in to_come[1:]:
                if attempts.ended_early:
                    break
                record.event("phase", **remaining_phases.announce(phase))
                builder = replace(builder, phase=phase)
                attempts.begin_phase(builder, record)
                weights_overview.report(builder.config, attempts.job, record)
                history = attempts.train(record)
        for line in model_weights.early_stops(attempts.callbacks):
            console.note(line)
        with clock("evaluate"), status("evaluating …", shown=chief and not context.threaded):
            job = one_device.on_one_device(builder.config, data, record.job)
            if chief:
                epoch = record.weights.get("epoch")
                evaluation = evaluate(job, history, context.training().measure, epoch)
                job = threshold.settle(builder.config, job, record, evaluation)
                record.add_evaluation(one_device.in_float(builder.config, job), evaluation)
        with clock("save"), status("drawing and saving …", shown=chief and not context.threaded):
            record.save_artifacts()
        profiling.report(
            attempts.callbacks, partial(builders.job, builder.config, data, strategy), builder.trainer_name
        )
        summary = record.end()
    model = model_files.result_model(record.job)
    return RunResult(run_dir, summary["status"], record.evaluation.metrics, history, summary, model)


def clear(run_dir: Path) -> None:
    """Remove what a run that ended before it had a record has left in its directory."""
    for path in run_dir.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def discard(run_dir: Path) -> None:
    """Remove the directory of a run that never began, and the parents that this leaves empty."""
    console.detach()
    shutil.rmtree(run_dir, ignore_errors=True)
    for parent in run_dir.parents:
        if parent == Path.cwd() or not parent.is_relative_to(Path.cwd()):
            break
        try:
            parent.rmdir()
        except OSError:
            break
