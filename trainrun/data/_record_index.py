"""Where each record of TFRecord files begins, found without TensorFlow; and what a record has of a `tf.train.Example`."""

from __future__ import annotations

import bisect
import functools
import mmap
import struct
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from trainrun.data._faults import Fault
from trainrun.data._watched_file import WatchedFile, state_of

if TYPE_CHECKING:
    import numpy as np

# A record: its length, the checksum of that, the bytes, their checksum.
HEADER, FOOTER = struct.Struct("<QI"), struct.Struct("<I")
GZIP = b"\x1f\x8b"
# Lists of a `tf.train.Feature`, by the number of its field.
KINDS = {1: "bytes", 2: "float32", 3: "int64"}
# Files that are open at once: a dataset may have thousands, a process often 1,024.
OPEN = 128
_POLYNOMIAL = 0x82F63B78


def _table() -> tuple[int, ...]:
    def entry(value: int) -> int:
        for _ in range(8):
            value = value >> 1 ^ (_POLYNOMIAL if value & 1 else 0)
        return value

    return tuple(map(entry, range(256)))


CRC_TABLE = _table()


def checksum(data: bytes) -> int:
    """Return the masked CRC-32C of some bytes, as a TFRecord file has it; 10 MB a second."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = CRC_TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


class Feature(NamedTuple):
    """What a record has under one name.

    Args:
        kind: ``bytes``, ``float32`` or ``int64``.
        count: the number of values.
        first: the first value of ``bytes``.
    """

    kind: str
    count: int
    first: bytes = b""

    @property
    def words(self) -> str:
        """It in words."""
        return f"{self.count} of {self.kind}"


@dataclass(frozen=True)
class RecordIndex:
    """The records of some files, in their order: 16 bytes of memory for each.

    Args:
        paths: the files.
        starts: offset of each record's bytes in its file, int64 `[n]`.
        lengths: of each record in bytes, int32 `[n]`.
        first: the number of the first record of each file, and at the end that of all records.
    """

    paths: Sequence[Path]
    starts: np.ndarray
    lengths: np.ndarray
    first: Sequence[int]

    def __len__(self) -> int:
        return len(self.starts)

    def place(self, record: int) -> str:
        """Return the file and the index of a record, from 0."""
        file = self.file_of(record)
        return f"{self.paths[file]}, record {record - self.first[file]}"

    def file_of(self, record: int) -> int:
        """Return the number of the file that a record is in."""
        return bisect.bisect_right(self.first, record, hi=len(self.paths)) - 1


class Records:
    """The bytes of records, which are read from the files.

    Args:
        index: of the files.
    """

    def __init__(self, index: RecordIndex) -> None:
        import numpy as np

        self.index = index
        self._states = [state_of(path) for path in index.paths]
        self._opened = functools.lru_cache(OPEN)(WatchedFile)
        self._last = np.asarray(index.first[1:])

    def read(self, rows: np.ndarray) -> list[bytes]:
        """Return the bytes of some records.

        Args:
            rows: their numbers, int64 `[n]`.

        Raises:
            UserError: a file was written to meanwhile.
        """
        import numpy as np

        files = np.searchsorted(self._last, rows, side="right")
        starts, lengths = self.index.starts[rows].tolist(), self.index.lengths[rows].tolist()
        records = [b""] * len(rows)
        for number in np.unique(files).tolist():
            file = self._opened(self.index.paths[number])
            file.check(self._states[number])
            for i in np.flatnonzero(files == number).tolist():
                records[i] = file.read(starts[i], lengths[i])
        return records


def index(paths: Sequence[Path], thorough: bool = False) -> tuple[RecordIndex | None, list[Fault]]:
    """Return where the records of files are, or the faults of the files.

    Args:
        paths: files that are not empty.
        thorough: also compute the checksum of each record's bytes.
    """
    import numpy as np

    starts, lengths, first, faults = array("q"), array("i"), [0], []
    for path in paths:
        try:
            for start, length in _records(path, thorough):
                starts.append(start)
                lengths.append(length)
        except (OSError, ValueError, OverflowError) as error:
            faults.append(("path", f"{path}, record {len(starts) - first[-1]}: {error}"))
        first.append(len(starts))
    if faults:
        return None, faults
    return RecordIndex(paths, np.array(starts, "int64"), np.array(lengths, "int32"), first), []


def _records(path: Path, thorough: bool) -> Iterator[tuple[int, int]]:
    """Yield offset and length of each record of a file.

    Raises:
        ValueError: a record is damaged.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        at, end = 0, len(content)
        if content[:2] == GZIP:
            raise ValueError(
                "the file is compressed, so that no record in it can be read by itself. Unpack it: gunzip."
            )
        while at < end:
            if at + HEADER.size > end:
                raise ValueError("the file is cut short. Write it anew.")
            length, crc = HEADER.unpack_from(content, at)
            if checksum(content[at : at + 8]) != crc:
                what = (
                    "it is damaged: the checksum of its length does not match"
                    if at
                    else "it is no TFRecord file"
                )
                raise ValueError(f"{what}. Write it anew.")
            start = at + HEADER.size
            at = start + length + FOOTER.size
            if at > end:
                raise ValueError("the file is cut short. Write it anew.")
            if (
                thorough
                and checksum(content[start : start + length])
                != FOOTER.unpack_from(content, start + length)[0]
            ):
                raise ValueError("it is damaged: its checksum does not match. Write it anew.")
            yield start, length


