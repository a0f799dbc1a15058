"""Images of a dataset that are decoded while it trains: by a thread that reads ahead, so that damaged files are known soon."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator, Sequence

from trainrun.data.dataset import Dataset
from trainrun.data.lazy_array import RowsOnDemand, View
from trainrun.errors import UserError

# Images that are decoded at once, by one thread: the training, which decodes what it needs itself, has the other processors.
AT_ONCE = 64
# Readings of the training until its first batch is done, at most: `fit` has two before, by which it measures.
FIRST = 4
# Seconds after which the thread begins in any case: few images are read in fewer readings.
LATEST_S = 5.0
POLL_INTERVAL_S = 0.02


@contextlib.contextmanager
def reading(data: Dataset) -> Iterator[None]:
    """Decode images while the body of the `with` runs, those that the first epoch does not need last.

    A damaged file is raised where the training reads next. Without this, one of the test set would end a run after its last epoch.
    """
    views = _on_demand(data)
    if all(view.complete for view in views):
        yield
        return
    stop = threading.Event()
    begin = _asked(views) + FIRST
    thread = threading.Thread(target=_read, args=(views, stop, begin), name="decoding")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def fault(data: Dataset) -> UserError | None:
    """Return what is wrong with files that examples were to be read from; None: nothing is known."""
    return next((view.rows.fault for view in _on_demand(data) if view.rows.fault is not None), None)


def _on_demand(data: Dataset) -> list[View]:
    """Return the views whose rows are made on demand: validation before training, which reads its own; test last."""
    splits = (data.validation, *data.validation_sets.values(), data.train, data.test)
    arrays = [a for split in splits if split is not None for a in split.arrays()]
    return [a for a in arrays if isinstance(a, View) and isinstance(a.rows, RowsOnDemand)]


def _asked(views: Sequence[View]) -> int:
    return max(view.rows.asked for view in views)


def _read(views: Sequence[View], stop: threading.Event, begin: int) -> None:
    """Decode the images of views, once the training has its first batch, which would wait for a processor otherwise."""
    deadline = time.monotonic() + LATEST_S
    while _asked(views) < begin and time.monotonic() < deadline:
        if stop.wait(POLL_INTERVAL_S):
            return
    with contextlib.suppress(UserError):  # which the rows keep
        for view in views:
            for at in range(0, len(view), AT_ONCE):
                if stop.is_set():
                    return
                view.rows.prepare(view.index[at : at + AT_ONCE], threads=1)
