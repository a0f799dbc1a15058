"""Log a run's dataset and model in MLflow; each is recorded once, even if it is sent several times."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trainrun.tracking.mlflow import limits
from trainrun.tracking.mlflow.model_files import MODEL, write_model
from trainrun.util import redaction

NAME_LENGTH, DIGEST_LENGTH = 500, 36  # MLflow's limits; the whole digest is in a tag


def log_dataset(client: Any, run_id: str, dataset: Mapping[str, Any]) -> None:
    """Log the training dataset as an input of a run.

    Args:
        client: MLflow's.
        run_id: of the run.
        dataset: `name` and `digest`; optionally `source`, `schema`, `profile`.
    """
    from mlflow.entities import Dataset, DatasetInput, InputTag

    digest = str(dataset.get("digest") or "unknown")
    described = Dataset(
        name=limits.cut(str(dataset.get("name")), NAME_LENGTH),
        digest=digest[:DIGEST_LENGTH],
        source_type=str(dataset.get("source_type") or "trainrun"),
        source=json.dumps(
            redaction.tree(dataset.get("source") or {"data": dataset.get("name")}), default=str
        ),
        schema=json.dumps(dataset["schema"], default=str) if dataset.get("schema") else None,
        profile=json.dumps(dataset["profile"], default=str) if dataset.get("profile") else None,
    )
    tags = [InputTag("mlflow.data.context", "training"), InputTag("sha256", digest[:NAME_LENGTH])]
    client.log_inputs(run_id, datasets=[DatasetInput(described, tags)])


def model_mark(record: Mapping[str, Any]) -> str:
    """Return the tag that identifies a model within its run: a run resumed after its last epoch saves the same model again.

    Args:
        record: the journal's.
    """
    return f"epoch {record['epochs']}" if record.get("epochs") is not None else str(record.get("seq"))


def log_model(
    client: Any, run_id: str, experiment_id: str, path: Path, record: Mapping[str, Any], new: bool
) -> None:
    """Log a .keras file as a model of a run.

    Args:
        client: MLflow's.
        run_id, experiment_id: of the run.
        path: the file.
        record: the journal's, see `model_mark`.
        new: whether this process created the run and has not sent the model yet, so that no lookup is needed.
    """
    with tempfile.TemporaryDirectory(prefix="trainrun-") as folder:
        if not hasattr(client, "create_logged_model"):
            write_model(Path(folder), path, record["model"], run_id)
            client.log_artifacts(run_id, folder, MODEL)
            return
        from mlflow.entities import LoggedModelOutput

        mark = {"trainrun.record": model_mark(record)}
        known = [] if new else client.search_logged_models([experiment_id], f"source_run_id = '{run_id}'")
        logged = next((m for m in known if mark.items() <= (m.tags or {}).items()), None)
        if logged is None:
            logged = client.create_logged_model(
                experiment_id, name=MODEL, source_run_id=run_id, model_type="keras", tags=mark
            )
        if str(logged.status).rpartition(".")[2] != "READY":
            write_model(Path(folder), path, record["model"], run_id, logged)
            files = local_files(logged.artifact_location)
            if files is not None:
                files.log_artifacts(folder)
            else:
                client.log_model_artifacts(logged.model_id, folder)
            client.finalize_logged_model(logged.model_id, "READY")
        outputs = None if new else client.get_run(run_id).outputs
        if logged.model_id not in [m.model_id for m in (outputs.model_outputs if outputs else [])]:
            client.log_outputs(run_id, [LoggedModelOutput(logged.model_id, step=0)])


def local_files(uri: str) -> Any:
    """Return MLflow's artifact repository of a local folder; None for any other address.

    The client's own method would first load the whole run or model from the store, which takes 6 ms.
    """
    if not uri.startswith("file:"):
        return None
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    return get_artifact_repository(uri)
