"""The kind of failure behind an exception, by its type and message and those of its causes."""

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
DISK_FULL_ERRNOS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# Libraries that write files in C, such as HDF5 and TensorFlow, give the message without an errno.
DISK_FULL_MESSAGES = ("No space left on device", "Disk quota exceeded")
# XLA raises InternalError or a plain RuntimeError with the status' name in its text.
OUT_OF_MEMORY_MESSAGES = ("RESOURCE_EXHAUSTED", "OOM when allocating", "CUDA_ERROR_OUT_OF_MEMORY")


class NonFinite(Exception):
    """The loss, or a weight, is not finite any more.

    Args:
        value: ``nan`` or ``inf``.
        epoch: of the first such value, from 0.
        first, last: range of steps in which it appeared, from 0.
        what: ``loss``, or ``weights`` if the loss was still finite.
    """

    def __init__(self, value: str, epoch: int, first: int, last: int, what: str = "loss"):
        self.value, self.epoch, self.first, self.last, self.what = value, epoch, first, last, what
        at = f"step {first + 1}" if first == last else f"steps {first + 1} to {last + 1}"
        super().__init__(f"{what} became {value} in epoch {epoch + 1}, {at}")


def kind(error: BaseException) -> str:
    """Return the kind of failure: one of the constants of this module."""
    from tensorflow import errors

    from trainrun.hardware.replicas import LOST_WORKER_ERRORS

    causes = [*chain(error)]
    if any(isinstance(e, NonFinite) for e in causes):
        return NON_FINITE
    # Before memory, because TensorFlow's file writers raise ResourceExhaustedError for a full disk.
    if any(is_full(e) for e in causes):
        return DISK_FULL
    if any(
        isinstance(e, errors.ResourceExhaustedError | MemoryError)
        or any(s in str(e) for s in OUT_OF_MEMORY_MESSAGES)
        for e in causes
    ):
        return OUT_OF_MEMORY
    # `replicas.lost_worker_explained` raises a TrainingError from TensorFlow's exception.
    return (
        LOST
        if isinstance(error, LOST_WORKER_ERRORS) or isinstance(error.__cause__, LOST_WORKER_ERRORS)
        else OTHER
    )


def is_full(error: BaseException) -> bool:
    """Return whether an exception itself (without its causes) means that the disk is full."""
    if isinstance(error, OSError) and error.errno in DISK_FULL_ERRNOS:
        return True
    return any(message in str(error) for message in DISK_FULL_MESSAGES)


def chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and its causes: those it was raised from, or during whose handling it was raised."""
    seen: set[int] = set()
    following: BaseException | None = error
    while following is not None and id(following) not in seen:
        seen.add(id(following))
        yield following
        following = following.__cause__ or (None if following.__suppress_context__ else following.__context__)
