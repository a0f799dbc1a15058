"""Paths as typed: expanded, checked with a message, and written atomically."""

from __future__ import annotations

import contextlib
import errno
import glob
import hashlib
import os
import re
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from trainrun.errors import Problem, UserError, did_you_mean
from trainrun.util import decimal_digits, redaction

ADDRESS = re.compile(r"[A-Za-z][\w+.-]*://")


def expanded(path: str | Path) -> Path:
    """Return the path with `~` expanded; unchanged if there is no such user."""
    try:
        return Path(str(path)).expanduser()
    except RuntimeError:
        return Path(str(path))


def version(path: str | os.PathLike[str]) -> tuple[int, int]:
    """Return a file's size and time of the last change, by which caches of its content know that it was edited; zeros: it is not there."""
    try:
        status = os.stat(path)
    except OSError:
        return 0, 0
    return status.st_size, status.st_mtime_ns


def stems(folder: Path, ending: str) -> list[str]:
    """Return the names of a folder's files with an ending, without it and sorted; none if there is no such folder."""
    # Not by `Path.glob`, which takes five times as long.
    try:
        return sorted(name.removesuffix(ending) for name in os.listdir(folder) if name.endswith(ending))
    except OSError:
        return []


def no_link(path: str, flags: int) -> int:
    """Open a file unless it is a link: an `opener` for files of directories that may come from elsewhere.

    Raises:
        OSError: it is a link.
    """
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), 0o666)


def regular(path: str, flags: int) -> int:
    """Open a file unless it is a pipe or a device, which may never end: an `opener` for files that may have been received.

    Raises:
        OSError: it is none.
    """
    file = os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
    if stat.S_ISREG(os.fstat(file).st_mode):
        return file
    os.close(file)
    raise OSError(errno.EINVAL, "it is no regular file", str(path))


def content(path: str | Path) -> bytes:
    """Return the content of a file that may have been received; raises as `regular`."""
    with open(path, "rb", opener=regular) as file:
        return file.read()


def sha256(path: str | Path) -> str:
    """Return the hexadecimal SHA-256 of a file's content; raises as `regular`."""
    return hashlib.sha256(content(path)).hexdigest()


def link_out_of(folder: Path) -> tuple[Path, Path] | None:
    """Return a link in a folder, or in one below it, that leads out of the folder, and where it leads; None: there is none."""
    inside = folder.resolve()
    for parent, folders, files in os.walk(folder):
        for path in (Path(parent, name) for name in (*folders, *files)):
            if path.is_symlink() and not (target := path.resolve()).is_relative_to(inside):
                return path, target
    return None


def pipe_in(folder: Path) -> Path | None:
    """Return a pipe, socket or device in a folder or below it, which a writer would wait for; None: there is none."""
    for parent, folders, files in os.walk(folder):
        for path in (Path(parent, name) for name in (*folders, *files)):
            try:
                mode = path.lstat().st_mode
            except FileNotFoundError:  # a temporary file of another process
                continue
            if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISLNK(mode)):
                return path
    return None


@contextlib.contextmanager
def made(folder: Path, remains: str) -> Iterator[None]:
    """Make a folder; if what is done in it fails, the folders that were made are removed, unless there are files in them.

    Args:
        folder: to be made, with its parents.
        remains: pattern of files that are removed with them.
    """
    new = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        with contextlib.suppress(OSError):  # Another process may use it.
            for file in folder.glob(remains) if new else ():
                file.unlink()
            for path in new:
                path.rmdir()
        raise


