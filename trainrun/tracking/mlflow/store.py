"""Resolve the tracking store's address, get or create experiments, and import mlflow without its console output."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import re
import sys
import warnings
from pathlib import Path
from typing import Any

from trainrun.config.store_address import SQLITE_PREFIX
from trainrun.errors import UserError
from trainrun.tracking.delivery import errors
from trainrun.tracking.delivery.state import Target
from trainrun.tracking.mlflow import sqlite
from trainrun.ui import console
from trainrun.util import grants, redaction

DEFAULT_DATABASE = "mlflow.db"
VARIABLE = "MLFLOW_TRACKING_URI"
DEFAULT_EXPERIMENT = "trainrun"
CREDENTIAL_FILE = "~/.mlflow/credentials"
NAME_LENGTH = 200  # bytes of a folder's name
# Addresses of files that MLflow sends its own credentials to.
CREDENTIALED = ("http:", "https:", "mlflow-artifacts:")
REQUEST_TIMEOUT_S = 30
OURS = "imported_by_trainrun"  # attribute of the module


def resolve_uri(uri: str | None, folder: Path | None = None) -> str:
    """Return the address of the tracking store.

    Args:
        uri: as configured; None: `MLFLOW_TRACKING_URI`, else the SQLite file `mlflow.db` in `folder`. A path
            that ends in ``.db`` is a SQLite file, too.
        folder: by default the working directory.
    """
    folder = (folder or Path.cwd()).absolute()
    uri = uri or os.environ.get(VARIABLE) or DEFAULT_DATABASE
    if uri.startswith(SQLITE_PREFIX):
        uri = uri.removeprefix(SQLITE_PREFIX)
    elif "://" in uri or not uri.endswith(".db"):
        return uri
    # `folder / path` is `path` if that is absolute.
    return SQLITE_PREFIX + (uri if uri == ":memory:" else str(folder / Path(uri).expanduser()))


def address(uri: str | None) -> str:
    """Return the address of the tracking store; one whose password is redacted is taken from the environment.

    Raises:
        UserError: the password is redacted, and `MLFLOW_TRACKING_URI` is not set.
    """
    if uri is not None and redaction.HIDDEN in uri and not os.environ.get(VARIABLE):
        raise UserError(
            f"the run is delivered to {uri}, whose password no file stores: set {VARIABLE} to the whole address, "
            "or pass it to `trainrun sync` with --uri."
        )
    return resolve_uri(None if uri is not None and redaction.HIDDEN in uri else uri)


def experiment(client: Any, target: Target) -> str:
    """Return the id of a target's experiment; a missing one is created.

    Args:
        client: MLflow's.
        target: the address and the experiment's name.

    Raises:
        errors.Deleted: a user has deleted the experiment; it is not restored unasked.
    """
    known = client.get_experiment_by_name(target.experiment)
    if known is None:
        try:
            return client.create_experiment(target.experiment, _artifact_root(target))
        except Exception:
            # Another process created it meanwhile, or the error is a real one.
            known = client.get_experiment_by_name(target.experiment)
            if known is None:
                raise
    if known.lifecycle_stage == "deleted":
        raise errors.Deleted(
            f"experiment {target.experiment!r} was deleted in MLflow (mlflow experiments restore --experiment-id "
            f"{known.experiment_id} brings it back; tracking.experiment= names another)"
        )
    return known.experiment_id


def _artifact_root(target: Target) -> str | None:
    """Return a new experiment's artifact location: beside a SQLite file; otherwise None, the server decides."""
    file = sqlite.file_of(target.uri)
    return (
        None if file is None else (file.parent / sqlite.ARTIFACTS / folder_name(target.experiment)).as_uri()
    )


def check_artifact_address(client: Any, run_id: str, target: Target) -> None:
    """Hold the address that a run's files go to against the user's: a database may have been received, and name any server.

    A tracking server that gets the credentials may name what it likes.

    Raises:
        errors.Refused: MLflow would send credentials to a server that only the database names.
    """
    if grants.is_local(target.uri):
        check_address(client.get_run(run_id).info.artifact_uri, target)


def check_address(address: str, target: Target) -> None:
    """Do the same for any address that a store names; raises as `check_artifact_address`."""
    if (
        grants.is_local(target.uri)
        and address.startswith(CREDENTIALED)
        and (withheld := grants.withheld(address, [CREDENTIAL_FILE])) is not None
    ):
        raise errors.Refused(withheld)


def folder_name(experiment: str) -> str:
    """Return a folder name for an experiment that every file system accepts and that cannot leave its parent folder."""
    name = re.sub(r"[^\w.-]", "_", experiment)
    if name.strip(".") and len(name.encode()) <= NAME_LENGTH:
        return name
    digest = hashlib.sha256(experiment.encode("utf-8", "replace")).hexdigest()[:16]
    return f"{name.replace('.', '_')[:50]}-{digest}"


class _ToLog(logging.Handler):
    """Handler that writes other libraries' log records to run.log."""

    def emit(self, record: logging.LogRecord) -> None:
        with contextlib.suppress(Exception):
            console.log(f"{record.name}: {record.getMessage()}")


def import_quietly() -> None:
    """Import mlflow with its log in run.log, without progress bars and telemetry, and with a request timeout."""
    # Set even if the user has: a request that MLflow itself retries could create a run twice. The delivery retries.
    os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "0"
    # Also set in any case: otherwise MLflow prints the run's address at its end, with the password in it.
    os.environ["MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"] = "true"
    if "mlflow" in sys.modules and not hasattr(
        sys.modules["mlflow"], OURS
    ):  # imported and configured by the user
        return
    for name, value in {
        "MLFLOW_CONFIGURE_LOGGING": "false",
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_HTTP_REQUEST_TIMEOUT": str(REQUEST_TIMEOUT_S),
    }.items():
        os.environ.setdefault(name, value)
    handler = _ToLog()
    for name in ("mlflow", "alembic", "sqlalchemy", "urllib3", "huey"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(logging.INFO if name == "mlflow" else logging.WARNING)
    warnings.filterwarnings("ignore", module=r"mlflow|alembic|sqlalchemy|pydantic|tqdm")
    import mlflow

    setattr(mlflow, OURS, True)  # a process that was forked with mlflow in it configures it anew
