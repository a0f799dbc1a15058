"""A run's record, from its start to its end: what training calls.

    recorder = Recorder(run_dir, TrackingSettings.of(config["tracking"]))
    recorder.start(run_id=…, config=…, overrides=…, command=…, dataset={…}, versions={…}, git={…})
    … train(callbacks=[…, recorder.callback()]) …
    recorder.metrics({"test_loss": 0.3}, epoch=10, step=450)
    recorder.model("model.keras", inputs=data.inputs, output_shape=(10,))
    identity = recorder.identity(timeout=10)                # for summary.json; or None
    recorder.artifacts(["config.yaml", "summary.json", "report.html", *plots])
    ended = recorder.end("FINISHED")                        # ended.identity, ended.undelivered

All of it goes to `journal.jsonl` at once. Where the settings name trackers, a process of its own delivers the journal to them
(`delivery/service.py`); nothing here waits for that but `identity` and `end`, which share the setting `timeout`, and nothing
here raises because of it. Passwords in addresses, and values of keys such as ``password`` and ``token``, are hidden before
anything is written.

A run that is resumed gets a recorder on the journal it has; `start` then takes `resumed_from`.
"""

from __future__ import annotations

import getpass
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from trainrun.tracking import find, origin, trackers
from trainrun.tracking.alerts import NOT_SENT
from trainrun.tracking.delivery.handover import Handover, not_sent
from trainrun.tracking.journal import Journal, read
from trainrun.tracking.settings import TrackingSettings
from trainrun.tracking.status import JOURNAL, last_lines, settle
from trainrun.tracking.system_metrics import Sampler
from trainrun.ui import console
from trainrun.util import liveness, redaction

if TYPE_CHECKING:
    from trainrun.tracking.journal_callback import JournalCallback

JOURNAL_ONLY = TrackingSettings()


class DeliveryResult(NamedTuple):
    """The state of delivery when the record is closed.

    Args:
        identity: `{tracking_uri, experiment_id, run_id}` at a tracker, or None.
        undelivered: records that the trackers do not have, summed over them; the journal has them all.
    """

    identity: dict[str, str] | None
    undelivered: int


