"""Run one job, or a sweep, by Hydra: its job function is `runner.run`, its errors are kept for our own messages."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainrun.errors import TrainingError, UserError
from trainrun.hydra_bridge import compose, hydra_errors, hydra_files, interpolations
from trainrun.ui import console
from trainrun.util.interrupt import Interrupted

if TYPE_CHECKING:
    from trainrun.sweep.loop import Ended


class _Stop(BaseException):
    """Leaves Hydra at once: Hydra prints what is an `Exception`, with a text of its own, and goes on to exit."""


class _Jobs:
    """Hydra's job function, and the errors of the jobs.

    Args:
        argv: the words after `trainrun`.
        typed: the overrides among them.
        multirun: whether each job is a trial of a sweep by a launcher that is not ours (`basic`).
    """

    def __init__(self, argv: Sequence[str], typed: Sequence[str], multirun: bool):
        self.command, self.typed, self.multirun = ["trainrun", *argv], typed, multirun
        self.failures: list[tuple[str, BaseException]] = []

    def __call__(self, config: Any) -> Any:
        """Run one job; an error of a trial is noted, so that Hydra goes on with the next one."""
        from hydra.core.hydra_config import HydraConfig

        from trainrun.util import redaction

        hydra, trial = HydraConfig.get(), ""
        overrides = list(hydra.overrides.task)
        if self.multirun:
            own = " ".join(o for o in overrides if o not in self.typed)
            trial = redaction.text(f"[{hydra.job.num}] {own}")
            console.say(f"\n{trial}", style="bold")
        try:
            return self._run(config, hydra, overrides)
        except (Exception, KeyboardInterrupt, Interrupted) as error:
            self.failures.append((trial, error))
            if not self.multirun or not isinstance(error, Exception):
                raise _Stop from error
            console.error(str(error) or type(error).__name__)
            return None

    def _run(self, config: Any, hydra: Any, overrides: list[str]) -> Any:
        from trainrun.config import check, plugins
        from trainrun.run import runner
        from trainrun.run.context import RunContext

        run_dir = Path(hydra.runtime.output_dir)
        by_hydra = (hydra.output_subdir, f"{hydra.job.name}.log")
        if any(path.name not in by_hydra for path in run_dir.iterdir()):
            raise UserError(f"{run_dir} is not empty; a run never writes into another's directory.")
        tree = hydra_files.unresolved(config) | {"hydra": hydra_files.unresolved(hydra)}
        hydra_files.write(tree, run_dir)
        plain = interpolations.plain(config)
        if self.multirun:
            # Hydra's own sweeper writes multirun.yaml, passwords and all.
            hydra_files.hide(Path(hydra.sweep.dir) / hydra_files.MULTIRUN)
            # A sweeper of another package may make points that no preflight has seen.
            plugins.load(plain["plugins"])
            if problems := check.problems(plain):
                runner.discard(run_dir)
                raise UserError(problems)
        context = RunContext(pause_collector=True)
        return runner.run(plain, run_dir, overrides=overrides, command=self.command, context=context)


def run(argv: list[str], flags: Any) -> int:
    """Have Hydra run the job, or the sweep.

    Args:
        argv: the words after `trainrun`.
        flags: as `compose.arguments` reads them.

    Returns:
        The exit code.

    Raises:
        UserError, TrainingError, Interrupted: of the one job, or of the sweep as a whole.
    """
    jobs = _Jobs(argv, flags.overrides, flags.multirun)
    named = [Path(o.partition("=")[2]) for o in flags.overrides if o.startswith("hydra.run.dir=")]
    existing = [folder for folder in named if folder.is_dir()]
    try:
        ended = _by_hydra(argv, jobs)
    except _Stop:
        _, error = jobs.failures[-1]
        if isinstance(error, UserError):
            # A run that never began takes its directory away, but not what was there before.
            for folder in existing:
                folder.mkdir(parents=True, exist_ok=True)
        raise error from None
    if ended is not None:
        return ended.exit_code  # our launchers have printed the ranking and the failures
    if jobs.failures:
        rows = [[trial, str(error).splitlines()[0]] for trial, error in jobs.failures]
        console.table("Failed", ["trial", "reason"], rows)
        return 1
    return 0


def _by_hydra(argv: list[str], jobs: _Jobs) -> Ended | None:
    """Hand the command line to Hydra; its own errors become a `UserError`."""
    try:
        return compose.hand_over(argv, jobs)
    except (UserError, TrainingError, Interrupted):
        raise
    except Exception as error:
        of_hydra = type(error).__module__.startswith(("hydra.", "omegaconf."))
        if of_hydra or isinstance(error, OSError | ValueError):
            raise UserError(hydra_errors.from_hydra(error)) from error
        raise
