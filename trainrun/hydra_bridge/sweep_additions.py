"""Arguments of a resumed sweep: which trials to repeat, how many at once, and further points.

Further points come from the sweep's own command line with something changed in it (`trainrun resume SWEEP
optimizer.learning_rate=1e-3,1e-5`), or from a whole one (`trainrun -m … sweep.resume=SWEEP`); points that the sweep has
already are not new, in any order of their overrides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from trainrun.config import override_text
from trainrun.errors import Problem, UserError
from trainrun.hydra_bridge import override_grammar
from trainrun.util import decimal_digits

AGAIN = {"retry": "failed", "continue": "pruned"}
# Keys that may change with a sweeper that draws its points; the space must stay the same.
EXTENDS = ("sweep.trials", "sweep.max_failures", "sweep.trial_timeout")


@dataclass
class Request:
    """The arguments, parsed.

    Args:
        jobs: trials at once; None: as the sweep began.
        retry: repeat the failed trials.
        unprune: continue the pruned trials.
        overrides: of further points, or of the sweep's settings.
        whole: whether `overrides` is a command line of its own, not changes of the sweep's.
    """

    jobs: int | str | None = None
    retry: bool = False
    unprune: bool = False
    overrides: list[str] = field(default_factory=list)
    whole: bool = False


def read(words: Sequence[str], whole: bool = False, settings: Mapping[str, Any] | None = None) -> Request:
    """Parse the words behind `trainrun resume SWEEP`, or those of ``trainrun -m … sweep.resume=SWEEP``.

    Raises:
        UserError: one of them is neither an option nor an override, or changes Hydra's own node.
    """
    request, problems = Request(whole=whole), []
    for text in words:
        name, equals, value = text.partition("=")
        if name in ("n_jobs", "hydra.launcher.n_jobs"):
            request.jobs = value if value == "auto" else decimal_digits.number(value)
            if not request.jobs:
                problems.append(
                    Problem(name, f"expected a whole number, at least 1, or auto, got {value!r}.")
                )
        elif name in AGAIN:
            if value != AGAIN[name]:
                problems.append(Problem(name, f"expected {name}={AGAIN[name]}, got {value!r}."))
            request.retry |= name == "retry"
            request.unprune |= name == "continue"
        elif not equals and not text.startswith("~"):
            problems.append(
                Problem(
                    text, "expected retry=failed, continue=pruned, n_jobs=4, or key=value of further points."
                )
            )
        elif override_text.is_hydra(text):
            if text not in (settings or {}).get("hydra", ()):
                problems.append(
                    Problem(
                        override_text.key(text),
                        "a resumed sweep keeps its launcher, its sweeper and its folder.",
                    )
                )
        elif override_text.key(text) != "sweep.resume":
            request.overrides.append(text)
    if problems:
        raise UserError(problems)
    return request


def command(request: Request, settings: Mapping[str, Any]) -> list[str]:
    """Return the sweep's new command line: its own with the changes, or the whole new one."""
    own = settings.get("overrides")
    if own is None:
        raise UserError("the sweep was begun by an older trainrun, which did not record its command line.")
    if request.whole:
        return list(request.overrides)
    changed = {override_text.key(o): o for o in request.overrides}
    kept = [changed.pop(override_text.key(o), o) for o in own]
    return [*kept, *changed.values()]


def differs(line: Sequence[str], settings: Mapping[str, Any]) -> list[str]:
    """Return the keys in which a command line differs from the sweep's own."""
    changed, recorded = (
        {override_text.key(o): override_grammar.value(o) for o in overrides}
        for overrides in (line, settings["overrides"])
    )
    return sorted(k for k in changed.keys() | recorded.keys() if changed.get(k) != recorded.get(k))


def points(
    line: Sequence[str], settings: Mapping[str, Any], existing: Sequence[Sequence[str]]
) -> list[list[str]]:
    """Return the overrides of the points of a grid that the sweep does not have yet, each checked.

    Args:
        line: the command line.
        settings: see `sweep_settings.settings`.
        existing: overrides of the sweep's points.

    Raises:
        UserError: all problems of the points, before any of them begins.
    """
    from trainrun.hydra_bridge import compose_cache, preflight, sweep_plan

    name, path = config_flags(settings)
    hydra = [
        o
        for o in settings.get("hydra", ())
        if override_text.key(o).startswith(("hydra/sweeper", "hydra.sweeper."))
    ]
    planned = sweep_plan.of([*hydra, *line], name, path)
    known = {override_grammar.identity(o) for o in existing}
    new, problems = [], dict.fromkeys(planned.problems)
    with compose_cache.enabled():
        for point in planned.points:
            if (one := override_grammar.identity(point)) in known:
                continue
            known.add(one)
            new.append(list(point))
            problems |= dict.fromkeys(preflight.overrides(point, name, path)[1])
    if planned.fault is not None and not problems:
        problems[planned.fault] = None
    if problems:
        raise UserError(list(problems))
    return new


def config_flags(settings: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """Return `-cn` and `-cp` of the sweep's command line; its `-cd` is searched from now on."""
    from pathlib import Path

    from trainrun.hydra_bridge import compose
    from trainrun.registry import option_files

    config = settings.get("config") or {}
    option_files.extra_folders[:] = [Path(f) for f in config.get("folders") or ()]
    name = config.get("name")
    return (None if name in (None, compose.CONFIG_NAME) else name), config.get("path")
