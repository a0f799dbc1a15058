"""Preflight of a command line: compose it, then check the config or each point of the sweep.

Everything that is wrong is reported at once, before TensorFlow loads and before a run's directory exists.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from trainrun.config import check, moved_keys, override_text, plugins
from trainrun.config.rules import sweep as sweep_rules
from trainrun.errors import Problem
from trainrun.hydra_bridge import compose_cache, override_errors, sweep_plan
from trainrun.hydra_bridge.sweep_plan import Plan


def overrides(
    given: Sequence[str],
    config_name: str | None = None,
    config_path: str | None = None,
    multirun: bool = False,
) -> tuple[dict[str, Any] | None, list[Problem]]:
    """Compose and check one run, or one point of a sweep.

    Returns:
        The resolved config (None if there is none to be had), and every problem found.
    """
    found = plugins.announce(plugins.early(given))
    tree, faults = override_errors.examine(given, config_name, config_path, multirun)
    # What installed packages offer is looked up only when something is missing: reading their entry points takes
    # a while.
    if faults and (offered := plugins.entry_points()):
        found += plugins.announce(offered)
        tree, faults = override_errors.examine(given, config_name, config_path, multirun)
    found += faults
    if tree is not None:
        found += check.problems(tree)
    return tree, list(dict.fromkeys(found))


def sweep(
    given: Sequence[str],
    config_name: str | None = None,
    config_path: str | None = None,
    planned_for: Callable[[Plan], None] = lambda plan: None,
) -> tuple[int, list[Problem]]:
    """Check a sweep: every point of a grid, of other sweeps each choice and both ends of each interval.

    Args:
        given: overrides as typed.
        config_name, config_path: as given to `compose.compose`.
        planned_for: called when the sweep as a whole is sound, before its points are looked at.

    Returns:
        How many trials there will be, and all problems, each once.
    """
    found: dict[Problem, str] = dict.fromkeys(plugins.announce(plugins.early(given)), "")
    planned = sweep_plan.of(given, config_name, config_path)
    said = [*moved_keys.typed(given), *planned.problems, *sweep_rules.twice_seeded(given)]
    found |= dict.fromkeys(said, "")
    if planned.launcher is not None and not found:
        planned_for(planned)
    hydra = [o for o in given if override_text.is_hydra(o)]
    with compose_cache.kept():
        for point in planned.points:
            for problem in overrides([*hydra, *point], config_name, config_path, multirun=True)[1]:
                found.setdefault(problem, " ".join(point))
    varied = len(planned.points) > 1
    return planned.total, [
        Problem(p.key, f"{p.message} (first at: {at})") if varied and at else p for p, at in found.items()
    ]


def sweep_points(overrides: Sequence[str]) -> list[list[str]]:
    """Return the overrides of a sweep's points: of a grid all of them, else those that a preflight looks at."""
    return sweep_plan.of(overrides).points
