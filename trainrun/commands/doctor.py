"""`trainrun doctor [--quick]`: what this machine offers and what stands in the way."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from trainrun.errors import UserError
from trainrun.ui import console

OK, WARNING, FAULT = "ok", "warning", "fault"
MARKS = {OK: ("✓", "green"), WARNING: ("!", "yellow"), FAULT: ("✗", "bold red")}
ENOUGH = 2 * 2**30  # bytes free, below which checkpoints and plots may not fit
PATIENCE = 5.0  # seconds to wait for a tracking server
# Package -> the part of trainrun that does not work without it.
PACKAGES = {
    "tensorflow": "training",
    "keras": "training",
    "numpy": "training",
    "hydra-core": "the command line",
    "mlflow": "tracking=mlflow",
    "scikit-learn": "the small datasets",
    "pandas": "data=csv",
    "matplotlib": "plots",
}


@dataclass(frozen=True)
class Finding:
    """One line.

    Args:
        level: ``ok``, ``warning`` (training works) or ``fault`` (it does not).
        subject, text: what was looked at, and what was found.
        advice: what to do, where there is something to do.
    """

    level: str
    subject: str
    text: str
    advice: str = ""


def main(argv: Sequence[str]) -> int:
    """Look at everything, print a line each, and return 1 if training cannot work."""
    parser = argparse.ArgumentParser(
        prog="trainrun doctor",
        description="What this machine offers and what stands in the way, a line each.",
    )
    parser.add_argument("--quick", action="store_true", help="leave out what needs TensorFlow to load")
    quick = parser.parse_args(argv).quick
    levels = []
    for look in (versions, threads, disk, tracker, plugs, *(() if quick else (devices, precision, compiler))):
        for finding in _safely(look):
            levels.append(finding.level)
            show(finding)
    faults, warnings = levels.count(FAULT), levels.count(WARNING)
    console.say()
    if faults:
        console.say(
            f"{faults} {'fault' if faults == 1 else 'faults'}: training will not work as it is", "bold red"
        )
    elif warnings:
        console.say(f"ready; {warnings} {'warning' if warnings == 1 else 'warnings'}", "green")
    else:
        console.say("ready", "green")
    return 1 if faults else 0


def show(finding: Finding) -> None:
    """Print a finding; its advice has a line of its own."""
    mark, style = MARKS[finding.level]
    console.pieces(
        [(f"{mark} ", style), (f"{finding.subject:<12}", "bold"), (finding.text, "")],
        logged=f"{finding.level:<8}{finding.subject:<12}{finding.text}",
    )
    if finding.advice:
        console.pieces([("  " + " " * 12, ""), (f"→ {finding.advice}", style)])


def _safely(look: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """Yield what a look finds; one that fails is a finding itself."""
    try:
        yield from look()
    except Exception as error:
        yield Finding(FAULT, look.__name__, f"could not be looked at: {type(error).__name__}: {error}")


def versions() -> Iterator[Finding]:
    """Python and the packages that trainrun stands on."""
    import platform

    yield Finding(OK, "python", f"{platform.python_version()} on {platform.platform(terse=True)}")
    found = []
    for name, part in PACKAGES.items():
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            yield Finding(FAULT, "packages", f"{name} is missing: {part} needs it", f"pip install {name}")
    yield Finding(OK, "packages", ", ".join(found))
    wanted = os.environ.get("KERAS_BACKEND", "tensorflow")
    if wanted != "tensorflow":
        yield Finding(
            FAULT, "keras", f"KERAS_BACKEND={wanted}; trainrun trains with TensorFlow", "unset KERAS_BACKEND"
        )


def threads() -> Iterator[Finding]:
    """The processor's cores, and what limits them."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    limits = [
        f"{k}={os.environ[k]}" for k in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS") if k in os.environ
    ]
    text = f"{cores} {'core' if cores == 1 else 'cores'} to use"
    quota = _quota()
    if quota is not None and quota < cores:
        yield Finding(
            WARNING,
            "threads",
            f"{text}, of which this container may use {quota:g} at a time",
            f"hardware.threads={max(1, round(quota))} keeps threads from waiting for each other",
        )
    elif limits:
        yield Finding(WARNING, "threads", f"{text}; limited by {', '.join(limits)}", "unset it, or mean it")
    else:
        yield Finding(OK, "threads", text)


