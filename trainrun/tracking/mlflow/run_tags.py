"""A run's tags in MLflow; one of them, `trainrun.key`, is the key for finding the run on a server."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from trainrun.tracking.mlflow import limits

KEY = "trainrun.key"


def key_of(start: Mapping[str, Any]) -> str:
    """Return the key of a run on any server: a hash of its journal's first record, so that it need not be stored."""
    parts = [str(start.get(k)) for k in ("run_id", "host", "run_dir", "pid", "time")]
    parts += [start["copy"]] if start.get("copy") else []  # of a copy, which is another run
    return hashlib.sha256("\0".join(parts).encode("utf-8", "replace")).hexdigest()[:32]


def of(start: Mapping[str, Any]) -> dict[str, str]:
    """Return the tags that a run is created with.

    Args:
        start: its journal's first record.
    """
    git, versions = start.get("git") or {}, start.get("versions") or {}
    tags = {
        "mlflow.user": start.get("user"),
        "mlflow.source.name": start.get("command"),
        "mlflow.source.type": "LOCAL",
        "mlflow.source.git.commit": git.get("commit"),
        "git.commit": git.get("commit"),
        "git.dirty": git.get("dirty"),
        "command": start.get("command"),
        "overrides": " ".join(start.get("overrides") or []),
        "run_dir": start.get("run_dir"),
        "trainrun.run_id": start.get("run_id"),
        "trainrun.version": versions.get("trainrun"),
        "host": start.get("host"),
        **(start.get("tags") or {}),
        KEY: key_of(start),
    }
    kept = {k: v for k, v in tags.items() if v is not None and v != ""}
    return {limits.key(k): limits.cut(limits.value(v), limits.TAG_LENGTH) for k, v in kept.items()}
