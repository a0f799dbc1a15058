"""Reports of a trial to its sweep, one per epoch; the answer may be a reason to stop."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import keras

from trainrun.run import prune_request
from trainrun.util.declarations import declare
from trainrun.util.interrupt import Pruned, StopRequest

# Called with the number of epochs done, their metrics, and whether this was the last one; returns why to stop, or None.
Listener = Callable[[int, Mapping[str, float], bool], str | None]


@declare(reads_weights=False)
class Report(keras.callbacks.Callback):
    """Report each epoch to a listener.

    The callback runs after the journal's, so that the epoch is recorded, and before the checkpoint's, which saves the state of
    a pruned trial. The last epoch of a training is reported, but a trial is not pruned at it.

    Args:
        listener: of the sweep.
        stop: the request to stop the run, set if the listener returns a reason, or the user requests it (`prune_request`).
        run_dir: the run's directory.
    """

    transient = True  # not part of a run's state

    def __init__(self, listener: Listener, stop: StopRequest, run_dir: Path):
        super().__init__()
        self._listener, self._stop, self._run_dir = listener, stop, run_dir
        prune_request.take(run_dir)  # it was made of an earlier attempt

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        last = self.model.stop_training or epoch + 1 == self.params.get("epochs")
        metrics = {k: float(v) for k, v in (logs or {}).items()}
        reason = self._listener(epoch + 1, metrics, last)
        if prune_request.take(self._run_dir):
            reason = reason or prune_request.REASON
        if reason is not None and not last:
            self._stop.ask(Pruned(reason))
