"""`trainrun check [-m] [overrides]`: validate a config or, with -m, each trial of a sweep."""

from __future__ import annotations

from collections.abc import Sequence

from trainrun.errors import UserError
from trainrun.ui import console


def main(argv: Sequence[str]) -> int:
    """Check a config or a sweep and report every problem, without training."""
    from trainrun.config import plugins
    from trainrun.config.rules import sweep
    from trainrun.hydra_bridge import compose, preflight

    flags = compose.arguments(argv)
    where = (flags.config_name, flags.config_path)
    if flags.help:
        console.say(
            "trainrun check [-m] [overrides]: validate a config, or every point of a sweep, without training."
        )
        return 0
    if flags.multirun:
        points, problems = preflight.sweep(flags.overrides, *where)
        config = None
    else:
        config, problems = preflight.overrides(flags.overrides, *where)
        points = 1
    if not problems and (named := config["plugins"] if config else plugins.early(flags.overrides)):
        plugins.load(named)
    if problems:
        raise UserError(problems)
    seeds = _seeds(flags.overrides, where) if flags.multirun else None
    console.say(f"ok: {sweep.counted(points, seeds)}, nothing wrong", style="green")
    return 0


def _seeds(overrides: Sequence[str], where: tuple[str | None, str | None]) -> int | None:
    """Return the number of seeds per setting, from the first point's config (an experiment may set it)."""
    from trainrun.config import override_text
    from trainrun.hydra_bridge import preflight

    hydra = [o for o in overrides if override_text.is_hydra(o)]
    config, _ = preflight.overrides([*hydra, *preflight.sweep_points(overrides)[0]], *where, multirun=True)
    return config["seeds"]
