"""Tell a moved run from a copied one by the directory that it was created in; a copy becomes a separate run."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from trainrun.config.store_address import SQLITE_PREFIX
from trainrun.errors import UserError
from trainrun.tracking import journal, status, trackers
from trainrun.tracking.delivery import state
from trainrun.tracking.delivery.state import Target
from trainrun.util import paths
from trainrun.util.file_lock import FileLock

EVENT = "copied"  # journal event that turns a copy into a separate run


def at_home(run_dir: Path, start: Mapping[str, Any]) -> bool:
    """Return whether a run is in the directory of its start record; True if that names none.

    Args:
        run_dir: its directory, as it is named now.
        start: a start record of its journal, or the record of its copy.
    """
    home = start.get("run_dir")
    return not isinstance(home, str) or _same(Path(home), run_dir)


def original(run_dir: Path) -> str | None:
    """Return the directory of the run that this one is a copy of; None: it is no copy, or has become a run of its own.

    A run that lies elsewhere than where it was born is a copy if the one at its birthplace begins with the same record. Otherwise
    it was moved, and stays what it is.

    Args:
        run_dir: its directory.
    """
    path = run_dir / status.JOURNAL
    if at_home(run_dir, journal.first(path)):
        return None
    records = journal.read(path).records
    born = next((r for r in reversed(records) if r["kind"] == "start" or _is_copy(r)), {})
    if at_home(run_dir, born):
        return None
    theirs, ours = (_first_line(folder / status.JOURNAL) for folder in (Path(born["run_dir"]), run_dir))
    return born["run_dir"] if theirs and theirs == ours else None


def adopt(run_dir: Path) -> str | None:
    """Make a run of its own out of a copy: its journal says so, and nothing that trackers know of the original counts for it.

    The caller has the run's lock.

    Args:
        run_dir: its directory.

    Returns:
        See `original`.
    """
    copied_from = original(run_dir)
    if copied_from is None:
        return None
    book = journal.Journal(run_dir / status.JOURNAL)
    try:
        home = str(run_dir.absolute())
        book.write(
            "event",
            event=EVENT,
            copied_from=copied_from,
            run_id=run_dir.absolute().name,
            run_dir=home,
            copy=secrets.token_hex(8),
        )
    finally:
        book.close()
    (run_dir / state.FILE).unlink(missing_ok=True)
    return copied_from


def adopt_idle(run_dir: Path) -> str | None:
    """Do as `adopt` with the run's lock, unless another process has that: it is delivering the run, and adopts it first."""
    lock = FileLock(run_dir / state.LOCK)
    if original(run_dir) is None or not lock.acquire():
        return None
    try:
        return adopt(run_dir)
    finally:
        lock.release()


def _is_copy(record: Mapping[str, Any]) -> bool:
    return record["kind"] == "event" and record.get("event") == EVENT


def copied(records: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """Return the newest record of event `EVENT`, or None if the run is no copy."""
    return next((r for r in reversed(records) if _is_copy(r)), None)


def start_of_copy(start: Mapping[str, Any], copy: Mapping[str, Any]) -> dict[str, Any]:
    """Return a run's first record with the identity of the copy, so that trackers treat it as another run.

    Args:
        start: the first record.
        copy: see `copied`.
    """
    tags = {**(start.get("tags") or {}), "trainrun.copied_from": copy.get("copied_from")}
    return {**start, **{k: copy.get(k) for k in ("run_id", "run_dir", "copy")}, "tags": tags}


def refuse_links(run_dir: Path) -> None:
    """Refuse a directory with links that lead out of it, or with pipes: it may come from a stranger, and writing would follow them, or wait.

    Raises:
        UserError: there is such a link or pipe.
    """
    if (pipe := paths.pipe_in(run_dir)) is not None:
        raise UserError(f"{pipe} is a pipe or a device, which a run would wait for. Remove it.")
    if (link := paths.link_out_of(run_dir)) is not None:
        raise UserError(
            f"{link[0]} is a link to {link[1]}, which would be written to. What a run writes is in its own directory: put a copy "
            "in the link's place, or remove it."
        )


def workplace(run_dir: Path, start: Mapping[str, Any]) -> Path | None:
    """Return the folder that a run's relative paths refer to: its working directory, also after that was moved or copied.

    Args:
        run_dir: its directory, as it is named now.
        start: a start record of its journal.

    Returns:
        The folder, or None if unknown: the caller uses the current working directory. Never the folder of another project.
    """
    if not isinstance(start.get("cwd"), str):
        return None
    cwd, here = Path(start["cwd"]), run_dir.absolute()
    if at_home(run_dir, start):
        inside = isinstance(start.get("run_dir"), str) or here.is_relative_to(cwd)
        return cwd if inside and cwd.is_dir() else None
    home = Path(start["run_dir"])
    if not home.is_relative_to(cwd):
        return None
    inner = home.relative_to(cwd).parts  # outputs/runs/NAME
    return here.parents[len(inner) - 1] if inner and here.parts[-len(inner) : -1] == inner[:-1] else None


def relocated(address: Any, run_dir: Path, start: Mapping[str, Any]) -> Any:
    """Return a tracker's recorded address; for a moved or copied project, a SQLite file inside it moves along.

    Args:
        address: as recorded.
        run_dir: the run's directory, as it is named now.
        start: the start record that names the address.
    """
    if not isinstance(address, str) or not address.startswith(SQLITE_PREFIX) or at_home(run_dir, start):
        return address
    file, cwd = Path(address.removeprefix(SQLITE_PREFIX)), Path(str(start.get("cwd", "")))
    if not cwd.is_absolute() or not file.is_relative_to(cwd):
        return address
    return f"{SQLITE_PREFIX}{(workplace(run_dir, start) or Path.cwd()) / file.relative_to(cwd)}"


def _same(one: Path, other: Path) -> bool:
    if one == other.absolute():
        return True
    try:
        return os.path.samefile(one, other)
    except OSError:
        return False


def _first_line(path: Path) -> bytes:
    try:
        with open(path, "rb", opener=paths.regular) as file:
            return file.readline(journal.FIRST_LINE_LENGTH)
    except OSError:
        return b""


def target_of(run_dir: Path, entry: Mapping[str, Any]) -> Target:
    """Return the target of an entry of a run's `tracking.json`.

    Raises:
        UserError: its address holds a password, which no file has.
    """
    uri = relocated(entry["tracking_uri"], run_dir, journal.first(run_dir / status.JOURNAL))
    name = entry.get("tracker") or trackers.default()
    return trackers.target({"name": name, "uri": uri, "experiment": entry["experiment"]})
