"""Which run a run stands below in MLflow: a trial below its sweep, anything else below the run that MLFLOW_RUN_ID names.

`MLFLOW_RUN_ID` asks MLflow's own calls to write *into* that run. All trials of a sweep inherit it, and would write over one
another (mlflow #7152, #15713). So nothing of ours is written into it: a run that is started with it, or the parent run of a
sweep, is a run of its own, nested below that one if the tracking server has it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trainrun.tracking.delivery import errors, state
from trainrun.tracking.delivery.state import Target
from trainrun.tracking.find import SWEEP
from trainrun.tracking.status import JOURNAL

TAG = "mlflow.parentRunId"
VARIABLE = "MLFLOW_RUN_ID"


def sweep_of(run_dir: str | Path) -> Path | None:
    """Return the directory of the sweep whose trial a run is; None: of none, or of one without a record of its own."""
    folder = Path(run_dir).absolute().parent
    return folder if (folder / SWEEP).is_file() and (folder / JOURNAL).is_file() else None


def of_sweep(run_dir: str | Path, target: Target) -> str | None:
    """Return the MLflow run of a trial's sweep; None while the server has none, or where there is no sweep.

    The sweep's `tracking.json` alone tells it: whoever delivers a trial delivers its sweep first, and a trial whose tag is
    missing or another gets it with its next delivery or `trainrun sync`.
    """
    folder = sweep_of(run_dir)
    if folder is None:
        return None
    entry = state.find(state.read(folder), target.address, target.experiment)
    return (entry or {}).get("run_id")


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
        if errors.kind(error) in (errors.GONE, errors.INVALID):
            return None
        raise


def given() -> str | None:
    """Return what the environment names."""
    return os.environ.get(VARIABLE) or None
