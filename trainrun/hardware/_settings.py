"""Settings of TensorFlow that all options of `hardware` share; each run sets all of them, because a process may run several configs."""

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
    "TensorFlow is initialized in this process already, and this can only be set before. "
    "Start a new process for this run, or use the same value for every run of this process."
)


def numbers(precision: str, deterministic: bool, tf32: bool) -> None:
    """Set precision and determinism.

    Args:
        precision: Keras' dtype policy (``float32``, ``mixed_float16``, …).
        deterministic: the same bits on every run of the same config on the same machine.
        tf32: GPUs may multiply float32 matrices with 10 bits of mantissa.
    """
    # floatx is the dtype of losses and metrics, the policy that of the layers.
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
        UserError: TensorFlow is initialized already.
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


def set_visible_gpus(gpus: Sequence[Any], key: str = "hardware") -> None:
    """Make only these GPUs visible to TensorFlow.

    Raises:
        UserError: TensorFlow is initialized already.
    """
    if list(gpus) == tf.config.get_visible_devices("GPU"):
        return
    try:
        tf.config.set_visible_devices(list(gpus), "GPU")
    except RuntimeError as error:
        raise UserError(Problem(key, TOO_LATE)) from error


def memory(gpus: Sequence[Any], growth: bool, limit: int | None) -> None:
    """Set the memory that TensorFlow allocates on the GPUs.

    Args:
        gpus: physical devices.
        growth: allocate memory as needed; False: all of it at once.
        limit: MB to allocate, at once; None: no limit.

    Raises:
        UserError: TensorFlow is initialized already.
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
        UserError: TensorFlow is initialized already.
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
    """Return the GPUs that TensorFlow finds, in its order."""
    return tf.config.list_physical_devices("GPU")


def all_devices() -> str:
    """Return the names of all devices that TensorFlow finds."""
    devices = tf.config.list_physical_devices()
    return ", ".join(described(d) for d in devices)


def described(device: Any) -> str:
    """Return a device's name, such as `GPU:0 (NVIDIA A100)`."""
    short = device.name.split("physical_device:")[-1]
    name = (
        tf.config.experimental.get_device_details(device).get("device_name")
        if device.device_type == "GPU"
        else None
    )
    return f"{short} ({name})" if name else short


def announce(what: str, precision: str, deterministic: bool = False) -> None:
    """Print the line with the devices of a run.

    Args:
        what: names of the devices.
        precision, deterministic: as set.
    """
    configured = tf.config.threading.get_intra_op_parallelism_threads()
    count = configured or machine.cores()
    console.note(
        f"device: {what}, {count} {'thread' if count == 1 else 'threads'}, {precision}"
        + (", deterministic" if deterministic else ""),
        fold=True,
    )
