"""The journal's records in MLflow. The only module that imports mlflow, and only in the replay's thread.

Everything goes through `MlflowClient` with the run's own id: no active run, no global tracking address,
nothing that a `MLFLOW_RUN_ID` in the environment or another library's autologging could redirect.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import shutil
import sys
import tempfile
import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from trainrun import console
from trainrun.tracking import redact

DEFAULT_DATABASE = "mlflow.db"
DEFAULT_EXPERIMENT = "trainrun"
ARTIFACTS = "mlartifacts"
MODEL = "model"
# MLflow's limits (mlflow.utils.validation), the same in its servers since 2.8.
PARAMS_AT_ONCE, METRICS_AT_ONCE, KEY_LENGTH, PARAM_LENGTH, TAG_LENGTH = 100, 1000, 250, 6000, 8000
_REFUSED = re.compile(r"[^\w\-. :/]", re.ASCII)
# PRUNED is a run that ended as it should; the tag `trainrun.status` keeps the difference.
STATUS = {"FINISHED": "FINISHED", "PRUNED": "FINISHED", "FAILED": "FAILED", "KILLED": "KILLED"}


def resolve_uri(uri: str | None, folder: Path | None = None) -> str:
    """Return the address of the tracking store.

    Args:
        uri: as configured; None: `MLFLOW_TRACKING_URI`, else the SQLite file `mlflow.db` in `folder`. A path
            that ends in ``.db`` is a SQLite file, too.
        folder: by default the working directory.
    """
    folder = (folder or Path.cwd()).absolute()
    uri = uri or os.environ.get("MLFLOW_TRACKING_URI") or DEFAULT_DATABASE
    if uri.startswith("sqlite:///"):
        uri = uri.removeprefix("sqlite:///")
    elif "://" in uri or not uri.endswith(".db"):
        return uri
    # `folder / path` is `path` if that is absolute.
    return f"sqlite:///{folder / Path(uri).expanduser()}" if uri != ":memory:" else "sqlite:///:memory:"


class MlflowSink:
    """Deliver records to MLflow.

    Args:
        run_dir: where artifacts are.
        uri: the tracking store; see `resolve_uri`.
        experiment: its name; made if it does not exist.
        run_name: the run's name; None: the one of the start record.
        log_model: record the model, ready for `mlflow.pyfunc.load_model`.
        log_artifacts: record the other files.
        run_id: an MLflow run to continue instead of creating one.
        announce: called once with `{tracking_uri, experiment_id, run_id}`.
    """

    def __init__(
        self,
        run_dir: str | Path,
        uri: str | None = None,
        experiment: str = DEFAULT_EXPERIMENT,
        run_name: str | None = None,
        log_model: bool = True,
        log_artifacts: bool = True,
        run_id: str | None = None,
        announce: Callable[[dict[str, str]], None] = lambda identity: None,
    ):
        self.run_dir = Path(run_dir)
        self.uri = resolve_uri(uri)
        self.experiment = experiment
        self.run_name = run_name
        self.log_model = log_model
        self.log_artifacts = log_artifacts
        self.announce = announce
        self.run_id = run_id
        self.experiment_id: str | None = None
        self._client: Any = None
        self._metric_names: dict[str, str] = {}

    def deliver(self, records: list[dict[str, Any]]) -> None:
        """Send records, metrics together; see `replay.Sink`."""
        if self._client is None:
            self._connect()
        metrics: list[Any] = []
        for record in records:
            if record["kind"] in ("epoch", "batch", "metrics"):
                metrics += self._metrics(record)
                continue
            # What came before is sent before: an ended run takes no more metrics.
            self._send(metrics)
            metrics = []
            handle = getattr(self, f"_on_{record['kind']}", None)
            if handle is not None:
                handle(record)
        self._send(metrics)

    # What happens for each kind of record.

    def _on_start(self, record: dict[str, Any]) -> None:
        if self.run_id is None:
            run = self._client.create_run(
                self.experiment_id,
                start_time=_milliseconds(record),
                run_name=self.run_name or record.get("name") or record.get("run_id"),
                tags=_tags(record),
            )
            self.run_id = run.info.run_id
        else:
            self._client.update_run(self.run_id, status="RUNNING")
        self.announce(
            {
                "tracking_uri": redact.text(self.uri),
                "experiment_id": str(self.experiment_id),
                "run_id": self.run_id,
            }
        )
        from mlflow.entities import Param

        params = [
            Param(_key(k), _cut(_value(v), PARAM_LENGTH)) for k, v in (record.get("params") or {}).items()
        ]
        for begin in range(0, len(params), PARAMS_AT_ONCE):
            self._client.log_batch(self.run_id, params=params[begin : begin + PARAMS_AT_ONCE])
        if record.get("dataset"):
            self._dataset(record["dataset"])

    def _on_artifact(self, record: dict[str, Any]) -> None:
        path = self.run_dir / record["path"]
        if record.get("model") is not None:
            if self.log_model:
                self._model(path, record["model"])
        elif self.log_artifacts and path.is_file():
            folder = Path(record["path"]).parent.as_posix()
            self._client.log_artifact(self.run_id, str(path), None if folder == "." else folder)

    def _on_end(self, record: dict[str, Any]) -> None:
        status = record.get("status", "FINISHED")
        tags = {"trainrun.status": status, "trainrun.reason": record.get("reason")}
        for key, value in tags.items():
            if value:
                self._client.set_tag(self.run_id, key, _cut(str(value), TAG_LENGTH))
        self._client.set_terminated(self.run_id, STATUS.get(status, "FAILED"), _milliseconds(record))

    def _metrics(self, record: dict[str, Any]) -> list[Any]:
        from mlflow.entities import Metric

        values = dict(record["metrics"])
        if record["kind"] == "epoch" and record.get("step") is not None:
            values.setdefault("step", record["step"])
        prefix = "batch/" if record["kind"] == "batch" else ""
        # Epochs are counted in epochs, batches in steps.
        step = record.get("step") if prefix else record.get("epoch")
        return [
            Metric(self._metric_name(prefix + name), float(value), _milliseconds(record), int(step or 0))
            for name, value in values.items()
            if isinstance(value, int | float)
        ]

    def _send(self, metrics: Sequence[Any]) -> None:
        for begin in range(0, len(metrics), METRICS_AT_ONCE):
            self._client.log_batch(self.run_id, metrics=metrics[begin : begin + METRICS_AT_ONCE])

    def _metric_name(self, name: str) -> str:
        """Return a name that MLflow takes; two names never become one."""
        if name not in self._metric_names:
            safe, n = _key(name), 1
            while safe in self._metric_names.values():
                n += 1
                safe = f"{_key(name)[: KEY_LENGTH - 6]}_{n}"
            self._metric_names[name] = safe
        return self._metric_names[name]

    def _dataset(self, dataset: Mapping[str, Any]) -> None:
        from mlflow.entities import Dataset, DatasetInput, InputTag

        digest = str(dataset.get("digest") or "unknown")
        described = Dataset(
            name=str(dataset.get("name"))[:500],
            digest=digest[:36],  # MLflow's limit; the whole digest is in the tag
            source_type=str(dataset.get("source_type") or "trainrun"),
            source=json.dumps(
                redact.tree(dataset.get("source") or {"data": dataset.get("name")}), default=str
            ),
            schema=json.dumps(dataset["schema"], default=str) if dataset.get("schema") else None,
            profile=json.dumps(dataset["profile"], default=str) if dataset.get("profile") else None,
        )
        tags = [InputTag("mlflow.data.context", "training"), InputTag("sha256", digest)]
        self._client.log_inputs(self.run_id, datasets=[DatasetInput(described, tags)])

    def _model(self, path: Path, about: Mapping[str, Any]) -> None:
        """Record a .keras file as a model of MLflow's tensorflow flavour, without loading it."""
        with tempfile.TemporaryDirectory(prefix="trainrun-") as folder:
            if not hasattr(self._client, "create_logged_model"):
                write_model(Path(folder), path, about, self.run_id)
                self._client.log_artifacts(self.run_id, folder, MODEL)
                return
            from mlflow.entities import LoggedModelOutput

            logged = self._client.create_logged_model(
                self.experiment_id, name=MODEL, source_run_id=self.run_id, model_type="keras"
            )
            write_model(Path(folder), path, about, self.run_id, logged)
            self._client.log_model_artifacts(logged.model_id, folder)
            self._client.finalize_logged_model(logged.model_id, "READY")
            self._client.log_outputs(self.run_id, [LoggedModelOutput(logged.model_id, step=0)])

    def _connect(self) -> None:
        _import_quietly()
        from mlflow import MlflowClient

        with _one_at_a_time(self.uri):
            client = MlflowClient(tracking_uri=self.uri)
            self.experiment_id = self._experiment(client)
        self._client = client

    def _experiment(self, client: Any) -> str:
        found = client.get_experiment_by_name(self.experiment)
        if found is None:
            try:
                return client.create_experiment(self.experiment, self._artifact_root())
            except Exception:
                # Somebody else made it in the meantime, or it failed for a reason worth telling.
                found = client.get_experiment_by_name(self.experiment)
                if found is None:
                    raise
        if found.lifecycle_stage == "deleted":
            client.restore_experiment(found.experiment_id)
        return found.experiment_id

    def _artifact_root(self) -> str | None:
        """Return where a new experiment's files go: beside a SQLite file; elsewhere the server decides."""
        file = _sqlite_file(self.uri)
        if file is None:
            return None
        return (file.parent / ARTIFACTS / re.sub(r"[^\w.-]", "_", self.experiment)).as_uri()


