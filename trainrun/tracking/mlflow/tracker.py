"""Send journal records to MLflow; runs in the delivery process or `trainrun sync`, never in the training process.

All requests use `MlflowClient` with an explicit run id: there is no active run and no global tracking address, so neither
`MLFLOW_RUN_ID` in the environment nor another library's autologging can redirect them.

Delivery is idempotent: a run is looked up by its key before it is created, MLflow's stores drop duplicate metrics
(same key, step, time and value), files are overwritten, a model is recorded once.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from trainrun.tracking import find, history, status, summary
from trainrun.tracking.delivery import errors
from trainrun.tracking.delivery.state import Cursor
from trainrun.tracking.mlflow import (
    faults,
    inputs_outputs,
    limits,
    model_registry,
    parent_run,
    removal,
    run_tags,
    sqlite,
    store,
)
from trainrun.tracking.mlflow.attempts import Attempts
from trainrun.tracking.trackers import Tracker

# MLflow has no status for a pruned run; the tag `trainrun.status` keeps it.
STATUS = {"FINISHED": "FINISHED", "PRUNED": "FINISHED", "FAILED": "FAILED", "KILLED": "KILLED"}


class MlflowTracker(Tracker):
    """Send one run's records to MLflow.

    Names and parameters that an earlier record has set hold for the later ones.

    Args:
        cursor: the target, and the id of the MLflow run.
        since: unix seconds. Runs started later cannot exist on the server yet, so the lookup is skipped.
    """

    title = "MLflow"
    credential_files = (store.CREDENTIAL_FILE,)
    files_apart = True

    def __init__(self, cursor: Cursor, since: float = math.inf):
        self._client: Any = None
        self._named: str | None = None  # the run that MLFLOW_RUN_ID named; "": the server has none of that id
        self._unsure = False  # whether the server may have created a run whose response was lost
        super().__init__(cursor, since)

    @classmethod
    def destination(cls, settings: Mapping[str, Any]) -> tuple[str, str]:
        return store.address(settings.get("uri")), settings.get("experiment") or store.DEFAULT_EXPERIMENT

    @classmethod
    def start_fields(cls) -> dict[str, Any]:
        return {"parent_run_id": parent_run.in_environment()}

    @classmethod
    def prepare(cls, uri: str) -> None:
        store.import_quietly()
        if sqlite.file_of(uri) is not None:
            import mlflow.store.tracking.sqlalchemy_store  # noqa: F401

    def begin(self) -> None:
        self._made = False  # whether this process created the run, so that the server has only what it sent
        self._models: set[str] = set()  # marks of the models whose upload has begun
        self._files: Any = None  # the run's artifact repository, if it is a local folder
        self._files_allowed = False  # whether credentials may go where the files go
        self._attempts, self._metric_names = Attempts(), limits.Names()
        self._experiment_id: str | None = None

    def kind(self, error: BaseException) -> str:
        return faults.kind(error)

    def reason(self, error: BaseException) -> str:
        return faults.reason(error)

    def moved(self) -> bool:
        return parent_run.of_sweep(self.run_dir, self.target) not in (None, self.cursor.parent_id)

    def recall(self, record: Mapping[str, Any]) -> None:
        if record["kind"] == "start":
            self._attempts.of(record)
        elif record["kind"] in history.NUMBERS:
            self._metrics(record)

    def deliver(self, records: Sequence[Mapping[str, Any]]) -> None:
        self._connect()
        if records[0]["kind"] in history.NUMBERS:
            metrics = [m for record in records for m in self._metrics(record)]
            for begin in range(0, len(metrics), limits.METRICS_AT_ONCE):
                self._client.log_batch(
                    self.cursor.run_id, metrics=metrics[begin : begin + limits.METRICS_AT_ONCE]
                )
            return
        handle = getattr(self, f"_on_{records[0]['kind']}", None)
        if handle is not None:
            handle(records[0])

    def tag(self, tags: Mapping[str, str]) -> None:
        self._connect()
        for key, value in tags.items():
            self._client.set_tag(self.cursor.run_id, limits.key(key), limits.cut(value, limits.TAG_LENGTH))

    def check(self) -> None:
        self._connect()
        if self._client.get_run(self.cursor.run_id).info.lifecycle_stage == "deleted":
            raise errors.Deleted

    registered = staticmethod(removal.registered)
    holder = staticmethod(model_registry.holder)
    register = staticmethod(model_registry.register)

    def delete(self) -> None:
        if self.cursor.run_id is not None:
            self._connect()
            removal.delete(self._client, self.cursor.run_id, self.target)

    def _setting(self, name: str, default: Any = None) -> Any:
        return self.target.settings.get(name, default)

    # Connect, and find or create the run.

    def open(self, start: Mapping[str, Any]) -> None:
        self._connect()
        self._first, parent = start, parent_run.of_sweep(self.run_dir, self.target)
        if self.cursor.run_id is None:
            self.cursor.experiment_id = self._experiment_id
            new = limits.milliseconds(start) > 1000 * self.since and not self._unsure
            self.cursor.run_id = (None if new else self._find(start)) or self._create(start, parent)
            self.cursor.save()
        self._nest(start, parent)

    def _nest(self, start: Mapping[str, Any], parent: str | None) -> None:
        """Nest the run below its sweep's run, or below the one in `MLFLOW_RUN_ID`; nothing is sent if it is there already."""
        if parent is None and self.cursor.parent_id is None and find.sweep_of(self.run_dir) is None:
            if self._named is None:
                self._named = parent_run.of_variable(self._client, start) or ""
            parent = self._named
        if parent and parent not in (self.cursor.parent_id, self.cursor.run_id):
            self.tag({parent_run.TAG: parent})
            self.cursor.parent_id = parent
            self.cursor.save()

    def _connect(self) -> None:
        if self._client is None:
            store.import_quietly()
            # Creates a missing SQLite file, and imports the database libraries.
            self._client = sqlite.connect(self.target.uri)
        if self._experiment_id is None and self.cursor.run_id is None:
            self._experiment_id = store.experiment(self._client, self.target)

    def _create(self, start: Mapping[str, Any], parent: str | None) -> str:
        below = {parent_run.TAG: parent} if parent else {}
        try:
            made = self._client.create_run(
                self.cursor.experiment_id,
                start_time=limits.milliseconds(start),
                run_name=limits.cut(
                    self._setting("run_name") or start.get("name") or start.get("run_id") or "run",
                    limits.KEY_LENGTH,
                ),
                tags=run_tags.of(start) | below,
            )
        except Exception:
            # The response was lost, or the server took longer than the request timeout.
            self._unsure = True
            raise
        if self._unsure:
            return self._find(start) or made.info.run_id
        self._made, self.cursor.parent_id = True, parent
        self._files = inputs_outputs.local_files(made.info.artifact_uri)
        return made.info.run_id

    def _find(self, start: Mapping[str, Any]) -> str | None:
        """Return the id of this journal's run on the server, or None; duplicates are deleted."""
        runs = self._client.search_runs(
            [self.cursor.experiment_id],
            f"tags.`{run_tags.KEY}` = '{run_tags.key_of(start)}'",
            order_by=["attribute.run_id ASC"],
        )
        for other in runs[1:]:
            self._client.delete_run(other.info.run_id)
        return runs[0].info.run_id if runs else None

    # One handler for each kind of record.

    def _on_start(self, record: Mapping[str, Any]) -> None:
        run_id, attempt = self.cursor.run_id, self._attempts.of(record)
        if attempt.number:
            self._client.update_run(run_id, status="RUNNING")
            line = attempt.summary(record.get("resumed_from"))
            self.tag({f"trainrun.resume.{attempt.number}": line, "trainrun.status": "RUNNING"})
            for name in ("trainrun.reason", "trainrun.log"):
                with contextlib.suppress(Exception):  # there was none
                    self._client.delete_tag(run_id, name)
        from mlflow.entities import Param

        for portion in limits.portions(list(attempt.fresh.items())):
            self._send_params([Param(k, v) for k, v in portion])
        if record.get("dataset"):
            inputs_outputs.log_dataset(self._client, run_id, record["dataset"])

    def _send_params(self, params: list[Any]) -> None:
        try:
            self._client.log_batch(self.cursor.run_id, params=params)
        except Exception as error:
            if faults.kind(error) != errors.INVALID:
                raise
            # MLflow's parameters are immutable; it refuses a whole batch if one of them would change.
            has = self._client.get_run(self.cursor.run_id).data.params
            kept = [f"{p.key}={p.value}" for p in params if has.get(p.key, p.value) != p.value]
            missing = [p for p in params if p.key not in has]
            if not kept and len(missing) == len(params):
                raise
            if missing:
                self._client.log_batch(self.cursor.run_id, params=missing)
            if kept:
                self.tag({"trainrun.params_not_taken": "; ".join(kept)})

    def _on_artifact(self, record: Mapping[str, Any]) -> None:
        path = self.run_dir / record["path"]
        if not path.resolve().is_relative_to(self.run_dir.resolve()):
            raise errors.Unsendable(f"{record['path']} does not lie in the run's directory")
        if path.name == summary.FILE:
            self._name_the_run()
        if self._files is None and not self._files_allowed:
            store.check_artifact_address(self._client, self.cursor.run_id, self.target)
            self._files_allowed = True
        try:
            if record.get("model") is not None:
                if self._setting("log_model", True) and path.is_file():
                    self._model(path, record)
            elif self._setting("log_artifacts", True) and path.is_file():
                folder = Path(record["path"]).parent.as_posix()
                folder = None if folder == "." else folder
                if self._files is not None:
                    self._files.log_artifact(str(path), folder)
                else:
                    self._client.log_artifact(self.cursor.run_id, str(path), folder)
        except (ImportError, PermissionError, IsADirectoryError, NotADirectoryError) as error:
            # A store whose library is not installed, or without permission to write: retries would be useless.
            raise errors.Unsendable(f"{record['path']}: {faults.reason(error)}") from error

    def _on_tags(self, record: Mapping[str, Any]) -> None:
        self.tag({k: limits.value(v) for k, v in record["tags"].items() if v is not None})

    def _on_end(self, record: Mapping[str, Any]) -> None:
        word, log = record.get("status", "FINISHED"), record.get("log") or []
        tags = {
            "trainrun.status": word,
            "trainrun.reason": record.get("reason"),
            "trainrun.log": "\n".join(log),
        }
        self.tag({k: str(v) for k, v in tags.items() if v})
        self._client.set_terminated(
            self.cursor.run_id, STATUS.get(word, "FAILED"), limits.milliseconds(record)
        )
        if self._unsure:
            self._find(self._first)  # deletes a duplicate that has appeared since
        self._name_the_run()

    def _model(self, path: Path, record: Mapping[str, Any]) -> None:
        mark = inputs_outputs.model_mark(record)
        new = self._made and mark not in self._models
        self._models.add(mark)
        run_id, experiment_id = self.cursor.run_id, self.cursor.experiment_id
        inputs_outputs.log_model(self._client, run_id, experiment_id, path, record, new)

    def _name_the_run(self) -> None:
        """Add the run's id on the server to a summary that was written before it was known."""
        if self.cursor.identity is not None:
            status.fill_in(self.run_dir, self.cursor.identity)

    def _metrics(self, record: Mapping[str, Any]) -> list[Any]:
        values = dict(record.get("metrics") or {})
        if record["kind"] == "epoch" and record.get("step") is not None:
            values.setdefault("step", record["step"])
        prefix = "batch/" if record["kind"] == "batch" else ""
        # Epochs are counted in epochs, batches in steps, system metrics in samples.
        step = record.get("step" if prefix or record["kind"] == "system" else "epoch")
        named = [
            (self._metric_names[prefix + name], number)
            for name, value in values.items()
            if (number := history.number(value)) is not None
        ]
        if self._client is None:  # recalled before mlflow was needed
            return []
        from mlflow.entities import Metric

        return [Metric(name, number, limits.milliseconds(record), int(step or 0)) for name, number in named]
