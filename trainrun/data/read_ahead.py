"""Images of a dataset that are decoded while it trains: by a thread that reads ahead, so that damaged files are known soon."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator, Sequence

from trainrun.data.dataset import Dataset, Split
from trainrun.data.lazy_array import RowsOnDemand, View
from trainrun.errors import UserError

# Images that are decoded at once, by one thread: the training, which decodes what it needs itself, has the other processors.
AT_ONCE = 64
# Seconds after which the thread begins also if the training has read nothing yet.
LATEST_S = 5.0
# Seconds of training before the test set is read. A shorter one is over by then, and its evaluation reads with all processors.
TEST_AFTER_S = 15.0
POLL_INTERVAL_S = 0.02


@contextlib.contextmanager
def reading(data: Dataset) -> Iterator[None]:
    """Decode images while the body of the `with` runs, those that the first epoch does not need last.

    A damaged file is raised where the training reads next. Without this, one of the test set would end a long run after its last
    epoch.
    """
    trained, tested = _on_demand(data)
    views = [*trained, *tested]
    if all(view.complete for view in views):
        yield
        return
    stop = threading.Event()
    begin = _asked(views) + 1
    thread = threading.Thread(target=_read, args=(trained, tested, stop, begin), name="decoding")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def fault(data: Dataset) -> UserError | None:
    """Return what is wrong with files that examples were to be read from; None: nothing is known."""
    return next((v.rows.fault for part in _on_demand(data) for v in part if v.rows.fault is not None), None)


def _on_demand(data: Dataset) -> tuple[list[View], list[View]]:
    """Return the views whose rows are made on demand: validation and training, which reads its own, too; and the test set."""

    def of(*splits: Split | None) -> list[View]:
        arrays = [a for split in splits if split is not None for a in split.arrays()]
        return [a for a in arrays if isinstance(a, View) and isinstance(a.rows, RowsOnDemand)]

    return of(data.validation, *data.validation_sets.values(), data.train), of(data.test)


def _asked(views: Sequence[View]) -> int:
    return max(view.rows.asked for view in views)


def _read(trained: Sequence[View], tested: Sequence[View], stop: threading.Event, begin: int) -> None:
    """Decode the images of views, once the training has read its first ones: while it traces its first step, the processors have time."""
    started = time.monotonic()
    while _asked(trained) < begin and time.monotonic() < started + LATEST_S:
        if stop.wait(POLL_INTERVAL_S):
            return
    _decode(trained, stop)
    if not stop.wait(max(0.0, started + TEST_AFTER_S - time.monotonic())):
        _decode(tested, stop)


def _decode(views: Sequence[View], stop: threading.Event) -> None:
    with contextlib.suppress(UserError):  # which the rows keep
        for view in views:
            for at in range(0, len(view), AT_ONCE):
                if stop.is_set():
                    return
                view.rows.prepare(view.index[at : at + AT_ONCE], threads=1)
