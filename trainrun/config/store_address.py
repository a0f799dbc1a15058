"""The rules for the address of a tracker's store, before anything is opened."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from trainrun.errors import Problem
from trainrun.util import grants

# The address of a SQLite file is this and its path.
SQLITE_PREFIX = "sqlite:///"
SQLITE = re.compile(r"sqlite(\+\w*)?:(//?/?)?", re.IGNORECASE)
RESERVED = "?#%"  # mean something in an address, so that a path with them would lead elsewhere
IN_MEMORY = (":memory:", "")


def problems(key: str, settings: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield what is wrong with the address in a tracker's settings, or with that of its default.

    Args:
        key: of the settings.
        settings: of one tracker.
    """
    if "uri" not in settings:
        return
    uri = settings["uri"] or os.environ.get(f"{str(settings['name']).upper()}_TRACKING_URI")
    if not isinstance(uri, str):
        uri = f"{SQLITE_PREFIX}{Path.cwd() / 'store.db'}"  # the default lies there
    file = SQLITE.match(uri)
    if not file and not uri.endswith(".db"):
        if "://" in uri and grants.origin(uri) is None:
            yield Problem(
                f"{key}.uri",
                f"expected an address with a host, as in {key}.uri=http://localhost:5000, got {uri!r}.",
            )
        return
    path = uri[file.end() :] if file else uri
    if path.lstrip("/") in IN_MEMORY:
        yield Problem(
            f"{key}.uri",
            f"got {uri}, which keeps nothing: the runs are gone when the process ends. Name a file, as in "
            f"{key}.uri=sqlite:///runs.db, or take tracking=none.",
        )
    elif file and file[0] != SQLITE_PREFIX:
        yield Problem(
            f"{key}.uri",
            f"got {uri}; the address of a SQLite file is written {key}.uri={SQLITE_PREFIX}runs.db, or {SQLITE_PREFIX}/tmp/runs.db for one elsewhere.",
        )
    elif odd := sorted(set(RESERVED) & set(path if os.path.isabs(path) else f"{Path.cwd()}{path}")):
        yield Problem(
            f"{key}.uri",
            f"the path of the SQLite file holds {' and '.join(odd)}, which an address cannot. Name a file in another folder, as "
            f"in {key}.uri=sqlite:////tmp/runs.db, or take tracking=none.",
        )
