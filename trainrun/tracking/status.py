"""What became of a run, read from its directory: the journal's word, and whether its process still lives."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from trainrun.tracking import history, journal, summary
from trainrun.tracking.delivery import liveness, state
from trainrun.util import redaction

JOURNAL = "journal.jsonl"
LOG = "run.log"
LINES = 20  # of the log that are kept with the reason of a failure
WORDLESS = "its process ended without a word: SIGKILL, a power failure, or out of memory"
OUT_OF_MEMORY = "its process was killed, and the machine's out-of-memory killer struck while it ran"


class RunStatus(NamedTuple):
    """What became of a run.

    Args:
        status: FINISHED, FAILED, KILLED, PRUNED or RUNNING; UNKNOWN if the directory does not tell.
        reason: why, if something went wrong.
        start: the journal's first record of the last attempt, or an empty dict.
        epochs: epochs done.
        metrics: of the last epoch, and the final ones.
        identity: the tracker's `tracking_uri`, `experiment_id` and `run_id`, or None.
        ended: whether the journal itself says so; the end of a KILLED run may not be written yet.
    """

    status: str
    reason: str | None
    start: Mapping[str, Any]
    epochs: int
    metrics: dict[str, float]
    identity: dict[str, str] | None
    ended: bool = True


def status(run_dir: str | Path) -> RunStatus:
    """Return what the run directory says.

    A run without an end whose process is gone was KILLED; `settle` writes the end. The
    process of a run on another machine cannot be seen; such a run counts as RUNNING.
    """
    path = Path(run_dir) / JOURNAL
    past = history.replay(journal.read(path).records if path.is_file() else [])
    start: Mapping[str, Any] = past["attempts"][-1] if past["attempts"] else {}
    if past["end"] is not None:
        word, reason = past["end"].get("status", "UNKNOWN"), past["end"].get("reason")
    elif not start:
        word, reason = "UNKNOWN", "its journal has no beginning"
    elif liveness.lives(start) is False:
        word, reason = "KILLED", WORDLESS
    else:
        word, reason = "RUNNING", None
    epochs = max(past["epochs"], default=0)
    return RunStatus(
        word,
        reason,
        start,
        epochs,
        past["metrics"],
        identity(run_dir) or past["identity"],
        past["end"] is not None,
    )


def identity(run_dir: str | Path) -> dict[str, str] | None:
    """Return `{tracking_uri, experiment_id, run_id}` where the run was delivered last, or None."""
    for entry in reversed(state.read(run_dir)):
        if entry.get("run_id"):
            return {k: str(entry[k]) for k in ("tracking_uri", "experiment_id", "run_id")}
    return None


def settle(run_dir: str | Path) -> RunStatus:
    """Return the status, after the missing end of a run whose process is gone was written.

    A run that a delivery process looks after is left to that.
    """
    now = status(run_dir)
    if now.status != "KILLED" or now.ended:
        return now
    try:
        lock = state.Lock(run_dir)
        if not lock.acquire():
            return now
    except OSError:  # a directory that we may only read
        return now
    try:
        return mark_killed(run_dir, WORDLESS)
    except OSError:
        return now
    finally:
        lock.release()


def mark_killed(run_dir: str | Path, reason: str, dead: int | None = None) -> RunStatus:
    """Write the end of a run that was killed into its journal and summary; the caller holds its `Lock`.

    An end that was written meanwhile stays; so does a run that was resumed, and lives.

    Args:
        run_dir: the run's directory.
        reason: of its death.
        dead: the number of a process of which the caller knows that it is gone.
    """
    run_dir = Path(run_dir)
    now = status(run_dir)
    gone = now.status == "KILLED" or (dead is not None and now.start.get("pid") == dead)
    if not now.ended and now.start and gone:
        book = journal.Journal(run_dir / JOURNAL)
        try:
            book.write("end", status="KILLED", reason=reason, log=last_lines(run_dir))
        finally:
            book.close()
        now = status(run_dir)
    if now.status == "KILLED" and not now.start.get("sweep"):
        _summarize(run_dir, now)
    return now


def last_lines(run_dir: str | Path, count: int = LINES) -> list[str]:
    """Return the last lines of a run's log, without secrets; empty where there is none."""
    try:
        with open(Path(run_dir) / LOG, "rb") as file:
            file.seek(max(os.fstat(file.fileno()).st_size - 64_000, 0))
            lines = file.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return []
    return [redaction.text(line)[:500] for line in deque((s for s in lines if s.strip()), maxlen=count)]


def fill_in(run_dir: str | Path, identity: Mapping[str, str]) -> None:
    """Name the tracker's run in a summary that was written before it was known."""
    try:
        content = summary.read(run_dir)
        before = content.get(summary.IDENTITY) or identity
        # Another store, to which a copy goes, is not where the run is looked for.
        if (
            content.get(summary.IDENTITY) != dict(identity)
            and before["tracking_uri"] == identity["tracking_uri"]
        ):
            summary.write(run_dir, {**content, summary.IDENTITY: dict(identity)})
    except (OSError, ValueError, LookupError, AttributeError, TypeError):
        pass  # there is none, or none that we can read


def _summarize(run_dir: Path, now: RunStatus) -> None:
    """Make summary.json say that the run was killed; what it lacks is taken from the journal."""
    content: dict[str, Any] = {}
    try:
        content = summary.read(run_dir)
        if content.get("epochs") == now.epochs:  # training was over, or nothing came after it
            if content.get("status") != now.status:
                summary.write(run_dir, {**content, "status": now.status})
            return
    except FileNotFoundError:
        pass
    except (OSError, ValueError, AttributeError, TypeError):
        return  # not ours to mend
    records = journal.read(run_dir / JOURNAL).records
    past = history.replay(records)
    start = past["start"]
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
        seconds={"total": _passed(records)},
        data_sha256=(start.get("dataset") or {}).get("digest"),
        versions=start.get("versions"),
        git=start.get("git"),
        identity=now.identity,
        resumed_from=now.start.get("resumed_from"),
    )
    summary.write(run_dir, made)


def _passed(records: Sequence[Mapping[str, Any]]) -> float:
    """Return the seconds of all attempts."""
    return sum(
        later["time"] - sooner["time"]
        for sooner, later in pairwise(records)
        # Not from one attempt to the next, nor to the end that was written later, nor where the clock was set back.
        if later["kind"] not in ("start", "end") and later["time"] > sooner["time"]
    )
