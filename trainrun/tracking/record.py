"""The front door of tracking: a run's record, from its start to its end.

    recorder = Recorder(run_dir, settings)                  # settings: the config's `tracking` node
    recorder.start(run_id=…, config=…, overrides=…, command=…, dataset={…}, versions={…}, git={…})
    … train(callbacks=[…, recorder.callback()]) …
    recorder.metrics({"test_loss": 0.3}, epoch=10, step=450)
    recorder.model("model.keras", inputs=data.inputs, output_shape=(10,))
    identity = recorder.identity(timeout=10)                # for summary.json; or None
    recorder.artifacts(["config.yaml", "summary.json", "report.html", *plots])
    ended = recorder.end("FINISHED")                        # ended.mlflow, ended.undelivered

All of it goes to `journal.jsonl` at once. Where `settings` names a tracking server, a background thread
replays the journal to it; nothing here waits for that but `identity` and `end`, each with a limit, and nothing
here raises because of it. Passwords in addresses, and values of keys such as ``password`` and ``token``, are
hidden before anything is written.
"""

from __future__ import annotations

import getpass
import os
import platform
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from trainrun import console
from trainrun.tracking import redact
from trainrun.tracking.journal import Journal
from trainrun.tracking.replay import Replay, Sink, wait_for

if TYPE_CHECKING:
    from trainrun.tracking.callback import JournalCallback

JOURNAL = "journal.jsonl"
HOLD = 5.0  # seconds that the first epoch gets to itself; a longer one shares with the import of mlflow


class Ended(NamedTuple):
    """What became of the record.

    Args:
        mlflow: `{tracking_uri, experiment_id, run_id}`, or None.
        undelivered: records that the tracking server does not have; the journal has them all.
    """

    mlflow: dict[str, str] | None
    undelivered: int


