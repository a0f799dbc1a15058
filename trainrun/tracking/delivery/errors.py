"""What went wrong between us and the tracking server, by what is to be done about it."""

from __future__ import annotations

import re

from trainrun.util import redaction

PASSING = "passing"  # no answer, an error of the server's, a locked database: the same again, later
REFUSED = "refused"  # 401, 403: the same again, but nobody need wait for it
INVALID = "invalid"  # this record will never be taken: the others are sent without it
RACE = "race"  # two have made the same thing at once, and one of them was refused: the same again, at once
GONE = "gone"  # the server knows nothing of the run: it has lost it
DELETED = "deleted"  # somebody has deleted the run there

_REFUSED = {"PERMISSION_DENIED", "CUSTOMER_UNAUTHORIZED", "UNAUTHENTICATED"}
_INVALID = {
    "INVALID_PARAMETER_VALUE",
    "BAD_REQUEST",
    "RESOURCE_ALREADY_EXISTS",
    "ALREADY_EXISTS",
    "NOT_IMPLEMENTED",
}


class Unsendable(Exception):
    """A record that this machine cannot send: its file is not readable, or a library is missing."""


class Deleted(Exception):
    """Somebody has deleted the run on the server; it is not made again behind their back."""


def kind(error: BaseException) -> str:
    """Return which of the faults above an exception is; what nobody knows is passing, and tried again."""
    if isinstance(error, Deleted):
        return DELETED
    if isinstance(error, Unsendable):
        return INVALID
    code, text = getattr(error, "error_code", None), str(error)
    if code == "RESOURCE_DOES_NOT_EXIST":
        return GONE
    if "must be in the 'active' state" in text:
        return DELETED
    if code in _REFUSED:
        return REFUSED
    if "IntegrityError" in text or "UniqueViolation" in text:
        return RACE
    return INVALID if code in _INVALID else PASSING


# Where MLflow and the libraries below it hide what happened, the plainest first.
_PLAIN = (
    (re.compile(r"too many (\d+) error responses|failed with error code (\d+)"), "it answers {}"),
    (re.compile(r"(timed out)"), "no answer in time"),
    (re.compile(r"\[Errno -?\d+\] ([^'\"()<>]+)"), "{}"),
    (re.compile(r"(RemoteDisconnected|Connection aborted|IncompleteRead)"), "connection broken off"),
)


def reason(error: BaseException) -> str:
    """Return an exception in one short line without secrets."""
    for pattern, told in _PLAIN if type(error).__name__ == "MlflowException" else ():
        if found := pattern.search(str(error)):
            return told.format(next(filter(None, found.groups())).strip())
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    told = redaction.text(lines[0] if lines else type(error).__name__)
    told = told if len(told) <= 200 else told[:199] + "…"
    name = type(error).__name__
    return told if told.startswith(name) else f"{name}: {told}"
