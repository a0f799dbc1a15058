"""The file of decoded images: one array that is mapped into memory, and that processes write together."""

from __future__ import annotations

import contextlib
import hashlib
import mmap
import os
import shutil
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from trainrun.data._spool import write_all
from trainrun.errors import Problem, UserError
from trainrun.util import liveness, paths
from trainrun.util.file_lock import FileLock

if TYPE_CHECKING:
    import numpy as np

# Seconds that another process may take to make, or to rename, the file.
PATIENCE_S = 3600.0


class PixelFile:
    """Rows of pixels, uint8, in a file.

    As long as rows are missing, the file has a name of its own, and beside it is a file of marks, a byte for each row, which is set after
    its pixels are written.

    Args:
        path: of the whole file; its folder exists.
        shape: number of images, height, width and channels.

    Attributes:
        pixels: the mapped array.
        marks: 1 for each row that is written, mapped; None: all are.

    Raises:
        UserError: there is no room for the file.
    """

    pixels: np.memmap
    marks: np.memmap | None

    def __init__(self, path: Path, shape: tuple[int, ...]) -> None:
        import numpy as np

        self.path, self.marks = path, None
        with _alone(path):
            if path.is_file():
                # Not read-only, which no tensor may share; a change would not be written.
                self.pixels = np.lib.format.open_memmap(path, mode="c")
                return
            pixels, marks = self._unfinished()
            if not (pixels.is_file() and marks.is_file()):
                self.remove()
                _make(pixels, shape)
                with paths.whole(marks) as new:
                    new.write_bytes(bytes(shape[0]))
            self.pixels = np.lib.format.open_memmap(pixels, mode="r+")
            self.marks = np.memmap(marks, "uint8", "r+")
            self._descriptor = os.open(pixels, os.O_RDWR)
            weakref.finalize(self, os.close, self._descriptor)
        _advise(self.pixels, "MADV_RANDOM")

    def write(self, rows: Sequence[int], images: np.ndarray) -> None:
        """Write rows.

        Args:
            rows: their indices.
            images: their pixels, uint8 `[len(rows), height, width, channels]`.

        Raises:
            OSError: the disk failed.
        """
        # Not to the mapped pages: each would be faulted in, which takes a tenth of the time of small images.
        for row, image in zip(rows, images, strict=True):
            write_all(self._descriptor, image, self.pixels.offset + int(row) * image.nbytes)

    def finish(self) -> None:
        """Give the file its name, once all rows are written."""
        pixels, marks = self._unfinished()
        with contextlib.suppress(OSError), _alone(self.path):  # the folder may have been deleted
            if pixels.is_file() and not self.path.is_file():
                self.pixels.flush()
                os.replace(pixels, self.path)
                marks.unlink()
        _advise(self.pixels, "MADV_NORMAL")
        self.marks = None

    def remove(self) -> None:
        """Delete what is unfinished."""
        pixels, _ = self._unfinished()
        for file in self.path.parent.glob(f"{pixels.name.rsplit('.', 2)[0]}.*"):
            with contextlib.suppress(OSError):
                file.unlink()

    def _unfinished(self) -> tuple[Path, Path]:
        """Return the names of the pixels and the marks of this machine, as long as images are missing.

        After a crash of the machine marks may be on the disk without their pixels, so the names are valid until it is started again.
        """
        own = liveness.identity()
        boot = str(own["process"]).partition("/")[0] if own["process"] else own["pid"]
        names = [hashlib.sha256(str(text).encode()).hexdigest()[:8] for text in (own["host"], boot)]
        stem = f".{self.path.stem}.{'.'.join(names)}"
        return self.path.with_name(f"{stem}.pixels"), self.path.with_name(f"{stem}.marks")


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Hold the lock of a file."""
    lock = FileLock(path.with_suffix(".lock"))
    lock.acquire(PATIENCE_S)
    try:
        yield
    finally:
        lock.release()


def _advise(rows: np.memmap, advice: str) -> None:
    """Tell the kernel how a mapped file is used.

    Rows are written in the order of the training. Without advice, Linux makes its whole read-ahead (here 8 MB) present around each of
    the first hundred, although there is nothing to read in a new file: 0.1 s before the first batch.
    """
    if hasattr(mmap, advice):  # not on Windows
        rows.base.madvise(getattr(mmap, advice))


def _make(pixels: Path, shape: tuple[int, ...]) -> None:
    """Make a file for the pixels.

    Raises:
        UserError: there is no room.
    """
    import numpy as np

    needed = int(np.prod(shape, dtype="int64"))
    free = shutil.disk_usage(pixels.parent).free
    try:
        if free < needed:
            raise OSError
        np.lib.format.open_memmap(pixels, mode="w+", dtype="uint8", shape=shape)
        with pixels.open("r+b") as file:
            paths.reserve(file.fileno(), os.fstat(file.fileno()).st_size)
    except OSError as error:
        pixels.unlink(missing_ok=True)
        message = f"the decoded images take {needed:,} bytes, and {pixels.parent} has {free:,}. Take a smaller data.size, or data.cache on another disk."
        raise UserError(Problem("data.cache", message)) from error
