"""SIGTERM and SIGINT end a run in order: what was recorded stays, the status is the truth."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

GRACE = 30.0  # seconds for the step in progress and the checkpoint

_asked: Interrupted | None = None
_between_steps = False
_grace = GRACE


class Interrupted(BaseException):
    """A signal asked the run to stop.

    Args:
        signum: which one; the exit code is 128 + it.

    Attributes:
        saved: the directory of the run, once its state is saved.
        status: what the run's record says then.
    """

    status = "KILLED"

    def __init__(self, signum: int):
        self.signum, self.exit_code = signum, 128 + signum
        self.saved: Path | None = None
        super().__init__(f"stopped by {signal.Signals(signum).name}")


class Pruned(Interrupted):
    """The sweep gives the trial up, as not promising; its state is saved, so that it can be continued.

    Args:
        reason: why.
    """

    status = "PRUNED"

    def __init__(self, reason: str):
        BaseException.__init__(self, reason)
        self.signum, self.exit_code, self.saved = None, 0, None


def asked() -> Interrupted | None:
    """Return what to raise if a signal has asked the run to stop; whoever asks has a whole state at hand."""
    return _asked


def ask(stop: Interrupted) -> None:
    """Have the run stop at the next look, as a signal would."""
    global _asked
    _asked = _asked or stop


@contextmanager
def interruptible(further: Sequence[str] = (), grace: float = GRACE) -> Iterator[None]:
    """Raise `Interrupted` inside the `with` on the first SIGINT or SIGTERM; a second SIGINT ends at once.

    Args:
        further: names of other signals that mean the same, such as ``SIGUSR1``, by which Slurm and others say that
            a job's time is nearly over.
        grace: seconds that `between_steps` may take; then the process ends whatever it is doing.
    """
    global _asked, _grace
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may set handlers: a run inside a notebook's worker keeps its own
        return

    def stop(signum: int, frame: FrameType | None) -> None:
        global _asked
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        if _asked is not None and not _between_steps:
            return  # it is on its way already
        _asked = _asked or Interrupted(signum)
        if not _between_steps:
            raise _asked
        _watch(_asked)

    _asked, _grace = None, grace
    numbers = dict.fromkeys((signal.SIGINT, signal.SIGTERM, *(getattr(signal, name) for name in further)))
    saved = {s: signal.signal(s, stop) for s in numbers}
    try:
        yield
    finally:
        _asked = None
        for number, handler in saved.items():
            signal.signal(number, handler)


@contextmanager
def between_steps() -> Iterator[None]:
    """Inside the `with`, a signal waits until somebody looks at `asked`, which is to be after each step."""
    global _between_steps
    _between_steps = True
    try:
        yield
    finally:
        _between_steps = False
    if _asked is not None:  # it came after the last look
        raise _asked


def _watch(asked: Interrupted) -> None:
    """End the process if it has not ended itself in time: a step that hangs hears nothing, and a thread does."""
    # Said by a thread, too: a handler may have come in the middle of a print, whose lock is held.
    for seconds, do in ((0.0, _tell), (_grace, _too_late)):
        timer = threading.Timer(seconds, do, (asked, _grace))
        timer.daemon = True
        timer.start()


def _tell(asked: Interrupted, grace: float) -> None:
    from trainrun.ui import console

    console.note(
        f"{signal.Signals(asked.signum).name}: finishing the step and saving, {grace:g} s at most; Ctrl-C ends at once"
    )


def _too_late(asked: Interrupted, grace: float) -> None:
    if _asked is not asked:
        return  # the run has ended; another one may have begun, and may have been asked to stop, too
    from trainrun.ui import console

    console.error(
        f"{signal.Signals(asked.signum).name}: the step did not end within {grace:g} s; ended in its middle"
    )
    os._exit(asked.exit_code)
