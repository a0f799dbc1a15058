"""Create MLflow's SQLite file under a temporary name and rename it when it is complete, so that an interruption leaves none."""

from __future__ import annotations

import contextlib
import importlib
import os
import sqlite3
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from trainrun.config.store_address import SQLITE_PREFIX
from trainrun.tracking.delivery import errors
from trainrun.ui import console
from trainrun.util import file_lock
from trainrun.util.file_lock import FileLock

FILE = "file://"
ARTIFACTS = "mlartifacts"  # the folder of the files, beside the database
LOCK_TIMEOUT_S = 60.0  # wait for another process that creates the file, which takes 3 s
BUSY_TIMEOUT_S = 5.0  # wait for another process that writes to it
SETTLED_S = 20.0  # an incomplete file modified more recently may be one that MLflow itself is creating


def file_of(uri: str) -> Path | None:
    """Return the file of a SQLite store, or None for any other."""
    path = uri.removeprefix(SQLITE_PREFIX)
    return None if path == uri or path == ":memory:" else Path(path)


def connect(uri: str) -> Any:
    """Return MLflow's client of a tracking store; a missing SQLite file is created first.

    MLflow itself creates the file by about 50 migrations in place; if they are interrupted it cannot continue with the file.
    A file that MLflow itself left incomplete is set aside if it holds no run.

    Raises:
        errors.Refused: the file is a folder, no database, not writable, or damaged with runs in it.
        TimeoutError: another process does not finish creating it.
    """
    from mlflow import MlflowClient

    file = file_of(uri)
    if file is None:
        return MlflowClient(tracking_uri=uri)
    if _exists(file):
        age = time.time() - file.stat().st_mtime
        tables, runs = _contents(file)
        if not runs and not _expected_tables() <= tables:
            _set_aside(file, age)
    else:
        runs = 0
    if not _exists(file):
        _make(file)
    _move_files(file)
    try:
        return MlflowClient(tracking_uri=uri)
    except Exception as error:
        if not runs:
            raise
        raise errors.Refused(
            f"MLflow cannot open {file} ({errors.reason(error)}). If `mlflow db upgrade` does not help, move it away: "
            "trainrun sync --all records all runs anew"
        ) from error


def _exists(file: Path) -> bool:
    try:
        return file.stat().st_size > 0
    except FileNotFoundError:
        return False


def _make(file: Path) -> None:
    """Create the file, one process at a time; it gets its name only when it is complete and written to disk."""
    from mlflow.store.tracking import DEFAULT_LOCAL_FILE_AND_ARTIFACT_PATH
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    file.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(file.with_name(f".{file.name}.lock"))
    if not lock.acquire(LOCK_TIMEOUT_S):
        raise TimeoutError(
            f"{file_lock.in_words(lock.holder)} has been creating {file} for {LOCK_TIMEOUT_S:g} s"
        )
    new = file.with_name(f".{file.name}.new")
    try:
        if _exists(file):  # made by another process meanwhile
            return
        _remove(new)  # of a process that was killed
        SqlAlchemyStore(f"{SQLITE_PREFIX}{new}", DEFAULT_LOCAL_FILE_AND_ARTIFACT_PATH).engine.dispose()
        _sync(new)
        _place(new, file)
        _sync(file.parent)
    finally:
        _remove(new)
        lock.path.unlink(missing_ok=True)
        lock.release()


def _place(new: Path, file: Path) -> None:
    """Rename the new file to its name, unless MLflow itself has created one meanwhile."""
    try:
        os.link(new, file)
    except FileExistsError:
        if not _exists(file):  # an empty file counts as missing
            os.replace(new, file)
    except OSError:  # a file system without hard links
        os.replace(new, file)


def _remove(new: Path) -> None:
    for path in (new, *(new.with_name(new.name + ending) for ending in ("-journal", "-wal", "-shm"))):
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _expected_tables() -> set[str]:
    """Return the tables of a complete database of the installed MLflow."""
    from mlflow.store.db.base_sql_model import Base

    importlib.import_module("mlflow.store.tracking.sqlalchemy_store")  # declares them
    return {*Base.metadata.tables}


def _contents(file: Path) -> tuple[set[str], int]:
    """Return the file's tables and number of runs, without MLflow, which retries for minutes if the file is no database."""
    address = f"file:{quote(str(file))}?mode=rw"
    try:
        with contextlib.closing(sqlite3.connect(address, uri=True, timeout=BUSY_TIMEOUT_S)) as database:
            tables = {
                name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            }
            return tables, database.execute("SELECT count(*) FROM runs").fetchone()[
                0
            ] if "runs" in tables else 0
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            raise
        raise errors.Refused(f"{file} cannot be opened ({error})") from error
    except sqlite3.DatabaseError as error:
        raise errors.Refused(
            f"{file} is no SQLite database ({error}); move it away, or name another"
        ) from error


def _move_files(file: Path) -> None:
    """Update the artifact locations of a database that was copied or moved: its artifact folder lies beside it.

    Runs whose artifacts were copied along, or which have none in the former location, get their new one.
    """
    here = file.parent.resolve() / ARTIFACTS
    with contextlib.closing(sqlite3.connect(file, timeout=BUSY_TIMEOUT_S)) as database:
        try:
            experiments = database.execute(
                "SELECT experiment_id, artifact_location FROM experiments"
            ).fetchall()
        except sqlite3.DatabaseError:  # incomplete
            return
        for number, location in experiments:
            folder = Path(unquote(str(location).removeprefix(FILE)))
            if (
                not str(location).startswith(FILE)
                or folder.parent.name != ARTIFACTS
                or _same(folder.parent, here)
            ):
                continue
            new = (here / folder.name).as_uri()
            with database:
                database.execute(
                    "UPDATE experiments SET artifact_location = ? WHERE experiment_id = ?", (new, number)
                )
                for table, column in (("runs", "artifact_uri"), ("logged_models", "artifact_location")):
                    rows = database.execute(
                        f"SELECT rowid, {column} FROM {table} WHERE experiment_id = ?", (number,)
                    )
                    for row, address in rows.fetchall():
                        rest = str(address).removeprefix(f"{location}/")
                        if rest != address and (
                            (here / folder.name / unquote(rest)).exists()
                            or not (folder / unquote(rest)).exists()
                        ):
                            database.execute(
                                f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (f"{new}/{rest}", row)
                            )


def _same(one: Path, other: Path) -> bool:
    try:
        return one == other or os.path.samefile(one, other)
    except OSError:
        return False


def _set_aside(file: Path, age: float) -> None:
    """Rename an incomplete file that holds no run.

    Args:
        file: the database.
        age: seconds since it was last modified.

    Raises:
        BlockingIOError: it was modified so recently that MLflow itself may be creating it.
    """
    if age < SETTLED_S:
        raise BlockingIOError(
            f"{file} is incomplete: another process is creating it, or was killed while it did"
        )
    aside = file.with_name(f"{file.name}.broken-{time.time_ns()}")
    os.replace(file, aside)
    console.log(f"{file} is incomplete and holds no run: it is set aside as {aside.name}")
