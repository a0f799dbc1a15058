"""The channel between a sweep and workers on a shared file system: files in the sweep's directory.

<sweep>/.engine/sweep.json       {"token", "beat"}: which attempt at the sweep this is, and its heartbeat
<sweep>/.engine/<number>/messages.jsonl the worker's messages, a line each
<sweep>/.engine/<number>/answer.json    {"line", "answer"}: the answer to a line
<sweep>/.engine/<number>/order.json     a Stop
"""

from __future__ import annotations

import contextlib
import json
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from trainrun.sweep.launchers import protocol
from trainrun.sweep.launchers.protocol import Message, Stop
from trainrun.util import paths

FOLDER = ".engine"
HEARTBEAT_INTERVAL_S = 5.0
POLL_INTERVAL_S = 0.02  # between two polls for messages or an answer
# Seconds that a trial waits for late answers, in all; and what counts as late. A sweep on a machine that has much else to do
# is late now and then, a slow file system each time: there the answer to one epoch is read at the next in the end.
ANSWER_BUDGET_S = 30.0
LATE_S = 1.0
SILENCE_S = 30.0  # without a heartbeat, after which a sweep counts as dead


class SweepEnd:
    """The sweep's end.

    Args:
        sweep_dir: the sweep's directory.
        silence: seconds without a heartbeat, after which the sweep counts as dead.
    """

    def __init__(self, sweep_dir: Path, silence: float = SILENCE_S):
        self.folder, self._silence = sweep_dir / FOLDER, silence
        self.token = secrets.token_hex(8)
        self._beats, self._last = 0, float("-inf")
        self._read: dict[int, int] = {}

    def open(self, number: int) -> dict[str, Any]:
        """Open the channel to a trial's worker; return the data for its end."""
        folder = self.folder / str(number)
        shutil.rmtree(folder, ignore_errors=True)  # of an earlier attempt
        folder.mkdir(parents=True)
        self._read[number] = 0
        self.beat()
        return {"folder": str(folder), "token": self.token, "silence": self._silence}

    def beat(self) -> None:
        """Write a heartbeat if one is due."""
        if time.monotonic() - self._last >= HEARTBEAT_INTERVAL_S and self.folder.is_dir():
            self._last, self._beats = time.monotonic(), self._beats + 1
            _write(self.folder / "sweep.json", {"token": self.token, "beat": self._beats})

    def receive(self, number: int) -> Iterator[tuple[int, Message]]:
        """Yield the messages since the last call: (line, message)."""
        path = self.folder / str(number) / "messages.jsonl"
        try:
            with open(path, "rb") as file:
                file.seek(self._read[number])
                new = file.read()
        except FileNotFoundError:
            return
        whole = new.rpartition(b"\n")[0]
        if whole:
            self._read[number] += len(whole) + 1
            for line in whole.split(b"\n"):
                content = json.loads(line)
                yield content.pop("line"), protocol.decode(content)

    def answer(self, number: int, line: int, answer: Any) -> None:
        """Answer to a line."""
        _write(self.folder / str(number) / "answer.json", {"line": line, "answer": answer})

    def order(self, number: int, stop: Stop) -> None:
        """Request a worker to end its trial."""
        _write(self.folder / str(number) / "order.json", protocol.encode(stop))

    def close(self) -> None:
        """Remove the files; a worker that still runs ends its trial."""
        shutil.rmtree(self.folder, ignore_errors=True)


class WorkerEnd:
    """The worker's end.

    Args:
        channel: as returned by `SweepEnd.open`.
        patience: seconds to wait for late answers, in all.
    """

    def __init__(self, channel: Mapping[str, Any], patience: float = ANSWER_BUDGET_S):
        self.folder, self.token = Path(channel["folder"]), channel["token"]
        self._patience, self._silence = patience, channel["silence"]
        self._path = self.folder / "messages.jsonl"
        # A requeued job continues the numbering.
        self._lines = self._path.read_bytes().count(b"\n") if self._path.exists() else 0
        self._beat: tuple[Any, float] = (None, time.monotonic())

    @property
    def current(self) -> bool:
        """Whether the attempt at the sweep that submitted the trial still runs."""
        content = _load(self.folder.parent / "sweep.json")
        return content is not None and content["token"] == self.token

    def say(self, message: Message, answered: bool = False) -> str | None:
        """Send a message; return the answer, if there is to be one."""
        self._lines += 1
        with contextlib.suppress(OSError), open(self._path, "ab") as file:
            file.write((json.dumps({"line": self._lines, **protocol.encode(message)}) + "\n").encode())
        began = time.monotonic()
        while answered:
            content, waited = _load(self.folder / "answer.json"), time.monotonic() - began
            # A late answer is as good: it tells whether to stop.
            is_answer = content is not None and (
                content["line"] >= self._lines or content["answer"] is not None
            )
            if is_answer or waited > self._patience or (waited > LATE_S and self.order()):
                if waited > min(LATE_S, self._patience):
                    self._patience = max(self._patience - waited, 0.0)
                return content["answer"] if is_answer else None
            time.sleep(POLL_INTERVAL_S)
        return None

    def order(self) -> Stop | None:
        """Return the request to end the trial, or None; when the sweep's process has died, the trial is to stop."""
        if (order := _load(self.folder / "order.json")) is not None:
            return protocol.decode(order)
        content = _load(self.folder.parent / "sweep.json")
        now = time.monotonic()
        if not self.folder.is_dir() or (content is not None and content["token"] != self.token):
            return Stop()
        if content is not None and content["beat"] != self._beat[0]:
            self._beat = content["beat"], now
        return Stop() if now - self._beat[1] > self._silence else None


def _write(path: Path, content: Mapping[str, Any]) -> None:
    with paths.whole(path) as new:
        new.write_text(json.dumps(content))


def _load(path: Path) -> dict[str, Any] | None:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return None
