"""Checks of packages, cores, disk, tracker and plug-ins; none of them loads TensorFlow."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from trainrun.config import store_address
from trainrun.errors import UserError
from trainrun.tracking import trackers
from trainrun.util import keras_backend, machine, redaction
from trainrun.warm import control

OK, WARNING, FAULT = "ok", "warning", "fault"
MIN_FREE_BYTES = 2 * 2**30  # checkpoints and plots may need this much
ANSWER_TIMEOUT_S = 5.0  # for a tracking server
# Package -> the part of trainrun that needs it.
PACKAGES = {
    "tensorflow": "training",
    "keras": "training",
    "numpy": "training",
    "hydra-core": "the command line",
    trackers.default(): f"tracking={trackers.default()}",
    "scikit-learn": "the small datasets",
    "pyarrow": "data=csv",
    "matplotlib": "plots",
}


@dataclass(frozen=True)
class Finding:
    """The result of one check.

    Args:
        level: ``ok``, ``warning`` (training works) or ``fault`` (it does not).
        subject: what was checked.
        text: the result.
        advice: what to do; empty if nothing.
    """

    level: str
    subject: str
    text: str
    advice: str = ""


def versions() -> Iterator[Finding]:
    """Check Python and the packages that trainrun needs."""
    import platform

    yield Finding(OK, "python", f"{platform.python_version()} on {platform.platform(terse=True)}")
    installed = []
    for name, part in PACKAGES.items():
        try:
            installed.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            yield Finding(FAULT, "packages", f"{name} is missing: {part} needs it", f"pip install {name}")
    yield Finding(OK, "packages", ", ".join(installed))
    if (chosen := keras_backend.foreign()) is not None:
        source, backend, way_out = chosen
        yield Finding(FAULT, "keras", f"{source}={backend}; trainrun trains with TensorFlow", way_out)


def threads() -> Iterator[Finding]:
    """Check the processor's cores and their limits."""
    cores = machine.cores()
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
        yield Finding(WARNING, "threads", f"{text}; limited by {', '.join(limits)}", "unset it if unintended")
    else:
        yield Finding(OK, "threads", text)


def _quota() -> float | None:
    """Return the container's CPU quota in cores, or None."""
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return None if quota == "max" else int(quota) / int(period)
    except (OSError, ValueError):
        return None


def disk() -> Iterator[Finding]:
    """Check the folder for runs and its free space."""
    folder = Path.cwd()
    free = shutil.disk_usage(folder).free
    if not os.access(folder, os.W_OK):
        yield Finding(
            FAULT, "disk", f"{folder} cannot be written to", "change to a folder that you can write to"
        )
    elif free < MIN_FREE_BYTES:
        yield Finding(
            WARNING,
            "disk",
            f"{free / 2**30:.1f} GiB free in {folder}",
            "remove old runs: outputs/, and the tracker's store",
        )
    else:
        yield Finding(OK, "disk", f"{free / 2**30:.0f} GiB free in {folder}")


def tracker() -> Iterator[Finding]:
    """Check the store of the default tracker."""

    uri, _ = trackers.find(trackers.default()).destination({})
    shown = redaction.text(uri)
    if uri.startswith(store_address.SQLITE_PREFIX):
        file = Path(uri.removeprefix(store_address.SQLITE_PREFIX))
        if os.access(file if file.exists() else file.parent, os.W_OK):
            yield Finding(
                OK, "tracker", f"{file.name}, {'exists' if file.exists() else 'created by the first run'}"
            )
        else:
            yield Finding(
                WARNING, "tracker", f"{file} cannot be written to", "choose another store: tracking.uri=…"
            )
    elif uri.startswith(("http://", "https://")):
        yield _answers(uri, shown)
    else:
        yield Finding(OK, "tracker", f"{shown} (not tried)")


def _answers(uri: str, shown: str) -> Finding:
    import urllib.error
    import urllib.request

    start = time.monotonic()
    try:
        with urllib.request.urlopen(f"{uri.rstrip('/')}/health", timeout=ANSWER_TIMEOUT_S):
            return Finding(OK, "tracker", f"{shown} answers in {(time.monotonic() - start) * 1000:.0f} ms")
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        return Finding(
            WARNING,
            "tracker",
            f"{shown} does not answer: {reason}",
            "runs are recorded in their own directories all the same; `trainrun sync` delivers them later",
        )


def plug_ins() -> Iterator[Finding]:
    """Check the plug-ins of the project's config and of installed packages."""
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
                "correct it, or remove it from plugins",
            )
        else:
            yield Finding(OK, "plug-ins", name)


def warm() -> Iterator[Finding]:
    """Check whether a process with TensorFlow waits for runs."""
    now = control.state()
    if now is None:
        yield Finding(OK, "warm", "no; `trainrun warm` has later runs begin at once")
    elif now["stale"]:
        text = f"process {now['pid']} does not fit this environment or code; the next run starts a fresh one"
        yield Finding(OK, "warm", text)
    else:
        runs, left = control.runs(now["runs"]), now["idle_left_s"] / 60
        text = f"process {now['pid']}, {runs}, ends after {left:.0f} minutes without another"
        yield Finding(OK, "warm", text)
