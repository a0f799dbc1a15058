"""Rules of a run on several devices or several workers."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

from trainrun.data.dataset import Description
from trainrun.errors import Problem, UserError
from trainrun.registry import declaration_reader

# Fails in Keras 3.15 under MirroredStrategy: "merge_call called while defining a new graph".
INSIDE_A_CONDITION = ("gradient_accumulation_steps", "ema_overwrite_frequency")


def problems(config: Mapping[str, Any], data: Description) -> Iterator[Problem]:
    """Yield the settings that do not fit the devices."""
    hardware = config.get("hardware")
    if not isinstance(hardware, Mapping) or not isinstance(config.get("trainer"), Mapping):
        return
    yield from _contradictions(hardware)
    if declaration_reader.of("hardware", hardware.get("name")).several_processes:
        yield from _workers(config, hardware)
    if hardware.get("scale_learning_rate") == "linear" and hardware.get("scale_batch") == "global":
        yield Problem(
            "hardware.scale_learning_rate",
            "linear follows the number of examples a step, which hardware.scale_batch=global leaves as it is. "
            "Set hardware.scale_batch=per_replica, or this to false.",
        )
    if hardware.get("deterministic") is True and config["trainer"].get("jit_compile") is True:
        # Keras would warn and train without XLA, because TensorFlow's determinism does not cover all of its operations.
        yield Problem(
            "trainer.jit_compile",
            "Keras does not compile with XLA under hardware.deterministic=true. Set one of them to false.",
        )
    if several(hardware):
        for rule in (_trainer, _batch, _optimizer, _loss, _compiled):
            yield from rule(config, hardware)
        yield from _last_batch(config, data)


def several(hardware: Mapping[str, Any]) -> bool:
    """Return whether a batch may be divided among replicas; True if that depends on the machine."""
    declared = declaration_reader.of("hardware", hardware.get("name"))
    return declared.several_devices and (declared.several_processes or count(hardware) != 1)


def count(hardware: Mapping[str, Any]) -> int | None:
    """Return the number of replicas in the config, or None if that depends on the machine."""
    for key in ("virtual_devices", "local_workers"):
        if isinstance(hardware.get(key), int):
            return hardware[key]
    for key in ("devices", "workers"):
        if isinstance(hardware.get(key), list):
            return len(hardware[key])
    return None


def _contradictions(hardware: Mapping[str, Any]) -> Iterator[Problem]:
    if hardware.get("virtual_devices") is not None and hardware.get("devices") is not None:
        yield Problem(
            "hardware.virtual_devices",
            "splits the CPU, and hardware.devices names GPUs. Set one of them to null.",
        )
    devices = hardware.get("devices")
    if isinstance(devices, list) and (len(set(devices)) < len(devices) or not devices):
        yield Problem("hardware.devices", f"expected different numbers of GPUs, got {devices}.")


def _workers(config: Mapping[str, Any], hardware: Mapping[str, Any]) -> Iterator[Problem]:
    if not declaration_reader.of("trainer", config["trainer"].get("name")).multi_worker:
        yield Problem(
            "trainer",
            f"trainer={config['trainer'].get('name')} does not run on several workers: Keras 3's loop fails under "
            "MultiWorkerMirroredStrategy (keras issue 20585). Take trainer=custom.",
        )
    if hardware.get("local_workers") is not None:
        keys = [k for k in ("workers", "index") if hardware.get(k) is not None]
        if keys:
            yield Problem(
                "hardware.local_workers",
                f"starts the workers itself, and hardware.{keys[0]} names them. Set one of them to null.",
            )
        return
    from trainrun.hardware._cluster import FIRST_PORT, cluster  # few configs need it

    port = hardware.get("port")
    try:
        cluster(
            hardware.get("workers"),
            hardware.get("index"),
            os.environ,
            port if isinstance(port, int) else FIRST_PORT,
        )
    except UserError as error:
        yield from error.problems


def _trainer(config: Mapping[str, Any], hardware: Mapping[str, Any]) -> Iterator[Problem]:
    name = config["trainer"].get("name")
    several_processes = declaration_reader.of("hardware", hardware["name"]).several_processes
    if not declaration_reader.of("trainer", name).divides_batches and not several_processes:
        yield Problem(
            "trainer",
            f"trainer={name} does not divide a batch among devices. Take trainer=custom or trainer=fit, or one device.",
        )


def _batch(config: Mapping[str, Any], hardware: Mapping[str, Any]) -> Iterator[Problem]:
    size, replicas = config["trainer"].get("batch_size"), count(hardware)
    if not isinstance(size, int) or replicas is None or hardware.get("scale_batch") != "global":
        return
    if size < replicas:
        yield Problem(
            "trainer.batch_size",
            f"expected at least one example for each of {replicas} replicas, got {size} for all of them. "
            "To count them for each replica, set hardware.scale_batch=per_replica.",
        )


def _last_batch(config: Mapping[str, Any], data: Description) -> Iterator[Problem]:
    """Yield a problem if Keras' fit would give a replica a batch without an example, which some layers refuse."""
    trainer, hardware = config["trainer"], config["hardware"]
    size, limit, replicas = trainer.get("batch_size"), trainer.get("limit"), count(hardware)
    keras_fit = declaration_reader.of("trainer", trainer.get("name")).keras_fit
    if not keras_fit or replicas is None or data.examples is None or not isinstance(size, int):
        return
    examples = min(data.examples, limit) if isinstance(limit, int) else data.examples
    size *= replicas if hardware.get("scale_batch") == "per_replica" else 1
    left, steps = examples % size, trainer.get("steps_per_epoch")
    if 0 < left < replicas and not (isinstance(steps, int) and steps * size <= examples):
        yield Problem(
            "trainer.batch_size",
            f"the last batch of {examples} examples would hold {left}, fewer than the {replicas} replicas. "
            "Take trainer=custom, which allows that, or another batch size.",
        )


