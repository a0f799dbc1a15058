"""`summary.json`: a run in one small file, for tables, sweeps and scripts."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from trainrun.registry import direction
from trainrun.util import paths, redaction
from trainrun.util.clock import INPUT

FILE = "summary.json"
# The key of the tracker's run. Scripts read it, so it has kept its name since there are several trackers.
IDENTITY = "mlflow"
STATUSES = ("FINISHED", "FAILED", "KILLED", "PRUNED")
SECONDS = ("import", "data", "build", "train", "evaluate", "save", "total")


def build(
    *,
    run_id: str,
    status: str,
    seed: int,
    overrides: Sequence[str] = (),
    metrics: Mapping[str, float] | None = None,
    best: Mapping[str, Mapping[str, Any]] | None = None,
    epochs: int = 0,
    steps: int = 0,
    parameters: int | None = None,
    seconds: Mapping[str, float] | None = None,
    examples_per_second: float | None = None,
    weights_sha256: str | None = None,
    data_sha256: str | None = None,
    versions: Mapping[str, str] | None = None,
    git: Mapping[str, Any] | None = None,
    identity: Mapping[str, str] | None = None,
    resumed_from: Mapping[str, Any] | None = None,
    tuned: Mapping[str, Any] | None = None,
    attempts: Sequence[Mapping[str, Any]] = (),
    data: Mapping[str, Any] | None = None,
    weights: Mapping[str, Any] | None = None,
    threshold: Mapping[str, Any] | None = None,
    system: Mapping[str, float] | None = None,
) -> dict[str, Any]:
    """Return the summary's content, its keys always the same and in the same order; some may follow.

    Args:
        run_id: the name of the run's directory.
        status: one of `STATUSES`.
        overrides: as typed; passwords in addresses are hidden here.
        metrics: final ones, name -> number; validation's begin with ``val_``, test's with ``test_``.
        best: see `best_epochs`.
        epochs, steps: done in all, those before a resume included.
        parameters: weights of the model, trainable or not.
        seconds: by phase (`SECONDS`); those that are absent are 0. With `INPUT`, the seconds that training waited for its input, the content
            has `input_wait`, their share of the training.
        examples_per_second: in training, without validation.
        weights_sha256: see the function of that name.
        data_sha256: `dataset.digest()`.
        git: `environment.git_state()`.
        identity: the tracker's `tracking_uri`, `experiment_id`, `run_id`, or None.
        resumed_from: `epoch`, `step`, `checkpoint` that the last attempt went on from; None: there was but one.
        tuned: the settings that trials before the run have found; the key is there only if there are any.
        data: `data.overview.of(dataset)`; the key is there only if it is given.
        weights: which weights are the model, once training has ended: its `choice`, and the `epoch` that they are of.
        threshold: the decision threshold of two classes with its interval and criterion; likewise.
        system: see `system_metrics.Sampler.stop`; likewise.
        attempts: what failed while training, and what was done about it; likewise.

    Raises:
        ValueError: the status is none.
    """
    if status not in STATUSES:
        raise ValueError(f"status is one of {', '.join(STATUSES)}; got {status!r}.")
    waited = seconds is not None and INPUT in seconds and seconds.get("train")
    return {
        "run_id": run_id,
        "status": status,
        "overrides": redaction.words(overrides),
        "metrics": dict(metrics or {}),
        "best": {k: dict(v) for k, v in (best or {}).items()},
        "epochs": epochs,
        "steps": steps,
        "parameters": parameters,
        "seconds": {k: round(float((seconds or {}).get(k, 0.0)), 4) for k in SECONDS},
        "examples_per_second": examples_per_second,
        "seed": seed,
        "weights_sha256": weights_sha256,
        "data_sha256": data_sha256,
        "versions": dict(versions or {}),
        "git": dict(git) if git else None,
        IDENTITY: dict(identity) if identity else None,
        "resumed_from": resumed_from,
        **({"data": dict(data)} if data else {}),
        **({"weights": dict(weights)} if weights else {}),
        **({"threshold": dict(threshold)} if threshold else {}),
        **({"input_wait": round(seconds[INPUT] / seconds["train"], 4)} if waited else {}),
        **({"system": dict(system)} if system else {}),
        **({"tuned": dict(tuned)} if tuned else {}),
        **({"attempts": [dict(a) for a in attempts]} if attempts else {}),
    }


def write(run_dir: str | Path, summary: Mapping[str, Any]) -> Path:
    """Write `summary.json`, whole or not at all.

    JSON has no NaN and no infinity: they are written as the strings "nan", "inf" and "-inf".
    """
    path = Path(run_dir) / FILE
    text = json.dumps(_legal(summary), indent=2, allow_nan=False, ensure_ascii=False)
    with paths.whole(path) as new, open(new, "w", encoding="utf-8", errors="replace") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())
    return path


def read(run_dir: str | Path) -> dict[str, Any]:
    """Return what `write` wrote, NaN and infinity as floats again."""
    summary = json.loads(paths.content(Path(run_dir) / FILE))
    summary["metrics"] = {k: _number(v) for k, v in summary.get("metrics", {}).items()}
    for entry in summary.get("best", {}).values():
        entry["value"] = _number(entry.get("value"))
    return summary


def read_or_empty(run_dir: str | Path) -> dict[str, Any]:
    """Return what `write` wrote; empty where the file is missing, or cannot be read."""
    try:
        return read(run_dir)
    except (OSError, ValueError, LookupError, AttributeError, TypeError):
        return {}


def monitored(summary: Mapping[str, Any]) -> str | None:
    """Return the metric whose best epoch is called the run's: the one that chose its weights, else the validation, else the training loss."""
    best, weights = summary.get("best") or {}, summary.get("weights") or {}
    return next((name for name in (weights.get("monitor"), "val_loss", "loss") if name in best), None)


