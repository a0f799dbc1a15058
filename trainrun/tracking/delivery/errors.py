"""Faults of trackers, classified by the reaction to them."""

from __future__ import annotations

from trainrun.util import redaction

PASSING = "passing"  # no answer, an error of the server, a locked database: retry later
REFUSED = "refused"  # the server refuses access: retry later, without making the user wait
INVALID = "invalid"  # the record is never accepted: send the others without it
RACE = "race"  # two clients created the same object at once: retry at once
GONE = "gone"  # the server has lost the run
DELETED = "deleted"  # a user has deleted the run there, or its experiment

LENGTH = 200  # characters of a reason


class Unsendable(Exception):
    """A record that this machine cannot send: its file is not readable, or a library is missing."""


class Refused(Exception):
    """The destination accepts nothing until a user has fixed it, as the message says."""


class Deleted(Exception):
    """A user has deleted the run, or its experiment, on the server; only an explicit request creates it again."""


class Gone(Exception):
    """The server has lost the sent records: everything is sent again."""


def kind(error: BaseException) -> str:
    """Return the fault, one of the constants above, of an exception; unknown ones are `PASSING` and retried."""
    for known, name in ((Deleted, DELETED), (Refused, REFUSED), (Unsendable, INVALID), (Gone, GONE)):
        if isinstance(error, known):
            return name
    return PASSING


def reason(error: BaseException) -> str:
    """Return an exception in one short line without secrets."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = redaction.text(lines[0] if lines else type(error).__name__)
    text = text if len(text) <= LENGTH else text[: LENGTH - 1] + "…"
    name = type(error).__name__
    return text if text.startswith(name) else f"{name}: {text}"
