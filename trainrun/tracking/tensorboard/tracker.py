"""Write journal records to TensorBoard event files; runs in the delivery process, never in the training process."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from trainrun.tracking import history
from trainrun.tracking.delivery import errors
from trainrun.tracking.delivery.state import Cursor
from trainrun.tracking.tensorboard import event_file
from trainrun.tracking.tensorboard.event_file import EventFile
from trainrun.tracking.trackers import Tracker

FOLDER = "tensorboard"  # in the run's directory


class TensorboardTracker(Tracker):
    """Write one run's records into an event file.

    Event files are append-only, and a value written twice appears twice. Therefore a process that continues a run replaces the
    file by a new one, which begins with the records that were written before (`recall`).

    Args:
        cursor: the run's directory, and the number of records written.
        since: see `Tracker`; unused.
    """

    title = "TensorBoard"
    identifies = False

    def __init__(self, cursor: Cursor, since: float = math.inf):
        self._file: EventFile | None = None
        super().__init__(cursor, since)

    @classmethod
    def destination(cls, settings: Mapping[str, Any]) -> tuple[str, str]:
        return FOLDER, ""

    @classmethod
    def prepare(cls, uri: str) -> None:
        import tensorboard.compat.proto.event_pb2
        import tensorboard.summary.writer.record_writer  # noqa: F401

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def begin(self) -> None:
        self.close()
        self._file, self._whole, self._attempts, self._epoch = None, True, 0, 0

    def recall(self, record: Mapping[str, Any]) -> None:
        self._write(record)

    def deliver(self, records: Sequence[Mapping[str, Any]]) -> None:
        if self._file is not None and not (self._whole and self._file.path.exists()):
            raise errors.Gone("the event file is incomplete")
        try:
            for record in records:
                self._write(record)
            if self._file is not None:
                self._file.flush()
        except OSError:  # such as a full disk: retrying would write the complete part twice
            self._whole = False
            raise

    def tag(self, tags: Mapping[str, str]) -> None:
        for name, value in tags.items():
            self._events.text(name, value, self._epoch, 0.0)

    def check(self) -> None:
        if not any((self.run_dir / FOLDER).glob(event_file.PATTERN)):
            raise errors.Gone("the event file is missing")

    @property
    def _events(self) -> EventFile:
        folder = self.run_dir / FOLDER
        if folder.is_symlink():  # event files in another place would be removed
            raise errors.Refused(f"{folder} is a link; put a folder in its place")
        self._file = self._file or EventFile(folder)
        return self._file

    def _write(self, record: Mapping[str, Any]) -> None:
        kind = record["kind"]
        if kind in history.NUMBERS:
            self._scalars(record)
        elif kind == "start":
            self._start(record)
        elif kind == "artifact":
            self._image(record)
        elif kind == "tags":
            self._text(record, "tags", _table(record["tags"]))
        elif kind == "end":
            end = {k: record[k] for k in ("status", "reason") if record.get(k)}
            log = "\n".join(f"    {line}" for line in record.get("log") or [])
            self._text(record, "end", f"{_table(end)}\n\n{log}".rstrip())

    def _scalars(self, record: Mapping[str, Any]) -> None:
        batch = record["kind"] == "batch"
        # Epochs are counted in epochs, batches in steps, system metrics in samples.
        step = int(record.get("step" if batch or record["kind"] == "system" else "epoch") or 0)
        if record["kind"] == "epoch":
            self._epoch = step
        for name, value in (record.get("metrics") or {}).items():
            if (number := history.number(value)) is not None:
                self._events.scalar(f"batch/{name}" if batch else name, number, step, _time(record))

    def _start(self, record: Mapping[str, Any]) -> None:
        suffix = f"/resume {self._attempts}" if self._attempts else ""
        self._attempts += 1
        about = {k: record[k] for k in ("run_id", "name", "command", "user", "host") if record.get(k)}
        self._text(record, f"run{suffix}", _table(about))
        self._text(record, f"parameters{suffix}", _table(record.get("params") or {}))

    def _image(self, record: Mapping[str, Any]) -> None:
        path = self.run_dir / record["path"]
        logged = self.target.settings.get("log_artifacts", True)
        if not logged or path.suffix != ".png" or not path.is_file():
            return
        if not path.resolve().is_relative_to(self.run_dir.resolve()):
            raise errors.Unsendable(f"{record['path']} does not lie in the run's directory")
        try:
            tag = Path(record["path"]).with_suffix("").as_posix()
            self._events.image(tag, path.read_bytes(), self._epoch, _time(record))
        except (ValueError, PermissionError) as error:
            raise errors.Unsendable(f"{record['path']}: {error}") from error

    def _text(self, record: Mapping[str, Any], tag: str, text: str) -> None:
        self._events.text(tag, text, self._epoch, _time(record))


def _table(values: Mapping[str, Any]) -> str:
    """Return names and values as a Markdown table."""
    rows = [f"| {_cell(name)} | {_cell(value)} |" for name, value in values.items()]
    return "\n".join(["| name | value |", "|---|---|", *rows])


def _cell(value: Any) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ")


def _time(record: Mapping[str, Any]) -> float:
    time = record.get("time")
    return float(time) if isinstance(time, int | float) else 0.0
