"""The config's node `tracking`: the settings of each tracker, and those that all of them share.

An option of the group nests under a name of its own, so that `tracking=[a,b]` takes two at once:

    tracking:
      a: {name: a, uri: null, …}
      b: {name: b, …}
      interval: 1.0

With one tracker its settings may stand at the top, too: `tracking.uri=…` is `tracking.a.uri=…`. So may its name: ``{name: a, uri: …}``.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Mapping
from typing import Any

from trainrun.config import store_address
from trainrun.errors import Problem, did_you_mean
from trainrun.registry import option_files

GROUP = "tracking"
# Groups that say where the record of a run is sent; they change nothing in the run.
SENT_TO = (GROUP, "alert")
NONE = "none"
# Settings of recording and delivery: the same for all trackers.
SHARED = ("every_steps", "interval", "timeout", "system_interval")


def trackers(node: Any) -> dict[str, dict[str, Any]]:
    """Return the settings of each tracker by its key; none for `tracking=none`.

    Args:
        node: the config's `tracking`.
    """
    nested, top = _parts(node)
    if isinstance(top.get("name"), str):
        name = top["name"]
        return nested if name == NONE else {**nested, name: {**nested.get(name, {}), **top}}
    if len(nested) == 1:
        ((key, settings),) = nested.items()
        return {key: {**settings, **top}}
    return nested


def components(node: Any) -> Iterator[tuple[str, Any]]:
    """Yield (key, settings) of each place where settings stand, for the preflight."""
    if not isinstance(node, Mapping):
        yield GROUP, node
        return
    nested, top = _parts(node)
    for key, settings in nested.items():
        yield f"{GROUP}.{key}", settings
    shared = {key: node[key] for key in SHARED if key in node}
    name = top.get("name") or (next(iter(nested.values()))["name"] if len(nested) == 1 else NONE)
    yield GROUP, {"name": name, **shared, **(top if "name" in top or len(nested) == 1 else {})}


def problems(node: Any) -> Iterator[Problem]:
    """Yield a problem for each library that is not installed, and for each key at the top that belongs to no or to several trackers."""
    for key, settings in trackers(node).items():
        library = settings["name"]  # by convention, a tracker bears its library's name
        known = library in option_files.packaged(GROUP)
        if known and importlib.util.find_spec(library) is None:
            yield Problem(GROUP, f"{GROUP}={library} needs the package {library}: pip install {library}.")
        yield from store_address.problems(GROUP if len(trackers(node)) == 1 else f"{GROUP}.{key}", settings)
    nested, top = _parts(node)
    if "name" in top or len(nested) == 1:
        return
    for key in top:
        if nested:
            keys = " or ".join(f"{GROUP}.{name}.{key}" for name in nested)
            yield Problem(f"{GROUP}.{key}", f"there are several trackers; name one of them: {keys}.")
        else:
            hint = did_you_mean(key, SHARED)
            yield Problem(f"{GROUP}.{key}", f"no such key in {GROUP}={NONE}.{hint}")


def _parts(node: Any) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
    """Return the nested trackers, and the top-level settings that are not shared."""
    items = node.items() if isinstance(node, Mapping) else ()
    nested = {k: dict(v) for k, v in items if isinstance(v, Mapping) and isinstance(v.get("name"), str)}
    return nested, {k: v for k, v in items if k not in nested and k not in SHARED}
