"""Memory-mapped arrays in uncompressed .npz files: the operating system's page cache holds them, not the process."""

from __future__ import annotations

import math
import mmap
import os
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainrun.data._watched_file import WatchedFile
from trainrun.data.lazy_array import BLOCK

if TYPE_CHECKING:
    import numpy as np

# Local header of a zip entry: 26 bytes, the lengths of the name and the extra field, then those two fields.
LOCAL_HEADER = struct.Struct("<26xHH")


class Mapped:
    """Rows of an array in a file; `mapped[index]` returns a copy of the selected rows.

    Rows are copied as bytes: an array in a zip file is not aligned, and numpy's indexing of an unaligned array first
    copies all of it.

    Args:
        path: the file.
        start: offset of the entry, which begins with the .npy header.
        header: length of that header in bytes.
        shape, dtype: of the array, in C order.
        crc: the checksum of the entry, header included.
    """

    def __init__(
        self, path: Path, start: int, header: int, shape: tuple[int, ...], dtype: np.dtype, crc: int
    ):
        import numpy as np

        self.shape, self.dtype, self._file = shape, dtype, WatchedFile(path)
        self._crc, self._entry = crc, (start, start + header)
        self._map = mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)
        each = math.prod(shape[1:]) * dtype.itemsize
        flat = np.frombuffer(self._map, "uint8", shape[0] * each, start + header)
        self._bytes = flat.reshape(shape[0], each)

    @classmethod
    def of(
        cls, path: Path, entry: zipfile.ZipInfo, header: int, shape: tuple[int, ...], dtype: np.dtype
    ) -> Mapped:
        """Return an uncompressed entry of a zip file.

        Raises:
            ValueError: the file is truncated.
        """
        with open(path, "rb") as file:
            file.seek(entry.header_offset)
            # The central directory's lengths do not apply: the local extra field may differ.
            names = LOCAL_HEADER.unpack(file.read(LOCAL_HEADER.size))
            start = file.tell() + sum(names)
            if start + entry.file_size > os.fstat(file.fileno()).st_size:
                raise ValueError("it is cut short")
        return cls(path, start, header, shape, dtype, entry.CRC)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any, /) -> np.ndarray:
        """Return the rows at `key`, indices or a slice, copied."""
        import numpy as np

        self._file.check()
        taken = self._bytes[key].copy() if isinstance(key, slice) else np.take(self._bytes, key, axis=0)
        return taken.view(self.dtype).reshape(len(taken), *self.shape[1:])

    def checked(self) -> Iterator[tuple[int, np.ndarray]]:
        """Yield all rows in blocks, each with the index of its first row.

        Raises:
            ValueError: at the end, if the checksum does not match.
        """
        start, stop = self._entry
        crc = zlib.crc32(self._map[start:stop])
        step = max(1, BLOCK // max(self._bytes.shape[1], 1))
        for at in range(0, len(self), step):
            block = self[at : at + step]
            crc = zlib.crc32(block.data if block.size else b"", crc)
            yield at, block
        if crc != self._crc:
            raise ValueError(f"Bad CRC-32 of its {self.dtype} array of shape {list(self.shape)}")
