"""Option folders that are read from copies: a sweep composes its trials from copies of the options at its beginning."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

_copies: dict[str, str] = {}


def of(folder: Path) -> Path:
    """Return the copy of a folder, or the folder itself if it has none."""
    return Path(_copies.get(str(folder), folder)) if _copies else folder


def has_copy(folder: Path) -> bool:
    """Return whether a folder is read from a copy now."""
    return str(folder) in _copies


@contextmanager
def used(copies: Mapping[str, str]) -> Iterator[None]:
    """Read copies inside the `with`.

    Args:
        copies: absolute path of the original folder -> of its copy. Copies that no longer exist are left out.
    """
    before = dict(_copies)
    _copies.update({k: v for k, v in copies.items() if Path(v).exists()})
    try:
        yield
    finally:
        _copies.clear()
        _copies.update(before)
