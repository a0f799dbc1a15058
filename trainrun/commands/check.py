"""`trainrun check [-m] [overrides]`: preflight only; with `-m` every point of the sweep."""

from __future__ import annotations

from collections.abc import Sequence

from trainrun import console
from trainrun.errors import UserError


def main(argv: Sequence[str]) -> int:
    """Check a config, say what is wrong, and train nothing."""
    from trainrun.config import check, compose, plugins

    flags = compose.arguments(argv)
    where = (flags.config_name, flags.config_path)
    if flags.help:
        console.say(
            "trainrun check [-m] [overrides]: validate a config, or every point of a sweep, without training."
        )
        return 0
    if flags.multirun:
        points, problems = check.sweep(flags.overrides, *where)
        config = None
    else:
        config, problems = check.overrides(flags.overrides, *where)
        points = 1
    if not problems and (named := config["plugins"] if config else plugins.early(flags.overrides)):
        plugins.load(named)
    if problems:
        raise UserError(problems)
    console.say(f"ok: {points} {'run' if points == 1 else 'runs'}, nothing wrong", style="green")
    return 0
