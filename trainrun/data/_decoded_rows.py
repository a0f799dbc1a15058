"""Images that are decoded in parallel when they are asked for, each once, into a file of one array that is mapped into memory."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import mmap
import os
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainrun.data._image_decoding import Decoder, ImageForm
from trainrun.data._image_pixels import OF_LABELS
from trainrun.data.lazy_array import RowsOnDemand
from trainrun.errors import Problem, UserError
from trainrun.ui.counter import counted
from trainrun.util import liveness, machine, paths
from trainrun.util.file_lock import FileLock
from trainrun.util.threads import ahead

if TYPE_CHECKING:
    import numpy as np

# Seconds that another process may take to make, or to rename, the file.
PATIENCE_S = 3600.0
# Faulty files that are named.
NAMED = 10
# Files that a thread takes at once.
AT_ONCE = 64


class DecodedRows(RowsOnDemand):
    """Images as rows, uint8 `[n, height, width, channels]`, of a file that processes share.

    As long as images are missing, the file has a name of its own, and beside it is a file with a byte for each image, which is set after
    its pixels are written. Two processes that decode the same image write the same pixels.

    Args:
        path: of the whole file; its folder exists.
        files: the images.
        form: what they become.
        size: height and width.
        contents: a digest of each file.
        states: of the files when the digests were taken, see `state`.
        jpegs: contents of some of the files, see `Decoder`.

    Raises:
        UserError: there is no room for the file.
    """

    def __init__(
        self,
        path: Path,
        files: Sequence[str],
        form: ImageForm,
        size: tuple[int, int],
        contents: Sequence[str],
        states: Sequence[tuple[int, int]],
        jpegs: dict[int, bytes] | None = None,
    ) -> None:
        import numpy as np

        self.path, self.shape, self.dtype = path, (len(files), *size, form.channels or 1), np.dtype("uint8")
        self._files, self._form, self._contents, self._states = files, form, np.array(contents, "S"), states
        self._changed = threading.Condition()
        self._taken = np.zeros(len(files), "bool")  # by a thread of this process
        self._jpegs = jpegs or {}
        self._decoder: Decoder | None = None
        self._damaged = False  # files are, but not all of them are known
        with _alone(path):
            self._pixels, self._decoded = _opened(path, self.shape)
        self.memory = np.asarray(self._pixels)
        if self.complete:
            self._jpegs.clear()

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any, /) -> np.ndarray:
        """Return the rows at `key`, indices or a slice, copied."""
        import numpy as np

        if isinstance(key, slice):
            key = np.arange(*key.indices(len(self)))
        self.prepare(key)
        return np.take(self.memory, key, axis=0)

    @property
    def complete(self) -> bool:
        return self._decoded is None

    def content(self, index: np.ndarray) -> bytes:
        """Return what determines the pixels of rows: the form, and the digests of their files."""
        return repr(asdict(self._form)).encode() + self._contents[index].tobytes()

    def prepare(self, index: np.ndarray, shown: bool = False, threads: int | None = None) -> None:
        """Decode those of some rows that are missing.

        Args:
            index: of the rows; with none, only a fault that is known is raised.
            shown: whether a line shows how far it is.
            threads: that decode; None: one for each processor.

        Raises:
            UserError: files are damaged; unless `threads` is given, all others have been looked at, too.
        """
        import numpy as np

        decoded = self._decoded
        if decoded is None:
            return
        index = np.unique(index)
        while True:
            with self._changed:
                if self.fault is not None:
                    raise self.fault
                index = index[decoded[index] == 0]
                mine = index[~self._taken[index]]
                check = self._damaged and threads is None
                if not check and not len(index):
                    break
                if not check and not len(mine):  # other threads are at them
                    self._changed.wait()
                    continue
                self._taken[mine] = True
                self.asked += threads is None and len(mine) > 1
            try:
                if check or (faults := self._decode(mine, decoded, shown, threads)):
                    self._damaged = True
                    if threads is not None:
                        raise UserError([Problem("data.path", text) for text in faults])
                    self._refuse(decoded)
            finally:
                with self._changed:
                    self._taken[mine] = False
                    self._changed.notify_all()
        if decoded.all():
            self._finish()

    def _decode(self, index: np.ndarray, decoded: np.ndarray, shown: bool, threads: int | None) -> list[str]:
        """Decode rows; return what is wrong with files."""
        with self._changed:
            self._decoder = self._decoder or Decoder(self._files, self._form, self._pixels, self._jpegs)
        decode = self._decoder

        def work(some: np.ndarray) -> list[str | None]:
            faults = [fault or self._changed_file(i) for i, fault in zip(some, decode(some), strict=True)]
            decoded[some[[fault is None for fault in faults]]] = 1
            return faults

        faults = in_parallel(work, index, "decoding images" if shown else None, threads)
        return [fault for fault in faults if fault]

    def _changed_file(self, i: int) -> str | None:
        """Return what is wrong if a file is not what its digest says any more; that comes after it was read."""
        same = state(self._files[i]) == self._states[i]
        return None if same else f"{self._files[i]} was changed while images were read. Start a new run."

    def _refuse(self, decoded: np.ndarray) -> None:
        """Look for all damaged files, and raise the error that names them, unless they were mended meanwhile."""
        import numpy as np

        faults = self._decode(np.flatnonzero(decoded == 0), decoded, shown=True, threads=None)
        self._damaged = bool(faults)
        if not faults:
            return
        more = [f"and {len(faults) - NAMED} more files."] if len(faults) > NAMED else []
        key = "data.mask" if self._form.channels == OF_LABELS else "data.path"
        self.fault = UserError([Problem(key, text) for text in [*faults[:NAMED], *more]])
        for file in _unfinished(self.path):  # which is named by the damaged content
            with contextlib.suppress(OSError):
                file.unlink()
        raise self.fault

    def _finish(self) -> None:
        """Give the file its name."""
        pixels, marks = _unfinished(self.path)
        with contextlib.suppress(OSError), _alone(self.path):  # the folder may have been deleted
            if pixels.is_file() and not self.path.is_file():
                self._pixels.flush()
                os.replace(pixels, self.path)
                marks.unlink()
        _advise(self._pixels, "MADV_NORMAL")
        self._decoded = self._decoder = None


def state(file: str) -> tuple[int, int]:
    """Return size and time of a file, by which a change is seen; zeros if there is none."""
    try:
        status = os.stat(file)
    except OSError:
        return 0, 0
    return status.st_size, status.st_mtime_ns


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Hold the lock of a file."""
    lock = FileLock(path.with_suffix(".lock"))
    lock.acquire(PATIENCE_S)
    try:
        yield
    finally:
        lock.release()


