"""What every option of `hardware` sets, each time all of it: one process may run several configs one after another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from trainrun.compat import tensorflow_private
from trainrun.errors import Problem, UserError
from trainrun.ui import console
from trainrun.util import machine

TOO_LATE = (
    "TensorFlow has begun to run in this process, and this can only be set before that. "
    "Start a new process for this run, or give every run of this process the same value."
)


def numbers(precision: str, deterministic: bool, tf32: bool) -> None:
    """Set how numbers are held and added up.

    Args:
        precision: Keras' dtype policy (``float32``, ``mixed_float16``, …).
        deterministic: the same bits on every run of the same config on the same machine.
        tf32: GPUs may multiply float32 matrices with 10 bits of mantissa.
    """
    # floatx decides what a loss and a metric count in; the policy decides it for the layers.
    keras.config.set_floatx("float64" if precision == "float64" else "float32")
    keras.config.set_dtype_policy(precision)
    tf.config.experimental.enable_tensor_float_32_execution(tf32)
    if deterministic:
        tf.config.experimental.enable_op_determinism()
    elif tensorflow_private.is_deterministic():
        tensorflow_private.disable_determinism()


def threads(count: int | None) -> None:
    """Set the number of threads of the CPU; None leaves TensorFlow's choice, one per core.

    Raises:
        UserError: it is too late to change it.
    """
    if count is None:
        return
    expected = (count, min(2, count))
    got = (
        tf.config.threading.get_intra_op_parallelism_threads(),
        tf.config.threading.get_inter_op_parallelism_threads(),
    )
    if expected == got:
        return
    try:
        tf.config.threading.set_intra_op_parallelism_threads(expected[0])
        tf.config.threading.set_inter_op_parallelism_threads(expected[1])
    except RuntimeError as error:
        raise UserError(Problem("hardware.threads", TOO_LATE)) from error


def see(gpus: Sequence[Any], key: str = "hardware") -> None:
    """Show TensorFlow these GPUs and no others.

    Raises:
        UserError: it is too late to change it.
    """
    if list(gpus) == tf.config.get_visible_devices("GPU"):
        return
    try:
        tf.config.set_visible_devices(list(gpus), "GPU")
    except RuntimeError as error:
        raise UserError(Problem(key, TOO_LATE)) from error


def memory(gpus: Sequence[Any], growth: bool, limit: int | None) -> None:
    """Set how much memory of the GPUs TensorFlow takes.

    Args:
        gpus: physical devices.
        growth: take memory as it is needed; False takes all of it at once.
        limit: MB to take at most, at once; None: no limit.

    Raises:
        UserError: it is too late to change it.
    """
    for gpu in gpus:
        try:
            if limit is not None:
                part = tf.config.LogicalDeviceConfiguration(memory_limit=limit)
                if tf.config.get_logical_device_configuration(gpu) != [part]:
                    tf.config.set_logical_device_configuration(gpu, [part])
            elif tf.config.experimental.get_memory_growth(gpu) != growth:
                tf.config.experimental.set_memory_growth(gpu, growth)
        except RuntimeError as error:
            raise UserError(Problem(f"hardware.memory_{'limit' if limit else 'growth'}", TOO_LATE)) from error


def virtual(count: int) -> list[str]:
    """Split the CPU into logical devices, and return the names of the first `count`.

    Raises:
        UserError: it is too late to split it.
    """
    cpu = tf.config.list_physical_devices("CPU")[0]
    parts = tf.config.get_logical_device_configuration(cpu) or []
    if len(parts) < count:
        try:
            tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * count)
        except RuntimeError as error:
            raise UserError(Problem("hardware.virtual_devices", TOO_LATE)) from error
    return [f"CPU:{i}" for i in range(count)]


def physical_gpus() -> list[Any]:
    """Return the GPUs that TensorFlow found, in its order."""
    return tf.config.list_physical_devices("GPU")


def found() -> str:
    """Return the devices that TensorFlow found, as a phrase."""
    devices = tf.config.list_physical_devices()
    return ", ".join(described(d) for d in devices)


def described(device: Any) -> str:
    """Return `GPU:0 (NVIDIA A100)`; without a name where the driver tells none."""
    short = device.name.split("physical_device:")[-1]
    name = (
        tf.config.experimental.get_device_details(device).get("device_name")
        if device.device_type == "GPU"
        else None
    )
    return f"{short} ({name})" if name else short


def announce(what: str, precision: str, deterministic: bool = False) -> None:
    """Print the line that says what a run runs on.

    Args:
        what: the devices, as a phrase.
        precision, deterministic: as set.
    """
    configured = tf.config.threading.get_intra_op_parallelism_threads()
    count = configured or machine.cores()
    console.note(
        f"device: {what}, {count} {'thread' if count == 1 else 'threads'}, {precision}"
        + (", deterministic" if deterministic else "")
    )
