"""What can go wrong between us and a tracker, by what is to be done about it."""

from __future__ import annotations

from trainrun.util import redaction

PASSING = "passing"  # no answer, an error of the server's, a locked database: the same again, later
REFUSED = "refused"  # the server refuses us: the same again, but nothing waits for it
INVALID = "invalid"  # this record will never be taken: the others are sent without it
RACE = "race"  # two have made the same thing at once, and one of them was refused: the same again, at once
GONE = "gone"  # the server knows nothing of the run: it has lost it
DELETED = "deleted"  # a user has deleted the run there

LENGTH = 200  # characters of a reason


class Unsendable(Exception):
    """A record that this machine cannot send: its file is not readable, or a library is missing."""


class Deleted(Exception):
    """A user has deleted the run on the server; it is not made again without being asked for."""


class Gone(Exception):
    """What was sent before is no longer there: everything is sent again."""


def kind(error: BaseException) -> str:
    """Return which of the faults above an exception is; one that is not known is passing, and tried again."""
    for known, name in ((Deleted, DELETED), (Unsendable, INVALID), (Gone, GONE)):
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
