"""Rules of the settings of `sweep`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from trainrun.config.rules.settings import HINTS
from trainrun.config.schema import PRUNERS
from trainrun.errors import Problem, did_you_mean, nearest
from trainrun.registry import direction as which_way
from trainrun.registry import hints, option_files

DIRECTIONS = ("auto", "minimize", "maximize")
WORDS = {"reuse": ("auto", "never"), "pictures": ("auto", "best", "all")}


def problems(config: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield the problems of the settings of sweeps."""
    node = config.get("sweep") or {}
    yield from _ranking(node, config.get("metric") or {})
    timeout = node.get("trial_timeout")
    if timeout is not None and not (isinstance(timeout, int | float) and 0 < timeout < float("inf")):
        yield Problem("sweep.trial_timeout", f"expected seconds, more than zero, or null, got {timeout!r}.")
    for key, words in WORDS.items():
        if (value := node.get(key, words[0])) not in words:
            yield Problem(
                f"sweep.{key}",
                f"expected {' or '.join(words)}, got {value!r}.{did_you_mean(str(value), words)}",
            )
    yield from _pruner(node)


def twice_seeded(overrides: Sequence[str]) -> Iterator[Problem]:
    """Yield a problem if a sweep's command line both varies the seed and asks for several seeds."""
    by_key = {o.partition("=")[0].lstrip("+"): o for o in overrides}
    seeds, seed = by_key.get("seeds"), by_key.get("seed")
    if seeds and seed and re.search(r"[,(]", seed.partition("=")[2]):
        yield Problem(
            "seeds",
            f"{seeds} gives each setting seeds of its own, and {seed} varies them. Leave one out.",
        )


def counted(points: int, seeds: int | None, folds: int | None = None) -> str:
    """Return the number of a sweep's trials as a phrase."""
    if not seeds and not folds:
        return "1 run" if points == 1 else f"{points} runs"
    times = [f"{seeds} seeds"] * bool(seeds) + [f"{folds} folds"] * bool(folds)
    runs = points * (seeds or 1) * (folds or 1)
    return f"{points} setting{'s' * (points != 1)} x {' x '.join(times)} = {runs} runs"


def _ranking(node: Mapping[str, Any], metrics: Mapping[str, Any]) -> Iterator[Problem]:
    objective, direction = node.get("objective"), node.get("direction")
    names = objective if isinstance(objective, list) else [] if objective is None else [objective]
    directions = direction if isinstance(direction, list) else [direction or "auto"]
    for name in names:
        if not isinstance(name, str):
            yield Problem("sweep.objective", f"expected the name of a metric, such as val_auc, got {name!r}.")
    for word in directions:
        if word not in DIRECTIONS:
            yield Problem(
                "sweep.direction",
                f"expected one of {', '.join(DIRECTIONS)}, got {word!r}.{did_you_mean(str(word), DIRECTIONS)}",
            )
    if isinstance(direction, list) and len(direction) != max(len(names), 1):
        yield Problem(
            "sweep.direction",
            f"expected one for each objective ({len(names)}), or one for all, got {len(direction)}.",
        )
        return
    for name, word in zip(names, directions * (len(names) if len(directions) == 1 else 1), strict=False):
        if isinstance(name, str) and word == "auto" and which_way.of(name, metrics) is None:
            yield Problem("sweep.direction", which_way.unknown(name, which_way.WAY_OUT))


def _pruner(node: Mapping[str, Any]) -> Iterator[Problem]:
    spec = node.get("pruner")
    known = option_files.packaged(PRUNERS)
    if spec is None or spec == {"name": "none"}:
        return
    if not isinstance(spec, Mapping) or spec.get("name") not in known:
        name = spec.get("name") if isinstance(spec, Mapping) else spec
        chosen = nearest(str(name), known, 0.6) or "NAME"
        yield Problem(
            "sweep.pruner",
            f"a pruner is chosen in its group, not as a value, got {name!r}. Write {PRUNERS}={chosen}, or "
            f"`- override /{PRUNERS}: {chosen}` in a list of defaults; there are {', '.join(known)}.",
        )
        return
    name = spec["name"]
    settings = {k: v for k, v in known[name].values.items() if k != "name"}
    for key in settings.keys() - spec.keys():
        yield Problem(
            f"sweep.pruner.{key}",
            f"the key is missing. `defaults: [{name}, _self_]` brings in the settings that an option does not name.",
        )
    for key, value in spec.items():
        if key == "name":
            continue
        if key not in settings:
            yield Problem(
                f"sweep.pruner.{key}",
                f"no such setting of {name}.{did_you_mean(key, settings)} It takes {', '.join(settings)}.",
            )
        elif fault := hints.violation(HINTS[f"sweep.pruner.{key}"], value, settings[key]):
            yield Problem(f"sweep.pruner.{key}", fault)
    if name == "threshold" and spec.get("lower") is None and spec.get("upper") is None:
        yield Problem("sweep.pruner", f"threshold needs a bound: {PRUNERS}=threshold sweep.pruner.upper=2.0.")
    objective = node.get("objective")
    if isinstance(objective, list) and len(objective) > 1:
        yield Problem("sweep.pruner", "trials are pruned by one objective only; there are several.")
    elif isinstance(objective, str) and objective.startswith("test_"):
        yield Problem(
            "sweep.pruner",
            f"it judges after each epoch, and {objective} is measured at the end only. "
            f"Take sweep.objective=val_{objective.removeprefix('test_')}.",
        )
