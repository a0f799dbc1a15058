"""What a run ran on: packages, devices, and the code's commit with what was changed since."""

from __future__ import annotations

import functools
import os
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from types import MappingProxyType
from typing import Any

from trainrun.tracking import trackers
from trainrun.util import machine, redaction, subprocesses

FILE = "environment.txt"
# What a result may depend on, and what it is recorded with; for summary.json.
VERSIONED = ("trainrun", "tensorflow", "keras", "numpy", "hydra-core", "scikit-learn", *trackers.names())
_VARIABLES = ("CUDA_", "TF_", "KERAS_", "XLA_", "OMP_", "MKL_", "NVIDIA_", "PYTHONHASHSEED", "SLURM_JOB_ID")
DIFF_LIMIT = 1_000_000  # characters
ASK: Mapping[str, Any] = MappingProxyType({})


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


def git_state(
    folder: str | Path | None = None, known: dict[str, dict[str, Any] | None] | None = None
) -> dict[str, Any] | None:
    """Return `{commit, dirty}` of the checkout that `folder` is in, or None if it is in none.

    Args:
        folder: by default the working directory.
        known: answers of before, by folder: git is asked once for each folder. None: it is asked.
    """
    if known is not None:
        where = str(folder or os.getcwd())
        if where not in known:
            known[where] = git_state(folder)
        return known[where]
    commit = _git(folder, "rev-parse", "HEAD")
    if commit is None:
        return None
    # New files do not count: runs' outputs are such.
    changed = _git(folder, "status", "--porcelain", "--untracked-files=no")
    return {"commit": commit.strip(), "dirty": bool((changed or "").strip())}


def git_diff(folder: str | Path | None = None) -> str:
    """Return what differs from the commit, passwords in addresses hidden; empty outside a checkout."""
    text = redaction.text(_git(folder, "diff", "HEAD", "--no-color", "--no-ext-diff") or "")
    return text if len(text) <= DIFF_LIMIT else text[:DIFF_LIMIT] + "\n… (cut here: the diff is larger)\n"


def describe(
    devices: Sequence[str] = (), folder: str | Path | None = None, git: Mapping[str, Any] | None = ASK
) -> str:
    """Return the text of `environment.txt`.

    Args:
        devices: what the run used, a line each.
        folder: whose git state to tell; by default the working directory.
        git: its state, as `git_state` returns it; by default it is asked for.
    """
    git = git_state(folder) if git is ASK else git
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
        lines += _section("Changes since the commit", git_diff(folder).splitlines())
    return "\n".join(lines).rstrip() + "\n"


def write(
    run_dir: str | Path,
    devices: Sequence[str] = (),
    folder: str | Path | None = None,
    git: Mapping[str, Any] | None = ASK,
) -> Path:
    """Write `environment.txt`; see `describe`."""
    path = Path(run_dir) / FILE
    path.write_text(describe(devices, folder, git), encoding="utf-8", errors="replace")
    return path


@functools.cache
def packages() -> list[str]:
    """Return the installed packages as `name==version`, sorted, as they are when it is first asked for."""
    versions = {d.metadata["Name"]: d.version for d in metadata.distributions() if d.metadata["Name"]}
    return [f"{name}=={versions[name]}" for name in sorted(versions, key=str.lower)]


def _section(title: str, lines: Any) -> list[str]:
    lines = list(lines)
    return [title, "-" * len(title), *lines, ""] if lines else []


def _variables() -> list[tuple[str, str]]:
    return [(k, v) for k, v in sorted(os.environ.items()) if k.startswith(_VARIABLES)]


def _git(folder: str | Path | None, *arguments: str) -> str | None:
    # Without locks: a run must not stand in the way of the user's own git.
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