def features(record: bytes) -> dict[str, Feature]:
    """Return what a record has.

    Args:
        record: a serialized `tf.train.Example`.

    Raises:
        ValueError: it is none.
    """
    by_name = {}
    for entry in _values(record, 1, 1):
        fields = dict(_fields(entry))
        name, content = fields.get(1, b""), fields.get(2, b"")
        if not isinstance(name, bytes) or not isinstance(content, bytes):
            raise ValueError("it is no tf.train.Example")
        for kind, values in _fields(content):
            if kind in KINDS and isinstance(values, bytes):
                by_name[name.decode("utf-8", "replace")] = _feature(KINDS[kind], values)
    if not by_name:
        raise ValueError("it is no tf.train.Example")
    return by_name


def _feature(kind: str, values: bytes) -> Feature:
    items = [value for number, value in _fields(values) if number == 1]
    if kind == "bytes":
        texts = [item for item in items if isinstance(item, bytes)]
        return Feature(kind, len(texts), texts[0] if texts else b"")
    count = 0
    for item in items:
        if not isinstance(item, bytes):
            count += 1
        elif kind == "float32":
            count += len(item) // 4
        else:
            count += sum(byte < 0x80 for byte in item)  # the last byte of each number
    return Feature(kind, count)


def _values(message: bytes, *path: int) -> Iterator[bytes]:
    """Yield the messages at a path of field numbers."""
    for number, value in _fields(message):
        if number == path[0] and isinstance(value, bytes):
            if len(path) == 1:
                yield value
            else:
                yield from _values(value, *path[1:])


def _fields(message: bytes) -> Iterator[tuple[int, bytes | int]]:
    """Yield number and value of each field of a message in the wire format of protocol buffers."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        number, wire = tag >> 3, tag & 7
        if wire == 0:
            value, at = _varint(message, at)
            yield number, value
            continue
        if wire == 2:
            length, at = _varint(message, at)
        elif wire in (1, 5):
            length = 8 if wire == 1 else 4
        else:
            raise ValueError("it is no tf.train.Example")
        if at + length > len(message):
            raise ValueError("it is no tf.train.Example")
        part = message[at : at + length]
        at += length
        yield number, part if wire == 2 else int.from_bytes(part, "little")


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(message):
            break
        byte, at = message[at], at + 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ValueError("it is no tf.train.Example")
