"""A trial's word to its sweep after each epoch, and the sweep's word back: go on, or stop."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from trainrun.util import interrupt

if TYPE_CHECKING:
    import keras

# Told the number of epochs done, their metrics, and whether this was the last one; returns why to stop, or None.
Listener = Callable[[int, Mapping[str, float], bool], str | None]
_listener: Listener | None = None
_remarks: list[str] = []


def listen(listener: Listener | None) -> None:
    """Have every run of this process report to somebody; None: to nobody."""
    global _listener
    _listener = listener


def somebody_listens() -> bool:
    """Tell whether this process runs trials of a sweep."""
    return _listener is not None


def remark(remarks: Sequence[str]) -> None:
    """Have the next run of this process say something in its log and record: what its sweep knows of it."""
    _remarks[:] = remarks


def remarks() -> list[str]:
    """Return what the run is to say, once."""
    said = list(_remarks)
    _remarks.clear()
    return said


def callbacks() -> list[keras.callbacks.Callback]:
    """Return the callback that reports, if anybody listens.

    It stands behind the journal, where the epoch is written down already, and before the checkpoint, which saves the
    state of a trial that is pruned. An epoch after which training ends anyway is reported, and never pruned at.
    """
    if _listener is None:
        return []
    import keras

    listener = _listener

    class Report(keras.callbacks.Callback):
        transient = True  # no part of a run's state

        def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
            last = self.model.stop_training or epoch + 1 == self.params.get("epochs")
            metrics = {k: float(v) for k, v in (logs or {}).items()}
            reason = listener(epoch + 1, metrics, last)
            if reason is not None and not last:
                interrupt.ask(interrupt.Pruned(reason))

    return [Report()]
