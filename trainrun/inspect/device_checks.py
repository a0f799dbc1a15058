"""Checks of GPUs and driver, precisions and XLA; each of them loads TensorFlow."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from typing import Any

from trainrun.inspect.machine_checks import FAULT, OK, WARNING, Finding
from trainrun.ui import console
from trainrun.util import subprocesses


def devices() -> Iterator[Finding]:
    """Check the devices that TensorFlow finds, and the driver."""
    with console.hushed():
        import tensorflow as tf

        gpus, tpus = tf.config.list_physical_devices("GPU"), tf.config.list_physical_devices("TPU")
    driver = _driver()
    if gpus:
        for gpu in gpus:
            details = tf.config.experimental.get_device_details(gpu)
            capability = ".".join(map(str, details.get("compute_capability", ())))
            name = details.get("device_name", gpu.name)
            yield Finding(
                OK, "device", f"GPU {name}{f', compute capability {capability}' if capability else ''}"
            )
    elif driver:
        yield Finding(
            WARNING,
            "device",
            f"the CPU; there is a driver ({driver}), but TensorFlow {tf.__version__} finds no GPU",
            "pip install 'tensorflow[and-cuda]', and check that CUDA_VISIBLE_DEVICES does not hide it",
        )
    else:
        yield Finding(OK, "device", "the CPU; no GPU, no driver")
    if driver and gpus:
        yield Finding(
            OK,
            "driver",
            f"{driver}; TensorFlow built for CUDA {tf.sysconfig.get_build_info().get('cuda_version', '?')}",
        )
    if tpus:
        yield Finding(OK, "device", f"{len(tpus)} TPU cores")


def _driver() -> str | None:
    """Return the version of NVIDIA's driver, or None."""
    try:
        command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
        done = subprocesses.run(command, 10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return f"NVIDIA {done.stdout.split()[0]}" if done.returncode == 0 and done.stdout.strip() else None


def precision() -> Iterator[Finding]:
    """Check the speed of matrix multiplication in each precision."""
    import tensorflow as tf

    times: dict[str, float | None] = {}
    for name in ("float32", "bfloat16", "float16", "float64"):
        try:
            times[name] = _time(tf.ones((512, 512), name), tf)
        except tf.errors.OpError:
            times[name] = None
    full = times["float32"]
    works = [f"{n} {full / t:.1g}×" for n, t in times.items() if t and full and n != "float32"]
    missing = [n for n, t in times.items() if t is None]
    slow = [n for n in ("bfloat16", "float16") if full and times[n] and times[n] > full]
    text = f"multiplying matrices, against float32: {', '.join(works)}"
    if missing:
        yield Finding(WARNING, "precision", f"{text}; not {', '.join(missing)}", "hardware.precision=float32")
    elif slow:
        yield Finding(OK, "precision", f"{text} ({' and '.join(slow)} work here, but are slower)")
    else:
        yield Finding(OK, "precision", text)


def _time(matrix: Any, tf: Any) -> float:
    """Return the seconds of the fastest of some multiplications."""
    best = float("inf")
    for _ in range(4):
        start = time.perf_counter()
        tf.linalg.matmul(matrix, matrix).numpy()
        best = min(best, time.perf_counter() - start)
    return best


def compiler() -> Iterator[Finding]:
    """Check that XLA compiles."""
    import tensorflow as tf

    try:
        start = time.perf_counter()
        with console.hushed():
            value = float(tf.function(lambda x: tf.reduce_sum(x * x), jit_compile=True)(tf.ones(3)))
    except (tf.errors.OpError, NotImplementedError) as error:
        yield Finding(
            WARNING, "XLA", f"does not compile: {str(error).splitlines()[0]}", "trainer.jit_compile=false"
        )
        return
    level = OK if value == 3.0 else FAULT
    yield Finding(level, "XLA", f"compiles, in {time.perf_counter() - start:.1f} s the first time")
