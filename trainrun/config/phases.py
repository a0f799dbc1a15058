"""The phases of a run (`phases`): the config of each, from the settings that it changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

KEY = "phases"


@dataclass(frozen=True)
class Phase:
    """One phase of a run.

    Args:
        config: of the run, with this phase's settings and those of the phases before it; `trainer.epochs` is its last epoch.
        first: epochs of the run before it.
        run_epochs: epochs of all phases; 0: the run has none.
        changed: the settings that it changes, as written.
        number, of: its number from 1 on, and how many there are.
    """

    config: Mapping[str, Any]
    first: int = 0
    run_epochs: int = 0
    changed: Mapping[str, Any] | None = None
    number: int = 1
    of: int = 1


def epochs(config: Mapping[str, Any]) -> int | None:
    """Return the epochs of all phases together; None: there are none, or they are not well-formed."""
    listed = config.get(KEY)
    if not isinstance(listed, list) or not listed:
        return None
    counts = [p.get("epochs") if isinstance(p, Mapping) else None for p in listed]
    return sum(counts) if all(type(n) is int and n > 0 for n in counts) else None


def listed(config: Mapping[str, Any]) -> list[Phase]:
    """Return the phases of a run; a run without any is one phase."""
    run_epochs = epochs(config)
    if run_epochs is None:
        return [Phase(config)]
    phases: list[Phase] = []
    current, first = {**config, KEY: None}, 0
    for number, changed in enumerate(config[KEY], start=1):
        for key, value in changed.items():
            current = _changed(current, key, value)
        current = _changed(current, "trainer.epochs", first + changed["epochs"])
        phases.append(Phase(current, first, run_epochs, changed, number, len(config[KEY])))
        first += changed["epochs"]
    return phases


def at(phases: Sequence[Phase], epoch: int) -> Phase:
    """Return the phase that goes on after so many epochs of the run; after all of them the last one."""
    return [p for p in phases if p.first <= epoch][-1]


def _changed(config: Mapping[str, Any], key: str, value: Any) -> dict[str, Any]:
    group, _, name = key.partition(".")
    if not name:
        return dict(config)  # `epochs`
    changed = {**config, group: {**config[group], name: value}}
    if key == "optimizer.learning_rate":
        # The config is resolved: where a schedule follows the optimizer's rate, it has an equal value.
        was = config["optimizer"].get("learning_rate")
        schedule = {
            k: value if k.endswith("learning_rate") and v == was else v for k, v in config["schedule"].items()
        }
        changed["schedule"] = schedule
    return changed