@contextlib.contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Yield a temporary path in the folder of `path` to write to; it replaces `path` at the end, so readers see the old or the new file.

    After an exception `path` is unchanged, and the temporary file is removed.
    """
    new = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        new.unlink(missing_ok=True)  # of a killed process; or a link, in a received directory
        yield new
        os.replace(new, path)
    finally:
        with contextlib.suppress(OSError):
            new.unlink(missing_ok=True)


def remove_unfinished(path: Path) -> None:
    """Remove the hidden files or folders beside a path that killed processes have left of `whole` or `whole_folder`."""
    for new in path.parent.glob(f".{glob.escape(path.name)}.*"):
        pid = decimal_digits.number(new.name.removeprefix(f".{path.name}."))
        if pid is None:
            continue
        import psutil

        if psutil.pid_exists(pid):
            continue
        if new.is_dir() and not new.is_symlink():
            shutil.rmtree(new, ignore_errors=True)
        else:
            with contextlib.suppress(OSError):
                new.unlink()


def require_output(path: Path) -> None:
    """Refuse the path of a file that cannot be written, before its content is computed; remove what killed processes have left beside it.

    Raises:
        UserError: it is a folder, or its folder is missing or not writable.
    """
    folder = path.parent
    if path.is_dir():
        text = f"{path} is a folder. Name a file in it."
    elif not folder.is_dir():
        text = f"{path} cannot be written: there is no folder {folder}. Make it first."
    elif not os.access(folder, os.W_OK):
        text = f"{path} cannot be written: {folder} takes no new files. Name another folder."
    else:
        remove_unfinished(path)
        return
    raise UserError(Problem("output", text))


@contextlib.contextmanager
def whole_folder(path: Path, mark: str) -> Iterator[Path]:
    """Yield a temporary folder beside `path` to write to; it becomes `path` at the end.

    After an exception `path` is unchanged, and the temporary folder is removed.

    Args:
        path: of the folder.
        mark: a file that such folders have; one without it is not replaced.

    Raises:
        UserError: `path` is a file, or a folder that holds something else; or its parent cannot be written to.
    """
    if path.exists() and (not path.is_dir() or (any(path.iterdir()) and not (path / mark).is_file())):
        raise UserError(Problem("output", f"{path} exists already and has no {mark}. Name another folder."))
    new, former = (path.with_name(f".{path.name}.{word}{os.getpid()}") for word in ("", "former."))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        remove_unfinished(path)
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir()
    except OSError as error:
        raise UserError(Problem("output", f"{path} cannot be written: {error}")) from error
    try:
        yield new
        if path.exists():
            os.replace(path, former)
        os.replace(new, path)
    finally:
        for folder in (new, former):
            shutil.rmtree(folder, ignore_errors=True)


def fault(path: str | Path | None, ending: str, example: str) -> str | None:
    """Return why a path is no file that can be read, or None.

    Args:
        path: as typed.
        ending: of such files, for guesses at a misspelt name (``.csv``).
        example: an example, for a path that is missing (``data.path=my_data.csv``).
    """
    if path is None:
        return f"expected the path of a file, got null. For example {example}."
    if ADDRESS.match(str(path)):
        return f"{redaction.text(str(path))} is an address; such files ({ending}) are read from this machine only. Download it, and name the copy."
    where = expanded(path)
    try:
        status = os.stat(where)
    except (FileNotFoundError, NotADirectoryError):
        try:
            near = (
                sorted(p.name for p in where.parent.glob(f"*{ending}") if p.exists())
                if where.parent.is_dir()
                else []
            )
        except OSError:
            near = []
        hint = (
            f" In that folder: {', '.join(near[:5])}."
            if near
            else " A relative path starts at the folder that trainrun is called in."
        )
        return f"there is no file {where}.{did_you_mean(where.name, near) or hint}"
    except (OSError, ValueError) as error:  # too long a name, a loop of links, a NUL, no permission
        return f"{where} cannot be opened: {getattr(error, 'strerror', None) or error}. Name another file."
    if stat.S_ISDIR(status.st_mode):
        return f"expected a file, got the folder {where}. Name one file in it."
    if not stat.S_ISREG(status.st_mode):
        return f"expected a file, got {where}, which is a device or a pipe. Save what it gives to a file."
    if status.st_size == 0:
        return f"the file {where} is empty."
    try:
        with open(where, "rb"):
            return None
    except OSError as error:
        return f"{where} cannot be read: {error.strerror}. Change its permissions, or copy it."


def room(needed: int) -> str | None:
    """Return a message if so many bytes do not fit into this machine's memory, else None."""
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):  # not known on this system
        return None
    if needed <= total:
        return None
    return f"it takes {size_text(needed)} in memory, and this machine has {size_text(total)}"


def reserve(file: int, size: int) -> None:
    """Give an open file a size, and its room on the disk where the system can (macOS cannot): a mapped page without room kills the process.

    Raises:
        OSError: there is no room.
    """
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file, 0, size)
    else:
        os.ftruncate(file, size)


def size_text(count: int) -> str:
    """Return a number of bytes in words, `12 MB`."""
    for unit in ("bytes", "kB", "MB", "GB", "TB"):
        if count < 1000:
            return f"{count:,.0f} {unit}"
        count /= 1000
    return f"{count:,.0f} PB"
