"""Import heavy libraries with the garbage collector paused, which saves about 25 % of the import's time.

For trainrun's own processes only: the command line, and the children that it starts. In a notebook, `gc.freeze` would keep the
user's own objects for ever.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collector_paused(library: str, pause: bool = True) -> Iterator[None]:
    """Pause the garbage collector while a library is imported inside the `with`; afterwards it ignores all existing objects.

    A library's modules, functions and classes live as long as the process, and the collector would traverse all of them
    again and again as their number grows. In a process that is forked, traversing
    them would copy their pages, too.

    Args:
        library: its module; nothing is done if it has been imported already.
        pause: False: nothing is done, as in a process of the user's.
    """
    if not pause or library in sys.modules or not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
