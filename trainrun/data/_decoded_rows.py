"""Images that are decoded in parallel when they are asked for, each once, into a file of one array that is mapped into memory."""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainrun.data._image_decoding import Decoder, ImageForm
from trainrun.data._image_pixels import OF_LABELS
from trainrun.data._pixel_file import PixelFile
from trainrun.data.lazy_array import RowsOnDemand
from trainrun.errors import Problem, UserError
from trainrun.ui.counter import counted
from trainrun.util import machine
from trainrun.util.threads import ahead

if TYPE_CHECKING:
    import numpy as np

# Faulty files that are named.
NAMED = 10
# Files that a thread takes at once.
AT_ONCE = 64


class DecodedRows(RowsOnDemand):
    """Images as rows, uint8 `[n, height, width, channels]`, of a file that processes share.

    Two processes that decode the same image write the same pixels.

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
        self._file = PixelFile(path, self.shape)
        self.memory = np.asarray(self._file.pixels)
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
        return self._file.marks is None

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

        decoded = self._file.marks
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
            self._file.finish()
            self._decoder = None

    def _decode(self, index: np.ndarray, decoded: np.ndarray, shown: bool, threads: int | None) -> list[str]:
        """Decode rows; return what is wrong with files."""
        with self._changed:
            self._decoder = self._decoder or Decoder(
                self._files, self._form, self.shape[1:], self._file.write, self._jpegs
            )
        decode = self._decoder

        def work(some: np.ndarray) -> list[str | None]:
            from_file = [i not in self._jpegs for i in some]
            faults = decode(some)
            faults = [
                fault or (self._changed_file(i) if again else None)
                for i, fault, again in zip(some, faults, from_file, strict=True)
            ]
            decoded[some[[fault is None for fault in faults]]] = 1
            return faults

        faults = in_parallel(work, index, "decoding images" if shown else None, threads)
        return [fault for fault in faults if fault]

    def _changed_file(self, i: int) -> str | None:
        """Return what is wrong if a file, read again to be decoded, is not what its digest says any more."""
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
        self._file.remove()  # which is named by the damaged content
        raise self.fault


def state(file: str) -> tuple[int, int]:
    """Return size and time of a file, by which a change is seen; zeros if there is none."""
    try:
        status = os.stat(file)
    except OSError:
        return 0, 0
    return status.st_size, status.st_mtime_ns


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
