"""Choose the MLflow parent run: the trial's sweep, else the run in `MLFLOW_RUN_ID`.

`MLFLOW_RUN_ID` asks MLflow's own calls to write *into* that run. All trials of a sweep inherit it, and would write over one
another (mlflow #7152, #15713). So nothing of ours is written into it: a run that is started with it, or the parent run of a
sweep, is a run of its own, nested below that one if the tracking server has it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trainrun.tracking import find
from trainrun.tracking.delivery import errors, state
from trainrun.tracking.delivery.state import Target
from trainrun.tracking.mlflow import faults

TAG = "mlflow.parentRunId"
VARIABLE = "MLFLOW_RUN_ID"


def of_sweep(run_dir: str | Path, target: Target) -> str | None:
    """Return the MLflow run of a trial's sweep; None while the server has none, or where there is no sweep.

    The sweep's `tracking.json` alone has it: a trial is delivered after its sweep, and a trial whose tag is missing or another
    gets it with its next delivery or `trainrun sync`.
    """
    folder = find.sweep_of(run_dir)
    return None if folder is None else (state.find(state.read(folder), target) or {}).get("run_id")


def of_variable(client: Any, start: Mapping[str, Any]) -> str | None:
    """Return the run that `MLFLOW_RUN_ID` named when the run began, if this server has it.

    Args:
        client: MLflow's.
        start: the run's first record.
    """
    named = start.get("parent_run_id")
    if not named:
        return None
    try:
        # With a parent that the server does not know, MLflow's pages would show the run nowhere.
        return client.get_run(named).info.run_id
    except Exception as error:
        if faults.kind(error) in (errors.GONE, errors.INVALID):
            return None
        raise


def in_environment() -> str | None:
    """Return the run that the environment names."""
    return os.environ.get(VARIABLE) or None
