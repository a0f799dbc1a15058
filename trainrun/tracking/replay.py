"""The journal, replayed to a tracking server by a background thread. Training never waits for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from trainrun.tracking import journal


class Sink(Protocol):
    """Where records go.

    `deliver` gets records in the order of their `seq` and either has them all or raises. It runs in the
    replay's thread, and is the place for slow imports.
    """

    def deliver(self, records: list[dict[str, Any]]) -> None: ...


class Replay:
    """Read along with a journal and deliver its records in batches.

    The file is the only queue, so nothing is held in memory and nothing is delivered that is not on disk.
    When the sink fails, one warning is given and the delivery stops; the journal has everything.

    Args:
        path: the journal.
        sink: see `Sink`.
        warn: says one line to the user.
        interval: seconds that records may wait to be sent together.
        skip: records with a smaller `seq` were delivered before.
        hold: seconds to wait for a second record before the sink is touched. A sink's first call imports a
            large library, and Python imports and compiles a model's first step on one core only.
    """

    def __init__(
        self,
        path: str | Path,
        sink: Sink,
        warn: Callable[[str], None],
        interval: float = 1.0,
        skip: int = 0,
        hold: float = 0.0,
    ):
        self.path = Path(path)
        self.sink = sink
        self.warn = warn
        self.interval = interval
        self.failure: BaseException | None = None
        self._next = skip  # the seq to be delivered next
        self._offset = 0
        self._closing = threading.Event()
        self._something = threading.Event()
        self._hold = hold
        self._released = threading.Event()
        self._thread = threading.Thread(target=self._run, name="trainrun-replay", daemon=True)

    def start(self) -> None:
        """Begin to deliver."""
        self._thread.start()

    def notify(self) -> None:
        """Say that the journal has grown; the journal's `listener`."""
        self._something.set()
        if self._thread.is_alive():
            self._released.set()

    def hurry(self) -> None:
        """Hold nothing back any longer: somebody waits."""
        self._released.set()

    def close(self, timeout: float) -> int:
        """Wait until everything is delivered, but no longer than `timeout` seconds.

        Returns:
            The number of records not delivered.
        """
        self._closing.set()
        self._something.set()
        self._released.set()
        if self._thread.is_alive():
            self._thread.join(timeout)
        records = journal.read(self.path).records
        return sum(r["seq"] >= self._next for r in records)

    def _run(self) -> None:
        self._released.wait(self._hold)
        while self.failure is None:
            closing = self._closing.is_set()
            try:
                self._pass_on()
            except Exception as error:
                self.failure = error
                self.warn(describe(error))
                return
            if closing:
                # A sink may write to the journal itself (which MLflow run it made): that counts, too.
                if self._offset >= self.path.stat().st_size:
                    return
                continue
            self._something.wait()
            self._something.clear()
            # Let a batch gather, but not when the run is over and somebody waits.
            self._closing.wait(self.interval)

    def _pass_on(self) -> None:
        with open(self.path, "rb") as file:
            file.seek(self._offset)
            data = file.read()
        data = data[: data.rfind(b"\n") + 1]
        records = []
        for line in data.splitlines():
            try:
                record = journal.decode(line.decode())
            except ValueError:
                continue  # a damaged line: the journal's reader reports it
            if isinstance(record, dict) and record.get("seq", -1) >= self._next:
                records.append(record)
        if records:
            self.sink.deliver(records)
            self._next = records[-1]["seq"] + 1
        self._offset += len(data)


def describe(error: BaseException) -> str:
    """Return one line that says what became of the tracking, and that nothing is lost."""
    from trainrun.tracking import redact

    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    reason = redact.text(lines[0] if lines else type(error).__name__)
    reason = reason if len(reason) <= 200 else reason[:199] + "…"
    reason = f"{type(error).__name__}: {reason}"
    return f"tracking has stopped ({reason}); the run goes on and its journal keeps everything."


def wait_for(condition: Callable[[], bool], timeout: float, step: float = 0.02) -> bool:
    """Wait until `condition` holds, at most `timeout` seconds; return whether it does."""
    until = time.monotonic() + timeout
    while not condition():
        if time.monotonic() >= until:
            return False
        time.sleep(step)
    return True
