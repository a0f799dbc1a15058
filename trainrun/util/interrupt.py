"""Orderly stop of a run by SIGTERM, SIGINT and SIGHUP: the state is saved and the status recorded."""

from __future__ import annotations

import _thread
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

GRACE = 30.0  # seconds for the step in progress and the checkpoint


def stopping_signals() -> tuple[signal.Signals, ...]:
    """Return the signals that stop a run: SIGHUP, of a terminal that goes away, unless it is ignored, as by `nohup`."""
    hung_up = () if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else (signal.SIGHUP,)
    return (signal.SIGINT, signal.SIGTERM, *hung_up)


class Interrupted(KeyboardInterrupt):
    """A signal asked the run to stop; for other code an ordinary Ctrl-C.

    Args:
        signum: its number; the exit code is 128 + it.

    Attributes:
        saved: the directory of the run, once its state is saved.
        status: the run's final status.
    """

    status = "KILLED"

    def __init__(self, signum: int):
        self.signum, self.exit_code = signum, 128 + signum
        self.saved: Path | None = None
        super().__init__(f"stopped by {signal.Signals(signum).name}")


class Pruned(Interrupted):
    """The sweep has pruned the trial; its state is saved, so that it can be continued.

    Args:
        reason: why.
    """

    status = "PRUNED"

    def __init__(self, reason: str):
        BaseException.__init__(self, reason)
        self.signum, self.exit_code, self.saved = None, 0, None


class StopRequest:
    """The request to stop one run, by a signal or by its sweep.

    Attributes:
        pending: the request to stop, or None. Poll only between steps, when the training state is consistent.

    Args:
        note, error: print a line to the user.
    """

    def __init__(
        self,
        note: Callable[[str], None] = lambda text: None,
        error: Callable[[str], None] = lambda text: None,
    ):
        self.pending: Interrupted | None = None
        self._note, self._error = note, error
        self._between_steps = False
        self._grace = GRACE

    def ask(self, stop: Interrupted) -> None:
        """Request a stop at the run's next poll, as a signal does; later requests are ignored."""
        self.pending = self.pending or stop

    @contextmanager
    def on_signals(self, further: Sequence[str] = (), grace: float = GRACE) -> Iterator[None]:
        """Raise `Interrupted` inside the `with` on the first SIGINT or SIGTERM; a second SIGINT ends at once.

        What ends is the process; at a prompt of Python, as in a notebook, it is only what is running.

        Only the main thread may set handlers; in another thread nothing is done.

        Args:
            further: names of other signals to treat alike, such as ``SIGUSR1``, which Slurm sends before a job's
                time limit.
            grace: seconds that `between_steps` may take; then it ends whatever it is doing.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def stop(signum: int, frame: FrameType | None) -> None:
            signal.signal(signal.SIGINT, signal.default_int_handler if _at_prompt() else signal.SIG_DFL)
            if self.pending is not None and not self._between_steps:
                return  # it has been raised already
            self.ask(Interrupted(signum))
            if not self._between_steps:
                raise self.pending
            self._watch(self.pending)

        self.pending, self._grace = None, grace
        numbers = dict.fromkeys((*stopping_signals(), *(getattr(signal, n) for n in further)))
        before = {s: signal.signal(s, stop) for s in numbers}
        try:
            yield
        finally:
            self.pending = None
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextmanager
    def between_steps(self) -> Iterator[None]:
        """Inside the `with`, a signal sets `pending` and raises nothing; poll it after each step."""
        self._between_steps = True
        try:
            yield
        finally:
            self._between_steps = False
        if self.pending is not None:  # it came after the last poll
            raise self.pending

    def _watch(self, stop: Interrupted) -> None:
        """End the process, from a thread, if it has not stopped in time: a step that hangs polls nothing."""
        # Printed by a thread, too: the handler may have interrupted a print that holds the console's lock.
        for seconds, function in ((0.0, self._announce), (self._grace, self._too_late)):
            timer = threading.Timer(seconds, function, (stop, self._grace))
            timer.daemon = True
            timer.start()

    def _announce(self, stop: Interrupted, grace: float) -> None:
        self._note(
            f"{signal.Signals(stop.signum).name}: finishing the step and saving, {grace:g} s at most; "
            "Ctrl-C ends at once"
        )

    def _too_late(self, stop: Interrupted, grace: float) -> None:
        if self.pending is not stop:
            return  # the run has ended
        self._error(
            f"{signal.Signals(stop.signum).name}: the step did not end within {grace:g} s; ended in its middle"
        )
        if _at_prompt():
            _thread.interrupt_main()
        else:
            os._exit(stop.exit_code)


def _at_prompt() -> bool:
    return hasattr(sys, "ps1")
