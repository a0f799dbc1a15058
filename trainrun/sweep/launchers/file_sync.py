"""A trial's directory on a machine without access to the sweep's: sent there, and copied back while it grows.

The journal and the log come at each epoch, in pieces; checkpoints as they are written, but not more often than the
network should bear; everything at the end. What was deleted there is deleted here.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from trainrun.sweep.launchers.protocol import FilePart, FilesGone

PIECE = 16 * 2**20  # bytes of a message
OFTEN = 30.0  # seconds between two checks for checkpoints
# Files that only grow.
GROWING = ("journal.jsonl", "run.log")
CHECKPOINTS = "checkpoints"
PART = ".arriving"


def pack(run_dir: Path) -> dict[str, bytes]:
    """Return the files of a trial's directory as they are: relative path -> content."""
    return {name: (run_dir / name).read_bytes() for name in _files(run_dir)}


class Mirror:
    """The worker's end.

    Args:
        trial: its number.
        run_dir: of the trial, on this machine.
        kept: the trial's directory, where the sweep keeps it.
        files: as returned by `pack`.
        say: sends a message to the sweep, and returns when it is received.
    """

    def __init__(
        self,
        trial: int,
        run_dir: Path,
        kept: str,
        files: Mapping[str, bytes],
        say: Callable[[FilePart | FilesGone], Any],
    ):
        self.trial, self.run_dir, self._say = trial, run_dir, say
        # The record names the directory where the run is kept, not the temporary one.
        self._names = tuple(f'"run_dir":{json.dumps(d)}'.encode() for d in (str(run_dir), kept))
        for name, content in files.items():
            path = run_dir / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        self._sent = {name: self._state(name) for name in files}
        self._at = {name: len(files.get(name, b"")) for name in GROWING}
        self._next = time.monotonic() + OFTEN

    def epoch(self) -> None:
        """Send additions to the journal and the log."""
        for name in GROWING:
            path = self.run_dir / name
            if path.is_file():
                with open(path, "rb") as file:
                    file.seek(self._at[name])
                    while data := file.read(PIECE):
                        self._say(FilePart(self.trial, name, data.replace(*self._names), grows=True))
                        self._at[name] += len(data)

    def look(self) -> None:
        """Send new checkpoints if they are due."""
        if time.monotonic() >= self._next:
            self.epoch()  # a checkpoint is never ahead of the journal
            self._bring(lambda name: name.startswith(f"{CHECKPOINTS}/"))
            self._next = time.monotonic() + OFTEN

    def end(self) -> None:
        """Send everything."""
        self.epoch()
        self._bring(lambda name: name not in GROWING)

    def _bring(self, selects: Callable[[str], bool]) -> None:
        present = [name for name in _files(self.run_dir) if selects(name)]
        for name in present:
            state = self._state(name)
            if state is None or state == self._sent.get(name):
                continue
            try:
                self._bring_one(name)
            except FileNotFoundError:  # replaced by a newer one meanwhile
                continue
            self._sent[name] = state
        gone = [name for name in self._sent if selects(name) and name not in present]
        if gone:
            self._say(FilesGone(self.trial, gone))
            for name in gone:
                del self._sent[name]

    def _bring_one(self, name: str) -> None:
        # Opened once: if the file is replaced meanwhile, the former one is read to its end.
        with open(self.run_dir / name, "rb") as file:
            left = os.fstat(file.fileno()).st_size
            first = True
            while first or left > 0:
                data = file.read(PIECE)
                left = left - len(data) if data else 0
                self._say(FilePart(self.trial, name, data, first=first, last=left <= 0))
                first = False

    def _state(self, name: str) -> tuple[int, int, int] | None:
        try:
            entry = os.stat(self.run_dir / name)
        except FileNotFoundError:
            return None
        return entry.st_mtime_ns, entry.st_size, entry.st_ino


def receive(run_dir: Path, message: FilePart | FilesGone) -> None:
    """Write a part of a file that a worker's mirror has sent.

    Args:
        run_dir: of the trial, where the sweep keeps it.
        message: of `Mirror`.

    Raises:
        ValueError: it names a file outside that directory.
    """
    if isinstance(message, FilesGone):
        for name in message.names:
            _inside(run_dir, name).unlink(missing_ok=True)
        return
    path = _inside(run_dir, message.name)
    path.parent.mkdir(parents=True, exist_ok=True)
    if message.grows:
        with open(path, "ab") as file:
            file.write(message.data)
        return
    part = path.with_name(path.name + PART)
    with open(part, "wb" if message.first else "ab") as file:
        file.write(message.data)
    if message.last:
        os.replace(part, path)


def remove(run_dir: Path) -> None:
    """Remove the directory."""
    shutil.rmtree(run_dir, ignore_errors=True)


def _inside(run_dir: Path, name: str) -> Path:
    relative = PurePosixPath(name)
    if relative.is_absolute() or ".." in relative.parts or not relative.parts:
        raise ValueError(f"a worker has sent a file {name!r}, which is not inside a trial's directory")
    return run_dir / relative


def _files(run_dir: Path) -> list[str]:
    # Names of trainrun's own that begin with a dot lie beside what they are to replace.
    return [
        path.relative_to(run_dir).as_posix()
        for path in sorted(run_dir.rglob("*"))
        if path.is_file()
        and not path.is_symlink()
        and not path.name.startswith(".")
        and not path.name.endswith(PART)
    ]
