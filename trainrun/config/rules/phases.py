"""Rules of phases: each has epochs, and changes settings that a phase can change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from trainrun.config.phases import KEY, epochs
from trainrun.config.rules import trainer_steps
from trainrun.config.rules.averaging import EMA, SWA
from trainrun.config.rules.averaging import KEY as AVERAGED
from trainrun.errors import Problem, did_you_mean

# What a phase can change: these keys, and the arguments of optimizer and schedule.
KEYS = ("epochs", "model.freeze", "model.trainable")
GROUPS = ("optimizer", "schedule")


def problems(config: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield what is wrong with `phases` itself; the config of each phase is checked as any other."""
    phases = config.get(KEY)
    if phases is None:
        return
    if not isinstance(phases, list) or not phases or not all(isinstance(p, Mapping) for p in phases):
        yield Problem(
            KEY,
            f"expected a list of phases, got {phases!r}. Write [{{epochs: 5, model.freeze: .*}}, {{epochs: 10}}].",
        )
        return
    for i, phase in enumerate(phases):
        where = f"{KEY}[{i}]"
        if type(phase.get("epochs")) is not int or phase["epochs"] < 1:
            yield Problem(
                f"{where}.epochs", f"expected a whole number of at least 1, got {phase.get('epochs')!r}."
            )
        for key in phase:
            group, _, name = str(key).partition(".")
            known = list(KEYS) + [f"{g}.{k}" for g in GROUPS for k in config.get(g) or {} if k != "name"]
            if key not in KEYS and (group not in GROUPS or name in ("", "name")):
                text = f"a phase cannot change it.{did_you_mean(str(key), known)} It takes epochs, model.freeze, model.trainable and the "
                yield Problem(
                    f"{where}.{key}", text + "arguments of optimizer and schedule (optimizer.learning_rate)."
                )
    if text := trainer_steps.fault(config, "has no epochs."):
        yield Problem(KEY, text)
    if (config.get("optimizer") or {}).get("use_ema") or any(p.get("optimizer.use_ema") for p in phases):
        yield Problem(
            KEY, "a moving average of the weights does not go over phases. Set optimizer.use_ema=false."
        )
    weights = (config.get("artifacts") or {}).get("weights")
    if weights in (EMA, SWA):
        yield Problem(
            KEY, f"an average of the weights does not go over phases. Set {AVERAGED}=best; it is {weights}."
        )
    hardware = config.get("hardware") or {}
    if hardware.get("name") == "multi_worker" or hardware.get("local_workers"):
        yield Problem(
            KEY,
            "a phase begins from a checkpoint, which only the first of several workers has. Train in one process.",
        )


def typed_epochs(config: Mapping[str, Any], overrides: Sequence[str]) -> Iterator[Problem]:
    """Yield a problem if `trainer.epochs` is typed for a run whose phases have epochs of their own."""
    total = epochs(config)
    if total is not None and any(text.lstrip("+").startswith("trainer.epochs=") for text in overrides):
        text = f"the phases have epochs of their own, {total} together. Leave it out, or begin another run with init_from."
        yield Problem("trainer.epochs", text)
