"""Errors that a user can fix: each has an exit code and is printed as a message, never as a traceback."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from trainrun.util import redaction

# What would steer a terminal, or turn and hide the letters around it: control characters, marks of writing
# direction, spaces of no width, halves of a character. Line ends and tabs are left.
UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)
# Characters of the longest word that is printed whole: the way out must stay in sight.
LONGEST = 400
# Names that a message lists.
LISTED = 20
# An address that was taken for a path has lost one of its slashes.
_PATH_LIKE = re.compile(r"(?<=[a-z]:/)[^\s/?#:]*:[^\s/?#]*@")
_LONG = re.compile(rf"\S{{{LONGEST + 1},}}")


def printable(text: str) -> str:
    """Return a text as it may be printed: secrets hidden, unseen characters as escapes, which JSON reads back.

    Example:
        >>> printable("name\x1b[2J token=abc")
        'name\\\\x1b[2J token=***'
    """
    text = _PATH_LIKE.sub(f"{redaction.HIDDEN}@", redaction.text(text))
    return UNSEEN.sub(lambda m: f"\\x{ord(m[0]):02x}" if m[0] < " " else f"\\u{ord(m[0]):04x}", text)


def readable(text: str) -> str:
    """Return a text as `printable` does, very long words cut."""
    return _LONG.sub(lambda m: f"{m[0][:60]}…({len(m[0]):,} characters)", printable(text))


def did_you_mean(word: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """Return `` Did you mean X?`` for the nearest known word, or an empty string.

    Args:
        word: what was typed.
        known: the words that would have been right.
        cutoff: similarity in [0, 1] below which no guess is made.
    """
    near = nearest(word, known, cutoff)
    return f" Did you mean {near}?" if near else ""


def nearest(word: str, known: Iterable[str], cutoff: float) -> str | None:
    """Return the known word that is nearest to another one, or None; arguments as in `did_you_mean`."""
    if len(str(word)) > LONGEST:
        return None
    lowered = {str(k).lower(): str(k) for k in known}
    near = difflib.get_close_matches(str(word).lower(), lowered, n=1, cutoff=cutoff)
    return lowered[near[0]] if near else None


def listed(names: Sequence[str], most: int = LISTED, count: int | None = None) -> str:
    """Return the first names, and the number of the others.

    Args:
        names: the names.
        most: how many are named.
        count: how many there are, if `names` are the first of them only.
    """
    others = (len(names) if count is None else count) - most
    return ", ".join(names[:most]) + (f" and {others} more" if others > 0 else "")


def first_line(error: BaseException) -> str:
    """Return the first line of an exception's message; the name of its type where it has none."""
    return str(error).splitlines()[0] if str(error) else type(error).__name__


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with the user's input.

    Args:
        key: in the config, as typed on the command line (``optimizer.learning_rate``).
        message: what was expected, what came, why, and the way out; whole sentences.
    """

    key: str
    message: str

    def __str__(self) -> str:
        return f"{self.key}: {self.message}" if self.key else self.message


class UserError(Exception):
    """The user's input is wrong: exit code 2, a message, no traceback.

    Args:
        problems: a message, one `Problem`, or all the problems found at once.
    """

    exit_code = 2

    def __init__(self, problems: str | Problem | Sequence[Problem]):
        if isinstance(problems, str):
            problems = [Problem("", problems)]
        elif isinstance(problems, Problem):
            problems = [problems]
        shown = (Problem(readable(p.key), readable(p.message)) for p in problems)
        self.problems: list[Problem] = list(dict.fromkeys(shown))
        super().__init__("\n".join(map(str, self.problems)))

    def _render_traceback_(self) -> list[str]:
        """Return what a notebook shows: IPython asks for it."""
        return [f"{type(self).__name__}: {self}"]


class TrainingError(Exception):
    """Training began and failed for a reason that the user should read without our stack: exit code 1."""

    exit_code = 1

    def __init__(self, message: str):
        super().__init__(readable(message))
