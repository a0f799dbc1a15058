"""MLflow's registry of models: versions of a name, and the aliases that point to them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any

from trainrun.errors import UserError
from trainrun.tracking.delivery.state import Target
from trainrun.tracking.mlflow import sqlite, store
from trainrun.tracking.mlflow.model_files import MODEL


def holder(target: Target, name: str, alias: str) -> str | None:
    """Return the id of the run whose model has an alias, or None.

    Args:
        target: the store's address.
        name, alias: of the registered model.
    """
    from mlflow.exceptions import MlflowException

    try:
        return _client(target).get_model_version_by_alias(name, alias).run_id or None
    except MlflowException as error:
        # A store says INVALID_PARAMETER_VALUE of an alias that is not there.
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        raise


def register(target: Target, run_id: str, name: str, alias: str | None) -> str:
    """Register the last model of a run under a name, unless it is registered there already; return its version.

    Args:
        target: the store's address.
        run_id: of the run.
        name: of the registered model; made if there is none.
        alias: set on the version.

    Raises:
        UserError: MLflow has no model of the run.
    """
    from mlflow.exceptions import MlflowException

    client = _client(target)
    experiment_id = client.get_run(run_id).info.experiment_id
    logged = client.search_logged_models([experiment_id], f"source_run_id = '{run_id}'")
    ready = [m for m in logged if str(m.status).rpartition(".")[2] == "READY" and m.name == MODEL]
    if not ready:
        raise UserError(
            f"{target.address} has no model of this run: artifacts.model=false, tracking.log_model=false, or it is not sent yet "
            "(trainrun sync)."
        )
    model = max(ready, key=lambda m: m.creation_timestamp)
    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    source = f"models:/{model.model_id}"
    versions = client.search_model_versions(f"name = '{name}' and run_id = '{run_id}'")
    version = next((v for v in versions if source in (v.source, f"models:/{v.model_id}")), None)
    if version is None:
        with _default_store(target.uri):
            version = client.create_model_version(name, source, run_id=run_id, model_id=model.model_id)
    if alias is not None:
        client.set_registered_model_alias(name, alias, version.version)
    return str(version.version)


@contextlib.contextmanager
def _default_store(uri: str) -> Iterator[None]:
    """Make a store MLflow's default one: a SQL store looks there for the files of `models:/…`, whichever store the client is of."""
    import mlflow

    variable = "MLFLOW_TRACKING_URI"
    former, environment = mlflow.is_tracking_uri_set() and mlflow.get_tracking_uri(), os.environ.get(variable)
    mlflow.set_tracking_uri(uri)
    try:
        yield
    finally:
        mlflow.set_tracking_uri(former or "")
        os.environ.pop(variable, None)
        if environment is not None:
            os.environ[variable] = environment


def _client(target: Target) -> Any:
    store.import_quietly()
    return sqlite.connect(target.uri)
