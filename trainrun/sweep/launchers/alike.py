"""Keys of trials that may share compiled programs, by their resolved configs: launchers group trials by key.

Trials of one key may share something that is compiled: with `shares_program` they differ in values that are variables of the program
(`local` runs such trials in one process), with `vectorizes` in numbers of the model, loss, optimizer and so on (`vectorized` trains
such trials in one graph). A config is a hint: `trainer.program_cache` and `vectorized.shape` compare the models that are built.
For trials that differ in the seed only, see `trial.setting`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from trainrun.config.named_components import own_step
from trainrun.config.rules.averaging import EMA, SWA
from trainrun.registry import declaration_reader, lookup

# Capabilities that trainer and hardware declare.
SHARES_PROGRAM, VECTORIZES = "shares_program", "vectorizes"
# Nodes that do not affect training.
NOT_TRAINED = ("name", "sweep", "seeds", "tracking", "alert", "artifacts", "checkpoint")
# Nodes in which the trials of one graph may differ by numbers.
NUMBERS = ("model", "loss", "optimizer", "schedule", "metric", "callback")


def key(config: Mapping[str, Any], capability: str) -> str:
    """Return a key that is equal for trials that may share a compiled program.

    Args:
        config: of a trial, resolved.
        capability: `SHARES_PROGRAM` or `VECTORIZES`.
    """
    trained = {k: v for k, v in config.items() if k not in NOT_TRAINED}
    if capability == VECTORIZES:
        trained = {k: _without_numbers(v) if k in NUMBERS else v for k, v in trained.items()}
        return _text(trained, ("seed",))
    if config["schedule"]["name"] == "constant":
        del trained["schedule"]  # its rate is the optimizer's variable
    return _text(trained, ("seed", "learning_rate", "epochs"))


def used_plugin(config: Mapping[str, Any]) -> str | None:
    """Return the name of a plug-in's component that a config uses at any depth, or None; a text that is such a name counts as a use."""
    known = {component.name for component in lookup.announced()}

    def names(value: Any) -> Iterator[str]:
        if isinstance(value, str) and value in known:
            yield value
        for inside in (
            value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
        ):
            yield from names(inside)

    return next(names({k: v for k, v in config.items() if k not in (*NOT_TRAINED, "plugins")}), None)


def obstacle(config: Mapping[str, Any], capability: str) -> str | None:
    """Return why a trial can share no compiled program with others, or None.

    Args:
        config: of a trial, resolved.
        capability: `SHARES_PROGRAM` or `VECTORIZES`: trainer and hardware must declare it.
    """
    trainer, device, tune = config["trainer"], config["hardware"], config["tune"]
    own = used_plugin(config)
    callbacks = {str(c.get("name")) for c in (config["callback"] or {}).values()}
    odd = sorted(c for c in callbacks if not declaration_reader.of("callback", c).changes_only_variables)
    reasons = {
        f"{own} is a plug-in's, and plug-ins may keep state from one trial to the next": own,
        f"trainer={trainer['name']}": not getattr(
            declaration_reader.of("trainer", trainer["name"]), capability
        ),
        "trainer.step": own_step(trainer) is not None,
        "trainer.jit_compile=true": capability == VECTORIZES and trainer.get("jit_compile") is True,
        "artifacts.weights=ema|swa": capability == VECTORIZES
        and config["artifacts"].get("weights") in (EMA, SWA),
        "augment": capability == VECTORIZES and bool(config.get("augment")),
        "trainer.run_eagerly=true": trainer.get("run_eagerly") is True,
        "trainer.accumulate": (trainer.get("accumulate") or 1) != 1,
        f"hardware={device['name']}": not getattr(
            declaration_reader.of("hardware", device["name"]), capability
        ),
        "hardware.virtual_devices": bool(device.get("virtual_devices")),
        "tune": tune.get("batch_size") is not None or tune.get("learning_rate") is not None,
        "profile=true": config["profile"],
        "data.validation_sets": capability == VECTORIZES and bool(config["data"].get("validation_sets")),
        "teacher": capability == VECTORIZES and config.get("teacher") is not None,
        "model.quantization_aware": capability == VECTORIZES
        and config["model"].get("quantization_aware") is not None,
        "phases": config.get("phases") is not None,
        f"callback={','.join(odd)}": odd,
    }
    return next((text for text, holds in reasons.items() if holds), None)


def _text(value: Any, ignored: Sequence[str]) -> str:
    return json.dumps(_without(value, ignored), sort_keys=True, default=str)


def _without(value: Any, keys: Sequence[str]) -> Any:
    """Return a node without keys at any depth; one whose value is a node stays (a schedule as a learning rate)."""
    if isinstance(value, Mapping):
        return {
            str(k): _without(v, keys) for k, v in value.items() if k not in keys or isinstance(v, Mapping)
        }
    return [_without(v, keys) for v in value] if isinstance(value, list | tuple) else value


def _without_numbers(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(k): _without_numbers(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_without_numbers(v) for v in value]
    return "number" if isinstance(value, int | float) and not isinstance(value, bool) else value
