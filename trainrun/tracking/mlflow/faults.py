"""Classify MLflow's exceptions by the reaction to them, and shorten their messages to one line."""

from __future__ import annotations

import re

from trainrun.tracking.delivery import errors
from trainrun.util import redaction

_REFUSED = {"PERMISSION_DENIED", "CUSTOMER_UNAUTHORIZED", "UNAUTHENTICATED"}  # 401, 403
_INVALID = {
    "INVALID_PARAMETER_VALUE",
    "BAD_REQUEST",
    "RESOURCE_ALREADY_EXISTS",
    "ALREADY_EXISTS",
    "NOT_IMPLEMENTED",
}
# Patterns that find the cause in the messages of MLflow and the libraries below it, the most specific first.
_PLAIN = (
    (re.compile(r"too many (\d+) error responses|failed with error code (\d+)"), "it answers {}"),
    (re.compile(r"(timed out)"), "no answer in time"),
    (re.compile(r"\[Errno -?\d+\] ([^'\"()<>]+)"), "{}"),
    (re.compile(r"(RemoteDisconnected|Connection aborted|IncompleteRead)"), "connection broken off"),
)


def kind(error: BaseException) -> str:
    """Return the kind of an exception, one of the constants in `delivery.errors`."""
    code, text = getattr(error, "error_code", None), str(error)
    if isinstance(error, errors.Deleted | errors.Refused | errors.Unsendable):
        return errors.kind(error)
    if code == "RESOURCE_DOES_NOT_EXIST":
        return errors.GONE
    if "must be in the 'active' state" in text:
        return errors.DELETED
    if code in _REFUSED:
        return errors.REFUSED
    if "IntegrityError" in text or "UniqueViolation" in text:
        return errors.RACE
    return errors.INVALID if code in _INVALID else errors.kind(error)


def reason(error: BaseException) -> str:
    """Return an exception in one short line without secrets."""
    if isinstance(error, errors.Refused | errors.Deleted):
        return redaction.text(str(error))
    for pattern, form in _PLAIN if type(error).__name__ == "MlflowException" else ():
        if match := pattern.search(str(error)):
            return form.format(next(filter(None, match.groups())).strip())
    return errors.reason(error)