def _quota() -> float | None:
    """Return how many cores the container's quota amounts to, or None if there is none."""
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return None if quota == "max" else int(quota) / int(period)
    except (OSError, ValueError):
        return None


def disk() -> Iterator[Finding]:
    """The folder that runs land in."""
    folder = Path.cwd()
    free = shutil.disk_usage(folder).free
    if not os.access(folder, os.W_OK):
        yield Finding(FAULT, "disk", f"{folder} cannot be written to", "change to a folder of yours")
    elif free < ENOUGH:
        yield Finding(
            WARNING, "disk", f"{free / 2**30:.1f} GiB free in {folder}", "clear old runs: outputs/, mlflow.db"
        )
    else:
        yield Finding(OK, "disk", f"{free / 2**30:.0f} GiB free in {folder}")


def tracker() -> Iterator[Finding]:
    """The store that tracking=mlflow would write to."""
    from trainrun.tracking.mlflow.store import resolve_uri
    from trainrun.util import redaction

    uri = resolve_uri(None)
    shown = redaction.text(uri)
    if uri.startswith("sqlite:///"):
        file = Path(uri.removeprefix("sqlite:///"))
        if os.access(file if file.exists() else file.parent, os.W_OK):
            yield Finding(
                OK, "tracker", f"{file.name}, {'there' if file.exists() else 'made by the first run'}"
            )
        else:
            yield Finding(WARNING, "tracker", f"{file} cannot be written to", "set MLFLOW_TRACKING_URI")
    elif uri.startswith(("http://", "https://")):
        yield _answers(uri, shown)
    else:
        yield Finding(OK, "tracker", f"{shown} (not tried)")


def _answers(uri: str, shown: str) -> Finding:
    import urllib.error
    import urllib.request

    start = time.monotonic()
    try:
        with urllib.request.urlopen(f"{uri.rstrip('/')}/health", timeout=PATIENCE):
            return Finding(OK, "tracker", f"{shown} answers in {(time.monotonic() - start) * 1000:.0f} ms")
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        return Finding(
            WARNING,
            "tracker",
            f"{shown} does not answer: {reason}",
            "runs are recorded in their own directories all the same; `trainrun sync` delivers them later",
        )


def plugs() -> Iterator[Finding]:
    """Plug-ins: those of the project's config, and those of installed packages."""
    from trainrun.config import plugins

    named = [*plugins.early([]), *plugins.entry_points()]
    if not named:
        yield Finding(OK, "plug-ins", "none")
    for name in named:
        problems = plugins.announce([name])
        try:
            if not problems:
                plugins.load([name])
        except UserError as error:
            problems = error.problems
        if problems:
            yield Finding(
                FAULT,
                "plug-ins",
                f"{name}: {problems[0].message.splitlines()[0]}",
                "mend it, or take it out of plugins",
            )
        else:
            yield Finding(OK, "plug-ins", name)


def devices() -> Iterator[Finding]:
    """The devices that TensorFlow finds, and the driver."""
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
            f"the CPU; a driver is there ({driver}), but TensorFlow {tf.__version__} finds no GPU",
            "pip install 'tensorflow[and-cuda]', and see that CUDA_VISIBLE_DEVICES does not hide it",
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
    """Return NVIDIA's driver, or None if there is none."""
    try:
        asked = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
        done = subprocess.run(asked, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return f"NVIDIA {done.stdout.split()[0]}" if done.returncode == 0 and done.stdout.strip() else None


def precision() -> Iterator[Finding]:
    """Which precisions multiply, and which of them pay."""
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
        yield Finding(OK, "precision", f"{text} ({' and '.join(slow)} work here, and gain nothing)")
    else:
        yield Finding(OK, "precision", text)


def _time(matrix: Any, tf: Any) -> float:
    """Return the best of some multiplications, in seconds."""
    best = float("inf")
    for _ in range(4):
        start = time.perf_counter()
        tf.linalg.matmul(matrix, matrix).numpy()
        best = min(best, time.perf_counter() - start)
    return best


def compiler() -> Iterator[Finding]:
    """XLA."""
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
