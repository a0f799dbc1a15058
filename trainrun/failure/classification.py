"""What kind of failure an exception is, by what it and those behind it say."""

from __future__ import annotations

import errno
from collections.abc import Iterator

OUT_OF_MEMORY, NON_FINITE, LOST, DISK_FULL, OTHER = (
    "out_of_memory",
    "non_finite",
    "lost",
    "disk_full",
    "other",
)
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# Libraries that write by themselves, such as HDF5 and TensorFlow's files, leave it at the words.
FULL_SAID = ("No space left on device", "Disk quota exceeded")
# XLA raises InternalError or a plain RuntimeError with the status' name in its text.
MEMORY_SAID = ("RESOURCE_EXHAUSTED", "OOM when allocating", "CUDA_ERROR_OUT_OF_MEMORY")


class NonFinite(Exception):
    """The loss, or a weight, is no finite number any more.

    Args:
        value: ``nan`` or ``inf``.
        epoch: in which, from 0.
        first, last: the steps among which it happened, from 0.
        what: ``loss``, or ``weights`` where the loss had not noticed yet.
    """

    def __init__(self, value: str, epoch: int, first: int, last: int, what: str = "loss"):
        self.value, self.epoch, self.first, self.last, self.what = value, epoch, first, last, what
        at = f"step {first + 1}" if first == last else f"steps {first + 1} to {last + 1}"
        super().__init__(f"{what} became {value} in epoch {epoch + 1}, {at}")


def kind(error: BaseException) -> str:
    """Return one of the constants of this module."""
    from tensorflow import errors

    from trainrun.hardware.replicas import LOST as GONE

    found = [*chain(error)]
    if any(isinstance(e, NonFinite) for e in found):
        return NON_FINITE
    # Before memory: to TensorFlow's file writers a full disk is an exhausted resource, too.
    if any(is_full(e) for e in found):
        return DISK_FULL
    if any(
        isinstance(e, errors.ResourceExhaustedError | MemoryError) or any(s in str(e) for s in MEMORY_SAID)
        for e in found
    ):
        return OUT_OF_MEMORY
    # What stands behind it: `replicas.all_there` says in words of its own that a worker is gone.
    return LOST if isinstance(error, GONE) or isinstance(error.__cause__, GONE) else OTHER


def is_full(error: BaseException) -> bool:
    """Return whether an exception, by itself, says that there is no room on the disk."""
    if isinstance(error, OSError) and error.errno in FULL:
        return True
    return any(said in str(error) for said in FULL_SAID)


def chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and those that it was raised from, or on the way of handling which it was raised."""
    seen: set[int] = set()
    following: BaseException | None = error
    while following is not None and id(following) not in seen:
        seen.add(id(following))
        yield following
        following = following.__cause__ or (None if following.__suppress_context__ else following.__context__)
