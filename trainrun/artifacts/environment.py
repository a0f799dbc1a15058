"""The environment of a run: packages, devices, and the commit of the code with the changes since."""

from __future__ import annotations

import functools
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

from trainrun.tracking import trackers
from trainrun.util import git, machine, redaction

FILE = "environment.txt"
CHANGES = "Changes since the commit"  # a title in it
# Packages that a result may depend on, for summary.json.
VERSIONED = ("trainrun", "tensorflow", "keras", "numpy", "hydra-core", "scikit-learn", *trackers.names())
# Variables that a result, or its speed, may depend on, by name: any other may hold a secret.
VARIABLES = (
    "CUDA_DEVICE_ORDER", "CUDA_LAUNCH_BLOCKING", "CUDA_VISIBLE_DEVICES", "KERAS_BACKEND", "MKL_DYNAMIC", "MKL_NUM_THREADS",
    "NCCL_DEBUG", "NVIDIA_TF32_OVERRIDE", "NVIDIA_VISIBLE_DEVICES", "OMP_DYNAMIC", "OMP_NUM_THREADS", "OMP_PLACES", "OMP_PROC_BIND",
    "OPENBLAS_NUM_THREADS", "PYTHONHASHSEED", "SLURM_JOB_ID", "TF_CONFIG", "TF_CPP_MIN_LOG_LEVEL", "TF_CUDNN_DETERMINISTIC",
    "TF_CUDNN_USE_AUTOTUNE", "TF_DETERMINISTIC_OPS", "TF_ENABLE_ONEDNN_OPTS", "TF_FORCE_GPU_ALLOW_GROWTH", "TF_GPU_ALLOCATOR",
    "TF_GPU_THREAD_COUNT", "TF_GPU_THREAD_MODE", "TF_NUM_INTEROP_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_USE_LEGACY_KERAS",
    "TF_XLA_FLAGS", "XLA_FLAGS",
)  # fmt: skip
DIFF_LIMIT = 1_000_000  # characters


@functools.cache
def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def versions(packages: Sequence[str] = VERSIONED) -> dict[str, str]:
    """Return the versions of `packages` that are installed, and of Python; nothing is imported."""
    installed = {"python": platform.python_version()}
    return installed | {name: v for name in packages if (v := _version(name)) is not None}


def git_state(folder: str | Path | None = None, sources: Sequence[Path] = ()) -> dict[str, Any] | None:
    """Return `{commit, dirty}` of a checkout, or None outside of one.

    Args:
        folder: anywhere in it; by default the working directory.
        sources: of plug-ins: one that is not tracked counts as a change.
    """
    with git.checkout(folder) as checkout:
        if checkout is None:
            return None
        # Other untracked files do not count: the outputs of runs are such.
        changed = checkout.untracked(sources) or checkout.changed()
        return {"commit": checkout.commit, "dirty": None if changed is None else bool(changed)}


def git_diff(folder: str | Path | None = None) -> str:
    """Return the changes since the commit, secrets hidden; empty outside a checkout."""
    with git.checkout(folder) as checkout:
        text = redaction.text(checkout.diff()) if checkout is not None else ""
    return text if len(text) <= DIFF_LIMIT else text[:DIFF_LIMIT] + "\n… (cut here: the diff is larger)\n"


def describe(devices: Sequence[str] = (), state: Mapping[str, Any] | None = None) -> str:
    """Return the text of `environment.txt`.

    Args:
        devices: of the run, a line each.
        state: state of the checkout, as returned by `git_state`.
    """
    lines = [
        f"python    {sys.version.split()[0]} ({platform.python_implementation()})",
        f"platform  {platform.platform()}",
        f"cpu       {_processor()}, {machine.cores()} cores to use",
        f"memory    {machine.total_memory() / 2**30:.1f} GiB",
        *(f"device    {d}" for d in devices),
        f"git       {state['commit']}{' with changes' if state['dirty'] else ''}"
        if state
        else "git       none",
        "",
        *_section(
            "Variables", (redaction.word(f"{k}={os.environ[k]}") for k in VARIABLES if k in os.environ)
        ),
        *_section("Packages", packages()),
    ]
    if state and state["dirty"]:
        lines += _section(CHANGES, git_diff().split("\n"))  # whole, so that it can be applied
    return "\n".join(lines).rstrip("\n") + "\n"


def write(run_dir: Path, devices: Sequence[str], state: Mapping[str, Any] | None) -> None:
    """Write `environment.txt`; see `describe`."""
    (run_dir / FILE).write_text(describe(devices, state), encoding="utf-8", errors="replace")


class Recorded(NamedTuple):
    """The content of a run's `environment.txt`.

    Args:
        machine: first word -> line: python, platform, cpu, memory, device, git.
        packages: name -> version.
        changes: the changes since the commit.
    """

    machine: dict[str, str]
    packages: dict[str, str]
    changes: str


def read(run_dir: Path) -> Recorded:
    """Return what a run's `environment.txt` says; all empty where there is none."""
    try:
        text = (run_dir / FILE).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return Recorded({}, {}, "")
    head, _, changes = text.partition(f"\n{CHANGES}\n{'-' * len(CHANGES)}\n")
    top = head.partition("\n\n")[0]
    installed = (line.partition("==") for line in head.splitlines() if "==" in line)
    return Recorded(
        {line.split(" ")[0]: line for line in top.splitlines() if line},
        {name: version for name, _, version in installed},
        changes,
    )


@functools.cache
def packages() -> list[str]:
    """Return the installed packages as `name==version`, sorted; they are read once."""
    versions = {d.metadata["Name"]: d.version for d in metadata.distributions() if d.metadata["Name"]}
    return [f"{name}=={versions[name]}" for name in sorted(versions, key=str.lower)]


def _section(title: str, lines: Any) -> list[str]:
    lines = list(lines)
    return [title, "-" * len(title), *lines, ""] if lines else []


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
