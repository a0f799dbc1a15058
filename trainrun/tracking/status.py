"""The status of a run, read from its directory: from the journal's end record, or from whether its process still runs."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

from trainrun.tracking import history, journal, lease, summary
from trainrun.tracking.delivery import state
from trainrun.util import paths, redaction
from trainrun.util.file_lock import FileLock

JOURNAL = "journal.jsonl"
LOG = "run.log"
DRAWING = "drawing"  # field of an end record: plots and report are drawn after it
UNDRAWN = "plots and report are not drawn yet"  # the process in the background is at work, or was killed
DRAWN = "artifacts_drawn"  # event: they are
RECENT = 24  # records in which the end is looked for before the whole journal is read
AFTER_END = ("artifact", "event", "tags")
LINES = 20  # lines of the log that are stored with the reason of a failure
NO_FINAL_STATUS = (
    "its process disappeared without writing a final status: SIGKILL, a power failure, or out of memory"
)
OUT_OF_MEMORY = "its process was killed, and the machine's out-of-memory killer struck while it ran"


@dataclass
class RunStatus:
    """The status of a run. The whole journal is read only by `past` and the properties that use it.

    Args:
        run_dir: the run's directory.
        status: FINISHED, FAILED, KILLED, PRUNED or RUNNING; UNKNOWN if it cannot be determined from the directory.
        reason: the reason of a failure, or None.
        end: the journal's end record; None if there is none, as for a KILLED run whose end is not written yet.
        records: number of records in the journal.
        drawing: plots and report are drawn in the background, and are not done.
    """

    run_dir: Path
    status: str
    reason: str | None = None
    end: Mapping[str, Any] | None = None
    records: int = 0
    drawing: bool = False

    @classmethod
    def of_end(cls, run_dir: Path, end: Mapping[str, Any], records: int = 0) -> RunStatus:
        """Return the status in a journal's end record."""
        return cls(run_dir, str(end.get("status", "UNKNOWN")), end.get("reason"), end, records)

    @property
    def remark(self) -> str | None:
        """What a list of runs says beside the status: what is not drawn yet, or the reason of a failure."""
        return UNDRAWN if self.drawing else self.reason

    @cached_property
    def past(self) -> dict[str, Any]:
        """The journal's history; see `history.replay`."""
        path = self.run_dir / JOURNAL
        return history.replay(journal.read(path).records if path.is_file() else [])

    @property
    def start(self) -> Mapping[str, Any]:
        """The start record of the last attempt, or an empty dict."""
        return self.past["attempts"][-1] if self.past["attempts"] else {}

    @property
    def epochs(self) -> int:
        """Epochs done."""
        return max(self.past["epochs"], default=0)

    @property
    def metrics(self) -> dict[str, float]:
        """Metrics of the last epoch, and those of the finished run."""
        return self.past["metrics"]

    @property
    def identity(self) -> dict[str, str] | None:
        """The tracker's `tracking_uri`, `experiment_id` and `run_id`, or None."""
        return identity(self.run_dir)


def read(run_dir: str | Path) -> RunStatus:
    """Return a run's status; of an ended run only the end of the journal is read.

    A run without an end record whose process has died is KILLED; `settle` writes the record. The process of a run on another
    machine cannot be checked; such a run counts as RUNNING as long as its lock is renewed, see `lease`.
    """
    run_dir = Path(run_dir)
    records, drawn = 0, False
    for i, record in enumerate(journal.newest(run_dir / JOURNAL, RECENT)):
        if i == 0 and isinstance(record.get("seq"), int):
            records = record["seq"] + 1
        if record["kind"] == "end":
            ended = RunStatus.of_end(run_dir, record, records)
            ended.drawing = bool(record.get(DRAWING)) and not drawn
            return ended
        if record["kind"] not in AFTER_END:
            break
        drawn |= record.get("event") == DRAWN
    now = RunStatus(run_dir, "UNKNOWN", "its journal has no beginning", records=records)
    if now.past["end"] is not None:
        return RunStatus.of_end(run_dir, now.past["end"], records)
    if now.start:
        lost = lease.alive(run_dir, now.start) is False
        now.status, now.reason = ("KILLED", NO_FINAL_STATUS) if lost else ("RUNNING", None)
    return now


def identity(run_dir: str | Path) -> dict[str, str] | None:
    """Return `{tracking_uri, experiment_id, run_id}` where the run was delivered last, or None."""
    for entry in reversed(state.read(run_dir)):
        if entry.get("run_id"):
            return {k: str(entry[k]) for k in ("tracking_uri", "experiment_id", "run_id")}
    return None


