"""The command line without a verb: check it, then run, sweep, resume a sweep, or show the config.

Begin here to read what Hydra is used for: `preflight` composes and checks, `jobs` has Hydra run the job or the sweep,
`show_config` answers `--cfg`, `--info` and completion.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainrun.errors import Problem, UserError
from trainrun.util import imports

if TYPE_CHECKING:
    from trainrun.hydra_bridge.jobs import Task
    from trainrun.hydra_bridge.sweep_plan import Plan
    from trainrun.sweep.loop import SweepResult


def train(argv: list[str], complete: Callable[[str], None]) -> int:
    """Run the command that the overrides and Hydra's flags describe.

    Args:
        argv: the words after `trainrun`, without a verb.
        complete: prints the verbs and words that fit a command line that is being typed.

    Returns:
        The exit code.

    Raises:
        UserError: all problems of the command line and the config, before anything begins.
    """
    from trainrun.hydra_bridge import compose
    from trainrun.registry import option_files

    flags = compose.arguments(argv)
    if flags.config_dir is not None:
        folder = Path(flags.config_dir).absolute()
        if not folder.is_dir():
            raise UserError(Problem("--config-dir", f"there is no folder {folder}."))
        option_files.extra_folders[:] = [folder]
    if flags.config_path is not None and not Path(flags.config_path).is_dir():
        raise UserError(Problem("--config-path", f"there is no folder {Path(flags.config_path).absolute()}."))
    if flags.cfg or flags.info is not None or flags.hydra_help or flags.shell_completion:
        from trainrun.hydra_bridge import show_config

        return show_config.show(flags, complete)
    if (named := _sweep_to_resume(flags.overrides)) is not None:
        return _resumed(named, argv, flags).exit_code
    return _begin(argv, flags, last=True).exit_code


def sweep(overrides: Sequence[str]) -> SweepResult:
    """Run a sweep, as ``trainrun -m`` does.

    Args:
        overrides: as typed behind ``-m``.

    Raises:
        UserError: all problems, before any trial begins; or a launcher of another package, which returns no trials.
    """
    from trainrun.hydra_bridge import compose

    argv = ["--multirun", *overrides]
    flags = compose.arguments(argv)
    if (named := _sweep_to_resume(flags.overrides)) is not None:
        return _resumed(named, argv, flags)
    result = _begin(argv, flags).result
    if result is None:
        raise UserError(
            Problem(
                "hydra/launcher",
                "it returns no trials. Take one of trainrun's: auto, local, vectorized, ray, submitit.",
            )
        )
    return result


def _begin(argv: list[str], flags: Any, last: bool = False) -> Task:
    """Check a run or a sweep, and run it; see `jobs.run`."""
    from trainrun.config import plugins
    from trainrun.hydra_bridge import jobs, preflight, sweep_settings

    where = (flags.config_name, flags.config_path)
    composed: list[Any] = []
    if flags.multirun:
        _, problems = preflight.sweep(flags.overrides, *where, _prepare)
        config = {"plugins": [*plugins.early(flags.overrides), *plugins.offered()]}
    else:
        config, problems = preflight.overrides(flags.overrides, *where, composed=composed.append)
    folds = not flags.multirun and config is not None and sweep_settings.folds(config)
    if problems and not folds:
        raise UserError(problems)
    if folds or (not flags.multirun and (config["seeds"] or 1) > 1):
        argv = ["--multirun", *argv]  # each seed and fold is a trial
        from trainrun.hydra_bridge import compose

        return _begin(argv, compose.arguments(argv), last)
    if config["plugins"]:
        with imports.collector_paused("tensorflow", freeze=True):
            plugins.load(config["plugins"])
    return jobs.run(argv, flags, last, *composed[-1:])


def _prepare(plan: Plan) -> None:
    """Import TensorFlow for the trials while the points of the sweep are checked."""
    if plan.launcher in ("auto", "local", "vectorized"):
        from trainrun.util import subprocesses

        subprocesses.fork_server()


def _sweep_to_resume(overrides: list[str]) -> str | None:
    """Return the sweep that ``sweep.resume=`` names."""
    named = [o.partition("=")[2].strip("'\"") for o in overrides if o.startswith("sweep.resume=")]
    return named[-1] if named and named[-1] not in ("null", "") else None


def _resumed(sweep: str, argv: list[str], flags: Any) -> SweepResult:
    """Resume a sweep, and run what the command line names beyond its points.

    Without Hydra, which would begin a new sweep in another directory.
    """
    from trainrun.hydra_bridge import sweep_resume
    from trainrun.tracking import find

    if not flags.multirun:
        raise UserError(Problem("sweep.resume", f"it goes with -m: trainrun -m … sweep.resume={sweep}"))
    return sweep_resume.go_on(find.sweep(sweep), flags.overrides, ["trainrun", *argv], whole=True)