def write_model(
    folder: Path, path: Path, about: Mapping[str, Any], run_id: str | None, logged: Any = None
) -> None:
    """Write an MLflow model directory around a .keras file.

    Args:
        folder: an empty directory.
        path: the .keras file.
        about: `inputs`: a list of `{name, dtype, shape}` without the batch axis, `output`: `{dtype, shape}`;
            `named`: whether the model takes a dict of its inputs by name.
        run_id: the run that made it.
        logged: MLflow's record of the model, if the server keeps one.
    """
    import mlflow
    import numpy as np
    import yaml
    from mlflow.models import Model, ModelSignature
    from mlflow.types import Schema, TensorSpec

    def spec(entry: Mapping[str, Any], name: str | None = None) -> TensorSpec:
        return TensorSpec(np.dtype(entry["dtype"]), (-1, *entry["shape"]), name)

    inputs = about["inputs"]
    named = about.get("named", len(inputs) > 1)
    signature = ModelSignature(
        inputs=Schema([spec(i, i["name"] if named else None) for i in inputs]),
        outputs=Schema([spec(about["output"])]) if about.get("output") else None,
    )
    data = folder / "data"
    data.mkdir(parents=True)
    shutil.copyfile(path, data / "model.keras")
    (data / "keras_module.txt").write_text("keras")
    (data / "save_format.txt").write_text("keras")
    requirements = _requirements(path)
    model = Model(
        run_id=run_id,
        signature=signature,
        artifact_path=logged.artifact_location if logged is not None else MODEL,
        **({"model_id": logged.model_id} if logged is not None else {}),
    )
    model.add_flavor(
        "tensorflow",
        data="data",
        model_type="keras",
        keras_version=_version("tensorflow"),
        save_format="keras",
        code=None,
    )
    mlflow.pyfunc.add_to_model(
        model,
        loader_module="mlflow.tensorflow",
        data="data",
        conda_env="conda.yaml",
        python_env="python_env.yaml",
    )
    python = ".".join(map(str, sys.version_info[:3]))
    conda = {
        "name": "mlflow-env",
        "channels": ["conda-forge"],
        "dependencies": [f"python={python}", "pip", {"pip": requirements}],
    }
    (folder / "conda.yaml").write_text(yaml.safe_dump(conda, sort_keys=False))
    environment = {"python": python, "build_dependencies": ["pip"], "dependencies": ["-r requirements.txt"]}
    (folder / "python_env.yaml").write_text(yaml.safe_dump(environment, sort_keys=False))
    (folder / "requirements.txt").write_text("\n".join(requirements) + "\n")
    model.model_size_bytes = path.stat().st_size
    model.save(str(folder / "MLmodel"))