def settle(run_dir: str | Path) -> RunStatus:
    """Return the status; write the missing end record first if the run's process has died.

    Nothing is written for a run whose lock a delivery process holds: that process writes the record.
    """
    now = read(run_dir)
    if now.status != "KILLED" or now.end is not None:
        return now
    try:
        lock = FileLock(Path(run_dir) / state.LOCK)
        if not lock.acquire():
            return now
    except OSError:  # a read-only directory
        return now
    try:
        return mark_killed(run_dir, NO_FINAL_STATUS)
    except OSError:
        return now
    finally:
        lock.release()


def mark_killed(run_dir: str | Path, reason: str, dead: int | None = None) -> RunStatus:
    """Write the end record and summary of a killed run; the caller holds `state.LOCK`.

    An existing end record is kept, and so is a run that was resumed and is running.

    Args:
        run_dir: the run's directory.
        reason: why it was killed.
        dead: the id of a process that has ended, as the caller knows; None: look whether the process lives.
    """
    run_dir = Path(run_dir)
    now = read(run_dir)
    if now.end is None and now.start and (now.status == "KILLED" or now.start.get("pid") == dead):
        book = journal.Journal(run_dir / JOURNAL)
        try:
            book.write("end", status="KILLED", reason=reason, log=last_lines(run_dir))
        finally:
            book.close()
        now = read(run_dir)
    if now.status == "KILLED" and not now.start.get("sweep"):
        _summarize(run_dir, now)
    return now


def last_lines(run_dir: str | Path, count: int = LINES) -> list[str]:
    """Return the last lines of a run's log, without secrets; an empty list if there is no log."""
    try:
        with open(Path(run_dir) / LOG, "rb", opener=paths.regular) as file:
            file.seek(max(os.fstat(file.fileno()).st_size - 64_000, 0))
            lines = file.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return []
    return [redaction.text(line)[:500] for line in deque((s for s in lines if s.strip()), maxlen=count)]


def fill_in(run_dir: str | Path, identity: Mapping[str, str]) -> None:
    """Add the tracker's run id to a summary that was written before it was known."""
    try:
        content = summary.read(run_dir)
        before = content.get(summary.IDENTITY) or identity
        # `trainrun sync --uri` delivers a copy to another store; the summary keeps naming the run's own.
        if (
            content.get(summary.IDENTITY) != dict(identity)
            and before["tracking_uri"] == identity["tracking_uri"]
        ):
            summary.write(run_dir, {**content, summary.IDENTITY: dict(identity)})
    except (OSError, ValueError, LookupError, AttributeError, TypeError):
        pass  # missing, or not readable


def _summarize(run_dir: Path, now: RunStatus) -> None:
    """Write status KILLED to summary.json; missing fields are taken from the journal."""
    content: dict[str, Any] = {}
    try:
        content = summary.read(run_dir)
        if content.get("epochs") == now.epochs:  # no epoch was trained after it was written
            if content.get("status") != now.status:
                summary.write(run_dir, {**content, "status": now.status})
            return
    except FileNotFoundError:
        pass
    except (OSError, ValueError, AttributeError, TypeError):
        return  # unreadable: keep the file as it is
    past, start = now.past, now.past["start"]
    made = summary.build(
        run_id=start.get("run_id") or run_dir.name,
        status=now.status,
        seed=start.get("seed"),
        overrides=start.get("overrides") or (),
        metrics=past["metrics"],
        best=summary.best_epochs(past["history"], (start.get("config") or {}).get("metric")),
        epochs=now.epochs,
        steps=past["step"],
        parameters=content.get("parameters"),
        seconds={"total": _passed(journal.read(run_dir / JOURNAL).records)},
        data_sha256=(start.get("dataset") or {}).get("digest"),
        data=(start.get("dataset") or {}).get("profile"),
        versions=start.get("versions"),
        git=start.get("git"),
        identity=now.identity,
        resumed_from=now.start.get("resumed_from"),
    )
    summary.write(run_dir, made)


def _passed(records: Sequence[Mapping[str, Any]]) -> float:
    """Return the total duration of all attempts in seconds."""
    return sum(
        later["time"] - sooner["time"]
        for sooner, later in pairwise(records)
        # Not the time between two attempts, nor before an end record written later, nor where the clock was set back.
        if later["kind"] not in ("start", "end") and later["time"] > sooner["time"]
    )
