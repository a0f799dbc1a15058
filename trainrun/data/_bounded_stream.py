"""A decompressed stream of which no more is read than the machine has memory for: a small file may unpack to terabytes."""

from __future__ import annotations

import math
from pathlib import Path
from typing import IO

from trainrun.util import machine

# Bytes of memory that a table takes at least for each byte of its text.
IN_MEMORY = 2


class TooLarge(Exception):
    """What a file unpacks to does not fit into memory; the message names it."""


class Unexpected(Exception):
    """The stream holds what its reader has not been set up for."""


class BoundedStream:
    """A binary stream for `pyarrow.csv`.

    Args:
        stream: decompressed.
        path: of the file, for the message.
        unexpected: a byte string that ends the reading; None: there is none.
        bounded: whether all of it is to be in memory at once.
    """

    def __init__(
        self, stream: IO[bytes], path: Path, unexpected: bytes | None = None, bounded: bool = True
    ) -> None:
        self._stream, self._path, self._unexpected = stream, path, unexpected
        self._read, self._limit = 0, machine.available_memory() // IN_MEMORY if bounded else math.inf

    @property
    def closed(self) -> bool:
        """Whether the stream is closed."""
        return self._stream.closed

    def close(self) -> None:
        """Close it."""
        self._stream.close()

    def readable(self) -> bool:
        """Return True."""
        return True

    def writable(self) -> bool:
        """Return False."""
        return False

    def seekable(self) -> bool:
        """Return False."""
        return False

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes.

        Raises:
            TooLarge: they are too many.
            Unexpected: the unexpected byte string is among them.
        """
        content = self._stream.read(size)
        if self._unexpected is not None and self._unexpected in content:
            raise Unexpected
        self._read += len(content)
        if self._read > self._limit:
            raise TooLarge(
                f"{self._path} does not fit into memory: it unpacks to more than {self._limit / 1e9:,.1f} GB of text. "
                "Take fewer rows, or unpack it and see what it is."
            )
        return content
