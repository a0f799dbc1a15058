"""A trial reports each epoch to its sweep, which may answer that it is to stop."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import keras

from trainrun.util.declarations import declare
from trainrun.util.interrupt import Pruned, StopRequest

# Called with the number of epochs done, their metrics, and whether this was the last one; returns why to stop, or None.
Listener = Callable[[int, Mapping[str, float], bool], str | None]


@declare(reads_weights=False)
class Report(keras.callbacks.Callback):
    """Report each epoch to a listener.

    It stands behind the journal, where the epoch is written down already, and before the checkpoint, which saves the
    state of a trial that is pruned. An epoch after which training ends anyway is reported, and never pruned at.

    Args:
        listener: of the sweep.
        stop: asked if the listener returns a reason.
    """

    transient = True  # no part of a run's state

    def __init__(self, listener: Listener, stop: StopRequest):
        super().__init__()
        self._listener, self._stop = listener, stop

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        last = self.model.stop_training or epoch + 1 == self.params.get("epochs")
        metrics = {k: float(v) for k, v in (logs or {}).items()}
        reason = self._listener(epoch + 1, metrics, last)
        if reason is not None and not last:
            self._stop.ask(Pruned(reason))