def _requirements(path: Path) -> list[str]:
    """Return what loads the model; trainrun itself only if the model has parts of ours."""
    names = ["mlflow", "tensorflow", "keras", "numpy"]
    with contextlib.suppress(OSError, KeyError, zipfile.BadZipFile), zipfile.ZipFile(path) as file:
        config = json.loads(file.read("config.json"))
        config.pop("compile_config", None)
        if '"trainrun' in json.dumps(config):
            names.append("trainrun")
    return [f"{name}=={_version(name)}" for name in names]


def _version(package: str) -> str:
    from importlib.metadata import version

    return version(package)


def _tags(record: Mapping[str, Any]) -> dict[str, str]:
    git, versions = record.get("git") or {}, record.get("versions") or {}
    tags = {
        "mlflow.user": record.get("user"),
        "mlflow.source.name": record.get("command"),
        "mlflow.source.type": "LOCAL",
        "mlflow.source.git.commit": git.get("commit"),
        "git.commit": git.get("commit"),
        "git.dirty": git.get("dirty"),
        "command": record.get("command"),
        "overrides": " ".join(record.get("overrides") or []),
        "run_dir": record.get("run_dir"),
        "trainrun.run_id": record.get("run_id"),
        "trainrun.version": versions.get("trainrun"),
        "host": record.get("host"),
        **(record.get("tags") or {}),
    }
    kept = {k: v for k, v in tags.items() if v is not None and v != ""}
    return {_key(k): _cut(_value(v), TAG_LENGTH) for k, v in kept.items()}


