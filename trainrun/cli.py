"""argv -> a verb, or Hydra: a word without `=` is a verb, the rest trains.

Exit codes: 0 done; 2 the user's input is wrong; 1 training failed; 130 interrupted, 143 terminated.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainrun import __version__
from trainrun.commands import _verbs
from trainrun.errors import Problem, TrainingError, UserError, did_you_mean
from trainrun.util import imports
from trainrun.util.interrupt import Interrupted

if TYPE_CHECKING:
    from trainrun.hydra_bridge.sweep_plan import Plan

# So many problems are told; the first ones are worth mending first.
MOST = 40
MANY = 300  # points of a sweep, whose preflight takes longer than a tracker's import
# Hydra's flags that take a value: the word behind one is no verb.
_VALUED = {
    "--cfg",
    "-c",
    "--package",
    "-p",
    "--config-path",
    "-cp",
    "--config-name",
    "-cn",
    "--config-dir",
    "-cd",
    "--info",
    "-i",
}


def main(argv: Sequence[str]) -> int:
    """Do what the command line says.

    Args:
        argv: the words after `trainrun`.

    Returns:
        The exit code.
    """
    from trainrun.ui import console

    try:
        return _dispatch(list(argv))
    except UserError as error:
        count = len(error.problems)
        console.problems(error.problems[:MOST], title="" if count == 1 else f"{count} problems:")
        if count > MOST:
            console.error(f"and {count - MOST} more")
        return error.exit_code
    except TrainingError as error:
        console.error(str(error))
        return error.exit_code
    except Interrupted as stop:
        console.error(str(stop))
        if stop.saved is not None:
            console.note(f"to go on: trainrun resume {os.path.relpath(stop.saved)}")
        return stop.exit_code
    except KeyboardInterrupt:
        console.error("interrupted")
        return 130
    except BrokenPipeError:
        # `trainrun ls | head`: the reader has left; Python would complain once more while it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _dispatch(argv: list[str]) -> int:
    verbs = _verbs.names()
    if argv and argv[0] in verbs:
        return importlib.import_module(_verbs.module(argv[0])).main(argv[1:])
    if _wants_help(argv):
        return importlib.import_module(_verbs.module("help")).main(argv)
    if "--version" in argv:  # Hydra's flag of that name prints Hydra's
        from trainrun.ui import console

        console.say(f"trainrun {__version__}")
        return 0
    if argv and argv[0].replace("-", "_").isidentifier() and not argv[0].startswith("-"):
        hint = did_you_mean(argv[0], verbs)
        raise UserError(
            f"{argv[0]}: no such verb.{hint} The verbs are {', '.join(verbs)}; an override is key=value, as in optimizer={argv[0]}."
        )
    return train(argv)


def _wants_help(argv: list[str]) -> bool:
    return any(word in ("--help", "-h") for word in argv)


def train(argv: list[str]) -> int:
    """Check, then let Hydra run, sweep or show."""
    from trainrun.hydra_bridge import compose
    from trainrun.registry import option_files

    flags = compose.arguments(argv)
    if flags.config_dir is not None:
        folder = Path(flags.config_dir).absolute()
        if not folder.is_dir():
            raise UserError(Problem("--config-dir", f"there is no folder {folder}."))
        option_files.extra_folders[:] = [folder]
    if flags.config_path is not None:
        argv = _absolute_config_path(argv, flags.config_path)
        flags = compose.arguments(argv)
    where = (flags.config_name, flags.config_path)
    if flags.cfg or flags.info is not None or flags.hydra_help or flags.shell_completion:
        return _show(argv, flags, where)
    from trainrun.config import plugins
    from trainrun.hydra_bridge import preflight

    if (word := _resumed(flags.overrides)) is not None:
        return _go_on(word, argv, flags)
    if flags.multirun:
        _, problems = preflight.sweep(flags.overrides, *where, _ahead)
    else:
        config, problems = preflight.overrides(flags.overrides, *where)
    if problems:
        raise UserError(problems)
    if not flags.multirun and (config["seeds"] or 1) > 1:
        return train(["--multirun", *argv])  # each seed is a trial
    if named := plugins.early(flags.overrides) if flags.multirun else config["plugins"]:
        with imports.collector_paused("tensorflow"):
            plugins.load(named)
    return _run(argv, flags)


def _ahead(plan: Plan) -> None:
    """Have TensorFlow imported for the trials while the points of the sweep are looked at; of many points, what delivers them, too."""
    if plan.launcher in ("auto", "local", "vectorized"):
        from trainrun.sweep.launchers import forked

        forked.context()
    if plan.trackers and plan.total >= MANY:
        from trainrun.tracking.delivery import client

        with contextlib.suppress(OSError):  # said when there is something to be delivered
            client.courier().prepare(plan.trackers)


def _resumed(overrides: list[str]) -> str | None:
    """Return the sweep that ``sweep.resume=`` names."""
    said = [o.partition("=")[2].strip("'\"") for o in overrides if o.startswith("sweep.resume=")]
    return said[-1] if said and said[-1] not in ("null", "") else None


def _go_on(word: str, argv: list[str], flags: Any) -> int:
    """Go on with a sweep, and run what the command line names beyond its points; Hydra would begin a new one."""
    from trainrun.hydra_bridge import sweep_resume
    from trainrun.tracking import find

    if not flags.multirun:
        raise UserError(Problem("sweep.resume", f"it goes with -m: trainrun -m … sweep.resume={word}"))
    return sweep_resume.go_on(find.sweep(word), flags.overrides, ["trainrun", *argv], whole=True).exit_code


def _absolute_config_path(argv: list[str], given: str) -> list[str]:
    """Read `-cp` from the user's folder; Hydra would read it from the folder of our source."""
    path = str(Path(given).absolute())
    if not Path(path).is_dir():
        raise UserError(Problem("--config-path", f"there is no folder {path}."))
    return [
        path
        if word == given
        else word.replace(f"={given}", f"={path}")
        if word.startswith("--config-path=")
        else word
        for word in argv
    ]