class Recorder:
    """Record one run.

    Args:
        run_dir: the run's directory; it exists.
        settings: of the tracking; by default the journal is the only record.
        name: the run's name.
        warn: prints one line to the user.
        delivers: False where another process has the run delivered: that of a sweep, for its trials.

    Attributes:
        delivery: sends the journal to trackers; None: this process does not deliver it.
    """

    def __init__(
        self,
        run_dir: str | Path,
        settings: TrackingSettings = JOURNAL_ONLY,
        name: str | None = None,
        warn: Callable[[str], None] = console.warn,
        delivers: bool = True,
    ):
        self.run_dir = Path(run_dir)
        self.settings, self.name = settings, settings.run_name or name
        self.warn = warn
        if (self.run_dir / JOURNAL).exists():
            settle(self.run_dir)  # an earlier attempt that was killed gets its end before this one begins
            if (original := origin.adopt(self.run_dir)) is not None:
                warn(f"{self.run_dir} is a copy of {original}; it goes on as a run of its own.")
        self.journal = Journal(self.run_dir / JOURNAL)
        for damage in self.journal.damage:
            warn(f"{self.journal.path}: {damage}; it is left out.")
        self.delivery: Handover | None = None
        if (settings.targets or settings.alerts) and delivers:
            self.delivery = Handover(self.run_dir.absolute(), settings, warn)
        self._sampler: Sampler | None = None
        self._begun = False
        self._ended: DeliveryResult | None = None

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
            tags: further tags of the run, which trackers get, too.
            more: further fields of the record (`seed`, `resumed_from` …).
        """
        config = redaction.tree(config)
        self.journal.write(
            "start",
            run_id=run_id,
            name=redaction.tree(self.name),
            run_dir=str(self.run_dir.absolute()),
            config=config,
            params=flatten(config),
            overrides=redaction.tree(list(overrides)),
            command=redaction.text(command),
            dataset=redaction.tree(dataset) if dataset else None,
            versions=dict(versions or {}),
            git=redaction.tree(git) if git else None,
            tags=redaction.tree(dict(tags or {})),
            user=_user(),
            tracking=[target.record for target in self.settings.targets],
            **trackers.start_fields(self.settings.targets),
            place=_place(self.run_dir),
            **liveness.identity(),
            **redaction.tree(more),
        )
        self._begun = True
        if "sweep" not in more:  # its trials have them
            self._begin_system_metrics()
        if self.delivery is not None:
            self.delivery.begin()

    def _begin_system_metrics(self) -> None:
        if self.settings.system_interval is not None:
            earlier = read(self.journal.path).records
            # The journal is looked up at each record: a full disk may have it opened anew.
            self._sampler = Sampler(
                lambda **fields: self.journal.write("system", **fields),
                self.settings.system_interval,
                earlier,
            )

    def end_system_metrics(self) -> dict[str, float]:
        """Take the last sample; return what `Sampler.stop` does, or nothing."""
        return {} if self._sampler is None else self._sampler.stop()

    def callback(self) -> JournalCallback:
        """Return the Keras callback that writes the metrics."""
        from trainrun.tracking.journal_callback import JournalCallback

        return JournalCallback(self.journal, self.settings.every_steps)

    def metrics(self, values: Mapping[str, float], epoch: int | None = None, step: int | None = None) -> None:
        """Write metrics of the finished run (``test_loss`` …); `epoch` counts from 1."""
        self.journal.write("metrics", epoch=epoch, step=step, metrics=dict(values))

    def event(self, event: str, **fields: Any) -> None:
        """Write that something happened."""
        self.journal.write("event", event=event, **redaction.tree(fields))

    def artifacts(self, paths: Iterable[str | Path]) -> None:
        """Record files of the run directory; of a folder, all its files. What does not exist is left out, and all before `start`."""
        if not self._begun:
            return
        for path in (self.run_dir / p for p in paths):
            for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
                if file.is_file():
                    self.journal.write("artifact", path=self._relative(file), bytes=file.stat().st_size)

    def model(
        self,
        path: str | Path,
        inputs: Iterable[Any],
        output_shape: Sequence[int | None] | Mapping[str, Sequence[int | None]],
        output_dtype: str = "float32",
        named: bool | None = None,
        epochs: int | None = None,
    ) -> None:
        """Record the model as it is saved.

        Args:
            path: a .keras file in the run directory.
            inputs: `dataset.InputSpec` objects, or anything with `name`, `dtype` and `shape`.
            output_shape: of one prediction, without the batch axis; of several outputs, a dict by name.
            output_dtype: numpy's name of it.
            named: whether the model takes a dict of inputs by name; None: if there are several.
            epochs: that it is trained for; the model of as many epochs is recorded once, however often it is saved.
        """
        inputs = [{"name": i.name, "dtype": i.dtype, "shape": list(i.shape)} for i in inputs]
        about = {
            "inputs": inputs,
            "named": len(inputs) > 1 if named is None else named,
        }

        def output(shape: Sequence[int | None]) -> dict[str, Any]:
            return {"dtype": output_dtype, "shape": [-1 if d is None else int(d) for d in shape]}

        if isinstance(output_shape, Mapping):
            about["outputs"] = {name: output(shape) for name, shape in output_shape.items()}
        else:
            about["output"] = output(output_shape)
        file = self.run_dir / path
        self.journal.write(
            "artifact", path=self._relative(file), bytes=file.stat().st_size, model=about, epochs=epochs
        )

    def identity(self, timeout: float = 0.0) -> dict[str, str] | None:
        """Return `{tracking_uri, experiment_id, run_id}` as soon as a tracker has given them, else None.

        A summary that is written without them is completed by the delivery process.

        Args:
            timeout: seconds to wait for it; they are taken from those that `end` may wait.
        """
        return self.delivery.identity(timeout) if self.delivery is not None else None

    def end(
        self, status: str, reason: str | None = None, timeout: float | None = None, **more: Any
    ) -> DeliveryResult:
        """Write the last record and wait a little for the delivery; a second call changes nothing.

        Where the disk had no room for the attempt's first record, there is none to end.

        Args:
            status: FINISHED, FAILED, KILLED or PRUNED.
            reason: why, if not FINISHED.
            timeout: seconds to wait; None: what `identity` has left of the setting `timeout`.
            more: further fields of the record.
        """
        if self._ended is not None:
            return self._ended
        self.end_system_metrics()
        if not self._begun:
            self.journal.close()
            return DeliveryResult(None, 0)
        if status in ("FAILED", "KILLED"):
            more = {"log": last_lines(self.run_dir), **more}
        self.journal.write("end", status=status, reason=redaction.tree(reason), **redaction.tree(more))
        self.journal.sync()
        identity, undelivered = None, 0
        if self.delivery is not None:
            identity, undelivered = self.delivery.finish(self.journal.last + 1, timeout)
            if self.delivery.alerts_lost:
                self.event(NOT_SENT, alert=status.lower(), reason="the delivery process had ended")
                self.warn(f"alerts of {self.run_dir.name} may not be sent: the delivery process had ended.")
        self.journal.close()
        self._ended = DeliveryResult(identity, undelivered)
        # The final output of a finished run includes this line.
        if undelivered and status != "FINISHED":
            self.warn(not_sent(undelivered, self.run_dir))
        return self._ended

    def _relative(self, file: Path) -> str:
        return file.absolute().relative_to(self.run_dir.absolute()).as_posix()


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


def _place(run_dir: Path) -> int | None:
    try:
        return find.next_place(run_dir)
    except OSError:  # a folder that only the run's own directory may be written to in
        return None


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # no such user, as in some containers
        return "unknown"
