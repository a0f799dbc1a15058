"""Alerts: what happened to a run or sweep, for a web address or a command of the user's.

The delivery process sends them (`delivery/alert_delivery.py`), so that a killed run is reported, too.
"""

from __future__ import annotations

import http.client
import json
import math
import os
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from trainrun.tracking import find, history, status, summary
from trainrun.util import grants, redaction

TIMEOUT_S = 10.0
EVENTS = ("failed", "killed", "finished", "better")
NOT_SENT = "alert_not_sent"  # event of the journal
BEST = "best_"  # before the objective's name, in the metrics of a sweep's own journal


class AlertSettings(NamedTuple):
    """Where alerts go, and which ones.

    Args:
        webhook: a web address, or None; a secret, which no file has.
        command: a shell command, or None.
        events: of `EVENTS`.
    """

    webhook: str | None = None
    command: str | None = None
    events: tuple[str, ...] = EVENTS

    @classmethod
    def of(cls, node: Mapping[str, Any] | None, trial: bool = False) -> AlertSettings | None:
        """Return the settings of the config's `alert` node, or None if nothing is to be sent.

        Args:
            node: the node; None: of a run recorded before there was one.
            trial: whether the run is a sweep's trial.
        """
        node = node or {}
        named = {k: os.environ.get(v) for k, v in grants.ALERTS.items() if node.get(k) is True}
        if not any(named.values()) or (trial and not node.get("trials")):
            return None
        return cls(**named, events=tuple(node.get("events", EVENTS)))


class Watcher:
    """Finds in a journal what is to be sent.

    Args:
        run_dir: the directory of the run or sweep.
        events: those that are wanted.
    """

    def __init__(self, run_dir: Path, events: Iterable[str]):
        self.run_dir, self.events = run_dir, frozenset(events)
        self.ended = False
        self._start: Mapping[str, Any] = {}
        self._best: float | None = None  # of the sweep's trials so far
        self._metrics: dict[str, Any] = {}

    def take(self, record: Mapping[str, Any], current: bool) -> dict[str, Any] | None:
        """Take the next record; return the message to send, or None.

        Args:
            record: in the order of the journal.
            current: whether the record is of this attempt: about earlier ones, everything was sent.
        """
        kind, message = record["kind"], None
        if kind == "start":
            self._start, self.ended = record, False
        elif kind in ("epoch", "metrics"):
            self._metrics |= record.get("metrics") or {}
            message = self._new_best(record)
        elif kind == "end":
            self.ended = True
            message = self._end(record)
        return message if current and message is not None and message["event"] in self.events else None

    @property
    def _sweep(self) -> bool:
        return bool(self._start.get("sweep"))

    def _new_best(self, record: Mapping[str, Any]) -> dict[str, Any] | None:
        best = {k: v for k, v in (record.get("metrics") or {}).items() if k.startswith(BEST)}
        if not self._sweep or not best:
            return None
        ((name, value),) = list(best.items())[:1]
        before, self._best = self._best, value
        if before in (None, value):
            return None
        what = f"trial {record.get('trial')} is the best so far: {name.removeprefix(BEST)} {value:.6g} (before: {before:.6g})"
        return self._message("better", what)

    def _end(self, record: Mapping[str, Any]) -> dict[str, Any] | None:
        event, reason = str(record.get("status", "")).lower(), record.get("reason")
        what = event + (f": {reason}" if reason else "")
        if event == "finished" and self._sweep:
            counts = [
                f"{int(v)} {k.removeprefix('trials_').lower()}"
                for k, v in self._metrics.items()
                if k.startswith("trials_") and v
            ]
            what += f": trials {', '.join(counts)}" if counts else ""
            what += f"; best {self._best:.6g}" if self._best is not None else ""
        elif event == "finished" and (record_text := _record(self.run_dir)) is not None:
            what = f"finished, better than so far: {record_text}"
            event = "better" if "better" in self.events else "finished"
        return self._message(event, what)

    def _message(self, event: str, what: str) -> dict[str, Any]:
        start = self._start
        named = "" if start.get("name") in (None, self.run_dir.name) else f" ({start['name']})"
        of = f"sweep {self.run_dir.name}" if self._sweep else f"run {find.name_of(self.run_dir)}"
        text = redaction.text(f"trainrun: {of}{named} {what}")
        metrics = {
            k: v if math.isfinite(v) else str(v)
            for k, n in self._metrics.items()
            if (v := history.number(n)) is not None
        }
        return {
            "event": event,
            "text": text,  # what Slack and Mattermost show
            "content": text[:2000],  # what Discord shows
            "run_id": self.run_dir.name,
            "run_dir": str(self.run_dir),
            "host": start.get("host"),
            "metrics": metrics,
        }


def _record(run_dir: Path) -> str | None:
    """Return the objective of a finished run that is better than those of all earlier runs beside it on the same data, in words."""
    own = summary.read_or_empty(run_dir)
    name = summary.monitored(own)
    if name is None:
        return None
    earlier = [
        other["best"][name]["value"]
        for path in run_dir.parent.glob(f"*/{summary.FILE}")
        if path.parent != run_dir
        and (other := summary.read_or_empty(path.parent)).get("status") == "FINISHED"
        and other.get("data_sha256") == own.get("data_sha256")
        and name in other["best"]
    ]
    value = own["best"][name]["value"]
    if not earlier:
        return None
    metric = status.read(run_dir).start.get("config", {}).get("metric")
    # As if the runs' best values were epochs: the metric's direction says which is best.
    best = summary.best_epochs({name: [*earlier, value]}, metric).get(name)
    if best is None or best["epoch"] != len(earlier) + 1:
        return None
    before = summary.best_epochs({name: earlier}, metric)[name]["value"]
    return f"{name} {value:.6g} (before: {before:.6g})"


def send(settings: AlertSettings, message: Mapping[str, Any]) -> str | None:
    """Send a message; return what failed, in words without secrets, or None."""
    faults = (
        _post(settings.webhook, message) if settings.webhook else None,
        _call(settings.command, message) if settings.command else None,
    )
    return "; ".join(filter(None, faults)) or None


def _post(address: str, message: Mapping[str, Any]) -> str | None:
    request = urllib.request.Request(
        address,
        json.dumps(message).encode(),
        {"Content-Type": "application/json", "User-Agent": "trainrun"},
    )
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S):
            return None
    except urllib.error.HTTPError as error:
        return f"webhook: the server answered {error.code}"
    except (
        OSError,
        ValueError,
        http.client.HTTPException,
    ) as error:  # the address itself stays out of the words
        return f"webhook: {type(getattr(error, 'reason', error)).__name__}"


def _call(command: str, message: Mapping[str, Any]) -> str | None:
    environment = {
        **os.environ,
        **{f"TRAINRUN_{k.upper()}": str(message[k]) for k in ("event", "text", "run_dir")},
    }
    try:
        done = subprocess.run(
            ["/bin/sh", "-c", command],
            input=json.dumps(message).encode(),
            env=environment,
            timeout=TIMEOUT_S,
            capture_output=True,
        )
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        return f"command: {type(error).__name__}"
    return f"command: it ended with {done.returncode}" if done.returncode else None