def examples(summary: Mapping[str, Any], metric: str) -> int:
    """Return the number of examples that a metric was measured on; 0 where it is not recorded."""
    part = "test" if metric.startswith("test_") else "validation" if metric.startswith("val_") else "train"
    parts = (summary.get("data") or {}).get("parts")
    count = parts.get(part) if isinstance(parts, Mapping) else None
    return count if isinstance(count, int) else 0


def best_epochs(
    history: Mapping[str, Sequence[float]],
    metrics: Mapping[str, Any] | None = None,
    validation_freq: int | None = None,
) -> dict[str, dict[str, Any]]:
    """Return each metric's best value and the epoch of it, counted from 1; one without a direction has no best.

    Args:
        history: name -> one number an epoch.
        metrics: the config's `metric` node, which tells what a name measures.
        validation_freq: epochs from one validation to the next; None: by the lengths.
    """
    best = {}
    epochs = max(map(len, history.values()), default=0)
    for name, values in history.items():
        # Validation every n epochs: its values belong to every n-th.
        every = (
            validation_freq if validation_freq and name.startswith("val_") else epochs // max(len(values), 1)
        )
        way = direction.of(name, metrics)
        finite = [(float(v), i) for i, v in enumerate(values, start=1) if math.isfinite(float(v))]
        if way is None or not finite:
            continue
        # Of equal values the earliest.
        value, epoch = min(finite) if way == "min" else max(finite, key=lambda v: (v[0], -v[1]))
        best[name] = {"value": value, "epoch": epoch * every}
    return best


def weights_sha256(model: Any) -> str:
    """Return the sha256 of a Keras model's weights: names, dtypes, shapes and bytes, in the model's order.

    The names are the variables' own (``kernel``), without the layers': Keras numbers those by process.
    """
    import numpy as np

    sha = hashlib.sha256()
    for variable, value in zip(model.weights, model.get_weights(), strict=True):
        value = np.ascontiguousarray(value)
        sha.update(f"{variable.name}{value.dtype}{value.shape}".encode())
        sha.update(value.tobytes())
    return sha.hexdigest()


def _legal(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(k): _legal(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_legal(v) for v in value]
    if hasattr(value, "tolist"):
        return _legal(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def _number(value: Any) -> Any:
    return float(value) if value in ("nan", "inf", "-inf") else value
