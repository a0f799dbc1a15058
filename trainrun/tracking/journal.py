"""`journal.jsonl`: every metric and event of a run, one JSON record a line, appended and never rewritten.

A record is ``{"seq": n, "time": unix seconds, "kind": …, …}``; `seq` counts from 0 without gaps. Kinds:

| kind | fields |
|---|---|
| ``start`` | run_id, name, config (nested), params (flattened), overrides, command, tags, dataset, tracking, …; a resumed run has one for each attempt, the later ones with ``resumed_from`` |
| ``epoch`` | epoch (1 for the first), step (updates done), metrics |
| ``batch`` | epoch, step, metrics |
| ``system`` | step (samples before it), metrics: ``system/cpu_utilization_percentage`` …, see `system_metrics` |
| ``metrics`` | metrics of the finished run, such as ``test_loss``; epoch, step |
| ``tags`` | tags (name -> value): what a sweep has come to; trackers get them as tags |
| ``artifact`` | path (relative to the run directory); for the model also inputs, output, requirements |
| ``event`` | event (its name) and whatever belongs to it |
| ``end`` | status, reason; what failed or was killed also ``log``, the last lines of run.log |

JSON has no NaN and no infinity: they are written ``{"$float": "nan"}`` and read back as floats. (A key of the
user's own that begins with ``$`` gets a second one on the way out and loses it on the way in.)
"""

from __future__ import annotations

import io
import json
import math
import os
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from trainrun.util import paths

FLOAT = "$float"
# Fields that are read, and their types: a journal may be received, and its readers look no closer.
FIELDS: dict[str, type | tuple[type, ...]] = {
    "seq": int, "time": (int, float), "run_id": str, "name": (str, int, float), "run_dir": str, "host": str, "pid": int, "cwd": str, "command": str,
    "config": dict, "params": dict, "overrides": list, "tags": dict, "dataset": dict, "versions": dict, "git": dict, "plugins": dict,
    "tracking": (dict, list), "resumed_from": (dict, str), "epoch": int, "step": int, "metrics": dict, "path": str, "bytes": int,
    "model": dict, "event": str, "status": str, "reason": str, "log": list, "sweep": dict, "trial": int,
}  # fmt: skip
EVENT_FIELDS = ("seq", "time", "event")
LARGEST = 2**63
FIRST_LINE_LENGTH = 10_000_000  # bytes of a first record at most
END = 8192  # bytes at the end of a journal, in which its newest records are looked for


class Contents(NamedTuple):
    """What a journal holds.

    Args:
        records: those that could be read, in the order of the file.
        damage: one sentence for each line that could not; empty for a whole journal.
    """

    records: list[dict[str, Any]]
    damage: list[str]


class Journal:
    """Append records to a journal; safe to call from several threads.

    An existing file is continued. If its last line was cut short, as by a power failure, that line is taken
    out, and kept as text in an event ``torn_line``.

    Args:
        path: the file; its folder exists.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self._lock = threading.Lock()
        torn = _mend(self.path)
        contents = read(self.path) if self.path.exists() else Contents([], [])
        self.damage = contents.damage
        self._next = (
            max((r["seq"] for r in contents.records if isinstance(r.get("seq"), int)), default=-1) + 1
        )
        self._file = open(self.path, "ab", buffering=0, opener=paths.no_link)  # noqa: SIM115 - open until `close`
        if torn is not None:
            self.damage = [*self.damage, "its last line was cut short"]
            self.write("event", event="torn_line", text=torn)

    @property
    def last(self) -> int:
        """The number of the newest record, -1 if there is none."""
        return self._next - 1

    def write(self, kind: str, **fields: Any) -> dict[str, Any]:
        """Append a record and return it; it has left this process when the call returns."""
        with self._lock:
            record = {"seq": self._next, "time": time.time(), "kind": kind, **fields}
            data = (encode(record) + "\n").encode()
            if self._file.closed:  # a latecomer, such as the replay's thread after the end of the run
                with open(self.path, "ab", buffering=0, opener=paths.no_link) as file:
                    _put(file, data)
            else:
                _put(self._file, data)
            self._next += 1
        return record

    def sync(self) -> None:
        """Wait until the disk has it."""
        with self._lock:
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file; more than once does no harm."""
        with self._lock:
            if not self._file.closed:
                os.fsync(self._file.fileno())
                self._file.close()


def read(path: str | Path) -> Contents:
    """Return what a journal holds, and which of its lines are damaged."""
    records, damage = [], []
    lines = paths.content(path).split(b"\n")
    for i, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        whole = record(line)
        if whole is None:
            last = i == len(lines)
            damage.append(f"line {i} was cut short" if last else f"line {i} is no record")
        else:
            records.append(whole)
    return Contents(records, damage)


def first(path: str | Path) -> dict[str, Any]:
    """Return a journal's first record without reading the others; {} if there is none."""
    try:
        with open(path, "rb", opener=paths.regular) as file:
            return record(file.readline(FIRST_LINE_LENGTH)) or {}
    except OSError:
        return {}


