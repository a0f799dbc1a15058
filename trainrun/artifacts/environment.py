"""The environment of a run: packages, devices, and the commit of the code with the changes since."""

from __future__ import annotations

import functools
import os
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from trainrun.tracking import trackers
from trainrun.util import machine, redaction, subprocesses

FILE = "environment.txt"
# Packages that a result may depend on, for summary.json.
VERSIONED = ("trainrun", "tensorflow", "keras", "numpy", "hydra-core", "scikit-learn", *trackers.names())
_VARIABLES = ("CUDA_", "TF_", "KERAS_", "XLA_", "OMP_", "MKL_", "NVIDIA_", "PYTHONHASHSEED", "SLURM_JOB_ID")
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


def git_state(folder: str | Path | None = None) -> dict[str, Any] | None:
    """Return `{commit, dirty}` of the checkout that a folder (by default the working directory) is in, or None."""
    commit = _git(folder, "rev-parse", "HEAD")
    if commit is None:
        return None
    # Untracked files do not count: the outputs of runs are such.
    changed = _git(folder, "status", "--porcelain", "--untracked-files=no")
    return {"commit": commit.strip(), "dirty": bool((changed or "").strip())}


def git_diff(folder: str | Path | None = None) -> str:
    """Return the changes since the commit, with passwords in addresses hidden; empty outside a checkout."""
    text = redaction.text(_git(folder, "diff", "HEAD", "--no-color", "--no-ext-diff") or "")
    return text if len(text) <= DIFF_LIMIT else text[:DIFF_LIMIT] + "\n… (cut here: the diff is larger)\n"


def describe(devices: Sequence[str] = (), git: Mapping[str, Any] | None = None) -> str:
    """Return the text of `environment.txt`.

    Args:
        devices: of the run, a line each.
        git: state of the checkout, as returned by `git_state`.
    """
    lines = [
        f"python    {sys.version.split()[0]} ({platform.python_implementation()})",
        f"platform  {platform.platform()}",
        f"cpu       {_processor()}, {machine.cores()} cores to use",
        f"memory    {machine.total_memory() / 2**30:.1f} GiB",
        *(f"device    {d}" for d in devices),
        f"git       {git['commit']}{' with changes, below' if git['dirty'] else ''}"
        if git
        else "git       none",
        "",
        *_section("Variables", (f"{k}={redaction.text(v)}" for k, v in _variables())),
        *_section("Packages", packages()),
    ]
    if git and git["dirty"]:
        lines += _section("Changes since the commit", git_diff().splitlines())
    return "\n".join(lines).rstrip() + "\n"


def write(run_dir: Path, devices: Sequence[str], git: Mapping[str, Any] | None) -> None:
    """Write `environment.txt`; see `describe`."""
    (run_dir / FILE).write_text(describe(devices, git), encoding="utf-8", errors="replace")


@functools.cache
def packages() -> list[str]:
    """Return the installed packages as `name==version`, sorted; they are read once."""
    versions = {d.metadata["Name"]: d.version for d in metadata.distributions() if d.metadata["Name"]}
    return [f"{name}=={versions[name]}" for name in sorted(versions, key=str.lower)]


def _section(title: str, lines: Any) -> list[str]:
    lines = list(lines)
    return [title, "-" * len(title), *lines, ""] if lines else []


def _variables() -> list[tuple[str, str]]:
    return [(k, v) for k, v in sorted(os.environ.items()) if k.startswith(_VARIABLES)]


def _git(folder: str | Path | None, *arguments: str) -> str | None:
    # Without locks, which would disturb the user's own git.
    environment = {"GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
    try:
        done = subprocesses.run(["git", *arguments], 10, environment, cwd=folder or os.getcwd())
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
