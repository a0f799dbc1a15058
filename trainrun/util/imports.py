"""Import heavy libraries with the garbage collector paused, which saves about 25 % of the import's time.

For processes of our own only: the command line, and the children that it starts. In a notebook, `gc.freeze` would keep the
user's own objects for ever.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collector_paused(library: str, wanted: bool = True) -> Iterator[None]:
    """Import a library inside the `with`; the garbage collector rests meanwhile, and leaves out later what is there then.

    A library's modules, functions and classes stay as long as the process, and the collector would traverse all of them
    again and again while they become more: 0.8 of 3.1 seconds for TensorFlow. In a process that is forked, traversing
    them would copy their pages, too.

    Args:
        library: its module; nothing is done where it has been imported already.
        wanted: False: nothing is done, as in a process of the user's.
    """
    if not wanted or library in sys.modules or not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