def _optimizer(config: Mapping[str, Any], hardware: Mapping[str, Any]) -> Iterator[Problem]:
    def visit(spec: Any, key: str) -> Iterator[Problem]:
        if not isinstance(spec, Mapping):
            return
        for argument, value in spec.items():
            if argument in INSIDE_A_CONDITION and value is not None:
                way_out = (
                    "trainer=custom trainer.accumulate"
                    if argument == "gradient_accumulation_steps"
                    else "callback=swap_ema_weights, which swaps at each validation"
                )
                yield Problem(
                    f"{key}.{argument}",
                    f"Keras cannot do this on several devices. Set it to null; {way_out} may serve instead.",
                )
            yield from visit(value, f"{key}.{argument}")

    yield from visit(config.get("optimizer"), "optimizer")


def _loss(config: Mapping[str, Any], hardware: Mapping[str, Any]) -> Iterator[Problem]:
    loss = config.get("loss")
    if not isinstance(loss, Mapping):
        return
    if declaration_reader.of("loss", loss.get("name")).whole_batch and loss.get("axis") is None:
        yield Problem(
            "loss",
            f"{loss['name']} is one number for the whole batch, and each replica sees a part of it. "
            + (
                "Set loss.axis, which makes it one for each example"
                if "axis" in loss
                else "Take another loss"
            )
            + ", or train on one device.",
        )
    trainer = config["trainer"].get("name")
    averages = loss.get("reduction") in ("sum_over_batch_size", "mean", None)
    if declaration_reader.of("trainer", trainer).keras_fit and not averages:
        yield Problem(
            "loss.reduction",
            f"trainer={trainer} averages over replicas, which {loss['reduction']} does not allow. "
            "Take trainer=custom, or loss.reduction=sum_over_batch_size.",
        )


def _compiled(config: Mapping[str, Any], hardware: Mapping[str, Any]) -> Iterator[Problem]:
    trainer = config["trainer"]
    if (
        trainer.get("jit_compile") is True
        and not declaration_reader.of("hardware", hardware["name"]).compiles_steps
    ):
        yield Problem(
            "trainer.jit_compile",
            "XLA cannot compile a step that several devices share (Keras and TensorFlow refuse it). Set it to auto.",
        )
    keras_fit = declaration_reader.of("trainer", trainer.get("name")).keras_fit
    if keras_fit and trainer.get("steps_per_execution") not in ("auto", 1, None):
        yield Problem(
            "trainer.steps_per_execution",
            "Keras' fit takes one step a call on several devices. Set it to auto, or take trainer=custom, which takes many.",
        )
