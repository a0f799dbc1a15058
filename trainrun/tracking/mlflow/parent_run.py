"""Choose the MLflow parent run: the trial's sweep, else the run in `MLFLOW_RUN_ID`.

MLflow's own calls write *into* the run in `MLFLOW_RUN_ID`. All trials of a sweep inherit the variable, and would overwrite one
another (mlflow #7152, #15713). Therefore trainrun writes nothing into that run: a run or sweep started with the variable is a
separate run, nested below it if the tracking server has it.
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
    """Return the id of the MLflow run of a trial's sweep; None while the server has none, or if the run is no trial.

    Only the sweep's `tracking.json` stores it: trials are delivered after their sweep, and a trial whose tag is missing or
    differs is corrected by its next delivery or `trainrun sync`.
    """
    folder = find.sweep_of(run_dir)
    return None if folder is None else (state.find(state.read(folder), target) or {}).get("run_id")


def of_variable(client: Any, start: Mapping[str, Any]) -> str | None:
    """Return the id in `MLFLOW_RUN_ID` when the run began, or None if this server has no such run.

    Args:
        client: MLflow's.
        start: the run's first record.
    """
    named = start.get("parent_run_id")
    if not named:
        return None
    try:
        # With a parent that does not exist on the server, MLflow's pages would not show the run at all.
        return client.get_run(named).info.run_id
    except Exception as error:
        if faults.kind(error) in (errors.GONE, errors.INVALID):
            return None
        raise


def in_environment() -> str | None:
    """Return the value of `MLFLOW_RUN_ID`, or None."""
    return os.environ.get(VARIABLE) or None