def _key(name: str) -> str:
    safe = _REFUSED.sub("_", str(name))
    if os.path.normpath(safe) != safe or safe.startswith(("/", ".")):  # MLflow takes names for paths
        safe = safe.replace("/", "_").strip(".") or "_"
    return safe[:KEY_LENGTH]


def _value(value: Any) -> str:
    """Write a value as one types it in YAML."""
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return str(value)
    return json.dumps(value, default=str, ensure_ascii=False)


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"


def _milliseconds(record: Mapping[str, Any]) -> int:
    return int(record["time"] * 1000)


def _sqlite_file(uri: str) -> Path | None:
    path = uri.removeprefix("sqlite:///")
    return None if path == uri or path == ":memory:" else Path(path)


@contextlib.contextmanager
def _one_at_a_time(uri: str) -> Iterator[None]:
    """Let one process at a time create the SQLite store: MLflow's migrations do not bear company."""
    file = _sqlite_file(uri)
    if file is None:
        yield
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    # The database itself must not be locked: closing it would drop SQLite's own locks.
    with open(Path(tempfile.gettempdir()) / _lock_name(file), "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _lock_name(file: Path) -> str:
    import hashlib

    owner = os.getuid() if hasattr(os, "getuid") else 0
    return f"trainrun-{owner}-{hashlib.sha256(str(file.absolute()).encode()).hexdigest()[:16]}.lock"


class _ToLog(logging.Handler):
    """What libraries log goes to run.log."""

    def emit(self, record: logging.LogRecord) -> None:
        with contextlib.suppress(Exception):
            console.log(redact.text(f"{record.name}: {record.getMessage()}"))


def _import_quietly() -> None:
    """Import mlflow with its notices in run.log, no progress bars, no telemetry, and bounded waiting."""
    if "mlflow" in sys.modules:  # somebody else's, set up as they like
        return
    for name, value in {
        "MLFLOW_CONFIGURE_LOGGING": "false",
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    }.items():
        os.environ.setdefault(name, value)
    handler = _ToLog()
    for name in ("mlflow", "alembic", "sqlalchemy", "urllib3", "huey"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(logging.INFO if name == "mlflow" else logging.WARNING)
    warnings.filterwarnings("ignore", module=r"mlflow|alembic|sqlalchemy|pydantic")
    import mlflow  # noqa: F401
