"""Storage of Optuna's study: a file in the sweep's directory, or a database."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from trainrun.errors import Problem, TrainingError, UserError
from trainrun.util import grants, redaction

if TYPE_CHECKING:
    import optuna

FILE = "study.journal"
# What Optuna raises for content that it has not written: it is read by assertions, lookups and arithmetic.
DAMAGE = (
    OSError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    RecursionError,
    AssertionError,
    ArithmeticError,
)


def path(sweep_dir: Path) -> Path:
    """Return the study's file."""
    return sweep_dir / FILE


def open_storage(address: str | None, sweep_dir: Path) -> optuna.storages.BaseStorage:
    """Return Optuna's storage.

    The default is an append-only file, which was ten times as fast as SQLite (Optuna 5.0). Only the sweep's own process writes.

    Args:
        address: of a database, as SQLAlchemy has it; None: a file in the sweep's directory.
        sweep_dir: exists.

    Raises:
        UserError: the database's password is nowhere, or its address gets no credentials.
    """
    from optuna import storages
    from optuna.storages import journal

    if address is None:
        _mend(path(sweep_dir))
        return storages.JournalStorage(journal.JournalFileBackend(str(path(sweep_dir))))
    if redaction.HIDDEN in address:
        raise UserError(
            "hydra.sweeper.storage holds a password, which is nowhere written down. Begin a new sweep."
        )
    if (withheld := grants.withheld(address)) is not None:
        raise UserError(Problem("hydra.sweeper.storage", withheld))
    return storages.RDBStorage(address)


@contextmanager
def one_message(address: str | None, sweep_dir: Path, opening: bool = False) -> Iterator[None]:
    """Inside the `with`, turn what Optuna raises for a storage that is locked, gone or damaged into one message.

    Args:
        address, sweep_dir: see `open_storage`.
        opening: whether the study is being opened.

    Raises:
        UserError: while it is opened, with the way out.
        TrainingError: later; the sweep ends, and can go on.
    """
    from optuna.exceptions import OptunaError
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (OptunaError, SQLAlchemyError, *DAMAGE) as error:
        reason = (str(error.__cause__ or error).splitlines() or [""])[0] or type(error).__name__
        again = f"trainrun resume {sweep_dir}"
        if address is None:
            message = (
                f"{path(sweep_dir)} is damaged: Optuna cannot read it ({reason}). Move it away; then {again} goes on from the "
                "sweep's own record."
            )
        else:
            message = (
                f"hydra.sweeper.storage={redaction.text(address)}: Optuna cannot use this database ({reason}). Is it damaged, or "
                f"locked by another process? When it is free: {again}"
            )
        raise (UserError if opening else TrainingError)(message) from error


def _mend(file: Path) -> None:
    """Remove the leftovers of a killed process: half a line, and the lock.

    Optuna skips half a line at the end, but appends to it, which makes the file unreadable; and it waits 30 s for a lock whose
    owner is gone.
    """
    with contextlib.suppress(FileNotFoundError):
        os.unlink(f"{file}.lock")
    with contextlib.suppress(FileNotFoundError), open(file, "rb+") as opened:
        opened.truncate(opened.read().rfind(b"\n") + 1)
