"""The optimizers of `optimizer=multi`: their specs, the names of their learning rates, their schedules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trainrun.registry import option_files
from trainrun.util import rate_columns

KEY = "optimizer.map"
RATE = "learning_rate"
SCHEDULE = "schedule"
_FOLLOWS = "${optimizer.learning_rate}"


def entries(config: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the specs of the optimizers in the map, expression -> spec; of another optimizer, and of what is no spec, none."""
    optimizer = config.get("optimizer") or {}
    listed = optimizer.get("map") if optimizer.get("name") == "multi" else None
    specs = {
        k: {"name": v} if isinstance(v, str) else v
        for k, v in (listed if isinstance(listed, Mapping) else {}).items()
    }
    return {k: dict(v) for k, v in specs.items() if isinstance(v, Mapping) and isinstance(v.get("name"), str)}


def names(config: Mapping[str, Any]) -> list[str]:
    """Return what each optimizer in the map is called: by its spec's name, the second of a name with its number."""
    listed = [spec["name"].lower() for spec in entries(config).values()]
    counts = [listed[: i + 1].count(name) for i, name in enumerate(listed)]
    return [name if count == 1 else f"{name}_{count}" for name, count in zip(listed, counts, strict=True)]


def columns(config: Mapping[str, Any]) -> list[str]:
    """Return the logged columns of learning rates: one, or one for each optimizer in the map."""
    return [rate_columns.of(name) for name in names(config)] or [rate_columns.RATE]


def schedule(spec: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the schedule of one optimizer in the map, which starts from that optimizer's rate, or None."""
    written = spec.get(SCHEDULE)
    written = {"name": written} if isinstance(written, str) else written
    if not isinstance(written, Mapping) or written.get("name") in (None, "constant", "none"):
        return None
    option = option_files.find(SCHEDULE, written["name"])
    following = [k for k, v in (option.arguments if option else {}).items() if v == _FOLLOWS]
    return {**dict.fromkeys(following, spec.get(RATE)), **written}
