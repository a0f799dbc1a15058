"""Which trials are alike, by their resolved configs: the one notion by which launchers put trials together.

Trials may be alike in three degrees, by what they still differ in: the seed only (`hydra/launcher=auto` looks for such sweeps);
values that are in variables and not in the compiled program (`local` runs such trials in one process); numbers of the model, loss,
optimizer and so on (`vectorized` trains such trials in one graph). A config is a hint: `trainer.program_cache` and
`vectorized.shape` compare the models that are built.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from trainrun.registry import declaration_reader

# Nodes that say nothing of what is trained.
NOT_TRAINED = ("name", "sweep", "seeds", "tracking", "artifacts", "checkpoint")
# Nodes in which the trials of one graph may differ by numbers.
NUMBERS = ("model", "loss", "optimizer", "schedule", "metric", "callback")


def but_for_seeds(config: Mapping[str, Any]) -> str:
    """Return what trials have in common that differ in their seeds only."""
    return _text({k: v for k, v in config.items() if k != "name"}, ("seed",))


def but_for_variables(config: Mapping[str, Any]) -> str:
    """Return what trials have in common that can run one after another with one compiled program."""
    apart = NOT_TRAINED
    if config["schedule"]["name"] == "constant":
        apart = (*apart, "schedule")  # its rate is the optimizer's variable
    return _text({k: v for k, v in config.items() if k not in apart}, ("seed", "learning_rate", "epochs"))


def but_for_numbers(config: Mapping[str, Any]) -> str:
    """Return what trials have in common that can be trained in one graph."""
    trained = {k: v for k, v in config.items() if k not in NOT_TRAINED}
    return _text({k: _without_numbers(v) if k in NUMBERS else v for k, v in trained.items()}, ("seed",))


def unlike_all(config: Mapping[str, Any], plugins: bool, capability: str) -> str | None:
    """Return why a trial can share nothing that is compiled with others, or None.

    Args:
        config: of a trial, resolved.
        plugins: whether the user's own code takes part, which may keep state from one trial to the next.
        capability: what trainer and hardware must declare: ``shares_program`` or ``vectorizes``.
    """
    trainer, device, tune = config["trainer"], config["hardware"], config["tune"]
    callbacks = {str(c.get("name")) for c in (config["callback"] or {}).values()}
    odd = sorted(c for c in callbacks if not declaration_reader.of("callback", c).changes_only_variables)
    reasons = {
        "plug-ins may keep what nobody knows of": plugins,
        f"trainer={trainer['name']}": not getattr(
            declaration_reader.of("trainer", trainer["name"]), capability
        ),
        "a step of its own": trainer.get("step") is not None,
        "trainer.jit_compile=true": trainer.get("jit_compile") is True,
        "trainer.run_eagerly=true": trainer["run_eagerly"],
        "trainer.accumulate": (trainer.get("accumulate") or 1) != 1,
        f"hardware={device['name']}": not getattr(
            declaration_reader.of("hardware", device["name"]), capability
        ),
        "hardware.virtual_devices": bool(device.get("virtual_devices")),
        "tune": tune.get("batch_size") is not None or tune.get("learning_rate") is not None,
        "profile=true": config["profile"],
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
