"""Files that are read from copies of theirs: a sweep goes on with what it began with, whatever is edited meanwhile.

A copy stands for the original under the original's name: an option folder, a plug-in's source. A module that is imported
from a copy has the original's ``__file__``, so that it finds its data and its neighbours where it always has.
"""

from __future__ import annotations

import importlib.machinery
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

_copies: dict[str, str] = {}


def of(path: Path) -> Path:
    """Return the copy that is read in place of a file or folder; itself where there is none."""
    return Path(_copies.get(str(path), path)) if _copies else path


def there(path: Path) -> bool:
    """Tell whether a file or folder has a copy."""
    return str(path) in _copies


def use(copies: Mapping[str, str]) -> None:
    """Read copies from now on.

    Args:
        copies: absolute path of the original -> of its copy; what is not there any more is left out.
    """
    _copies.update({k: v for k, v in copies.items() if Path(v).exists()})
    if _copies and not any(isinstance(f, _Finder) for f in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


@contextmanager
def used(copies: Mapping[str, str]) -> Iterator[None]:
    """Read copies inside the `with`."""
    before = dict(_copies)
    use(copies)
    try:
        yield
    finally:
        _copies.clear()
        _copies.update(before)


def loader(name: str, path: Path) -> importlib.machinery.SourceFileLoader:
    """Return what loads a source file: from its copy, if it has one."""
    return _Loader(name, str(path)) if there(path) else importlib.machinery.SourceFileLoader(name, str(path))


class _Loader(importlib.machinery.SourceFileLoader):
    """Reads a module's source from the copy; for everybody else it is the original's."""

    def get_data(self, path: str) -> bytes:
        return super().get_data(_copies.get(path, path))

    def path_stats(self, path: str) -> Mapping[str, Any]:
        # Without it importlib neither takes the compiled file beside the original, which may be newer than the copy, nor
        # writes one there.
        raise OSError(f"{path} is read from a copy")


class _Finder:
    """Has modules loaded from copies that anybody imports: a plug-in's neighbours, the modules of its package."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Return the spec of a module whose source has a copy; None: whoever comes next finds it."""
        if not _copies:
            return None
        for finder in sys.meta_path:
            find = getattr(finder, "find_spec", None)
            if finder is self or find is None:
                continue
            if (spec := find(name, path, target)) is not None:
                if spec.origin in _copies and isinstance(spec.loader, importlib.machinery.SourceFileLoader):
                    spec.loader = _Loader(name, spec.origin)
                    return spec
                return None
        return None