def _unfinished(path: Path) -> tuple[Path, Path]:
    """Return the names of the pixels and the marks of this machine, as long as images are missing.

    After a crash of the machine marks may be on the disk without their pixels, so the names are valid until it is started again.
    """
    own = liveness.identity()
    boot = str(own["process"]).partition("/")[0] if own["process"] else own["pid"]
    names = [hashlib.sha256(str(text).encode()).hexdigest()[:8] for text in (own["host"], boot)]
    pixels, marks = (path.with_name(f".{path.stem}.{'.'.join(names)}.{kind}") for kind in ("pixels", "marks"))
    return pixels, marks


def _opened(path: Path, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the pixels, and the marks or None if the file is whole; the caller has the lock."""
    import numpy as np

    if path.is_file():
        # Not read-only, which no tensor may share; a change would not be written.
        return np.lib.format.open_memmap(path, mode="c"), None
    pixels, marks = _unfinished(path)
    if not (pixels.is_file() and marks.is_file()):
        for old in path.parent.glob(f"{pixels.name.rsplit('.', 2)[0]}.*"):
            with contextlib.suppress(OSError):
                old.unlink()
        _make(pixels, shape)
        with paths.whole(marks) as new:
            new.write_bytes(bytes(shape[0]))
    rows = np.lib.format.open_memmap(pixels, mode="r+")
    _advise(rows, "MADV_RANDOM")
    return rows, np.memmap(marks, "uint8", "r+")


def _advise(rows: np.ndarray, advice: str) -> None:
    """Tell the kernel how a mapped file is used.

    Rows are written in the order of the training. Without advice, Linux makes its whole read-ahead (here 8 MB) present around each of
    the first hundred, although there is nothing to read in a new file: 0.1 s before the first batch.
    """
    if hasattr(mmap, advice):  # not on Windows
        rows.base.madvise(getattr(mmap, advice))


def _make(pixels: Path, shape: tuple[int, ...]) -> None:
    """Make a file for the pixels, with room on the disk: where there is none, writing to a mapped page kills the process.

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
        if hasattr(os, "posix_fallocate"):  # not on macOS and Windows
            with pixels.open("r+b") as file:
                os.posix_fallocate(file.fileno(), 0, os.fstat(file.fileno()).st_size)
    except OSError as error:
        pixels.unlink(missing_ok=True)
        message = f"the decoded images take {needed:,} bytes, and {pixels.parent} has {free:,}. Take a smaller data.size, or data.cache on another disk."
        raise UserError(Problem("data.cache", message)) from error


def in_parallel(
    work: Callable[[Any], list[Any]], items: Any, doing: str | None = None, threads: int | None = None
) -> list[Any]:
    """Return a result for each item.

    Args:
        work: returns the results of some items.
        items: all of them, a sequence.
        doing: what is done, for the progress shown; None: it is not shown.
        threads: that work; None: one for each processor.
    """
    threads = threads or machine.cores()
    if threads == 1 and not doing:
        return work(items)
    size = max(1, min(AT_ONCE, -(-len(items) // threads)))
    some = [items[first : first + size] for first in range(0, len(items), size)]
    of_some = map(work, some) if threads == 1 else ahead(work, some, threads)
    results: Iterator[Any] = itertools.chain.from_iterable(of_some)
    return [next(results) for _ in (counted(items, doing) if doing else items)]
