"""Run one job, or a sweep, by Hydra: its job function is `runner.run`; its errors become messages of trainrun."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainrun.errors import TrainingError, UserError
from trainrun.hydra_bridge import (
    compose,
    compose_cache,
    hydra_errors,
    hydra_files,
    interpolations,
    registration,
)
from trainrun.ui import console
from trainrun.util import redaction

if TYPE_CHECKING:
    from trainrun.sweep.loop import SweepResult


class _JobError(BaseException):
    """Carries a job's error, its cause, out of Hydra.

    Hydra 1.3.8 prints "Error executing job with overrides" to standard error for an `Exception` of the job function.
    """


class Task:
    """Hydra's job function.

    Hydra hands it to launchers and sweepers too; those of trainrun train in processes of their own and store the result of the
    sweep here, because Hydra 1.3.8 passes none from a launcher to the caller of `multirun`.

    Args:
        command: as typed, for the records.
        overrides: its overrides.
        multirun: whether each call is a trial of a sweep, by a launcher that is not trainrun's (`basic`).
        last: whether this process ends afterwards.

    Attributes:
        result: of a sweep by trainrun's launchers or sweepers, else None.
        failed_trials: the overrides and the reason of each trial that failed here.
    """

    def __init__(self, command: Sequence[str], overrides: Sequence[str], multirun: bool, last: bool = False):
        self.command, self.overrides, self.multirun, self.last = command, overrides, multirun, last
        self.result: SweepResult | None = None
        self.failed_trials: list[tuple[str, str]] = []

    @property
    def exit_code(self) -> int:
        """0 if all went well; see `SweepResult.exit_code`."""
        return self.result.exit_code if self.result is not None else int(bool(self.failed_trials))

    def __call__(self, config: Any) -> Any:
        """Run one job; a trial that fails is noted, and Hydra continues with the next one."""
        from hydra.core.hydra_config import HydraConfig

        hydra = HydraConfig.get()
        overrides = list(hydra.overrides.task)
        if not self.multirun:
            try:
                return self._run(config, hydra, overrides)
            except Exception as error:
                raise _JobError from error
        varied = " ".join(redaction.words([o for o in overrides if o not in self.overrides]))
        trial = f"[{hydra.job.num}] {varied}"
        console.say(f"\n{trial}", style="bold")
        try:
            return self._run(config, hydra, overrides)
        except Exception as error:
            reason = str(error) or type(error).__name__
            self.failed_trials.append((trial, reason.splitlines()[0]))
            console.error(reason)
            return None

    def _run(self, config: Any, hydra: Any, overrides: list[str]) -> Any:
        from trainrun.config import check, plugins
        from trainrun.run import runner
        from trainrun.run.context import RunContext
        from trainrun.tracking import find

        run_dir = Path(hydra.runtime.output_dir)
        by_hydra = (hydra.output_subdir, f"{hydra.job.name}.log")
        if find.abandoned(run_dir):
            runner.clear(run_dir)
        if any(path.name not in by_hydra for path in run_dir.iterdir()):
            raise UserError(f"{run_dir} is not empty; a run never writes into another's directory.")
        tree = hydra_files.unresolved(config) | {"hydra": hydra_files.unresolved(hydra)}
        hydra_files.write(tree, run_dir)
        plain = interpolations.plain(config)
        if self.multirun:
            hydra_files.hide_secrets_in_multirun(Path(hydra.sweep.dir))
            # A sweeper of another package may draw points that the preflight has not checked.
            plugins.load(plain["plugins"])
            if problems := check.problems(plain):
                runner.discard(run_dir)
                raise UserError(problems)
        context = RunContext(own_process=True, draws_later=not self.multirun)
        return runner.run(plain, run_dir, overrides=overrides, command=self.command, context=context)


def run(argv: Sequence[str], flags: Any, last: bool = False, composed: Any = None) -> Task:
    """Have Hydra run the job, or the sweep.

    Args:
        argv: the words after `trainrun`.
        flags: as `compose.arguments` reads them.
        last: whether this process ends afterwards.
        composed: the config of a single run, its values set; None: Hydra composes it.

    Returns:
        The task, which has the result of a sweep.

    Raises:
        UserError, TrainingError, Interrupted: of the one job, or of the sweep as a whole.
    """
    task = Task(["trainrun", *argv], flags.overrides, flags.multirun, last)
    run_dirs = [Path(o.partition("=")[2]) for o in flags.overrides if o.startswith("hydra.run.dir=")]
    existing = [folder for folder in run_dirs if folder.is_dir()]
    try:
        _by_hydra(task, flags, composed)
    except UserError:
        for folder in existing:  # a run that never began removes its directory, but not the user's
            folder.mkdir(parents=True, exist_ok=True)
        raise
    if task.result is None and task.failed_trials:
        console.table("Failed", ["trial", "reason"], task.failed_trials)
    return task


def _by_hydra(task: Task, flags: Any, composed: Any) -> None:
    """Call Hydra; its own errors become a `UserError`."""
    mode = "MULTIRUN" if task.multirun else "RUN"
    overrides = [*flags.overrides, f"hydra.mode={mode}"]  # as `hydra.main` does
    if task.multirun:
        registration.launchers_and_sweepers()
    try:
        with compose.application(flags.config_path) as hydra:
            if composed is not None:  # composing once more takes 80 ms
                compose_cache.record_overrides(composed, overrides)
                hydra.config_loader.load_configuration = lambda **_: composed
            by_mode = hydra.multirun if task.multirun else hydra.run
            by_mode(flags.config_name or compose.CONFIG_NAME, task, overrides)
    except _JobError as error:
        raise error.__cause__ from None
    except (UserError, TrainingError):
        raise
    except Exception as error:
        of_hydra = type(error).__module__.startswith(("hydra.", "omegaconf."))
        if of_hydra or isinstance(error, OSError | ValueError):
            raise UserError(hydra_errors.from_hydra(error)) from error
        raise
