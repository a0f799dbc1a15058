"""Which runs registered models come from, and the removal of a run with its models and files."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from trainrun.errors import UserError
from trainrun.tracking.delivery.state import Target
from trainrun.tracking.mlflow import sqlite, store


def registered(target: Target) -> set[str]:
    """Return the ids of the runs that versions of registered models come from.

    Args:
        target: the store's address; a SQLite file that is missing has none, and is not made.
    """
    file = sqlite.file_of(target.uri)
    if file is not None and not file.is_file():
        return set()
    store.import_quietly()
    client, ids, token = sqlite.connect(target.uri), set(), None
    while True:
        page = client.search_model_versions(page_token=token)
        for version in page:
            # MLflow sets the run of `models:/` sources, too; older versions did not.
            model_id = version.source.removeprefix("models:/") if not version.run_id else ""
            run_id = version.run_id or (
                client.get_logged_model(model_id).source_run_id if model_id.startswith("m-") else None
            )
            ids |= {run_id} if run_id else set()
        token = page.token
        if not token:
            return ids


def delete(client: Any, run_id: str, target: Target) -> None:
    """Delete a run with its models and their files.

    Args:
        client: MLflow's.
        run_id: of the run.
        target: the store's address and experiment.

    Raises:
        UserError: the store names a place for its files that is not the run's own.
        errors.Refused: see `store.check_artifact_address`.
    """
    run = client.get_run(run_id)
    models = client.search_logged_models([run.info.experiment_id], f"source_run_id = '{run_id}'")
    places = {run_id: run.info.artifact_uri} | {m.model_id: m.artifact_location for m in models}
    for owner, uri in places.items():
        _check(uri, owner, target)
    for uri in places.values():
        _delete_files(uri, target)
    for model in models:
        client.delete_logged_model(model.model_id)
    if run.info.lifecycle_stage != "deleted":
        client.delete_run(run_id)


def _check(uri: str, owner: str, target: Target) -> None:
    """Refuse a place that is not named after the run or model, or, of a local store, does not lie beside it."""
    store.check_address(uri, target)
    local, database = _local(uri), sqlite.file_of(target.uri)
    wrong = owner not in Path(urlsplit(uri).path).parts
    if database is not None and local is not None:
        wrong |= not local.resolve().is_relative_to(database.resolve().parent)
    if wrong:
        raise UserError(
            f"its files lie in {uri}, which is not a place of that run alone. Delete it in MLflow, and here without --tracker"
        )


def _delete_files(uri: str, target: Target) -> None:
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    if (local := _local(uri)) is not None and not local.exists():
        return
    get_artifact_repository(uri, tracking_uri=target.uri).delete_artifacts()


def _local(uri: str) -> Path | None:
    """Return the folder of an address on this machine; None for any other."""
    from urllib.request import url2pathname  # with ssl 15 ms, for which no other command with a tracker waits

    parts = urlsplit(uri)
    return Path(url2pathname(parts.path)) if parts.scheme in ("", "file") else None