def _show(argv: list[str], flags: Any, where: tuple[str | None, str | None]) -> int:
    """`--cfg`, `--info`, `--hydra-help` and completion: Hydra's own, our messages."""
    overrides = flags.overrides
    from trainrun.hydra_bridge import compose

    if flags.shell_completion:
        from trainrun.commands import _completion

        asked = "".join(overrides)
        if not re.fullmatch(r"(install|uninstall|query)=(bash|zsh|fish)", asked):
            raise UserError(f"-sc: expected install=bash, zsh or fish, got {asked!r}.")
        if asked.startswith("query"):
            _completion.words(os.environ.get("COMP_LINE", ""))
        overrides = []
    if overrides:
        from trainrun.config import plugins

        plugins.announce(plugins.early(overrides))
    from trainrun.config import override_text
    from trainrun.hydra_bridge import hydra_node_rules
    from trainrun.registry import option_files

    if problems := hydra_node_rules.search_path(overrides, *where):
        raise UserError(problems)
    if not flags.shell_completion and (
        len(option_files.search_path()) > 1
        or flags.config_path
        or any(map(override_text.is_hydra, overrides))
    ):
        # Hydra sets its logging up before it shows a config, and a logging config can call anything.
        from trainrun.hydra_bridge import override_errors

        if problems := [
            p for p in override_errors.examine(overrides, *where)[1] if p.key.startswith("hydra")
        ]:
            raise UserError(problems)
    try:
        compose.hand_over(argv, lambda config: None)
    except SystemExit as stop:
        return 2 if stop.code else 0  # Hydra has said that there is no such package, and the like
    except Exception as error:
        if flags.shell_completion:
            return 0  # somebody is typing: no message may disturb the line
        from trainrun.hydra_bridge import hydra_errors, override_errors

        raise UserError(
            override_errors.examine(overrides, *where)[1] or [hydra_errors.from_hydra(error)]
        ) from error
    return 0


def _run(argv: list[str], flags: Any) -> int:
    """Run the job, or each job of a sweep one after the other; tell failures at the end."""
    from trainrun.config import check, plugins
    from trainrun.hydra_bridge import compose, hydra_errors, hydra_files, interpolations
    from trainrun.ui import console
    from trainrun.util import redaction

    failures: list[tuple[str, BaseException]] = []

    def task(config: Any) -> Any:
        from hydra.core.hydra_config import HydraConfig

        from trainrun.run import runner
        from trainrun.run.context import RunContext

        hydra = HydraConfig.get()
        given = list(hydra.overrides.task)
        run_dir, trial = Path(hydra.runtime.output_dir), ""
        if flags.multirun:
            trial = redaction.text(
                f"[{hydra.job.num}] {' '.join(o for o in given if o not in flags.overrides)}"
            )
            console.say(f"\n{trial}", style="bold")
        try:
            own = (hydra.output_subdir, f"{hydra.job.name}.log")
            if any(path.name not in own for path in run_dir.iterdir()):
                raise UserError(f"{run_dir} is not empty; a run never writes into another's directory.")
            hydra_files.write(
                hydra_files.unresolved(config) | {"hydra": hydra_files.unresolved(hydra)}, run_dir
            )
            tree = interpolations.plain(config)
            if flags.multirun:
                hydra_files.hide(
                    Path(hydra.sweep.dir) / hydra_files.MULTIRUN
                )  # Hydra's own sweeper has written it
                # A sweeper of its own may make points that nobody has looked at.
                plugins.load(tree["plugins"])
                if problems := check.problems(tree):
                    runner.discard(run_dir)
                    raise UserError(problems)
            command = ["trainrun", *argv]
            return runner.run(
                tree, run_dir, overrides=given, command=command, context=RunContext(pause_collector=True)
            )
        except (Exception, KeyboardInterrupt, Interrupted) as error:
            # Kept from Hydra, which would print its own text and stop the sweep at the first failure.
            failures.append((trial, error))
            if not flags.multirun or not isinstance(error, Exception):
                raise _Stop from error
            console.error(str(error) or type(error).__name__)
            return None

    given = [Path(o.partition("=")[2]) for o in flags.overrides if o.startswith("hydra.run.dir=")]
    there = [folder for folder in given if folder.is_dir()]
    try:
        ended = compose.hand_over(argv, task)
    except _Stop:
        if isinstance(failures[-1][1], UserError):
            for (
                folder
            ) in there:  # a run that never began takes its directory away, but not what was there before
                folder.mkdir(parents=True, exist_ok=True)
        raise failures[-1][1] from None
    except (UserError, TrainingError, Interrupted):
        raise
    except Exception as error:
        if isinstance(error, OSError | ValueError) or type(error).__module__.startswith(
            ("hydra.", "omegaconf.")
        ):
            raise UserError(hydra_errors.from_hydra(error)) from error
        raise
    if ended is not None:
        return ended.exit_code  # it has told everything already
    if failures:
        console.table(
            "Failed",
            ["trial", "reason"],
            [[given, str(error).splitlines()[0]] for given, error in failures],
        )
        return 1
    return 0


class _Stop(BaseException):
    """Leaves Hydra at once: it is no `Exception`, so that nothing on the way prints it."""