def newest(path: str | Path, count: int) -> Iterator[dict[str, Any]]:
    """Yield a journal's newest records, the newest first, without reading the others.

    Args:
        path: the file.
        count: of records; those that the file's last 8 kB do not hold whole are left out. If the newest is one of
            these, or is damaged, nothing is yielded.
    """
    try:
        with open(path, "rb", opener=paths.regular) as file:
            file.seek(max(os.fstat(file.fileno()).st_size - END, 0))
            lines = file.read().rstrip(b"\n").split(b"\n")
    except OSError:
        return
    for i, line in enumerate(reversed(lines[-count:])):
        if (whole := record(line)) is not None:
            yield whole
        elif i == 0:
            return


class Tail:
    """Read a journal while it is written.

    Args:
        path: the file.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self.count = 0  # records read: the number of the next one
        self._offset = 0

    def read(self) -> list[dict[str, Any]]:
        """Return the whole records that came since the last call; a damaged line is none."""
        if self.path.stat().st_size <= self._offset:
            return []
        with open(self.path, "rb", opener=paths.regular) as file:
            file.seek(self._offset)
            data = file.read()
        data = data[: data.rfind(b"\n") + 1]
        records = [r for line in data.split(b"\n") if line.strip() and (r := record(line)) is not None]
        self._offset += len(data)
        self.count += len(records)
        return records


def record(line: bytes) -> dict[str, Any] | None:
    """Return the record that a line holds, or None if it holds none: no JSON, without number or time, or a field of another type than `FIELDS` says."""
    try:
        value = decode(line.decode())
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict) or not isinstance(value.get("kind"), str):
        return None
    if value.get("seq") is None or value.get("time") is None:
        return None
    # An event's own fields are whatever it is about.
    checked = EVENT_FIELDS if value["kind"] == "event" else value
    if not all(_fits(name, value.get(name)) for name in checked):
        return None
    if value["kind"] != "event" and value.get("metrics"):
        value["metrics"] = _numbers(value["metrics"])
    return value


def _fits(name: str, value: Any) -> bool:
    """Return whether a field has the type that readers rely on; a field that is null counts as absent."""
    if value is None or name not in FIELDS:
        return True
    if isinstance(value, bool) or not isinstance(value, FIELDS[name]):
        return False
    return not isinstance(value, int) or abs(value) < LARGEST


def _numbers(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Return those metrics that are numbers; an integer beyond every float is infinite."""
    return {name: _in_float_range(value) for name, value in metrics.items() if isinstance(value, int | float)}


def _in_float_range(value: int | float) -> int | float:
    if isinstance(value, int) and value.bit_length() > 1023:
        return math.inf if value > 0 else -math.inf
    return value


def encode(record: Mapping[str, Any]) -> str:
    """Return strict JSON in one line; numpy's numbers and arrays become plain ones."""
    try:
        text = json.dumps(record, allow_nan=False, default=_plain, separators=(",", ":"))
        if '"$' not in text:
            return text
    except ValueError:
        pass
    return json.dumps(_mark(record), allow_nan=False, default=_plain, separators=(",", ":"))


def decode(text: str) -> Any:
    """Return what `encode` wrote; refuses the NaN and Infinity that are not JSON."""
    return json.loads(text, object_hook=_unmark, parse_constant=_refuse)


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return _mark(value.tolist())
    if hasattr(value, "numpy"):
        return _mark(value.numpy().tolist())
    if isinstance(value, set | frozenset):
        return sorted(map(str, value))
    return str(value)


def _mark(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return {FLOAT: str(float(value))}
    if isinstance(value, Mapping):
        return {
            f"${k}" if isinstance(k, str) and k.startswith("$") else k: _mark(v) for k, v in value.items()
        }
    if isinstance(value, list | tuple):
        return [_mark(v) for v in value]
    return _plain(value) if hasattr(value, "tolist") or hasattr(value, "numpy") else value


def _unmark(tree: dict[str, Any]) -> Any:
    if len(tree) == 1 and tree.get(FLOAT) in ("nan", "inf", "-inf"):
        return float(tree[FLOAT])
    return {k[1:] if k.startswith("$$") else k: v for k, v in tree.items()}


def _put(file: io.RawIOBase, data: bytes) -> None:
    """Write whole lines at once: a reader meanwhile sees a record whole or not at all."""
    while data:
        data = data[file.write(data) :]


def _mend(path: Path) -> str | None:
    """Make the file end with a whole line; return the text of one that was cut short."""
    if not path.exists():
        return None
    data = paths.content(path)
    if not data or data.endswith(b"\n"):
        return None
    begin = data.rfind(b"\n") + 1
    tail = data[begin:].decode(errors="replace")
    with open(path, "r+b", opener=paths.no_link) as file:
        try:
            whole = isinstance(decode(tail), dict)
        except ValueError:
            whole = False
        if whole:  # only its line end was lost
            file.seek(0, os.SEEK_END)
            file.write(b"\n")
            return None
        file.truncate(begin)
    return tail
