"""Rules of `tune` and `profile`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from trainrun.config.rules import trainer_steps
from trainrun.data.dataset import Description
from trainrun.errors import Problem
from trainrun.registry import declaration_reader

CONSTANT = (None, "constant", "none")


def problems(config: Mapping[str, Any], data: Description) -> Iterator[Problem]:
    """Yield the settings under which a value cannot be tuned, or a run not be profiled."""
    tune = config.get("tune") or {}
    requested = [f"tune.{key}" for key in ("batch_size", "learning_rate") if tune.get(key) == "auto"]
    if config.get("profile") is True:
        requested.append("profile")
    for key in requested:
        yield from _where(config, key)
    if "tune.learning_rate" in requested:
        yield from _rate(config)
    yield from _ends(tune.get("rates"), "tune.rates", equal=False)
    yield from _ends(config.get("profile_steps"), "profile_steps", equal=True)


def _where(config: Mapping[str, Any], key: str) -> Iterator[Problem]:
    hardware = config.get("hardware") or {}
    if text := trainer_steps.fault(config, "takes the whole data in one compiled call."):
        yield Problem(key, f"needs a trainer that takes steps on batches; {text}")
    if declaration_reader.of("hardware", hardware.get("name")).several_processes:
        way_out = (
            "Profile a run on one machine"
            if key == "profile"
            else "Find the value on one machine, and set it by hand"
        )
        yield Problem(
            key,
            f"is measured by one process; with hardware={hardware['name']} each would decide for itself. {way_out}.",
        )


def _rate(config: Mapping[str, Any]) -> Iterator[Problem]:
    optimizer, schedule = config.get("optimizer") or {}, config.get("schedule") or {}
    if not isinstance(optimizer, Mapping) or not isinstance(schedule, Mapping):
        return
    rate = optimizer.get("learning_rate")
    if rate is None:
        yield Problem(
            "tune.learning_rate",
            f"has nothing to set: optimizer={optimizer.get('name')} leaves the rate to the optimizers inside. "
            "Set optimizer.learning_rate, to any number.",
        )
        return
    if schedule.get("name") in CONSTANT:
        return
    values = [v for x in schedule.values() for v in (x if isinstance(x, list) else [x])]
    if rate not in values:
        yield Problem(
            "tune.learning_rate",
            f"sets optimizer.learning_rate, and schedule={schedule['name']} has rates of its own. "
            "Leave the schedule's rate to ${optimizer.learning_rate}, or set tune.learning_rate to null.",
        )


def _ends(value: Any, key: str, equal: bool) -> Iterator[Problem]:
    """Yield a problem if a value is no pair of a first and a last number."""
    if value is None:
        return
    numbers = isinstance(value, list) and all(isinstance(v, int | float) for v in value)
    if not numbers or len(value) != 2:
        yield Problem(key, f"expected two numbers, the first and the last, got {value!r}.")
    elif value[0] > value[1] or (value[0] == value[1] and not equal):
        yield Problem(key, f"expected the first below the last, got {value!r}.")