class Recorder:
    """Record one run.

    Args:
        run_dir: the run's directory; it exists.
        settings: the config's `tracking` node: `name` (``none`` or ``mlflow``) and its options.
        name: the run's name in MLflow, if `settings` has no `run_name`.
        warn: says one line to the user.
        sink: deliver here instead of where `settings` say.
    """

    def __init__(
        self,
        run_dir: str | Path,
        settings: Mapping[str, Any] | None = None,
        name: str | None = None,
        warn: Callable[[str], None] = console.warn,
        sink: Sink | None = None,
    ):
        self.run_dir = Path(run_dir)
        self.settings = dict(settings or {"name": "none"})
        self.name = self.settings.get("run_name") or name
        self._identity: dict[str, str] | None = None
        self.journal = Journal(self.run_dir / JOURNAL)
        for damage in self.journal.damage:
            warn(f"{self.journal.path}: {damage}; it is left out.")
        sink = sink or self._sink()
        self._replay = None
        if sink is not None:
            self._replay = Replay(
                self.journal.path,
                sink,
                warn,
                interval=self.settings.get("interval", 1.0),
                skip=self.journal.last + 1,
                hold=HOLD,
            )
            self.journal.listener = self._replay.notify
        self._ended: Ended | None = None

    def start(
        self,
        *,
        run_id: str,
        config: Mapping[str, Any],
        overrides: Sequence[str] = (),
        command: str = "",
        dataset: Mapping[str, Any] | None = None,
        versions: Mapping[str, str] | None = None,
        git: Mapping[str, Any] | None = None,
        tags: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> None:
        """Write the first record and begin to deliver.

        Args:
            run_id: the name of the run's directory.
            config: the resolved config, as plain dicts and lists.
            overrides, command: as typed.
            dataset: `name` and `digest`; optionally `source`, `schema`, `profile`.
            versions: package -> version.
            git: `environment.git_state()`.
            tags: whatever else should be found again; MLflow gets it as tags.
            more: further fields of the record (`seed`, `resumed_from` …).
        """
        config = redact.tree(config)
        self.journal.write(
            "start",
            run_id=run_id,
            name=redact.tree(self.name),
            run_dir=str(self.run_dir.absolute()),
            config=config,
            params=flatten(config),
            overrides=redact.tree(list(overrides)),
            command=redact.text(command),
            dataset=redact.tree(dataset) if dataset else None,
            versions=dict(versions or {}),
            git=redact.tree(git) if git else None,
            tags=redact.tree(dict(tags or {})),
            user=_user(),
            host=platform.node(),
            pid=os.getpid(),
            **redact.tree(more),
        )
        if self._replay is not None:
            self._replay.start()

    def callback(self) -> JournalCallback:
        """Return the Keras callback that writes the metrics."""
        from trainrun.tracking.callback import JournalCallback

        return JournalCallback(self.journal, self.settings.get("every_steps"))

    def metrics(self, values: Mapping[str, float], epoch: int | None = None, step: int | None = None) -> None:
        """Write metrics of the finished run (``test_loss`` …); `epoch` counts from 1."""
        self.journal.write("metrics", epoch=epoch, step=step, metrics=dict(values))

    def event(self, event: str, **fields: Any) -> None:
        """Write that something happened."""
        self.journal.write("event", event=event, **redact.tree(fields))

    def artifacts(self, paths: Iterable[str | Path]) -> None:
        """Record files of the run directory; of a folder, all its files. What does not exist is left out."""
        for given in paths:
            path = self.run_dir / given
            for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
                if file.is_file():
                    self.journal.write("artifact", path=self._relative(file), bytes=file.stat().st_size)

    def model(
        self,
        path: str | Path,
        inputs: Iterable[Any],
        output_shape: Sequence[int | None],
        output_dtype: str = "float32",
        named: bool | None = None,
    ) -> None:
        """Record the model as it is saved.

        Args:
            path: a .keras file in the run directory.
            inputs: `dataset.InputSpec` objects, or anything with `name`, `dtype` and `shape`.
            output_shape: of one prediction, without the batch axis.
            output_dtype: numpy's name of it.
            named: whether the model takes a dict of inputs by name; None: if there are several.
        """
        inputs = [{"name": i.name, "dtype": i.dtype, "shape": list(i.shape)} for i in inputs]
        about = {
            "inputs": inputs,
            "named": len(inputs) > 1 if named is None else named,
            "output": {"dtype": output_dtype, "shape": [-1 if d is None else int(d) for d in output_shape]},
        }
        file = self.run_dir / path
        self.journal.write("artifact", path=self._relative(file), bytes=file.stat().st_size, model=about)

    def identity(self, timeout: float = 0.0) -> dict[str, str] | None:
        """Return `{tracking_uri, experiment_id, run_id}` as soon as MLflow has given them, else None.

        Args:
            timeout: seconds to wait for it.
        """
        replay = self._replay
        if replay is None or not self.settings_name_mlflow:
            return None
        replay.hurry()
        wait_for(lambda: self._identity is not None or replay.failure is not None, timeout)
        return self._identity

    @property
    def settings_name_mlflow(self) -> bool:
        """Whether the run goes to MLflow."""
        return self.settings.get("name") == "mlflow"

    def end(self, status: str, reason: str | None = None, timeout: float | None = None, **more: Any) -> Ended:
        """Write the last record and wait a little for the delivery; a second call changes nothing.

        Args:
            status: FINISHED, FAILED, KILLED or PRUNED.
            reason: why, if not FINISHED.
            timeout: seconds to wait; None: the setting `timeout`, else 30.
            more: further fields of the record.
        """
        if self._ended is not None:
            return self._ended
        self.journal.write("end", status=status, reason=redact.tree(reason), **redact.tree(more))
        self.journal.sync()
        undelivered = 0
        if self._replay is not None:
            limit = self.settings.get("timeout", 30.0) if timeout is None else timeout
            undelivered = self._replay.close(limit)
        self.journal.close()
        self._ended = Ended(self._identity, undelivered)
        return self._ended

    def _relative(self, file: Path) -> str:
        return file.absolute().relative_to(self.run_dir.absolute()).as_posix()

    def _sink(self) -> Sink | None:
        if not self.settings_name_mlflow:
            return None
        from trainrun.tracking.mlflow import DEFAULT_EXPERIMENT, MlflowSink

        return MlflowSink(
            self.run_dir,
            uri=self.settings.get("uri"),
            experiment=self.settings.get("experiment") or DEFAULT_EXPERIMENT,
            run_name=self.settings.get("run_name"),
            log_model=self.settings.get("log_model", True),
            log_artifacts=self.settings.get("log_artifacts", True),
            announce=self._announce,
        )

    def _announce(self, identity: dict[str, str]) -> None:
        self._identity = identity
        self.journal.write("event", event="tracking", sink="mlflow", **identity)


def flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return a nested config as ``optimizer.learning_rate`` -> value; lists stay whole."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            flat |= flatten(value, f"{name}.")
        else:
            flat[name] = value
    return flat


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # no such user, as in some containers
        return "unknown"
