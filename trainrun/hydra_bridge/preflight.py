"""Preflight of a command line: compose it, then check the config or each point of the sweep.

Everything that is wrong is reported at once, before TensorFlow loads and before a run's directory exists.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from trainrun.config import check, override_text, plugins
from trainrun.config.rules import phases
from trainrun.config.rules import sweep as sweep_rules
from trainrun.errors import Problem
from trainrun.hydra_bridge import compose_cache, override_errors, written_out

if TYPE_CHECKING:
    from trainrun.hydra_bridge.sweep_plan import Plan


def overrides(
    typed: Sequence[str],
    config_name: str | None = None,
    config_path: str | None = None,
    multirun: bool = False,
    composed: Callable[[Any], None] = lambda config: None,
) -> tuple[dict[str, Any] | None, list[Problem]]:
    """Compose and check one run, or one point of a sweep; arguments as in `override_errors.examine`.

    Returns:
        The resolved config (None if there is none to be had), and every problem found.
    """
    typed, unknown_runs = written_out.overrides(typed, point=multirun)
    named = plugins.early(typed)
    problems = [*unknown_runs, *plugins.announce(named)]

    def examined() -> tuple[dict[str, Any] | None, list[Problem]]:
        tree, faults = override_errors.examine(typed, config_name, config_path, multirun, composed)
        return tree, [
            *faults,
            *(check.problems(tree) if tree is not None else ()),
            *(phases.typed_epochs(tree, typed) if tree is not None else ()),
        ]

    tree, faults = examined()
    # What installed packages offer is looked up only when something is missing: reading their entry points takes
    # a while.
    if faults and (offered := plugins.entry_points()):
        problems += plugins.announce([*named, *offered])
        tree, faults = examined()
    # Of an override that cannot be read, what its key lacks is no problem of its own.
    unread = {override_text.key(p.key) for p in faults if p.key in typed and "=" in p.key}
    reported = {p.key for p in unknown_runs} | unread
    return tree, list(dict.fromkeys([*problems, *(p for p in faults if p.key not in reported)]))


def sweep(
    typed: Sequence[str],
    config_name: str | None = None,
    config_path: str | None = None,
    planned_for: Callable[[Plan], None] = lambda plan: None,
    checked: Callable[[Sequence[str], dict[str, Any]], None] = lambda point, config: None,
) -> tuple[Plan, list[Problem]]:
    """Check a sweep: every point of a grid, of other sweeps each choice and both ends of each interval.

    Args:
        typed: overrides.
        config_name, config_path: see `compose.compose`.
        planned_for: called if the sweep as a whole has no problems, before its points are checked.
        checked: called for each point without problems, with its overrides and its resolved config.

    Returns:
        The plan, and all problems, each once.
    """
    from trainrun.hydra_bridge import sweep_plan
    from trainrun.ui.counter import counted

    problems: dict[Problem, str] = dict.fromkeys(plugins.announce(plugins.early(typed)), "")
    planned = sweep_plan.of(typed, config_name, config_path)
    general = [*planned.problems, *sweep_rules.twice_seeded(typed)]
    problems |= dict.fromkeys(general, "")
    if planned.launcher is not None and not problems:
        planned_for(planned)
    hydra = [o for o in typed if override_text.is_hydra(o)]
    with compose_cache.enabled():
        for point in counted(planned.points, "checking points"):
            config, faults = overrides([*hydra, *point], config_name, config_path, multirun=True)
            for problem in faults:
                problems.setdefault(problem, " ".join(point))
            if config is not None and not faults:
                checked(point, config)
    if planned.fault is not None and not problems:
        problems[planned.fault] = ""
    varied = len(planned.points) > 1
    return planned, placed(problems, varied)


def placed(problems: Mapping[Problem, str], varied: bool) -> list[Problem]:
    """Return problems of a sweep, each with the point where it is first met if the sweep has several.

    Args:
        problems: problem -> that point's overrides; "": it is of the sweep as a whole.
        varied: whether there are several points.
    """
    return [
        Problem(p.key, f"{p.message} (first at: {at})") if varied and at else p for p, at in problems.items()
    ]
